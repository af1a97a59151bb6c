# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module remote_syslog below its wiring: what it writes, starts, refuses, and puts back."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.pve.audit.plugins.lookup.zipapp import make_archive, read_folder
from ansible_collections.pve.audit.plugins.module_utils._model.errors import InputError
from ansible_collections.pve.audit.plugins.module_utils._module.remote_syslog_options import SPEC
from ansible_collections.pve.audit.plugins.module_utils._node.command import Outcome, find_program, run
from ansible_collections.pve.audit.plugins.module_utils._node.forward import certificate, rsyslog, rsyslog_check
from ansible_collections.pve.audit.plugins.module_utils._node.forward import config as forward_config
from ansible_collections.pve.audit.plugins.module_utils._node.forward.remote_syslog import (
    ForwardingPaths,
    System,
    ensure,
)
from ansible_collections.pve.audit.plugins.modules import remote_syslog as module
from pve_audit import wire
from tests.forward.harness import PROGRAM, Authority

PROGRAMS = make_archive(read_folder(PROGRAM))
NEEDS_RSYSLOGD = pytest.mark.skipif(find_program("rsyslogd") is None, reason="rsyslogd is not installed")
MAIN = 'module(load="imuxsock")\n$WorkDirectory {root}\n$IncludeConfig {root}/rsyslog.d/*.conf\n*.* /dev/null\n'


@dataclass
class Systemd:
    """systemctl, as far as it is asked; the forwarder and rsyslogd are the real ones."""

    calls: list[str] = field(default_factory=list)
    running: set[str] = field(default_factory=set)
    enabled: set[str] = field(default_factory=set)
    dies: bool = False
    starts: int = 0

    def __call__(self, argv: Sequence[str]) -> Outcome:
        if argv[0] == "/usr/bin/python3":
            return run([sys.executable, *argv[1:]])
        if argv[0] == "journalctl":
            return Outcome(0, "it said why\n")
        if argv[0] != "systemctl":
            return run(argv)
        return self._systemctl(*argv[1:])

    def _systemctl(self, verb: str, *words: str) -> Outcome:
        unit = words[-1] if words else ""
        if verb.startswith("is-"):
            return Outcome(0 if unit in (self.running if verb == "is-active" else self.enabled) else 3)
        if verb == "show":
            self.starts += self.dies
            return Outcome(0, f"{100 + self.starts}\n" if unit in self.running else "0\n")
        self.calls.append(" ".join((verb, *words)))
        if verb == "restart":
            self.starts += 1
            self.running.add(unit)
        elif verb == "enable":
            self.enabled.add(unit)
        elif verb == "disable":
            self.enabled.discard(unit)
            self.running.discard(unit)
        return Outcome(0)


@dataclass
class Host:
    """A node with certificates, in one directory."""

    root: Path
    systemd: Systemd = field(default_factory=Systemd)

    def __post_init__(self) -> None:
        pki = Authority(self.root / "pki")
        pki.issue("node", "pve1", days=100)
        pki.issue("other", "pve1", days=10)
        (self.root / "rsyslog.d").mkdir()
        (self.root / "rsyslog.conf").write_text(MAIN.format(root=self.root))
        (self.root / "state").mkdir()
        self.systemd.running.add("rsyslog.service")
        forward = forward_config.ForwarderPaths(
            str(self.root / "etc" / "forward.json"), str(self.root / "state"), str(self.root / "status.json")
        )
        logs = rsyslog_check.RsyslogPaths(str(self.root / "rsyslog.conf"), str(self.root / "rsyslog.d"))
        self.paths = ForwardingPaths(
            forward,
            str(self.root / "forward.service"),
            logs,
            str(self.root / "journal.state"),
            str(self.root / "rsyslog.service.d" / "60-pve-audit.conf"),
        )
        self.backups: list[str] = []
        self.program = self.root / "pve_audit.pyz"
        self.program.write_bytes(PROGRAMS)

    def params(self, **changes: Any) -> dict[str, Any]:
        """All options."""
        pki = self.root / "pki"
        paths = {"ca_path": f"{pki}/ca.crt", "cert_path": f"{pki}/node.crt", "key_path": f"{pki}/node.key"}
        target = {"host": "192.0.2.1", "port": 2514, "permitted_peers": ["collector"]}
        found = {name: option.get("default") for name, option in SPEC.items()}
        queue = {name: option["default"] for name, option in SPEC["queue"]["options"].items()}
        queue["directory"] = str(self.root / "queue")
        found |= {"targets": [target], "node_name": "pve1", "program": str(self.program), "queue": queue}
        found |= {**paths, **changes}
        found["expiry_warning_days"] = changes.get("expiry_warning_days", 5)
        found["verify_seconds"] = 1
        return found

    def run(self, check: bool = False, **changes: Any) -> dict[str, Any]:
        """One run of the module."""
        self.systemd.calls.clear()
        node = System(self.systemd, self.paths, sleep=lambda _seconds: None)
        return ensure(self.params(**changes), node, check, self._backup)

    def _backup(self, path: str) -> str:
        self.backups.append(path)
        return f"{path}.bak"

    def tree(self) -> dict[str, bytes]:
        """Everything that lies there, without the keys."""
        files = (path for path in self.root.rglob("*") if path.is_file() and "pki" not in path.parts)
        return {str(path.relative_to(self.root)): path.read_bytes() for path in files}


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def test_options_of_the_documentation_are_those_of_the_module() -> None:
    documented = yaml.safe_load(module.DOCUMENTATION)["options"]

    def shape(options: dict[str, Any], inner: str) -> dict[str, Any]:
        keys = ("type", "default", "choices", "elements", "required")
        return {
            name: ({key: option[key] for key in keys if key in option}, shape(option.get(inner, {}), inner))
            for name, option in options.items()
        }

    assert shape(documented, "suboptions") == shape(SPEC, "options")


def test_from_nothing_to_running_and_a_second_run_changes_nothing(host: Host) -> None:
    result = host.run()
    assert result["changed"]
    assert result["service"] == "pve-audit-forward.service"
    assert host.systemd.calls == [
        "daemon-reload", "enable pve-audit-forward.service", "restart pve-audit-forward.service",
    ]  # fmt: skip
    config = host.root / "etc" / "forward.json"
    assert config.stat().st_mode & 0o777 == 0o600
    assert json.loads(config.read_text())["targets"][0]["host"] == "192.0.2.1"
    again = host.run()
    assert not again["changed"]
    assert again["diff"] == []
    assert host.systemd.calls == []


def test_check_mode_predicts_and_touches_nothing(host: Host) -> None:
    before = host.tree()
    predicted = host.run(check=True)
    assert host.tree() == before
    assert host.systemd.calls == []
    done = host.run()
    assert (predicted["changed"], predicted["diff"], predicted["files"]) == (True, done["diff"], done["files"])


def test_stopped_service_is_a_change(host: Host) -> None:
    host.run()
    host.systemd.running.discard("pve-audit-forward.service")
    assert host.run(check=True)["changed"]
    assert host.run()["changed"]
    assert not host.run()["changed"]


def test_no_key_in_any_output(host: Host) -> None:
    key = (host.root / "pki" / "node.key").read_text(encoding="ascii").splitlines()[1]
    assert len(key) > 40
    assert key not in json.dumps(host.run())
    assert all(key.encode() not in content for content in host.tree().values())


def test_what_does_not_stay_up_is_undone(host: Host) -> None:
    host.run()
    before = host.tree()
    host.systemd.dies = True
    with pytest.raises(InputError, match="does not stay up: it said why; the former configuration is in force again"):
        host.run(resend_seconds=5)
    assert host.tree() == before
    assert host.systemd.calls[-1] == "restart pve-audit-forward.service"


def test_first_attempt_that_fails_leaves_nothing(host: Host) -> None:
    before = host.tree()
    host.systemd.dies = True
    with pytest.raises(InputError):
        host.run()
    assert host.tree() == before
    assert host.systemd.calls[-1] == "disable --now pve-audit-forward.service"


def test_absent_removes_everything(host: Host) -> None:
    before = set(host.tree())
    host.run()
    (host.root / "state" / "failover.json").write_text("{}")
    result = host.run(state="absent", targets=[])
    assert result["changed"]
    assert result["service"] is None
    assert set(host.tree()) == before
    assert "disable --now pve-audit-forward.service" in host.systemd.calls
    assert not host.run(state="absent", targets=[])["changed"]


@NEEDS_RSYSLOGD
@pytest.mark.parametrize("protocol", ["relp", "tcp"])
@pytest.mark.parametrize("mode", ["failover", "parallel"])
@pytest.mark.parametrize("tls", [True, False])
def test_queued_is_accepted_by_the_real_rsyslogd(host: Host, protocol: str, mode: str, tls: bool) -> None:
    targets = [{"host": name, "port": 2514, "permitted_peers": None} for name in ("c1.example", "2001:db8::1")]
    files = [{"name": "access.log", "path": "/var/log/pveproxy/access.log", "tag": None}]
    options: dict[str, Any] = {
        "delivery": "queued",
        "protocol": protocol,
        "mode": mode,
        "tls": tls,
        "targets": targets,
        "files": files,
    }
    result = host.run(journal_matches=["_COMM=qm", '_COMM=p"c]\\t$x', "_UID=0"], **options)
    assert result["service"] == "rsyslog.service"
    assert host.systemd.calls == ["daemon-reload", "restart rsyslog.service"]
    assert (host.root / "queue").is_dir()
    assert tls or "forge" in result["warnings"][0]
    assert not host.run(journal_matches=["_COMM=qm", '_COMM=p"c]\\t$x', "_UID=0"], **options)["changed"]


@NEEDS_RSYSLOGD
def test_what_rsyslogd_refuses_never_replaces_what_works(host: Host) -> None:
    host.run(delivery="queued")
    before = host.tree()
    bad = {**host.params()["queue"], "max_disk": "a lot"}
    with pytest.raises(InputError, match=r"60-pve-audit.conf, on or before line \d+: parameter 'queue.maxdiskspace'"):
        host.run(delivery="queued", queue=bad)
    assert host.tree() == before
    assert host.systemd.calls == []


@NEEDS_RSYSLOGD
def test_modules_of_others_are_not_loaded_again(host: Host) -> None:
    (host.root / "rsyslog.d" / "10-mine.conf").write_text('module(load="imfile")\n$ModLoad imjournal.so\n')
    host.run(delivery="queued", files=[{"name": "a", "path": "/var/log/a", "tag": None}])
    text = (host.root / "rsyslog.d" / "60-pve-audit.conf").read_text()
    assert 'load="imfile"' not in text
    assert 'imjournal" then stop' not in text


@NEEDS_RSYSLOGD
def test_change_of_the_delivery_starts_the_new_before_the_old_ends(host: Host) -> None:
    host.run()
    host.run(delivery="queued")
    end = ["disable --now pve-audit-forward.service", "daemon-reload"]
    assert host.systemd.calls == ["daemon-reload", "restart rsyslog.service", *end]
    assert not (host.root / "etc" / "forward.json").exists()
    drop_in = host.root / "rsyslog.service.d" / "60-pve-audit.conf"
    assert "-/etc/pve/priv" in drop_in.read_text()
    host.run()
    assert not drop_in.exists()
    assert host.systemd.calls[-3:] == ["restart pve-audit-forward.service", "daemon-reload", "restart rsyslog.service"]
    assert not (host.root / "rsyslog.d" / "60-pve-audit.conf").exists()


@NEEDS_RSYSLOGD
def test_absent_leaves_a_queue_with_lines_in_it(host: Host) -> None:
    host.run(delivery="queued")
    (host.root / "queue" / "pve_audit_queue.00000001").write_text("x")
    assert "still holds lines" in host.run(state="absent")["warnings"][0]


@NEEDS_RSYSLOGD
def test_main_file_without_the_include_is_refused(host: Host) -> None:
    (host.root / "rsyslog.conf").write_text("*.* /dev/null\n")
    with pytest.raises(InputError, match="does not include"):
        host.run(delivery="queued")


@NEEDS_RSYSLOGD
def test_errors_of_others_are_not_ours(host: Host) -> None:
    (host.root / "rsyslog.d" / "90-broken.conf").write_text('action(type="omfile" typo="x" file="/dev/null")\n')
    assert host.run(delivery="queued")["changed"]


def test_backup(host: Host) -> None:
    host.run(backup=True)
    assert host.backups == []
    assert host.run(backup=True, resend_seconds=5)["backup_files"] == [f"{host.root}/etc/forward.json.bak"]


def test_expiry_is_warned_of(host: Host) -> None:
    assert host.run(expiry_warning_days=200)["warnings"][0].endswith("node.crt expires in 100 days")
    Authority(host.root / "pki").issue("node", "pve1", days=-3)
    assert "has expired 3 days ago" in host.run()["warnings"][0]


MISTAKES: list[tuple[dict[str, Any], str]] = [
    ({"targets": []}, "at least one"),
    ({"targets": [{"host": "a b", "port": 1, "permitted_peers": None}]}, "not the name"),
    ({"targets": [{"host": "a", "port": 99999, "permitted_peers": None}]}, "port"),
    ({"targets": [{"host": "a", "port": 1, "permitted_peers": ['x"']}]}, "certificate"),
    ({"targets": [{"host": "a", "port": 1, "permitted_peers": None}] * 2}, "twice"),
    ({"protocol": "tcp"}, "queued"),
    ({"cert_path": None}, "cert_path is needed"),
    ({"key_path": "/a b"}, "absolute path"),
    ({"key_path": "/nonexistent"}, "no file /nonexistent"),
    ({"journal": False}, "nothing to send"),
    ({"files": [{"name": "journal", "path": "/x", "tag": None}]}, "journal"),
    ({"files": [{"name": "x", "path": "x", "tag": None}]}, "absolute"),
    ({"files": [{"name": "x", "path": '/x"', "tag": None}]}, "quotes"),
    ({"files": [{"name": "x", "path": "/x", "tag": "a b"}]}, "tag"),
    ({"files": [{"name": "x", "path": "/x", "tag": None}] * 2}, "same name"),
    ({"journal_matches": ["no equals"]}, "journal match"),
    ({"node_name": "a]b"}, "name of the node"),
    ({"ack_timeout": 0}, "ack_timeout"),
    ({"resend_seconds": -1}, "resend_seconds"),
    ({"message_bytes": 100}, "longest message"),
    ({"program": "/nonexistent"}, "not installed"),
]


@pytest.mark.parametrize(("changes", "word"), MISTAKES)
def test_mistake_changes_nothing(host: Host, changes: dict[str, Any], word: str) -> None:
    before = host.tree()
    with pytest.raises(InputError, match=word):
        host.run(**changes)
    assert host.tree() == before
    assert host.systemd.calls == []


def test_key_of_another_certificate_is_refused(host: Host) -> None:
    with pytest.raises(InputError, match="does not fit"):
        host.run(key_path=str(host.root / "pki" / "other.key"))


def test_missing_program_is_a_warning_in_check_mode(host: Host) -> None:
    result = host.run(check=True, program="/nonexistent")
    assert "were not validated" in result["warnings"][0]
    assert result["changed"]


def test_new_program_restarts_the_service(host: Host) -> None:
    host.run()
    files = read_folder(PROGRAM)
    host.program.write_bytes(make_archive({**files, "__main__.py": files["__main__.py"] + b"# new\n"}))
    result = host.run()
    assert result["files"] == [host.paths.unit]
    assert "restart pve-audit-forward.service" in host.systemd.calls


def test_renewed_certificate_restarts_rsyslog_only_for_queued(host: Host) -> None:
    host.run()
    Authority(host.root / "pki").issue("node", "pve1", days=100)
    assert not host.run()["changed"]


def test_both_ways_of_delivery_mark_the_origin_alike() -> None:
    assert rsyslog.SD_ID == wire.SD_ID


@given(st.text())
def test_a_quoted_string_ends_where_it_should(text: str) -> None:
    quoted = rsyslog.quote(text)
    inner = quoted[1:-1].replace("\\\\", "").replace('\\"', "").replace("\\$", "")
    assert '"' not in inner
    assert "\\" not in inner
    assert "$" not in inner


def test_expires_at_is_known(host: Host) -> None:
    until = certificate.expires_at(str(host.root / "pki" / "node.crt"))
    assert until is not None
    assert until > os.stat(host.root / "pki" / "node.crt").st_mtime
