#!/usr/bin/env python3
# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stands in for `journalctl --output=json`, with and without `--follow`: numbered entries with cursors.

As many entries as the feed file says.
Knows `--cursor=`; an entry that the feed no longer holds (second number in the file: the oldest) is answered as
journalctl does, with the next one that is there.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

BOOT = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip().replace("-", "")
BASE = 1_795_455_684_000_000


def cursor_of(number: int) -> str:
    """The cursor of one entry, in the form of systemd."""
    return f"s={0xABC:032x};i={number:x};b={BOOT};m={number:x};t={BASE + number:x};x={number:x}"


def entry_of(number: int) -> dict[str, str]:
    """One entry."""
    return {
        "__CURSOR": cursor_of(number),
        "__REALTIME_TIMESTAMP": str(BASE + number * 1000),
        "MESSAGE": f"numbered message {number} of the test",
        "PRIORITY": "6",
        "SYSLOG_FACILITY": "3",
        "SYSLOG_IDENTIFIER": "feeder",
        "_PID": "77",
        "_COMM": "feeder",
        "_AUDIT_LOGINUID": "1000",
    }


def main() -> None:
    """Write entries; with `--follow`, until killed."""
    feed = Path(os.environ["PVE_AUDIT_FEED"])
    given = [argument.split("=", 1)[1] for argument in sys.argv if argument.startswith("--cursor=")]
    next_one = int(given[0].split(";")[1].removeprefix("i="), base=16) if given else 1
    while True:
        newest, oldest = (*map(int, feed.read_text(encoding="ascii").split()), 1)[:2]
        for number in range(max(next_one, oldest), newest + 1):
            sys.stdout.write(json.dumps(entry_of(number)) + "\n")
        next_one = max(next_one, newest + 1)
        sys.stdout.flush()
        if "--follow" not in sys.argv:
            return
        time.sleep(0.02)


if __name__ == "__main__":
    main()
