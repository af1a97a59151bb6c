# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names that Proxmox VE takes and refuses: what genuine clusters answered, its source, and the simulator."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.pve.audit.plugins.module_utils._model.errors import InputError
from ansible_collections.pve.audit.plugins.module_utils._model.names import (
    Kind,
    check_name,
    name_mistake,
    normal_path,
    owner_of,
    realm_of,
    reserved_role_mistake,
    split_token,
    unknown_path,
)
from tests.lab import names as simulated

# What genuine clusters (9.1 and 9.2) took, and what they refused for its form alone, with a 400.
GENUINE: dict[Kind, tuple[list[str], list[str]]] = {
    "user": (
        [
            *"carl@pve Carl@PVE carl@nosuch a@b@pve two@at@pve a.b-c@pve a#b?c&d=e@pve plus+user@pve we!rd@pve".split(),
            *("x%2fy@pve", "x@pve", "zoë@pve", "ünï@pve", "L" * 60 + "@pve"),
        ],
        ["", "carl", "a b@pve", "x:y@pve", "ab/c@pve", "x" * 61 + "@pve"],
    ),
    "token name": (["T1", "a.b-c_d", "ci-x.y_z", "zero", "long" + "x" * 100], ["x", "1x", "t"]),
    "token": (["root@pam!ansible", "uadmin@pve!adm"], ["bad"]),
    "group": (["g1", "0", "-dash", "ops.team-1_x", "G" * 200], ["", "g 1", "a b"]),
    "role": (["R1", "Empty1", "Ops.x-1_y", "PVEAdmin"], []),
    "realm": (["pve", "pam", "ldap"], []),
    "entry": (["graph-1_a", "inf1", "m1"], []),
}
# What follows from the patterns in its source.
SOURCE: dict[Kind, tuple[list[str], list[str]]] = {
    "name": (["a", "ä/b:c!"], ["", "a,b", "a b", "a;b", "a\nb", "a\0b", "a\u00a0b"]),
    "user": (
        ["Çağ@ad.example", "x!y@pve", "x" * 60 + "@pve"],
        ["alice", "@pve", "alice@p", "alice@1pve", "a/b@pve", "a:b@pve", "alice@pve!ci", "alice@pv/e", "a,b@pve"],
    ),
    "account": (["alice", "a@b", "we!rd"], ["", "a/b", "a:b", "a;b"]),
    "realm": (["ad.example", "a1", "a-b_c", "x" * 32], ["a", "1a", "a/b", "ä1", "x" * 33]),
    "token name": (["ci", "a1", "a.b-c_d"], ["a/b", "a!b", "tökén", ""]),
    "token": (["alice@pve!ci", "a!b@pve!ci"], ["alice@pve", "ci", "alice@pve!c", "alice!ci", "a/b@pve!ci"]),
    "group": (["admins", "a", "1"], ["a/b", "g!1", "a:b", "grüppe", "@admins"]),
    "role": (["Op", "1"], ["a/b", "Op!", "Röle", ""]),
    "pool": (["lab", "a/b/c", "a.b-c_d"], ["", "/a", "a/", "a//b", "a/b/c/d", "a:b", "pööl"]),
    "entry": (["influx", "A1", "a-b_c"], ["x", "1x", "a.b", "a/b", "", "ï1"]),
}
CASES = [
    (kind, name, good)
    for table in (GENUINE, SOURCE)
    for kind, both in table.items()
    for good, names in zip((True, False), both, strict=True)
    for name in names
]


@pytest.mark.parametrize(("kind", "name", "good"), CASES)
def test_names(kind: Kind, name: str, good: bool) -> None:
    if good:
        assert check_name(kind, "option", name) == name
        return
    with pytest.raises(InputError, match=f"^option {re.escape(repr(name))} is not "):
        check_name(kind, "option", name)


@pytest.mark.parametrize("kind", SOURCE)
@pytest.mark.parametrize("name", ["a b", "ab\n", "a@pve,b@pve", "ab;cd"])
def test_one_name_only(kind: Kind, name: str) -> None:
    assert "is not one name" in str(name_mistake(kind, "option", name))


@pytest.mark.parametrize(
    ("role", "reserved"), [("Op", False), ("MyPVE", False), ("PVEMine", True), ("pvex", True), ("Pve", True)]
)
def test_names_of_roles_that_are_kept(role: str, reserved: bool) -> None:
    """Genuine clusters refused PVEMine and pvex."""
    assert (reserved_role_mistake("roleid", role) is not None) is reserved


@pytest.mark.parametrize(
    ("who", "parts"),
    [
        ("alice@pve", None),
        ("alice@pve!ci", ("alice@pve", "ci")),
        ("a!b@pve", None),
        ("a!b@pve!ci", ("a!b@pve", "ci")),
        ("a@b@pve!ci", ("a@b@pve", "ci")),
        ("a@b!c@pve", None),
        ("odd!name", None),
        ("", None),
    ],
)
def test_tokens_and_their_owners(who: str, parts: tuple[str, str] | None) -> None:
    assert split_token(who) == parts
    assert owner_of(who) == (parts[0] if parts else who)


def test_the_last_at_begins_the_realm() -> None:
    assert realm_of("a@b@pve") == "pve"


@pytest.mark.parametrize(
    ("path", "stored"),
    [
        ("/", "/"),
        ("//", "/"),
        ("vms", "/vms"),
        ("/vms/", "/vms"),
        ("//vms//101//", "/vms/101"),
        (" /vms ", "/vms"),
        ("access/realm/pve", "/access/realm/pve"),
    ],
)
def test_paths_as_they_are_stored(path: str, stored: str) -> None:
    assert normal_path("path", path) == stored


# The first line was taken by genuine clusters.
KNOWN_PATHS = """
/ /vms /vms/100 /vms/777 /access/realm/pve /mapping/notifications /nodes/pve1 /pool/a/b/c /sdn/fabrics/f1
/access /access/groups /access/groups/a.b-c /access/realm /nodes /pool /pool/a /sdn /sdn/controllers
/sdn/zones/localnetwork/vmbr0/100 /storage/loc.al-1
/sdn/controllers/a-b_c /sdn/dns/a1 /sdn/fabrics /sdn/ipams/pve /sdn/prefix-lists /sdn/prefix-lists/a /sdn/route-maps
/sdn/route-maps/a1 /sdn/zones /sdn/zones/z /sdn/zones/z/v.1 /sdn/zones/z/v/4094 /storage /storage/local-lvm
/vms/999999999 /mapping /mapping/pci /mapping/usb/stick
""".split()
# Genuine clusters answered "invalid ACL path" to the first two.
UNKNOWN_PATHS = """
/nosuch/x /x /vm/100 /access/users /access/groups/a/b /nodes/pve1/qemu /pool/a/b/c/d /sdn/nosuch /sdn/dns/a-b
/sdn/fabrics/a_b /sdn/zones/z/v/0 /sdn/zones/z/v/w /vms/99 /vms/0100 /vms/abc /mapping/a/b/c /storages /0
""".split()


@pytest.mark.parametrize(
    ("path", "known"),
    [*((path, True) for path in KNOWN_PATHS), *((path, False) for path in UNKNOWN_PATHS)],
)
def test_paths_on_which_something_may_be_granted(path: str, known: bool) -> None:
    """One that is well formed and unknown may be one of a newer version."""
    assert normal_path("path", path) == path
    doubt = unknown_path("path", path)
    assert doubt is None if known else str(doubt).startswith(f"path {path!r} is none on which Proxmox VE 9.2 grants")


@pytest.mark.parametrize("path", ["", " ", "/storage/a:b", "/vms/1 0", "/pool/pööl", "/vms\n/100", "/a!b"])
def test_malformed_paths(path: str) -> None:
    with pytest.raises(InputError, match=r"^path (is empty|'.*' has characters that no path has)"):
        normal_path("path", path)


LETTERS = st.text(st.sampled_from("aB1ä@!/:.-_ ,"), max_size=12)
SHAPES = st.one_of(
    LETTERS,
    st.builds("{}@{}".format, LETTERS, LETTERS),
    st.builds("{}@{}!{}".format, LETTERS, LETTERS, LETTERS),
)


@settings(max_examples=1000)
@given(text=SHAPES)
def test_the_simulator_takes_the_same_names(text: str) -> None:
    """But for the comma, which a genuine cluster takes in a name and loses in a list."""
    one = "," not in text
    assert (name_mistake("user", "", text) is None) == (simulated.is_username(text) and one)
    assert (name_mistake("token", "", text) is None) == (simulated.split_token(text) is not None and one)
    assert split_token(text) == simulated.split_token(text)
    for kind in ("group", "role"):
        assert (name_mistake(kind, "", text) is None) == simulated.is_simple_name(text)


@settings(max_examples=500)
@given(path=st.text(st.sampled_from("aB1/.-_:*ä"), min_size=1, max_size=12))
def test_the_simulator_stores_the_same_paths(path: str) -> None:
    try:
        stored: str | None = normal_path("path", path)
    except InputError:
        stored = None
    assert stored == simulated.normalize_path(path)
