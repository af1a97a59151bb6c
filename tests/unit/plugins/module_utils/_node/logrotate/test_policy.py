# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Policies against the real logrotate, in a configuration of their own: refusals, takeover, the way back, no lost
line."""

from __future__ import annotations

import grp
import gzip
import os
import pwd
import shutil
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.pve.audit.plugins.module_utils._model.errors import InputError
from ansible_collections.pve.audit.plugins.module_utils._node.command import Outcome, find_program, run
from ansible_collections.pve.audit.plugins.module_utils._node.logrotate import policy as lp
from ansible_collections.pve.audit.plugins.module_utils._node.logrotate.files import doubles, read_configuration
from ansible_collections.pve.audit.plugins.module_utils._node.managed_file import FileState, remove_file

DATA = Path(__file__).parent / "data"
needs_logrotate = pytest.mark.skipif(
    find_program("logrotate") is None and os.environ.get("CI") != "true",
    reason="NOT TESTED: logrotate is not installed",
)


@dataclass
class Node:
    """A directory that stands for a node's /etc and /var/log."""

    root: Path
    places: lp.LogrotatePlaces

    @property
    def log(self) -> str:
        return str(self.root / "log" / "access.log")

    def policy(self, **change: Any) -> dict[str, Any]:
        me = {"mode": "0640", "owner": str_user(), "group": str_group()}
        base = {"paths": [self.log], "rotate": -1, "maxage": 365, "create": me, "missingok": True, "notifempty": False}
        return {**base, "dateext": True, "dateformat": "-%Y%m%d-%s", "compress": True, "delaycompress": True, **change}

    def bring(self, policy: dict[str, Any], takeover: bool = True, name: str = "pve-audit-access") -> lp.PolicyPlan:
        plan = lp.plan_present(name, policy, takeover, self.places)
        lp.check_plan(plan, self.places, run)
        if plan.changed:
            lp.apply_present(name, policy, plan, self.places)
        return plan

    def tree(self) -> dict[str, bytes]:
        return {p.name: p.read_bytes() for p in sorted((self.root / "logrotate.d").iterdir())}


def str_user() -> str:
    return pwd.getpwuid(os.geteuid()).pw_name


def str_group() -> str:
    return grp.getgrgid(os.getegid()).gr_name


@pytest.fixture
def node(tmp_path: Path) -> Node:
    """All shipped files, their paths led into the test's directory, PVE's with mode and time of its own."""
    (tmp_path / "log").mkdir()
    (tmp_path / "logrotate.d").mkdir(mode=0o755)
    for file in (DATA / "logrotate.d").iterdir():
        text = file.read_text().replace("/var/log/pveproxy", str(tmp_path / "log")).replace("/var/log", str(tmp_path))
        for owner in ("www-data www-data", "root adm", "root utmp", "root root"):
            text = text.replace(owner, f"{str_user()} {str_group()}")
        target = tmp_path / "logrotate.d" / file.name
        target.write_text(text)
        target.chmod(0o644)
    os.utime(tmp_path / "logrotate.d" / "pve", (1_700_000_000, 1_700_000_000))
    (tmp_path / "logrotate.d" / "pve").chmod(0o444)
    main = tmp_path / "logrotate.conf"
    main.write_text((DATA / "logrotate.conf").read_text().replace("/etc/logrotate.d", str(tmp_path / "logrotate.d")))
    main.chmod(0o644)
    (tmp_path / "log" / "access.log").write_text("first\n")
    return Node(tmp_path, lp.LogrotatePlaces(str(main), str(tmp_path / "logrotate.d"), str(tmp_path / "aside")))


@needs_logrotate
def test_takeover_and_back_is_byte_identical(node: Node) -> None:
    before = node.tree()
    first = node.bring(node.policy())
    pve = Path(node.places.directory, "pve")
    assert first.take_over == [str(pve)]
    assert min(diff["after_header"] for diff in first.diff()).endswith("/pve (absent)")
    assert not pve.exists()
    assert not node.bring(node.policy()).changed
    back = lp.plan_absent("pve-audit-access", node.places)
    lp.apply_absent("pve-audit-access", back, node.places)
    assert node.tree() == before
    found = pve.stat()
    assert (found.st_mode & 0o777, found.st_mtime) == (0o444, 1_700_000_000)
    assert not lp.plan_absent("pve-audit-access", node.places).changed
    assert not os.listdir(node.places.aside)


@needs_logrotate
def test_upgrade_that_brings_the_file_back_is_seen_and_repaired(node: Node) -> None:
    node.bring(node.policy())
    pve = Path(node.places.directory, "pve")
    newer = (DATA / "logrotate.d" / "pve").read_text().replace("/var/log/pveproxy", str(node.root / "log"))
    pve.write_text(newer.replace("rotate 7", "rotate 14"))
    pve.chmod(0o644)
    pairs = doubles(read_configuration(node.places.main))
    assert [(a.file, b.file) for a, b in pairs] == [(str(pve), str(pve) + "-audit-access")]
    assert node.bring(node.policy()).take_over == [str(pve)]
    lp.apply_absent("pve-audit-access", lp.plan_absent("pve-audit-access", node.places), node.places)
    assert "rotate 14" in pve.read_text()


def test_file_that_came_back_stays_on_absent(node: Node) -> None:
    lp.apply_present("x", node.policy(), lp.plan_present("x", node.policy(), True, node.places), node.places)
    pve = Path(node.places.directory, "pve")
    pve.write_text("# newer\n")
    plan = lp.plan_absent("x", node.places)
    assert plan.warnings == [f"{pve} is there again (a package brought it) and stays as it is"]
    lp.apply_absent("x", plan, node.places)
    assert pve.read_text() == "# newer\n"
    assert lp.taken_over(node.places) == {}


def test_policy_over_another_file_is_refused_with_its_place(node: Node) -> None:
    with pytest.raises(InputError, match=rf"{node.places.directory}/pve:1 rotates {node.log} already"):
        lp.plan_present("x", node.policy(), False, node.places)


def test_takeover_never_drops_a_path_that_nobody_rotates_then(node: Node) -> None:
    policy = node.policy(paths=[str(node.root / "syslog")])
    with pytest.raises(InputError, match=r"rsyslog:1 rotates .*mail.log.* add it to paths"):
        lp.plan_present("x", policy, True, node.places)


def test_file_of_somebody_else_is_not_overwritten(node: Node) -> None:
    with pytest.raises(InputError, match="was not written by"):
        lp.plan_present("pve", node.policy(), True, node.places)
    with pytest.raises(InputError, match="was not written by"):
        lp.plan_absent("pve", node.places)


def test_directory_that_nobody_includes(node: Node) -> None:
    Path(node.places.main).write_text("weekly\n")
    with pytest.raises(InputError, match="does not include"):
        lp.plan_present("x", node.policy(), True, node.places)


# Change to the policy, and what logrotate says, with the line.
REFUSED = [
    (
        {"create": {"mode": "0640", "owner": "nosuchuser", "group": "nosuchgroup"}},
        r"logrotate\.d/pve-audit-access:\d+ unknown",
    ),
    ({"olddir": "/nonexistent/dir"}, r"pve-audit-access:\d+ .*olddir"),
    ({"missingok": False, "paths": ["LOG", "/nonexistent/x.log"]}, r"nonexistent"),
    ({"su": {"user": "nosuchuser", "group": "nosuchgroup"}}, r"pve-audit-access:\d+ unknown"),
]


@needs_logrotate
@pytest.mark.parametrize(("change", "words"), REFUSED)
@pytest.mark.parametrize("old", [False, True])
def test_refused_policy_changes_nothing(node: Node, change: dict[str, Any], words: str, old: bool) -> None:
    if old:
        node.bring(node.policy())
    before = node.tree()
    change = {**change, **({"paths": [node.log, "/nonexistent/x.log"]} if "paths" in change else {})}
    with pytest.raises(InputError, match=words):
        node.bring(node.policy(**change))
    assert node.tree() == before


@needs_logrotate
def test_errors_of_other_files_do_not_block(node: Node) -> None:
    other = Path(node.places.directory, "broken")
    other.write_text("/var/log/nothing.log {\n missingok\n rotate x\n}\n")
    other.chmod(0o644)
    node.bring(node.policy())
    assert Path(node.places.directory, "pve-audit-access").exists()


def test_validator_that_cannot_run_is_a_refusal(node: Node) -> None:
    plan = lp.plan_present("x", node.policy(), True, node.places)
    with pytest.raises(InputError, match="cannot be validated"):
        lp.check_plan(plan, node.places, lambda _argv: Outcome(127, missing=True, stderr="no program"))


def test_failure_in_the_middle_leaves_the_old_state(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    before = node.tree()
    plan = lp.plan_present("x", node.policy(), True, node.places)

    def refuse(path: str) -> FileState | None:
        if path.endswith("/pve"):
            raise PermissionError(1, "Operation not permitted", path)
        return remove_file(path)

    monkeypatch.setattr(lp, "remove_file", refuse)
    with pytest.raises(InputError, match="nothing was changed"):
        lp.apply_present("x", node.policy(), plan, node.places)
    assert node.tree() == before


def write_lines(path: str, stop: threading.Event, written: list[int]) -> None:
    """As pveproxy: opens for appending, writes whole lines, opens anew when the file was moved."""
    while not stop.is_set():
        with open(path, "a", encoding="ascii") as stream:
            inode = os.fstat(stream.fileno()).st_ino
            while not stop.is_set():
                stream.write(f"line {len(written)}\n")
                stream.flush()
                written.append(len(written))
                time.sleep(0.0002)
                if len(written) % 20 == 0 and (not os.path.exists(path) or os.stat(path).st_ino != inode):
                    break


@needs_logrotate
def test_rotation_under_a_writer_loses_nothing(node: Node) -> None:
    node.bring(node.policy())
    Path(node.log).write_text("")
    Path(node.log).chmod(0o640)
    stop, written = threading.Event(), list[int]()
    writer = threading.Thread(target=write_lines, args=(node.log, stop, written))
    writer.start()
    for _round in range(4):
        time.sleep(1.05)
        program = find_program("logrotate") or "logrotate"
        done = subprocess.run(
            [program, "-f", "-s", str(node.root / "state"), str(Path(node.places.directory, "pve-audit-access"))],
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
    stop.set()
    writer.join()
    logs = Path(node.log).parent
    texts = [
        gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes() for file in logs.iterdir()
    ]
    lines = [line for text in texts for line in text.decode().splitlines()]
    assert len(texts) == 5
    assert sorted(lines, key=lambda line: int(line.split()[1])) == [f"line {number}" for number in written]
    assert {file.stat().st_mode & 0o777 for file in logs.iterdir()} == {0o640}


@needs_logrotate
def test_age_decides_and_not_the_number(node: Node) -> None:
    node.bring(node.policy())
    logs = Path(node.log).parent
    now = time.time()
    for days in (1, 200, 364, 367, 400):
        file = (
            logs
            / f"access.log-{time.strftime('%Y%m%d', time.localtime(now - days * 86400))}-{int(now - days * 86400)}.gz"
        )
        file.write_bytes(gzip.compress(b"x\n"))
        os.utime(file, (now - days * 86400, now - days * 86400))
    subprocess.run(
        [
            find_program("logrotate") or "",
            "-f",
            "-s",
            str(node.root / "state"),
            f"{node.places.directory}/pve-audit-access",
        ],
        check=True,
    )
    ages = sorted(round((now - file.stat().st_mtime) / 86400) for file in logs.glob("*.gz"))
    assert ages == [1, 200, 364]


def test_copy_of_debian_configuration_is_read_whole(tmp_path: Path) -> None:
    shutil.copytree(DATA / "logrotate.d", tmp_path / "d")
    (tmp_path / "d" / "old.dpkg-old").write_text("/var/log/dpkg.log {\n}\n")
    (tmp_path / "logrotate.conf").write_text("weekly\ninclude d\n/var/log/x {\n}\n")
    found = read_configuration(str(tmp_path / "logrotate.conf"))
    assert len(found.rules) == 16
    assert found.rules[-1].options["frequency"] == "weekly"
    assert doubles(found) == []
