# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Messages that somebody wrote in the name of a program are no evidence against anybody else."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.pve.audit.plugins.module_utils._parse.journal import parse_journal_record
from ansible_collections.pve.audit.plugins.module_utils._parse.lines import EventIds

LOGIN = "<root@pam> successful auth for user 'bob@pve'"
TASK = "<bob@pve> starting task UPID:pve1:000005D0:0007AF88:6B047A91:qmdestroy:501:bob@pve:"
SESSION = "pam_unix(sshd:session): session opened for user bob(uid=1002) by (uid=0)"
SUDO = "bob : PWD=/ ; USER=root ; COMMAND=/usr/sbin/qm destroy 501"
LEDGER = '{"event":"deleted","path":"user.cfg","version":7,"writer":1}'
END = "Disconnected from user bob 192.0.2.7 port 5"

# program, message, uid, file -> whether it is believed
CASES = [
    ("pvedaemon", LOGIN, "0", "/usr/bin/perl", True),
    ("pvedaemon", LOGIN, "0", "/usr/bin/perl (deleted)", True),
    ("pvedaemon", LOGIN, None, None, True),
    ("pvedaemon", LOGIN, "1001", "/usr/bin/logger", False),
    ("pvedaemon", LOGIN, "1001", None, False),
    ("pvedaemon", LOGIN, "33", "/usr/bin/perl", False),
    ("pveproxy", "authentication failure: user 'bob@pve' is disabled", "33", "/usr/bin/perl", True),
    ("qm", TASK, "0", "/usr/bin/perl", True),
    ("qm", TASK, "1001", "/usr/bin/perl", False),
    ("anything", TASK, "1001", None, False),
    ("sshd", SESSION, "0", "/usr/sbin/sshd", True),
    ("sshd-session", SESSION, "0", "/usr/lib/openssh/sshd-session", True),
    ("sshd", SESSION, "1001", None, False),
    ("sshd", SESSION, "0", "/usr/bin/logger", False),
    ("sshd", END, "1001", "/usr/sbin/sshd", True),
    ("sshd", END, "1001", None, True),
    ("sshd", END, "1001", "/usr/bin/logger", False),
    ("systemd-logind", "New session 7 of user bob.", "0", "/usr/lib/systemd/systemd-logind", True),
    ("systemd-logind", "New session 7 of user bob.", "1001", None, False),
    ("pve-audit-ledger", LEDGER, "0", "/usr/bin/python3.13", True),
    ("pve-audit-ledger", LEDGER, "1001", "/usr/bin/logger", False),
    ("pve-audit-ledger", LEDGER, "1001", None, False),
    ("sudo", SUDO, "1001", "/usr/bin/sudo", True),
    ("sudo", SUDO, "1001", None, True),
    ("sudo", SUDO, "1001", "/home/bob/sudo.sh", False),
]


@pytest.mark.parametrize(("program", "message", "uid", "file", "believed"), CASES)
def test_a_message_is_believed_only_from_its_program(
    program: str, message: str, uid: str | None, file: str | None, believed: bool
) -> None:
    record: dict[str, Any] = {
        "SYSLOG_IDENTIFIER": program,
        "MESSAGE": message,
        "__REALTIME_TIMESTAMP": "1795455560000002",
    }
    record |= {} if uid is None else {"_UID": uid}
    record |= {} if file is None else {"_EXE": file}
    event = parse_journal_record(record, "pve1", EventIds())
    assert event is not None
    assert (event["event"]["kind"] == "event") is believed
    assert believed or ("user" not in event and "somebody forged it" in event["error"]["message"])
