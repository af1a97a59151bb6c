# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Our drop-in of sshd: its text, whom it lets in, and the whole change against the real sshd, in other directories."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.pve.audit.plugins.module_utils._model.errors import InputError
from ansible_collections.pve.audit.plugins.module_utils._node.command import Outcome, find_program, run
from ansible_collections.pve.audit.plugins.module_utils._node.sshd import change as sshd_change
from ansible_collections.pve.audit.plugins.module_utils._node.sshd import check as sshd_check
from ansible_collections.pve.audit.plugins.module_utils._node.sshd import commit as sshd_commit
from ansible_collections.pve.audit.plugins.module_utils._node.sshd import config as sshd
from ansible_collections.pve.audit.plugins.module_utils._node.sshd import session as sshd_session
from ansible_collections.pve.audit.plugins.module_utils._node.sshd.check import SshdPlaces

NODES = ["198.51.100.11", "198.51.100.12", "2001:db8:51::/64"]


@pytest.mark.parametrize(
    ("given", "want"),
    [
        (["198.51.100.11"], ["198.51.100.11/32"]),
        (["198.51.100.0/24", "198.51.100.0/24"], ["198.51.100.0/24"]),
        (["2001:DB8:0::1"], ["2001:db8::1/128"]),
        ([" 2001:db8::/32 "], ["2001:db8::/32"]),
        (["::ffff:198.51.100.11"], ["198.51.100.11/32"]),
        (["::ffff:198.51.100.0/120"], ["198.51.100.0/24"]),
    ],
)
def test_addresses_that_sshd_takes(given: list[str], want: list[str]) -> None:
    assert [str(network) for network in sshd.parse_networks(given)] == want


@pytest.mark.parametrize(
    ("given", "word"),
    [
        ("198.51.100.1/24", "host bits"),
        ("2001:db8::1/32", "host bits"),
        ("pve1.example.com", "neither"),
        ("198.51.100.*", "neither"),
        ("198.51.100.011", "neither"),
        ("", "neither"),
        ("!198.51.100.1", "neither"),
        ("198.51.100.1,*", "neither"),
        ("0.0.0.0/0", "everybody"),
        ("::/0", "everybody"),
        ("fe80::1%eth0", "scope"),
    ],
)
def test_addresses_that_it_does_not_take(given: str, word: str) -> None:
    with pytest.raises(InputError, match=word):
        sshd.parse_networks([given])


def test_the_text_is_fixed() -> None:
    settings = {"LogLevel": "VERBOSE", "MaxAuthTries": 4, "X11Forwarding": False}
    text = sshd.render(sshd.parse_networks(NODES), settings, ("root", "toor"))
    assert [line for line in text.splitlines() if line and not line.startswith("#")] == [
        "PermitRootLogin prohibit-password",
        "LogLevel VERBOSE",
        "MaxAuthTries 4",
        "X11Forwarding no",
        "DenyUsers root@*,!198.51.100.11,!198.51.100.12,!2001:db8:51::/64 toor@*,!198.51.100.11,!198.51.100.12,"
        "!2001:db8:51::/64",
        "Match User root,toor Address *,!198.51.100.11,!198.51.100.12,!2001:db8:51::/64",
        "    DenyUsers root toor",
        "Match User root,toor",
        "    PermitRootLogin prohibit-password",
        "Match All",
    ]


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"PermitRootLogin": "yes"}, "PermitRootLogin cannot be given"),
        ({"denyusers": "alice"}, "denyusers cannot be given"),
        ({"Match": "All"}, "Match cannot be given"),
        ({"Include": "/x"}, "Include cannot be given"),
        ({"Log Level": "x"}, "no keyword"),
        ({"LogLevel": "INFO\nPermitRootLogin yes"}, "one line"),
        ({"LogLevel": ""}, "one line"),
    ],
)
def test_settings_that_are_not_taken(settings: dict[str, Any], word: str) -> None:
    with pytest.raises(InputError, match=word):
        sshd.render(sshd.parse_networks(NODES), settings)


OURS = "/etc/ssh/sshd_config.d/00-pve-audit.conf"
INCLUDE = "Include /etc/ssh/sshd_config.d/*.conf\n"


@pytest.mark.parametrize(
    ("files", "settings", "rival"),
    [
        ({"main": f"# x\n\n{INCLUDE}PermitRootLogin yes\n"}, {}, None),
        ({"main": f"Port 2222\n{INCLUDE}"}, {}, None),
        ({"main": f"Port 2222\n{INCLUDE}"}, {"Port": 22}, "main line 1"),
        ({"main": f"PermitRootLogin yes\n{INCLUDE}"}, {}, "main line 1"),
        ({"main": f"permitrootlogin=yes\n{INCLUDE}"}, {}, "main line 1"),
        ({"main": f"Match User alice\n  X11Forwarding no\n{INCLUDE}"}, {}, "main line 1"),
        ({"main": "Include sshd_config.d/*.conf\n"}, {}, None),
        ({"main": f"Include /etc/ssh/first/a.conf\n{INCLUDE}", "/etc/ssh/first/a.conf": "LogLevel INFO\n"}, {}, None),
        (
            {"main": f"Include /etc/ssh/first/a.conf\n{INCLUDE}", "/etc/ssh/first/a.conf": "LogLevel INFO\n"},
            {"LogLevel": "VERBOSE"},
            "/etc/ssh/first/a.conf line 1",
        ),
        (
            {"main": INCLUDE, "/etc/ssh/sshd_config.d/00-a.conf": "\n\tPermitRootLogin yes # mine\n"},
            {},
            "/etc/ssh/sshd_config.d/00-a.conf line 2",
        ),
        ({"main": INCLUDE, "/etc/ssh/sshd_config.d/50-cloud.conf": "PermitRootLogin yes\n"}, {}, None),
    ],
)
def test_who_wins_over_us(files: dict[str, str], settings: dict[str, Any], rival: str | None) -> None:
    found = sshd.find_rival("main", OURS, settings, files.__getitem__, _expander(files))
    assert (found.place if found else None) == rival


def _expander(files: dict[str, str]) -> Callable[[str], Sequence[str]]:
    return lambda pattern: [name for name in files if name != "main" and sshd.includes(pattern, name)]


@pytest.mark.parametrize("text", ["", "Include /etc/ssh/other.d/*.conf\n", "#Include /etc/ssh/sshd_config.d/*.conf\n"])
def test_a_main_file_that_never_reads_us(text: str) -> None:
    with pytest.raises(InputError, match="first line"):
        sshd.stage_main(text, OURS, "/tmp/new", lambda _pattern: [])


@pytest.mark.parametrize(
    ("there", "want"),
    [
        ([], 'Include "/t/new"'),
        (["10-a.conf"], 'Include "/t/new" "/etc/ssh/sshd_config.d/10-a.conf"'),
        (["00-pve-audit.conf", "10-a.conf"], 'Include "/t/new" "/etc/ssh/sshd_config.d/10-a.conf"'),
        (["0.conf", "00-pve-audit.conf"], 'Include "/etc/ssh/sshd_config.d/0.conf" "/t/new"'),
    ],
)
def test_the_staged_main_file(there: list[str], want: str) -> None:
    files = [f"/etc/ssh/sshd_config.d/{name}" for name in there]
    staged = sshd.stage_main(f"# top\n{INCLUDE}Port 22\n", OURS, "/t/new", lambda _pattern: files)
    assert staged.splitlines() == ["# top", want, "Port 22"]


ROOT = sshd.Account("root", ("root",), True, True)
ALICE = sshd.Account("alice", ("alice", "pve-admins"), True)


@pytest.mark.parametrize(
    ("account", "text", "reason"),
    [
        (ROOT, "permitrootlogin without-password", None),
        (ROOT, "permitrootlogin no", "PermitRootLogin is no"),
        (ROOT, "permitrootlogin forced-commands-only", "PermitRootLogin is forced-commands-only"),
        (ROOT, "denyusers mallory\ndenyusers root", "DenyUsers names it"),
        (ROOT, "denyusers ro*", "DenyUsers names it"),
        (ROOT, "denyusers root@203.0.113.0/24", None),
        (ROOT, "denyusers root@198.51.100.0/24", "DenyUsers names it"),
        (ROOT, "denyusers root@*,!198.51.100.11", None),
        (ROOT, "allowusers alice", "AllowUsers does not name it"),
        (ROOT, "allowusers alice\nallowusers root@198.51.100.1?", None),
        (ALICE, "allowgroups sudo pve-*", None),
        (ALICE, "allowgroups sudo", "AllowGroups names no group of it"),
        (ALICE, "denygroups pve-admins", "DenyGroups names a group of it"),
        (ALICE, "permitrootlogin no", None),
    ],
)
def test_whom_the_settings_refuse(account: sshd.Account, text: str, reason: str | None) -> None:
    assert sshd.refusal(sshd.parse_effective(text), account, "198.51.100.11") == reason


@pytest.mark.parametrize(
    ("account", "text", "good"),
    [
        (ALICE, "pubkeyauthentication yes\nauthenticationmethods any", True),
        (ALICE, "pubkeyauthentication no", False),
        (ALICE, "pubkeyauthentication yes\nauthenticationmethods publickey,password publickey", True),
        (ALICE, "pubkeyauthentication yes\nauthenticationmethods publickey,password", False),
        (sshd.Account("bob", (), False), "pubkeyauthentication yes\nauthorizedkeyscommand none", False),
        (sshd.Account("bob", (), False), "pubkeyauthentication yes\ntrustedusercakeys /etc/ssh/ca.pub", True),
    ],
)
def test_whether_a_key_is_enough(account: sshd.Account, text: str, good: bool) -> None:
    assert (sshd.key_refusal(sshd.parse_effective(text), account) is None) is good


def test_outside_addresses_are_far_ones_and_neighbours() -> None:
    networks = sshd.parse_networks(["203.0.113.0/24", "198.51.100.11", "198.51.100.12"])
    found = sshd.outside_addresses(networks)
    assert not any(sshd.contains(networks, one) for one in found)
    assert {"198.18.77.77", "198.51.100.13", "203.0.114.0"} <= set(found)
    with pytest.raises(InputError, match="hardly anybody"):
        sshd.outside_addresses(sshd.parse_networks(["128.0.0.0/1"]))
    assert sshd.probes(sshd.parse_networks(["198.51.100.0/30"])) == ["198.51.100.0", "198.51.100.3"]


def test_the_session_is_found_behind_sudo(tmp_path: Path) -> None:
    """A process of root without the variable, below one of this user with it."""
    me, shell = os.getpid(), 4242
    for process, environ, parent in ((me, "A=1", shell), (shell, "SSH_CONNECTION=192.0.2.1 5 192.0.2.11 22", 1)):
        folder = tmp_path / str(process)
        folder.mkdir()
        (folder / "environ").write_bytes(environ.encode() + b"\0")
        (folder / "stat").write_text(f"{process} (a (b) c) S {parent} 1")
    found = sshd_session.find_session(None, None, str(tmp_path))
    assert found is not None
    assert (found.address, found.server, found.port) == ("192.0.2.1", "192.0.2.11", "22")
    asked = sshd_session.find_session("alice", "192.0.2.9", str(tmp_path))
    assert asked is not None
    assert (asked.user, asked.address) == ("alice", "192.0.2.9")
    (tmp_path / str(shell) / "environ").write_bytes(b"SSH_CONNECTION=UNKNOWN 65535 UNKNOWN 65535\0")
    assert sshd_session.find_session(None, None, str(tmp_path)) is None


# The real sshd from here on; systemd is played.


def _no_sshd() -> str:
    """Why the real sshd cannot be asked here, or nothing."""
    sshd_program = find_program("sshd")
    if sshd_program is None or os.geteuid():
        return "NOT TESTED: openssh-server is not installed, or this is not root"
    Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # systemd makes it where sshd runs as a service
    with tempfile.TemporaryDirectory() as folder:
        key = Path(folder) / "key"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
        done = subprocess.run([sshd_program, "-t", "-h", key, "-f", "/dev/null"], capture_output=True, text=True)
    return f"NOT TESTED: sshd cannot be asked here: {done.stderr.strip()}" if done.returncode else ""


WHY_NOT = _no_sshd()
needs_sshd = pytest.mark.skipif(bool(WHY_NOT) and os.environ.get("CI") != "true", reason=WHY_NOT)


@dataclass
class Node:
    """Directories that stand for /etc/ssh and /var/lib, the real sshd, and a systemd that only notes."""

    root: Path
    told: list[list[str]] = field(default_factory=list)
    refuse: str = ""

    @property
    def host(self) -> sshd_change.Host:
        ssh = str(self.root / "ssh")
        commit = sshd_commit.CommitPlaces(str(self.root / "state"), str(self.root / "units"), str(self.root / "lock"))
        places = SshdPlaces(f"{ssh}/sshd_config", f"{ssh}/sshd_config.d/00-pve-audit.conf")
        return sshd_change.Host(self.run, places, commit, str(os.geteuid()))

    @property
    def main(self) -> Path:
        return self.root / "ssh" / "sshd_config"

    @property
    def ours(self) -> Path:
        return self.root / "ssh" / "sshd_config.d" / "00-pve-audit.conf"

    def run(self, argv: Sequence[str]) -> Outcome:
        if argv[0] == "sshd":
            return run(argv)
        self.told.append(list(argv))
        return Outcome(1, stderr="no") if self.refuse and self.refuse in argv else Outcome(0)

    def bring(self, check: bool = False, **options: Any) -> dict[str, Any]:
        base: dict[str, Any] = {"state": "present", "root_addresses": NODES, "settings": {"LogLevel": "VERBOSE"}}
        base |= {
            "confirm_seconds": 60,
            "accounts": ["nobody"],
            "connection_user": None,
            "connection_address": None,
            **options,
        }
        return sshd_change.ensure(base, self.host, check)


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Node:
    monkeypatch.setattr(sshd_change, "find_session", _no_session)
    made = Node(tmp_path)
    made.ours.parent.mkdir(parents=True)
    (tmp_path / "units").mkdir()
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "key"], check=True)
    keys = tmp_path / "authorized_keys"
    shutil.copy(tmp_path / "key.pub", keys)
    made.main.write_text(
        f"Include {made.ours.parent}/*.conf\nHostKey {tmp_path}/key\nAuthorizedKeysFile {keys}\nPermitRootLogin yes\n"
    )
    return made


def _no_session(user: str | None, address: str | None) -> sshd_session.Session | None:
    return sshd_session.Session(user or "root", address) if address else None


@needs_sshd
def test_a_change_is_on_trial_until_it_is_confirmed(node: Node) -> None:
    assert node.bring(check=True)["changed"]
    assert not node.ours.exists()
    first = node.bring()
    assert (first["changed"], first["pending"]) == (True, True)
    assert {proof["user"] for proof in first["proofs"]} == {"root"}
    assert {proof["allowed"] for proof in first["proofs"]} == {True, False}
    assert node.told[-1] == ["systemctl", "try-reload-or-restart", "ssh.service"]
    again = node.bring()
    assert (again["changed"], again["pending"]) == (True, True), "not confirmed yet"
    assert node.bring(check=True, state="confirmed")["changed"]
    assert node.bring(state="confirmed")["changed"]
    assert sorted(path.name for path in (node.root / "state").iterdir()) == []
    assert not list((node.root / "units").rglob("*.service"))
    assert not node.bring()["changed"]
    assert not node.bring(state="confirmed")["changed"]
    gone = node.bring(state="absent")
    assert gone["changed"] and not node.ours.exists()
    node.bring(state="confirmed")
    assert not node.bring(state="absent")["changed"]


@needs_sshd
@pytest.mark.parametrize("had", [None, "# mine\nLogLevel INFO\n"])
def test_what_nobody_confirms_is_undone(node: Node, had: str | None) -> None:
    if had:
        node.ours.write_text(had)
        node.ours.chmod(0o600)
    node.bring()
    node.bring(settings={"LogLevel": "DEBUG"})
    # What the timer would start, without the last line, which is sshd's and systemd's.
    undo = (node.root / "state" / "undo.sh").read_text().splitlines()[:-1]
    subprocess.run(["sh", "-c", "\n".join(undo)], check=True)
    assert (node.ours.read_text() if node.ours.exists() else None) == had
    assert not had or node.ours.stat().st_mode & 0o777 == 0o600
    with pytest.raises(InputError, match="was undone at"):
        node.bring(state="confirmed")
    assert any("was undone at" in warning for warning in node.bring(check=True)["warnings"])
    node.bring()
    node.bring(state="confirmed")
    assert not node.bring()["changed"]


@needs_sshd
@pytest.mark.parametrize(
    ("main", "options", "words"),
    [
        ("", {"settings": {"Nonsense": "1"}}, "refuses the new configuration, nothing was changed"),
        ("", {"settings": {"MaxAuthTries": "many"}}, "00-pve-audit.conf"),
        ("Bogus yes\n", {}, "repair it first, nothing was changed"),
        ("AllowUsers alice\n", {}, "root could not log in with a key from 198.51.100.11"),
        ("Match Address 198.51.100.12\n PubkeyAuthentication no\n", {}, "key from 198.51.100.12"),
        ("Match User root\n PermitRootLogin yes\n", {}, ""),
        ("DenyGroups root\n", {}, "DenyGroups"),
        ("Match User alice\n LogLevel INFO\n", {}, ""),
        ("Match Address 198.51.100.0/24\n LogLevel INFO\n", {}, "LogLevel would be INFO for root at 198.51.100.11"),
        ("Match All\n LogLevel QUIET\n", {}, "and not VERBOSE as declared"),
        ("Match User nobody\n LogLevel INFO\n", {}, "INFO for nobody at 198.51.100.11"),
        ("Match All\n DenyUsers mallory\n", {}, "root could still log in from UNKNOWN"),
        ("Match User nobody\n PasswordAuthentication yes\n", {"settings": {"PasswordAuthentication": False}}, "nobody"),
        ("Match User nobody\n AcceptEnv B\n", {"settings": {"AcceptEnv": "A"}}, "AcceptEnv would be B for nobody"),
        ("AcceptEnv B\n", {"settings": {"AcceptEnv": "A"}}, ""),
        ("", {"root_addresses": []}, "root could log in from nowhere"),
        ("", {"connection_address": "192.0.2.1"}, "root at 192.0.2.1, the login of this very session"),
        ("", {"connection_address": "198.51.100.12"}, ""),
        ("", {"connection_user": "ghost", "connection_address": "192.0.2.1"}, "no account 'ghost'"),
        ("", {"connection_user": "nobody", "connection_address": "192.0.2.1"}, ""),
        (
            "Match User nobody\n AuthorizedKeysFile none\n",
            {
                "connection_user": "nobody",
                "connection_address": "192.0.2.1",
                "settings": {"PasswordAuthentication": False, "KbdInteractiveAuthentication": False},
            },
            "nobody at 192.0.2.1, the login of this very session, would be refused afterwards: it has no key",
        ),
    ],
)
def test_what_would_go_wrong_is_refused(node: Node, main: str, options: dict[str, Any], words: str) -> None:
    node.main.write_text(node.main.read_text() + main)
    before = {path: path.read_bytes() for path in node.root.rglob("*") if path.is_file()}
    if not words:
        assert node.bring(**options)["changed"]
        return
    with pytest.raises(InputError) as caught:
        node.bring(**options)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert {path: path.read_bytes() for path in node.root.rglob("*") if path.is_file()} == before
    assert node.told == []


@needs_sshd
def test_root_without_any_key_is_refused(node: Node) -> None:
    (node.root / "authorized_keys").write_text("# nothing\n\n")
    with pytest.raises(InputError, match="it has no key in"):
        node.bring()


@needs_sshd
@pytest.mark.parametrize("refuse", ["systemd-run", "try-reload-or-restart"])
@pytest.mark.parametrize("had", [None, "# mine\n"])
def test_a_failure_leaves_what_was_there(node: Node, refuse: str, had: str | None) -> None:
    if had:
        node.ours.write_text(had)
    node.refuse = refuse if refuse != "systemd-run" else "--quiet"
    with pytest.raises(InputError, match="the configuration is as it was"):
        node.bring()
    assert (node.ours.read_text() if node.ours.exists() else None) == had
    assert not sshd_commit.is_pending(node.host.commit)


@needs_sshd
def test_what_somebody_changed_since_is_not_confirmed(node: Node) -> None:
    node.bring()
    node.ours.write_text("PermitRootLogin yes\n")
    with pytest.raises(InputError, match="by somebody else"):
        node.bring(state="confirmed")


@needs_sshd
def test_the_text_means_what_it_says(node: Node) -> None:
    """Our evaluation and sshd agree on every address that is asked about."""
    node.bring()
    for address, good in {**dict.fromkeys(["198.51.100.11", "2001:db8:51::9"], True), "198.51.100.13": False}.items():
        login = f"user=root,host=x,addr={address}"
        done = subprocess.run(
            [find_program("sshd") or "", "-T", "-f", str(node.main), "-C", login], capture_output=True, text=True
        )
        assert "permitrootlogin without-password" in done.stdout
        assert ("denyusers root\n" not in done.stdout) is good


@needs_sshd
def test_a_peer_without_an_address_and_other_superusers(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sshd_change, "superusers", lambda: ["root", "toor"])
    monkeypatch.setattr(sshd_check, "find_account", lambda name, _files: sshd.Account(name, (name,), True, True))
    proofs = {(one["user"], one["address"]): one["allowed"] for one in node.bring()["proofs"]}
    assert proofs["root", "UNKNOWN"] is False
    assert proofs["toor", "203.0.113.113"] is False
    assert proofs["toor", "UNKNOWN"] is False


@pytest.mark.parametrize("end", ["\x0b", "\x0c", "\x1c", "\x85", "\u2028"])
def test_a_line_ends_where_it_does_for_sshd(end: str) -> None:
    text = f"# note{end}PermitRootLogin yes\nPermitRootLogin no\n"
    assert [(line.number, line.arguments) for line in sshd.directives("f", text)] == [(2, ("no",))]
