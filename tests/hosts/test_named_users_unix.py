# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Unix side of the role named_users on booted nodes, with the real sshd, sudo and systemd.

The tests share the hosts and build on each other; each leaves them as the role wants them.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.hosts.conftest import Hosts
from tests.lab.hosts import access, cgroup
from tests.lab.hosts import lab as actions
from tests.lab.hosts.layout import MANAGEMENT4, ROOT, ROUTER, Host

NODES = ("node1", "node2")
OURS = "/etc/ssh/sshd_config.d/00-pve-audit.conf"
MANAGEMENT = f"{MANAGEMENT4}.{ROUTER}"
HASH = "$6$abcdefgh$" + "x" * 86
PLAY = """
- hosts: pve_nodes
  gather_facts: false
  roles: [pve.audit.named_users]
"""
# As the playbook drift.yml does it, with the controls of this role.
DRIFT = f"""
- hosts: pve_nodes
  gather_facts: false
  check_mode: true
  diff: true
  vars:
    pve_audit_drift_running: true
  tasks:
    - ansible.builtin.include_vars: {{file: {ROOT}/roles/named_users/vars/controls.yml, name: named}}
    - ansible.builtin.set_fact:
        controls: "{{{{ named.pve_audit_named_users_controls | selectattr('hosts', 'defined')
                       | selectattr('hosts', 'contains', 'pve_nodes') | map('combine', {{'role': 'named_users'}}) }}}}"
        pve_audit_drift_checks: []
        pve_audit_drift_role: ""
        pve_audit_drift_lost: false
    - ansible.builtin.include_tasks: {ROOT}/playbooks/tasks/drift_control.yml
      loop: "{{{{ controls }}}}"
      loop_control: {{loop_var: pve_audit_drift_control}}
    - ansible.builtin.copy:
        content: "{{{{ [{{'node': inventory_hostname, 'unreachable': false, 'checks': pve_audit_drift_checks}}]
                      | pve.audit.drift_report([{{'node': inventory_hostname, 'controls': controls}}]) | to_json }}}}"
        dest: "{{{{ lab_state }}}}/drift-{{{{ inventory_hostname }}}}.json"
        mode: "0600"
      delegate_to: localhost
      connection: local
      check_mode: false
      diff: false
      vars: {{ansible_python_interpreter: "{{{{ ansible_playbook_python }}}}"}}
"""


def _addresses(host: Host) -> tuple[str, str]:
    return host.address4, host.address6


class Site:
    """The hosts, and the declaration with which the role is applied to them."""

    def __init__(self, hosts: Hosts, folder: Path) -> None:
        self.hosts, self.folder = hosts, folder
        self.people: dict[str, dict[str, Any]] = {
            name: {"id": name, "unix": True, "ssh_keys": [self.key(name)]} for name in ("bob", "carol")
        }
        self.people["bob"] |= {"sudo": True, "firstname": "Bob", "lastname": "Barley", "expire": "2031-06-30"}
        lab_key = access.public_client_key(hosts.lab).strip()
        self.people["alice"] = {"id": "alice", "unix": True, "sudo": True, "ssh_keys": [lab_key]}
        for name, text in (("play.yml", PLAY), ("drift.yml", DRIFT)):
            (folder / name).write_text(text)

    def key(self, name: str) -> str:
        private = self.folder / name
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", private], check=True)
        return private.with_suffix(".pub").read_text().strip()

    def variables(self, **extra: Any) -> dict[str, Any]:
        return {
            "pve_audit_named_users_people": list(self.people.values()),
            "pve_audit_named_users_unix_sshd_management_addresses": [MANAGEMENT],
            "pve_audit_named_users_root_password": "rotate",
            "pve_audit_named_users_root_password_hash": HASH,
            **{f"pve_audit_named_users_{name}": value for name, value in extra.items()},
        }

    def command(self, play: str, *words: str, **extra: Any) -> list[str]:
        settings = self.folder / "variables.json"
        settings.write_text(json.dumps(self.variables(**extra)))
        program = Path(sys.executable).with_name("ansible-playbook")
        given = ["-i", str(self.hosts.lab.inventory), str(self.folder / play), "-e", f"@{settings}"]
        # The cluster's side has no API here.
        return [str(program), *given, "--skip-tags", "api", *words]

    def environment(self) -> dict[str, str]:
        # A key of its own for each person: no agent, no user's own settings.
        return os.environ | {
            "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".build" / "collections"),
            "ANSIBLE_HOME": str(self.folder / "ansible"),
            "ANSIBLE_PIPELINING": "1",
            "ANSIBLE_NOCOLOR": "1",
        }

    def play(self, *words: str, play: str = "play.yml", **extra: Any) -> subprocess.CompletedProcess[str]:
        command = self.command(play, *words, **extra)
        return subprocess.run(command, capture_output=True, text=True, env=self.environment(), cwd=self.folder)

    def apply(self, *words: str, **extra: Any) -> dict[str, int]:
        """Apply the role, which must work; returns the number of changes of each node."""
        done = self.play(*words, **extra)
        assert done.returncode == 0, done.stdout + done.stderr
        found = re.findall(r"^(\S+)\s+: ok=\d+\s+changed=(\d+)", done.stdout, re.MULTILINE)
        return {name: int(count) for name, count in found}

    def refuse(self, *words: str, **extra: Any) -> str:
        """Apply the role, which must refuse without a change; returns what it said."""
        done = self.play(*words, **extra)
        assert done.returncode == 2, done.stdout + done.stderr
        assert "Traceback" not in done.stdout + done.stderr
        assert set(re.findall(r"changed=(\d+)", done.stdout)) == {"0"}, done.stdout
        return done.stdout

    def module(self, node: str, name: str, **options: Any) -> dict[str, Any]:
        """The result of one module on a node."""
        program = Path(sys.executable).with_name("ansible")
        words = ["-i", str(self.hosts.lab.inventory), node, "-m", f"pve.audit.{name}", "-a", json.dumps(options)]
        done = subprocess.run([program, *words], capture_output=True, text=True, env=self.environment())
        result: dict[str, Any] = json.JSONDecoder().raw_decode(done.stdout.partition("=> ")[2])[0]
        return result

    def sshd(self, node: str, **options: Any) -> dict[str, Any]:
        # What the role finds in corosync.conf, and by the names there.
        found = [address for name in NODES for address in _addresses(self.hosts.host(name))]
        addresses = [*sorted(found), MANAGEMENT]
        base = {"root_addresses": addresses, "settings": {"LogLevel": "VERBOSE"}, "confirm_seconds": 3}
        return self.module(node, "sshd_config", **(base | options))

    def login(
        self, user: str, node: str, command: str, source: str | None = None, six: bool = False
    ) -> subprocess.CompletedProcess[str]:
        """Log in with the person's own key; from the cluster's network when a `source` host is named."""
        lab = self.hosts.lab
        key = self.folder / user if (self.folder / user).exists() else access.client_key(lab)
        words = ["ssh", "-F", "none", "-i", str(key), "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes"]
        words += ["-o", f"UserKnownHostsFile={lab.state / 'known_hosts'}", "-o", f"HostKeyAlias={node}"]
        host = lab.host(node)
        space, address = (
            (lab.host(source), host.address6 if six else host.address4) if source else (None, host.management)
        )
        inside = ["nsenter", f"--net=/run/netns/{lab.netns(space)}"]
        return subprocess.run([*inside, *words, f"{user}@{address}", command], capture_output=True, text=True)

    def wait(self, node: str, command: str, seconds: float = 60) -> None:
        """Return when a shell command on the node succeeds."""
        deadline = time.monotonic() + seconds
        while actions.ssh(self.hosts.lab, self.hosts.host(node), command).returncode:
            assert time.monotonic() < deadline, f"{node}: {command}"
            time.sleep(0.2)

    def fingerprint(self, node: str) -> str:
        """All that the role may change; access times and the journal aside."""
        return self.hosts.run(
            node,
            "find /etc/ssh /etc/sudoers.d /home /etc/systemd/system /var/lib/pve-audit /etc/passwd /etc/group -type f"
            " -exec stat -c '%n %a %U %G %Y' {} + -exec sha256sum {} + | sort; sha256sum /etc/shadow",
        )


@pytest.fixture(scope="module")
def site(hosts: Hosts, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    actions.up(hosts.lab)  # the tests before these may have ended them
    made = Site(hosts, tmp_path_factory.mktemp("named"))
    changes = made.apply()
    assert all(changes[node] > 0 for node in NODES)
    yield made


def test_a_second_run_changes_nothing(site: Site) -> None:
    before = {node: site.fingerprint(node) for node in NODES}
    assert site.apply() == dict.fromkeys(NODES, 0)
    assert {node: site.fingerprint(node) for node in NODES} == before


@pytest.mark.parametrize("node", NODES)
def test_people_log_in_and_the_journal_names_them(site: Site, node: str) -> None:
    done = site.login("bob", node, f"sudo -n echo mark-{node}")
    assert done.stdout.strip() == f"mark-{node}", done.stderr
    site.hosts.run(node, "journalctl --sync")
    lines = site.hosts.run(node, "journalctl -t sudo -o cat")
    assert re.search(rf"bob : .*USER=root ; COMMAND=/usr/bin/echo mark-{node}$", lines, re.MULTILINE)
    assert re.search(rf"bob : .*COMMAND=/usr/bin/echo mark-{node} ; EXIT=0$", lines, re.MULTILINE)
    done = site.login("carol", node, "id -un; sudo -n true")
    assert (done.stdout.strip(), done.returncode) == ("carol", 1), done.stderr
    accepted = site.hosts.run(node, "journalctl -t sshd -t sshd-session -o cat | grep 'Accepted publickey for bob'")
    assert "SHA256:" in accepted


@pytest.mark.parametrize("node", NODES)
def test_root_comes_from_the_cluster_only(site: Site, node: str) -> None:
    other = next(name for name in NODES if name != node)
    assert site.login("root", node, "id -un", source=other).stdout.strip() == "root"
    assert site.login("root", node, "id -un").stdout.strip() == "root", "the management may"
    assert site.login("root", node, "id -un", source=other, six=True).stdout.strip() == "root"
    for six in (False, True):
        refused = site.login("root", node, "id -un", source="collector", six=six)
        assert (refused.returncode, refused.stdout) == (255, "")
        assert "Permission denied" in refused.stderr
    assert site.login("bob", node, "id -un", source="collector").stdout.strip() == "bob", "people come from anywhere"


def test_what_nobody_confirms_comes_back(site: Site) -> None:
    node = "node2"
    before = site.hosts.run(node, f"cat {OURS}")
    changed = site.sshd(node, settings={"MaxAuthTries": 3})
    assert (changed["changed"], changed["pending"]) == (True, True), changed
    site.wait(node, f"test -e /var/lib/pve-audit/sshd/undone && ! grep -q MaxAuthTries {OURS}")
    assert site.hosts.run(node, f"cat {OURS}") == before
    assert "was undone at" in site.sshd(node, state="confirmed")["msg"]
    assert site.hosts.run(node, "ls /var/lib/pve-audit/sshd; systemctl is-active ssh.service") == "undone\nactive"
    assert not site.sshd(node)["changed"]


def test_a_power_cut_confirms_nothing(site: Site) -> None:
    before = site.hosts.run("node1", f"cat {OURS}")
    assert site.sshd("node1", settings={"MaxAuthTries": 3}, confirm_seconds=600)["pending"]
    actions.kill(site.hosts.lab, site.hosts.host("node1"))
    # Else Linux 6.18 kills what is started in a group that was killed once.
    cgroup.remove(cgroup.group(site.hosts.lab, site.hosts.host("node1")))
    actions.start(site.hosts.lab, site.hosts.host("node1"))
    assert site.hosts.run("node1", f"cat {OURS}") == before
    assert site.hosts.run("node1", "ls /etc/systemd/system/ | grep -c pve-audit-sshd || true") == "0"


@pytest.mark.parametrize(
    ("node", "by_hand", "options", "words"),
    [
        ("node1", "true", {"settings": {"Nonsense": "yes"}}, "sshd refuses the new configuration, nothing was changed"),
        ("node1", "echo Bogus yes >>/etc/ssh/sshd_config", {}, "repair it first, nothing was changed"),
        (
            "node2",
            "echo Bogus yes >>/etc/ssh/sshd_config",
            {},
            "repair it first, nothing was changed: /etc/ssh/sshd_config",
        ),
        (
            "node1",
            "sed -i 's/^Include/#Include/' /etc/ssh/sshd_config",
            {},
            "add `Include /etc/ssh/sshd_config.d/*.conf`",
        ),
        (
            "node2",
            "echo PermitRootLogin yes >/etc/ssh/sshd_config.d/00-a.conf",
            {},
            "00-a.conf line 1 (permitrootlogin yes)",
        ),
        ("node1", "echo AllowUsers bob >>/etc/ssh/sshd_config", {}, "AllowUsers does not name it"),
        (
            "node2",
            "true",
            {"root_addresses": ["198.51.100.11", "198.51.100.12"]},
            f"root at {MANAGEMENT}, the login of this",
        ),
        ("node1", "true", {"root_addresses": ["198.51.100.1/24"]}, "host bits"),
    ],
)
def test_what_is_broken_never_goes_live(
    site: Site, node: str, by_hand: str, options: dict[str, Any], words: str
) -> None:
    site.hosts.run(node, f"cp -a /etc/ssh /root/ssh && {by_hand}")
    try:
        before = site.fingerprint(node)
        # Also where the file itself would have to be written.
        result = site.sshd(node, **({"settings": {"MaxAuthTries": 3}} | options))
        assert words in result["msg"], result
        assert site.fingerprint(node) == before
    finally:
        site.hosts.run(node, "rm -r /etc/ssh && mv /root/ssh /etc/ssh")
    assert site.login("root", node, "true").returncode == 0


def test_nobody_cuts_himself_off(site: Site) -> None:
    said = site.refuse("--limit", "node2", unix_sshd_management_addresses=[])
    assert f"root at {MANAGEMENT}, the login of this very session, would be refused afterwards" in said
    leaving = [site.people["bob"], site.people["carol"], {"id": "alice", "state": "disabled"}]
    as_alice = ("-e", "ansible_user=alice", "-e", "ansible_become=true", "--limit", "node1")
    said = site.refuse(*as_alice, people=leaving)
    assert "as alice, who is declared as disabled" in said
    said = site.refuse(*as_alice, people=[*leaving[:2], site.people["alice"] | {"sudo": False}])
    assert "as alice, who is no longer declared with sudo" in said
    said = site.refuse("--limit", "node2", people=[{"id": "www-data", "unix": True}, {"id": "Bob", "unix": True}])
    assert "Bob (no name of a Unix account), www-data (an account of the system)" in said


BY_HAND = {
    "node1": [
        ("PVA-IDN-10", "00-evil", "echo 'ssh-ed25519 AAAA 00-evil' >>/home/bob/.ssh/authorized_keys"),
        ("PVA-IDN-10", "authorized_keys2", "echo 'ssh-ed25519 AAAA x' >/home/carol/.ssh/authorized_keys2"),
        ("PVA-IDN-10", "mallory", "echo 'mallory ALL=(ALL) ALL' >>/etc/sudoers.d/pve-audit-people"),
        ("PVA-IDN-11", "PermitRootLogin yes", f"sed -i 's/prohibit-password/yes/' {OURS}"),
        ("PVA-IDN-12", "password of root", "echo root:toor | chpasswd"),
    ],
    "node2": [
        ("PVA-IDN-10", "carol", "userdel carol"),
        ("PVA-IDN-10", "/home/bob/.ssh", "chmod 0777 /home/bob/.ssh"),
        ("PVA-IDN-10", "bob", "chage -E -1 bob"),
        ("PVA-IDN-11", "absent", f"rm {OURS}"),
    ],
}


def test_drift_names_each_deviation_and_touches_nothing(site: Site) -> None:
    for node, changes in BY_HAND.items():
        site.hosts.run(node, "; ".join(command for _control, _shows, command in changes))
    before = {node: site.fingerprint(node) for node in NODES}
    done = site.play(play="drift.yml")
    assert done.returncode == 0, done.stdout + done.stderr
    assert {node: site.fingerprint(node) for node in NODES} == before
    assert HASH not in done.stdout + done.stderr
    for node, changes in BY_HAND.items():
        report = json.loads((site.hosts.lab.state / f"drift-{node}.json").read_text())
        rows = {row["control"]: row for row in report["rows"]}
        wanted = {control for control, _shows, _command in changes}
        assert {name: row["state"] for name, row in rows.items()} == {
            name: "drift" if name in wanted else "ok" for name in rows
        }, rows
        for control, shows, _command in changes:
            assert shows in json.dumps(rows[control]["changes"]), rows[control]
    site.apply()
    assert site.hosts.run("node2", f"stat -c %U /home/carol; stat -c %a {OURS}") == "carol\n644"
    assert site.hosts.run("node1", "cat /home/bob/.ssh/authorized_keys") == site.people["bob"]["ssh_keys"][0]


def test_the_password_of_root_is_locked_only_when_others_can_become_root(site: Site) -> None:
    one = [site.people["bob"], site.people["carol"] | {"sudo": False}]
    said = site.refuse("--tags", "PVA-IDN-12", "--limit", "node2", people=one, root_password="lock")
    assert "root is not locked: only 1 of the 2 other administrators" in said
    site.hosts.run("node1", "chage -E 1 bob")
    result = site.module("node1", "root_password", state="locked", administrators=["alice", "bob"])
    assert "only 1 of the 2" in result["msg"]
    assert "bob: `sudo -n true` fails" in result["msg"]
    assert site.hosts.run("node1", "getent shadow root | cut -d : -f 2") == HASH
    site.hosts.run("node1", "chage -E -1 bob")
    site.apply("--tags", "PVA-IDN-12", root_password="lock")
    assert site.hosts.run("node1", "getent shadow root | cut -d : -f 2") == f"!{HASH}"
    assert site.apply("--tags", "PVA-IDN-12", root_password="lock") == dict.fromkeys(NODES, 0)
    assert site.login("root", "node1", "true", source="node2").returncode == 0, "the cluster goes on"


def test_who_leaves_is_locked_out_and_who_returns_is_let_in(site: Site) -> None:
    site.hosts.run("node1", "touch /home/bob/work; gpasswd -a bob sudo")
    people = [site.people["alice"], site.people["carol"], {"id": "bob", "state": "disabled"}]
    here = ("--limit", "node1", "--tags", "PVA-IDN-10")
    site.apply(*here, people=people, unix_end_sessions=True)
    assert site.login("bob", "node1", "true").returncode == 255
    shadow = site.hosts.run("node1", "getent shadow bob").split(":")
    assert (shadow[1][0], shadow[7]) == ("!", "1")
    assert site.hosts.run("node1", "ls -A /home/bob/.ssh; id -nG bob; ls /home/bob") == "bob\nwork"
    assert "bob" not in site.hosts.run("node1", "cat /etc/sudoers.d/pve-audit-people")
    assert site.apply(*here, people=people) == {"node1": 0}
    site.people["bob"].pop("expire")
    site.apply(*here)
    assert site.login("bob", "node1", "sudo -n id -un").stdout.strip() == "root"


def test_the_first_step_takes_nothing_away_and_keys_of_leavers_are_taken_from_root(site: Site) -> None:
    bob = site.people["bob"]["ssh_keys"]
    people = [site.people["alice"], site.people["carol"], {"id": "bob", "state": "disabled", "ssh_keys": bob}]
    here = ("--limit", "node1", "--tags", "PVA-IDN-10")
    assert site.apply(*here, side="people", people=people) == {"node1": 0}
    assert site.login("bob", "node1", "sudo -n id -un").stdout.strip() == "root"
    keys = "/root/.ssh/authorized_keys"
    site.hosts.run("node1", f"mv {keys} /root/keys && ln -s /root/keys {keys}")  # as on a real node
    before = site.hosts.run("node1", f"cat {keys}")
    site.hosts.run("node1", f"echo 'no-pty {bob[0]} again' >>{keys}")
    site.apply(*here, people=people)
    assert bob[0] in site.hosts.run("node1", f"cat {keys}")
    assert site.apply(*here, people=people, undeclared="disable") == {"node1": 1}
    assert site.hosts.run("node1", f"cat {keys}; test -L {keys}") == before
    assert site.apply(*here, people=people, undeclared="disable") == {"node1": 0}
    site.hosts.run("node1", f"rm {keys} && mv /root/keys {keys}")
    site.apply(*here)


def test_whoever_is_taken_out_of_the_list_is_found(site: Site) -> None:
    people = [site.people["alice"], site.people["carol"]]
    here = ("--limit", "node1", "--tags", "PVA-IDN-10")
    site.hosts.run("node1", "gpasswd -a carol sudo")
    site.apply(*here, people=people)
    assert site.apply(*here, people=people) == {"node1": 0}, "only told of"
    assert site.login("bob", "node1", "sudo -n true").returncode == 1, "sudo is by name"
    done = site.play("--limit", "node1", play="drift.yml", people=people)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = json.loads((site.hosts.lab.state / "drift-node1.json").read_text())["rows"]
    row = next(row for row in rows if row["control"] == "PVA-IDN-10")
    assert row["state"] == "drift"
    assert {change["what"] for change in row["changes"]} == {"bob", "carol"}, row
    site.apply(*here, people=people, undeclared="disable")
    assert site.login("bob", "node1", "true").returncode == 255
    assert "sudo" not in site.hosts.run("node1", "id -nG carol").split()
    assert site.apply(*here, people=people, undeclared="disable") == {"node1": 0}
    site.apply(*here)
    assert site.login("bob", "node1", "sudo -n id -un").stdout.strip() == "root"


def test_a_first_look_where_nobody_is_there_yet(site: Site) -> None:
    new = [site.people["bob"] | {"id": name} for name in ("dave", "erin")]
    site.hosts.run(
        "node2", "cp -p /etc/shadow /root/shadow; echo root:not-locked-1 | chpasswd; mv /usr/sbin/visudo /root/"
    )
    try:
        before = site.fingerprint("node2")
        done = site.play("--check", "--diff", "--limit", "node2", people=new, root_password="lock")
        assert done.returncode == 0, done.stdout + done.stderr
        assert site.fingerprint("node2") == before
    finally:
        site.hosts.run("node2", "mv /root/visudo /usr/sbin/; mv /root/shadow /etc/shadow")
    assert "sudo is missing" in done.stdout
    assert "root is not locked: only 0 of the 2 other administrators" in " ".join((done.stdout + done.stderr).split())


@pytest.mark.parametrize("lose", ["key", "sudo"])
def test_ansible_gets_its_own_access_back(site: Site, lose: str) -> None:
    """The key with which it came is not among the declared ones, or what made it root is not what it took for that."""
    files = "sha256sum /home/alice/.ssh/authorized_keys /etc/sudoers.d/pve-audit-people"
    before = site.hosts.run("node2", files)
    people = [site.people["bob"], site.people["carol"], site.people["alice"]]
    words = ["-e", "ansible_user=alice", "-e", "ansible_become=true", "--limit", "node2", "--tags", "PVA-IDN-10"]
    wrong: dict[str, Any] = {"people": people, "unix_sshd_confirm_seconds": 10}
    if lose == "key":
        wrong["people"] = [*people[:2], site.people["alice"] | {"ssh_keys": site.people["bob"]["ssh_keys"]}]
    else:
        site.hosts.run("node2", "mv /etc/sudoers.d/lab /root/lab; gpasswd -d alice sudo")
        wrong["unix_sudo_password"] = True
    try:
        done = site.play(*words, **wrong)
        assert done.returncode == 2, done.stdout + done.stderr
        assert "could not log in to node2 anew as alice" in done.stdout
        site.wait("node2", f"test ! -e /run/pve-audit-people && test \"$({files})\" = '{before}'", 30)
    finally:
        site.hosts.run("node2", "test ! -e /root/lab || mv /root/lab /etc/sudoers.d/lab; gpasswd -a alice sudo")
    assert site.apply(*words, people=people) == {"node2": 0}
    site.hosts.run("node2", "test ! -e /run/pve-audit-people")


def test_other_superusers_and_peers_without_an_address_are_refused(site: Site) -> None:
    node = "node1"
    pipe = (
        "ssh -F none -i /root/pipe -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null"
        " -o LogLevel=ERROR -o ProxyCommand='/usr/sbin/sshd -i {}' root@pipe id -un"
    )
    site.apply("--tags", "PVA-IDN-12", root_password="rotate")  # a locked root gets in with PAM only
    site.hosts.run(
        node,
        "cp -p /root/.ssh/authorized_keys /root/keys; ssh-keygen -q -t ed25519 -N '' -f /root/pipe;"
        " cat /root/pipe.pub >>/root/.ssh/authorized_keys; useradd -o -u 0 -g 0 -M -d /root -s /bin/bash -p '*' toor",
    )
    try:
        assert site.hosts.run(node, pipe.format("-f /dev/null")) == "root"
        refused = actions.ssh(site.hosts.lab, site.hosts.host(node), pipe.format(""))
        assert (refused.returncode, refused.stdout) == (255, ""), refused
        assert site.login("toor", node, "id -u", source="collector").stdout.strip() == "0"
        site.apply("--tags", "PVA-IDN-11", "--limit", node)
        assert site.login("toor", node, "id -u", source="collector").returncode == 255
        assert site.login("toor", node, "id -u", source="node2").stdout.strip() == "0"
    finally:
        site.hosts.run(node, "sed -i /^toor:/d /etc/passwd /etc/shadow; mv /root/keys /root/.ssh/authorized_keys")
        site.hosts.run(node, "rm -f /root/pipe*")
    site.apply("--tags", "PVA-IDN-11", "--limit", node)


def test_a_node_without_a_cluster_has_its_own_addresses(site: Site) -> None:
    site.hosts.run("node2", "mv /etc/pve/corosync.conf /etc/pve/corosync.old")
    here = ("--limit", "node2", "--tags", "PVA-IDN-11")
    try:
        said = site.refuse(*here, unix_sshd_management_addresses=[])
        assert "pve_audit_named_users_unix_sshd_management_addresses" in re.sub(r"\s", "", said)
        done = site.play(*here, "--check", "--diff")
        assert done.returncode == 0, done.stdout + done.stderr
        assert f"!{site.hosts.host('node2').address4}," in done.stdout
    finally:
        site.hosts.run("node2", "mv /etc/pve/corosync.old /etc/pve/corosync.conf")


def test_an_interrupted_change_comes_back_and_the_next_run_finishes(site: Site) -> None:
    before = site.hosts.run("node1", f"cat {OURS}")
    new: dict[str, Any] = {"unix_sshd_settings": {"MaxAuthTries": 5}, "unix_sshd_confirm_seconds": 6}
    command = site.command("play.yml", "--limit", "node1", "--tags", "PVA-IDN-11", **new)
    process = subprocess.Popen(command, env=site.environment(), stdout=subprocess.DEVNULL, start_new_session=True)
    site.wait("node1", "test -e /var/lib/pve-audit/sshd/pending", 60)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    site.wait("node1", "test -e /var/lib/pve-audit/sshd/undone")
    assert site.hosts.run("node1", f"cat {OURS}") == before
    assert site.login("root", "node1", "true").returncode == 0
    assert site.apply("--limit", "node1", "--tags", "PVA-IDN-11", **new) == {"node1": 2}
    assert "MaxAuthTries 5" in site.hosts.run("node1", f"cat {OURS}")
    site.wait("node1", "! systemctl list-timers --all | grep -q pve-audit-sshd")


def test_absent_gives_sshd_its_own_settings_back(site: Site) -> None:
    site.apply("--tags", "PVA-IDN-11", "--limit", "node2", unix_sshd_state="absent")
    assert site.hosts.run("node2", f"ls {OURS} /var/lib/pve-audit/sshd/pending 2>&1 | grep -c 'No such'") == "2"
    assert site.login("root", "node2", "id -un", source="collector").stdout.strip() == "root"
