# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A journal in journald's own files, read by journalctl: that of this node, or of a copy of `/var/log/journal`."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from typing import IO, cast

from ansible_collections.pve.audit.plugins.module_utils._places.files import UnreadableError, numbered_lines
from ansible_collections.pve.audit.plugins.module_utils._places.reading import AFTER, BEFORE, Interval

_FIELDS = (
    "MESSAGE",
    "SYSLOG_IDENTIFIER",
    "SYSLOG_PID",
    "_AUDIT_LOGINUID",
    "_AUDIT_SESSION",
    "_COMM",
    "_EXE",
    "_HOSTNAME",
    "_PID",
    "_UID",
)
_PATH = f"{os.environ.get('PATH', '')}:/usr/bin:/bin"


def journal_lines(interval: Interval, directory: str = "") -> Iterator[tuple[int, bytes]]:
    """The entries that may matter, one line of JSON each; `directory` has the files of a journal, empty for our own.

    Raises UnreadableError when there is no journalctl, or when it fails.
    """
    program = shutil.which("journalctl", path=_PATH)
    if program is None:
        raise UnreadableError("cannot be read: there is no journalctl here")
    command = [program, "--all", "--output=json", "--no-pager", "--quiet", f"--output-fields={','.join(_FIELDS)}"]
    if directory:
        command.append(f"--directory={directory}")
    if interval.since is not None:
        command.append(f"--since=@{max(0, int(interval.since - BEFORE['journal']))}")
    if interval.until is not None:
        command.append(f"--until=@{int(interval.until + AFTER)}")
    # Below the modules there are no Ansible objects, so there is no run_command.
    with subprocess.Popen(  # pylint: disable=ansible-bad-function
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env={"LC_ALL": "C.UTF-8"}
    ) as process:
        stream = cast(IO[bytes], process.stdout)
        try:
            yield from numbered_lines(stream)
        finally:
            stream.close()
            if process.poll() is None:
                process.terminate()
    if process.returncode:
        raise UnreadableError(f"could not be read whole: journalctl ended with {process.returncode}")
