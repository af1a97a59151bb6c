# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`pve-lab-write`: numbered log records on a node, so that what arrives elsewhere can be counted.

  access   lines of access.log, written by the pveproxy stand-in
  journal  messages through syslog(3), as pvedaemon sends them, or natively with fields
  tasks    finished tasks: their text, the index (which turns at 50,000 bytes) and the active list

Each record carries `MARK-NUMBER` (six digits). Prints one line of JSON when all are written.
"""

from __future__ import annotations

import argparse
import json
import socket
import sys
import syslog
import time
from collections.abc import Callable

sys.path.insert(0, "/usr/share/pve-lab")

from tests.lab.hosts.node.ring import Ring

PROXY = "/run/pveproxy/lab.sock"
JOURNAL = "/run/systemd/journal/socket"
FAILURES = ("OK", "OK", "OK", "WARNINGS: 1", "OK", "unable to read tail (got 0 bytes)")


def paced(options: argparse.Namespace, write: Callable[[int], None]) -> None:
    """Write the records at the wanted rate."""
    start = time.monotonic()
    for done in range(options.count):
        if options.rate:
            time.sleep(max(0.0, start + done / options.rate - time.monotonic()))
        write(options.first + done)


def access(options: argparse.Namespace) -> None:
    request = {name: getattr(options, name) for name in ("count", "first", "rate", "mark")}
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.connect(PROXY)
        with client.makefile("rw", encoding="utf-8") as file:
            file.write(json.dumps(request) + "\n")
            file.flush()
            if not file.readline():
                sys.exit("pveproxy ended before all lines were written")


def journal(options: argparse.Namespace) -> None:
    if options.via == "native":
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as client:
            client.connect(JOURNAL)
            paced(options, lambda number: _send(client, native(options, number)))
        return
    syslog.openlog(options.identifier, syslog.LOG_PID, syslog.LOG_DAEMON)
    paced(options, lambda number: syslog.syslog(syslog.LOG_INFO, message(options, number)))


def _send(client: socket.socket, datagram: bytes) -> None:
    client.send(datagram)


def message(options: argparse.Namespace, number: int) -> str:
    return f"<root@pam> successful auth for user 'lab@pve' {options.mark}-{number:06d}"


def native(options: argparse.Namespace, number: int) -> bytes:
    """A datagram of the journal's native protocol."""
    fields = {"MESSAGE": message(options, number), "PRIORITY": "6", "SYSLOG_IDENTIFIER": options.identifier}
    return "".join(f"{name}={value}\n" for name, value in fields.items()).encode()


def tasks(options: argparse.Namespace) -> None:
    ring = Ring()

    def write(number: int) -> None:
        status = FAILURES[number % len(FAILURES)]
        upid = ring.upid("qmstart", str(100 + number % 50), f"{options.mark}-{number:06d}@pve", pid=number)
        ring.log(upid, [f"starting guest for {options.mark}-{number:06d}", "done"], status)
        ring.finish(upid, status)

    paced(options, write)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("access", "journal", "tasks"))
    parser.add_argument("count", type=int)
    parser.add_argument("--first", type=int, default=1, help="the first number")
    parser.add_argument("--rate", type=float, default=0, help="records a second; 0, the default, is a burst")
    parser.add_argument("--mark", default=f"lab{int(time.time())}", help="letters and digits that name this run")
    parser.add_argument("--identifier", default="pvedaemon", help="of journal messages")
    parser.add_argument("--via", choices=("syslog", "native"), default="syslog", help="how journal messages are sent")
    options = parser.parse_args()
    start = time.monotonic()
    {"access": access, "journal": journal, "tasks": tasks}[options.what](options)
    done = {"what": options.what, "mark": options.mark, "first": options.first, "count": options.count}
    print(json.dumps(done | {"seconds": round(time.monotonic() - start, 3)}))


if __name__ == "__main__":
    main()
