# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A single change by a module cannot lock everybody out: it is refused, and the cluster stays byte for byte the same.

Each attempt is made on a small cluster of its own: root@pam is disabled, and alice is the only administrator, through
the group admins. bob operates guests.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest

from ansible_collections.pve.audit.plugins.module_utils._model.errors import InputError
from ansible_collections.pve.audit.plugins.module_utils._pve.credentials import Credentials
from ansible_collections.pve.audit.plugins.module_utils._pve.session import Session
from ansible_collections.pve.audit.plugins.modules import acl, group, realm, role
from tests.lab.identity import restore, save
from tests.lab.simulator import Simulator, running_simulator
from tests.lab.tfa import TfaEntry, TfaUser

Record = dict[str, Any]

CONFIG = """\
user:root@pam:0:0::::::
user:alice@pve:1:0::::::
user:bob@pve:1:0::::::
user:carol@pve:1:0::::::
group:admins:alice@pve::
group:operators:bob@pve::
role:Own:Permissions.Modify,Sys.Modify:
acl:1:/:@admins:Administrator:
acl:1:/vms:@operators:PVEVMAdmin:
acl:1:/:carol@pve:PVEAuditor:
"""
ALICE = "alice@pve"


@pytest.fixture(scope="module")
def running() -> Iterator[Simulator]:
    """One cluster for all tests of this file."""
    passwords = dict.fromkeys(("root@pam", ALICE, "bob@pve", "carol@pve"), "lab-password")
    with running_simulator(
        nodes=1, tasks_per_node=0, unauthorized_delay=0.0, user_cfg=CONFIG, passwords=passwords
    ) as simulator:
        yield simulator


@pytest.fixture
def lab(running: Simulator) -> Iterator[Simulator]:
    """The cluster, put back afterwards."""
    saved = save(running.cluster)
    yield running
    restore(running.cluster, saved)


def login(lab: Simulator) -> Session:
    """As alice."""
    given = Credentials(
        host=lab.host, port=lab.port, ca_path=str(lab.ca_path), timeout=5.0, user=ALICE, password="lab-password"
    )
    return Session(given, sleep=lambda _seconds: None)


def attempt(lab: Simulator, module: ModuleType, given: Record, check_mode: bool = False) -> Any:
    """The module's work as alice."""
    options: dict[str, Record] = module.OPTIONS
    params = {name: given.get(name, one.get("default")) for name, one in options.items()}
    return module.ensure(login(lab), params, check_mode)


ADMINS = {"type": "group", "ugid": "admins"}
LOCKOUTS: list[tuple[ModuleType, Record, str]] = [
    (group, {"groupid": "admins", "state": "absent"}, "nobody"),
    (acl, {"path": "/", **ADMINS, "roleid": "Administrator", "state": "absent"}, "nobody"),
    (acl, {"path": "/", **ADMINS, "roleid": "Administrator", "propagate": False}, "nobody"),
    (acl, {"path": "/access", **ADMINS, "roleid": "NoAccess"}, "nobody"),
    (acl, {"path": "/access/groups", **ADMINS, "roleid": "PVEAuditor"}, "nobody"),
    (acl, {"path": "/access/realm", **ADMINS, "roleid": "NoAccess"}, "nobody"),
    (acl, {"path": "/access/groups/admins", **ADMINS, "roleid": "NoAccess"}, "nobody"),
    (acl, {"path": "/access/realm/pve", **ADMINS, "roleid": "NoAccess"}, "nobody"),
    (acl, {"path": "/", **ADMINS, "roleid": "NoAccess"}, "nobody"),
    (acl, {"path": "/", "type": "user", "ugid": ALICE, "roleid": "NoAccess"}, "nobody"),
    (acl, {"path": "/", "type": "user", "ugid": ALICE, "roleid": "PVEAuditor"}, "nobody"),
    (acl, {"path": "/access", "type": "user", "ugid": ALICE, "roleid": "Own"}, "nobody"),
    (acl, {"path": "/nodes", **ADMINS, "roleid": "NoAccess"}, "nobody"),
    (acl, {"path": "/vms", "type": "user", "ugid": ALICE, "roleid": "NoAccess"}, "nobody"),
    (realm, {"realm": "pve", "tfa": "oath"}, "the realm pve would lock out 3 users: alice@pve must have"),
    (realm, {"realm": "pve", "tfa": "yubico", "tfa_yubico_id": "1", "tfa_yubico_key": "k"}, "would lock out 3 users"),
]


@pytest.mark.parametrize(("module", "given", "sentence"), LOCKOUTS)
def test_refused_and_nothing_changed(lab: Simulator, module: ModuleType, given: Record, sentence: str) -> None:
    before = save(lab.cluster)
    with pytest.raises(InputError, match=sentence) as caught:
        attempt(lab, module, given)
    assert "set allow_lockout: true" in str(caught.value) and "\n" not in str(caught.value)
    made, _result = attempt(lab, module, given, check_mode=True)
    assert made.changed and any(sentence in one for one in made.warnings)
    assert save(lab.cluster) == before
    made, _result = attempt(lab, module, {**given, "allow_lockout": True})
    assert made.changed and not made.warnings
    assert save(lab.cluster) != before


HARMLESS: list[tuple[ModuleType, Record]] = [
    (group, {"groupid": "operators", "state": "absent"}),
    (group, {"groupid": "admins", "comment": "x"}),
    (acl, {"path": "/vms", "type": "group", "ugid": "operators", "roleid": "PVEVMAdmin", "state": "absent"}),
    (acl, {"path": "/vms/100", "type": "user", "ugid": ALICE, "roleid": "NoAccess"}),
    (acl, {"path": "/", "type": "user", "ugid": "bob@pve", "roleid": "Administrator"}),
    (acl, {"path": "/access", "type": "user", "ugid": "bob@pve", "roleid": "NoAccess"}),
    (role, {"roleid": "Own", "privs": ["Sys.Audit"]}),
    (role, {"roleid": "Own", "state": "absent"}),
    (realm, {"realm": "pve", "comment": "x"}),
]


@pytest.mark.parametrize(("module", "given"), HARMLESS)
def test_what_locks_nobody_out_is_made(lab: Simulator, module: ModuleType, given: Record) -> None:
    made, _result = attempt(lab, module, given)
    assert made.changed and not made.warnings


def test_a_role_that_makes_the_administrator_is_guarded(lab: Simulator) -> None:
    """alice's rights come from a role of her own, which counts before that of her group."""
    roles = {row["roleid"]: row["privs"] for row in login(lab).get("access", "roles")}
    attempt(lab, role, {"roleid": "Chief", "privs": sorted(roles["Administrator"].split(","))})
    attempt(lab, acl, {"path": "/", "type": "user", "ugid": ALICE, "roleid": "Chief"})
    before = save(lab.cluster)
    with pytest.raises(InputError, match="nobody whom alice@pve can see could manage the cluster"):
        attempt(lab, role, {"roleid": "Chief", "privs": ["VM.Audit"]})
    assert save(lab.cluster) == before
    made, _result = attempt(lab, role, {"roleid": "Chief", "state": "absent"})
    assert made.changed, "once the own role is gone, that of the group counts again"


def test_only_who_has_no_second_factor_is_named(lab: Simulator) -> None:
    entry = TfaEntry("totp-1", "totp", "phone", 1_790_000_000, True, "", "JBSWY3DPEHPK3PXP")
    lab.cluster.tfa["carol@pve"] = TfaUser([entry])
    with pytest.raises(InputError, match="2 users: alice@pve must have the second factor totp and has none, bob@pve"):
        attempt(lab, realm, {"realm": "pve", "tfa": "oath"})
