# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`pveproxy start`: holds access.log open as PVE's API proxy does, opens it anew on SIGHUP, writes lines on request.

A request on the socket is one line of JSON: count, first, rate (lines a second, 0 as fast as it goes) and mark. The
answer, once all are written, is the request with `seconds`.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sys
import time
from pathlib import Path

LOG = Path("/var/log/pveproxy/access.log")
SOCKET = Path("/run/pveproxy/lab.sock")
# User, method, path, status, length; every line also carries its mark and number in the query.
REQUESTS = (
    ("alice@pve", "GET", "/api2/json/cluster/resources", 200, 2315),
    ("root@pam", "POST", "/api2/extjs/nodes/{node}/qemu/{vmid}/status/start", 200, 93),
    ("svc@pve!backup", "GET", "/api2/json/nodes/{node}/tasks", 200, 8117),
    ("bob@ldap", "PUT", "/api2/extjs/nodes/{node}/qemu/{vmid}/config", 200, 13),
    ("-", "POST", "/api2/json/access/ticket", 401, 50),
    ("root@pam!ansible", "DELETE", "/api2/json/nodes/{node}/qemu/{vmid}", 200, 83),
)


class AccessLog:
    """The open log."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = self._open()

    def _open(self) -> int:
        return os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o640)

    def reopen(self) -> None:
        """Turn to the file that now has the name; one system call, so that no line falls between."""
        new = self._open()
        os.dup2(new, self._descriptor)
        os.close(new)

    def write(self, line: str) -> None:
        os.write(self._descriptor, f"{line}\n".encode())


def make_line(number: int, mark: str, node: str, now: float) -> str:
    """One genuine-looking line; the month is a number, as in PVE (pve-http-server AnyEvent.pm `log_request`)."""
    user, method, path, status, length = REQUESTS[number % len(REQUESTS)]
    url = path.format(node=node, vmid=100 + number % 50)
    stamp = time.strftime("%d/%m/%Y:%H:%M:%S %z", time.localtime(now))
    client = f"::ffff:203.0.113.{number % 200 + 1}"
    return f'{client} - {user} [{stamp}] "{method} {url}?lab={mark}-{number:06d} HTTP/1.1" {status} {length}'


def write_lines(log: AccessLog, count: int, first: int, rate: float, mark: str) -> None:
    """Write `count` numbered lines."""
    node = os.uname().nodename
    start = time.monotonic()
    for done in range(count):
        if rate:
            time.sleep(max(0.0, start + done / rate - time.monotonic()))
        log.write(make_line(first + done, mark, node, time.time()))


def serve(log: AccessLog, path: Path) -> None:
    """Answer requests, one after the other, for ever."""
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        server.bind(str(path))
        server.listen()
        while True:
            connection, _ = server.accept()
            with connection, connection.makefile("rw", encoding="utf-8") as file, contextlib.suppress(OSError):
                request = json.loads(file.readline())
                start = time.monotonic()
                write_lines(log, request["count"], request["first"], request["rate"], request["mark"])
                file.write(json.dumps(request | {"seconds": round(time.monotonic() - start, 3)}) + "\n")
                file.flush()


def main() -> None:
    if sys.argv[1:] != ["start"]:
        sys.exit("usage: pveproxy start")
    log = AccessLog(LOG)
    signal.signal(signal.SIGHUP, lambda _number, _frame: log.reopen())
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(0))
    serve(log, SOCKET)


if __name__ == "__main__":
    main()
