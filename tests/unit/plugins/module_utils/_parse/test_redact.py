# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets leave the text, everything else stays."""

from __future__ import annotations

import pytest

from ansible_collections.pve.audit.plugins.module_utils._parse.redact import redact, redact_query

UUID = "8142ac92-43ac-4b44-b570-3793fc7fd12b"
SIGNATURE = "YTk0YThmZTVjY2IxOWJhNjFjNGMwODczZDM5MWU5ODc5ODJmYmJkMw=="
QUERIES = [
    ("limit=50&start=0", "limit=50&start=0"),
    ("port=5900&vncticket=PVEVNC%3A6B04%3A%3Aabc%2Bdef", "port=5900&vncticket=REDACTED"),
    ("username=root%40pam&password=a;b\"c'd,e=f&x=1", "username=root%40pam&password=REDACTED&x=1"),
    ("%70assword=x&new-password=y", "%70assword=REDACTED&new-password=REDACTED"),
    ("tokenid=backup&privsep=1&token=abc", "tokenid=backup&privsep=1&token=REDACTED"),
    ("otp=123456&tfa-challenge=PVE%3Ax&userid=a", "otp=REDACTED&tfa-challenge=REDACTED&userid=a"),
    ("CSRFPreventionToken=1:abc&key=k&keyboard=de", "CSRFPreventionToken=REDACTED&key=REDACTED&keyboard=de"),
    ("secret=&PVEAuthCookie=x", "secret=REDACTED&PVEAuthCookie=REDACTED"),
    ("encryption-key=1&api_key=2&cipassword=3", "encryption-key=REDACTED&api_key=REDACTED&cipassword=REDACTED"),
    ("password", "password"),
    ("", ""),
]
TEXTS = [
    (f"Authorization: PVEAPIToken=audit@pve!ro={UUID}", "Authorization: PVEAPIToken=audit@pve!ro=REDACTED"),
    (f"token audit@pve!ro: {UUID} x", "token audit@pve!ro: REDACTED x"),
    (f"Cookie: PVEAuthCookie=PVE:root@pam:6B04::{SIGNATURE}", "Cookie: REDACTED"),
    (f"verify PVE:root@pam:6B046DE4::{SIGNATURE} failed", "verify PVE:root@pam:6B046DE4::REDACTED failed"),
    (f"x PVEVNC%3A6B046DE4%3A%3A{SIGNATURE} y", "x PVEVNC%3A6B046DE4%3A%3AREDACTED y"),
    ("pveum user add x@pve --password hunter2 --comment c", "pveum user add x@pve --password REDACTED --comment c"),
    ("qm set 100 -cipassword=hunter2 -name a", "qm set 100 -cipassword=REDACTED -name a"),
    ('{"password": "a b", "user": "c"}', '{"password": "REDACTED", "user": "c"}'),
    ("password='a b' user=c", "password='REDACTED' user=c"),
    ("CSRFPreventionToken: 6B04:abc next", "CSRFPreventionToken: REDACTED next"),
    ("authorization: Bearer abc.def", "authorization: Bearer REDACTED"),
    ("pam_unix(chpasswd:chauthtok): password changed for al", "pam_unix(chpasswd:chauthtok): password changed for al"),
    ("authentication failure: invalid token value!", "authentication failure: invalid token value!"),
    ("no such token 'x' for user 'a@pve'", "no such token 'x' for user 'a@pve'"),
    ("UPID:PVE:0000010A:0002BBEF:6B046DE4:vzdump::root@pam:", "UPID:PVE:0000010A:0002BBEF:6B046DE4:vzdump::root@pam:"),
    ("UPID:pve:0000010A:0002BBEF:6B046DE4:imgdel::a@pve:", "UPID:pve:0000010A:0002BBEF:6B046DE4:imgdel::a@pve:"),
    ("curl https://bob:hun:ter@2@pve1.example/api2", "curl https://bob:REDACTED@pve1.example/api2"),
    ("rsync bob:hunter2@backup::pool /tank", "rsync bob:REDACTED@backup::pool /tank"),
    ("remote=bob:hunter2@[2001:db8::1]", "remote=bob:REDACTED@[2001:db8::1]"),
    ("curl -u bob@pve:hunter2 -k x", "curl -u bob@pve:REDACTED -k x"),
    ("curl -ubob:hunter2 x; curl --user='bob:a b' y", "curl -ubob:REDACTED x; curl --user='bob:REDACTED' y"),
    ("smbclient -U 'CORP\\bob%hunter2' //nas/x", "smbclient -U 'CORP\\bob%REDACTED' //nas/x"),
    ("COMMAND=/usr/bin/sshpass -p hunter2 ssh root@pve2", "COMMAND=/usr/bin/sshpass -p REDACTED ssh root@pve2"),
    ("sshpass -phunter2 ssh -p 22 root@pve2", "sshpass -pREDACTED ssh -p 22 root@pve2"),
    ("mysql -h db -u root -phunter2 pdns", "mysql -h db -u root -pREDACTED pdns"),
    ("ipmitool -H bmc -U admin -P hunter2 power off", "ipmitool -H bmc -U admin -P REDACTED power off"),
    ("sh -c 'echo root:hunter2 | /usr/sbin/chpasswd'", "sh -c 'echo root:REDACTED | /usr/sbin/chpasswd'"),
    # Nothing secret in these.
    ("ssh -p 22 root@pve2; scp a root@pve1:/etc/hosts", "ssh -p 22 root@pve2; scp a root@pve1:/etc/hosts"),
    ("user:alice@pve:1:0::: and /vms user:alice@pve", "user:alice@pve:1:0::: and /vms user:alice@pve"),
    ("journalctl -u pvedaemon -p err; sudo -u bob id", "journalctl -u pvedaemon -p err; sudo -u bob id"),
    ("rhost=::ffff:192.0.2.7 user=bob@pve msg=x", "rhost=::ffff:192.0.2.7 user=bob@pve msg=x"),
    ("at 10:15 bob@pve logged in, root@pam!ci", "at 10:15 bob@pve logged in, root@pam!ci"),
    (f"boot id {UUID} of disk", f"boot id {UUID} of disk"),
    ("", ""),
]


@pytest.mark.parametrize(("query", "want"), QUERIES)
def test_queries(query: str, want: str) -> None:
    assert redact_query(query) == want
    assert redact_query(want) == want


@pytest.mark.parametrize(("text", "want"), TEXTS)
def test_texts(text: str, want: str) -> None:
    assert redact(text) == want
    assert redact(want) == want


@pytest.mark.parametrize(
    "text",
    [
        "a" * 200_000,
        "password" * 20_000,
        "PVE:" * 20_000,
        "!" * 100_000,
        "-a" * 50_000,
        "x:" * 90_000,
        " -u" * 60_000,
        "a:b@ " * 40_000,
        "mysql " * 30_000,
    ],
)
def test_long_lines_take_no_time(text: str) -> None:
    assert redact(text) == text
