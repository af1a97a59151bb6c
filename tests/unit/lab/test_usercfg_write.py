# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""user.cfg and the section files, read and written again as PVE does."""

from __future__ import annotations

import pytest

from tests.lab.realms import parse_realms, render_realms
from tests.lab.story import USER_CFG
from tests.lab.usercfg import parse_user_config
from tests.lab.usercfg_write import render_user_config

ROOT = "user:root@pam:1:0::::::"
USERS = f"{ROOT}\nuser:ann@pve:1:0::::::\ntoken:ann@pve!t1:0:1::\n"
# (what, text, what PVE writes after it read the text)
CASES = [
    ("empty", "", f"{ROOT}\n\n\n\n\n"),
    ("false texts go", "user:ann@pve:2:007:0:x:0::::\n",
     f"{ROOT.replace('root@pam', 'ann@pve').replace('1:0::', '1:7::x')}\n"),
    ("tokens below their user, sorted", f"{USERS}token:ann@pve!a0:5:0:c:\n",
     f"user:ann@pve:1:0::::::\ntoken:ann@pve!a0:5:0:c:\ntoken:ann@pve!t1:0:1::\n{ROOT}\n\n\n\n\n"),
    ("members sorted", f"{USERS}\ngroup:g:root@pam,ann@pve:x:\n", "\ngroup:g:ann@pve,root@pam:x:\n\n"),
    ("a member without a user stays", f"{USERS}\ngroup:g:gone@pve::\n", "\ngroup:g:gone@pve::\n\n"),
    ("a member without a realm goes", f"{USERS}\ngroup:g:gone::\n", "\ngroup:g:::\n\n"),
    ("privileges sorted, known and once",
     "role:r:VM.Audit,No.Such,Sys.Audit,VM.Audit:\n", "\nrole:r:Sys.Audit,VM.Audit:\n\n"),
    ("a guest is in the first pool",
     "pool:p::1,2,x:local,!:\npool:q::2,3::\n", "\npool:p::1,2:local:\npool:q::3::\n\n"),
    ("the same roles share a line", f"{USERS}acl:1:vms:ann@pve:PVEVMUser:\nacl:1:/vms/:ann@pve!t1,@g:PVEVMUser:\n",
     "\nacl:1:/vms:@g,ann@pve,ann@pve!t1:PVEVMUser:\n"),
    ("without propagation first", f"{USERS}acl:1:/:ann@pve:PVEAdmin:\nacl:0:/:ann@pve:PVEAuditor:\n",
     "\nacl:0:/:ann@pve:PVEAuditor:\nacl:1:/:ann@pve:PVEAdmin:\n"),
    ("unknown roles and tokens go",
     f"{USERS}acl:1:/:ann@pve:Gone:\nacl:1:/:ann@pve!no:PVEAdmin:\nacl:1:/:root@pam:PVEAdmin:\n",
     "\n\n\n\n"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "want"), [pytest.param(text, want, id=name) for name, text, want in CASES])
def test_written_again(text: str, want: str) -> None:
    """The part of interest is there; what was written stays as it is."""
    written = render_user_config(parse_user_config(text))
    assert want.strip("\n") in written
    assert render_user_config(parse_user_config(written)) == written


def test_story_stays() -> None:
    """Nothing of the story's users is lost."""
    config = parse_user_config(USER_CFG)
    again = parse_user_config(render_user_config(config))
    assert (again.users, again.groups, again.roles, again.acl) == (
        config.users,
        config.groups,
        config.roles,
        config.acl,
    )


def test_realms_stay() -> None:
    """Types, comments in any script, flags; one default."""
    text = (
        "ad: corp\n\tdomain corp.example\n\tserver1 192.0.2.1\n\tport 636\n\tdefault 1\n\n"
        "pve: pve\n\tcomment %C3%BC%3A\n\tdefault 1\n\n"
        "bogus: x\n\tname y\n\n"
        "ldap: incomplete\n\tserver1 192.0.2.1\n\n"
    )
    realms = parse_realms(text)
    assert realms["corp"] == {"type": "ad", "domain": "corp.example", "server1": "192.0.2.1", "port": 636, "default": 1}
    assert realms["pve"] == {"type": "pve", "comment": "ü:"}
    assert set(realms) == {"corp", "pve", "pam"}
    assert parse_realms(render_realms(realms)) == realms
