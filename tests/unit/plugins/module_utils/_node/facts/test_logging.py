# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What node_logging_info says, from scripted programs and files of a node, with and without each tool."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.pve.audit.plugins.module_utils._node.command import Outcome
from ansible_collections.pve.audit.plugins.module_utils._node.facts import logging as logging_state
from ansible_collections.pve.audit.plugins.module_utils._node.facts import node as look
from ansible_collections.pve.audit.plugins.module_utils._node.facts import storage as storage_state
from ansible_collections.pve.audit.plugins.module_utils._node.facts.storage import LogFile

NOW = 1_795_000_000.0
JOURNALD = """# /etc/systemd/journald.conf
[Journal]
#Storage=auto
SystemMaxUse=1G
RateLimitBurst=5

# /etc/systemd/journald.conf.d/zz-pve-audit.conf
[Journal]
Storage=persistent
SystemMaxUse=4G
RateLimitIntervalSec=0
RateLimitBurst=0
ForwardToSyslog=no
"""
TRACKING = "C6336414,198.51.100.20,9,1795000000.1,-0.000000683,0.0,0.0,0,0,0,0.00002,0.001,64.0,Normal\n"
LAST = "UPID:pve1:00000001:00000001:6B000000:qmstart:100:root@pam: 6B000001 OK"
# The start of a command line, and what it gives.
PROGRAMS: dict[str, Outcome] = {
    "rsyslogd -v": Outcome(0, "rsyslogd  8.2302.0 (aka 2023.02) compiled with:\n"),
    "rsyslogd -N1": Outcome(1, "", "rsyslogd: error during parsing file /etc/rsyslog.d/x.conf, on or before line 3\n"),
    "systemctl show": Outcome(0, "ActiveState=active\nResult=success\n"),
    "systemd-analyze cat-config": Outcome(0, JOURNALD),
    "journalctl --disk-usage": Outcome(0, "Archived and active journals take up 48.0M in the file system.\n"),
    "journalctl --list-boots": Outcome(0, '[{"index":-1},{"index":0}]\n'),
    "sh -c": Outcome(0, '{"__REALTIME_TIMESTAMP":"1794000000000000"}\n'),
    "logrotate -d": Outcome(0, "", "error: z:2 duplicate log entry for /var/log/pveproxy/access.log\n"),
    "timedatectl show": Outcome(0, "Timezone=Europe/Berlin\nNTP=yes\nNTPSynchronized=yes\n"),
    "chronyc -c": Outcome(0, TRACKING),
    "systemd-detect-virt": Outcome(1, "none\n"),
    "auditctl -s": Outcome(0, "enabled 1\nlost 2\nbacklog 0\nfailure 1\n"),
    "auditctl -l": Outcome(
        0, "-w /etc/passwd -p wa -k x\n-a always,exit -F path=/usr/sbin/qm -F key=pve-audit-command\n"
    ),
}


def node(tmp_path: Path, missing: Sequence[str] = (), **programs: Outcome) -> look.NodeSnapshot:
    """A node below tmp_path; `missing` names programs that are not installed."""

    def run(argv: Sequence[str]) -> Outcome:
        line = " ".join(argv)
        if argv[0] in missing:
            return Outcome(127, missing=True, stderr=f"there is no program {argv[0]}")
        return next(outcome for start, outcome in {**PROGRAMS, **programs}.items() if line.startswith(start))

    return look.NodeSnapshot(run, NOW, str(tmp_path))


def put(tmp_path: Path, name: str, text: str) -> None:
    """A file of the node."""
    path = tmp_path / name.lstrip("/")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_bare_node_fails_nowhere(tmp_path: Path) -> None:
    """No program, no file: each part says why."""
    names = {line.split()[0] for line in PROGRAMS}
    found = logging_state.look_at(node(tmp_path, sorted(names)), [])
    assert list(found) == list(logging_state.PARTS)
    assert {name: part["available"] for name, part in found.items()} == dict.fromkeys(found, False)
    assert all(part["reason"] for part in found.values())
    assert len(logging_state.problems_of(found)) == len(logging_state.JUDGED)


def test_rsyslog_names_the_refused_line(tmp_path: Path) -> None:
    put(tmp_path, logging_state.RSYSLOG_CONFIG, "")
    found = logging_state.rsyslog(node(tmp_path))
    assert (found["version"], found["active"], found["our_config"]) == ("8.2302.0", True, True)
    assert found["config_valid"] is False
    assert "line 3" in found["config_errors"][0]


def test_journald(tmp_path: Path) -> None:
    put(tmp_path, "/var/log/journal/abc/system.journal", "")
    found = logging_state.journald(node(tmp_path))
    assert (found["storage"], found["persistent"], found["limits"]["SystemMaxUse"]) == ("persistent", True, "4G")
    assert found["rate_limit"] == {"interval": "0", "burst": "0", "off": True}
    assert (found["disk_usage"], found["boots"], found["forward_to_syslog"]) == (48 << 20, 2, False)
    assert found["oldest"] == "2026-11-06T21:20:00Z"


# The device of /var/log/journal as the kernel lists it, and whether the journal there is kept.
MOUNTS = [
    ("36 1 8:1 / / rw - ext4 /dev/sda1 rw\n", True),
    ("36 1 8:1 / / rw - ext4 /dev/sda1 rw\n40 36 0:40 / /var/log rw shared:5 - tmpfs tmpfs rw\n", False),
    ("36 1 8:1 / / rw - ext4 /dev/sda1 rw\n40 36 252:0 / /var/log rw - ext4 /dev/zram1 rw\n", False),
    ("40 36 0:40 / /var/log rw - tmpfs log2ram rw\n41 40 0:41 / /var/log/journal rw - zfs rpool/journal rw\n", True),
    (
        "40 36 0:40 / /var/lo rw - tmpfs a rw\n41 40 0:41 / /var/log\\040x rw - tmpfs b rw\n36 1 8:1 / / rw - zfs r\n",
        True,
    ),
    ("36 1 8:1 / /var/log rw - ext4 /dev/sda1 rw\n41 36 0:41 / /var/log rw - tmpfs over-it rw\n", False),
    ("", True),
    ("broken\n1 2 3 - x\n", True),
]


@pytest.mark.parametrize(("mounts", "kept"), MOUNTS)
def test_a_journal_in_memory_is_not_persistent(tmp_path: Path, mounts: str, kept: bool) -> None:
    put(tmp_path, "/proc/self/mountinfo", mounts)
    put(tmp_path, "/var/log/journal/abc/system.journal", "")
    found = logging_state.journald(node(tmp_path))
    assert (found["persistent"], not found["problems"]) == (kept, kept)
    assert storage_state.storage(node(tmp_path))["filesystem"] in (None, "ext4", "tmpfs", "zfs")


def test_no_journal_at_all(tmp_path: Path) -> None:
    put(tmp_path, "/var/log/journal/abc/else", "")
    assert logging_state.journald(node(tmp_path))["persistent"] is False


def test_clock(tmp_path: Path) -> None:
    found = logging_state.clock(node(tmp_path))
    assert found["synchronized"] is True
    assert found["chrony"]["stratum"] == 9
    assert logging_state.clock(node(tmp_path, ["chronyc"]))["chrony"] is None
    assert logging_state.clock(node(tmp_path, ["timedatectl"]))["synchronized"] is None


OFF = TRACKING.replace("-0.000000683", "2.5")
LOST = TRACKING.replace("Normal", "Not synchronised")
UNSYNCED = Outcome(0, "Timezone=Europe/Berlin\nNTPSynchronized=no\n")
CLOCKS: list[tuple[list[str], dict[str, Outcome], str]] = [
    ([], {}, ""),
    ([], {"chronyc -c": Outcome(0, OFF)}, "2.5 seconds off"),
    ([], {"chronyc -c": Outcome(0, LOST)}, "chrony says that the clock is not synchronised"),
    (["chronyc"], {"timedatectl show": UNSYNCED}, "the clock is not synchronised"),
    (["chronyc"], {"timedatectl show": Outcome(0, "Timezone=UTC\n")}, "the clock is not synchronised"),
    (["chronyc", "timedatectl"], {}, "clock could not be looked at"),
    (["timedatectl"], {}, ""),
    ([], {"chronyc -c": Outcome(0, OFF), "systemd-detect-virt": Outcome(0, "lxc\n")}, ""),
]


@pytest.mark.parametrize(("missing", "programs", "problem"), CLOCKS)
def test_a_clock_that_is_off(tmp_path: Path, missing: list[str], programs: dict[str, Outcome], problem: str) -> None:
    found = logging_state.look_at(node(tmp_path, missing, **programs), ["clock"])
    problems = logging_state.problems_of(found)
    assert (len(problems), problem in "".join(problems)) == (bool(problem), True)


# /proc/uptime, the start of the first process in ticks of 1/100 s, the index, and whether that is a problem.
UP = [
    ("200000.0 1.0", 100, "", True),
    ("200000.0 1.0", 19_000_000, "", False),
    ("100000.0 1.0", 100, "", False),
    ("200000.0 1.0", 100, f"{LAST}\n", False),
    ("x", 100, "", True),
]


@pytest.mark.parametrize(("uptime", "started", "index", "problem"), UP)
def test_an_empty_index_on_a_node_that_is_up(
    tmp_path: Path, uptime: str, started: int, index: str, problem: bool
) -> None:
    put(tmp_path, "/var/log/pve-audit/tasks/2026-11-17.index", "")
    put(tmp_path, "/proc/uptime", uptime)
    put(tmp_path, "/proc/1/stat", f"1 (system d) S {'0 ' * 18}{started} 0 0\n")
    put(tmp_path, "/var/log/pve/tasks/index", index)
    assert bool(logging_state.tasks(node(tmp_path))["problems"]) is problem


def test_a_pipe_in_place_of_the_index_does_not_hang(tmp_path: Path) -> None:
    put(tmp_path, "/var/log/pve-audit/tasks/2026-11-17.index", "")
    (tmp_path / "var/log/pve/tasks").mkdir(parents=True)
    os.mkfifo(tmp_path / "var/log/pve/tasks/index")
    (tmp_path / "var/log/pve/tasks/index.1").symlink_to("/dev/zero")
    assert logging_state.tasks(node(tmp_path))["problems"]


# Preserved line, line of the index, line of index.1, up to date.
TASKS = [(LAST, LAST, "", True), (LAST, "", LAST, True), ("older", LAST, "", False), ("older", "", "", True)]


@pytest.mark.parametrize(("kept", "index", "rotated", "current"), TASKS)
def test_tasks(tmp_path: Path, kept: str, index: str, rotated: str, current: bool) -> None:
    put(tmp_path, "/var/log/pve-audit/tasks/2026-11-17.index", "x\n")
    put(tmp_path, "/var/log/pve-audit/tasks/2026-11-18.index", f"x\n{kept}\n")
    put(tmp_path, "/var/log/pve-audit/tasks/gaps.jsonl", '{"kind": "turned"}\nbroken\n')
    put(tmp_path, "/var/log/pve/tasks/index", f"{index}\n")
    put(tmp_path, "/var/log/pve/tasks/index.1", f"{rotated}\n")
    found = logging_state.tasks(node(tmp_path))
    assert found["up_to_date"] is current
    assert (found["days"], found["oldest_day"]) == (2, "2026-11-17")
    assert [gap["kind"] for gap in found["gaps"]] == ["turned", "unreadable"]


def test_a_harvest_that_failed_is_a_problem_and_refused_texts_are_counted(tmp_path: Path) -> None:
    put(tmp_path, "/var/log/pve-audit/tasks/2026-11-17.index", "x\n")
    put(tmp_path, "/var/log/pve/tasks/index", "x\n")
    put(tmp_path, "/run/pve-audit/preserve.json", '{"texts_refused": 3}')
    found = logging_state.tasks(node(tmp_path, (), **{"systemctl show": Outcome(0, "Result=exit-code\n")}))
    assert found["texts_refused"] == 3
    assert found["last_run_failed"] is True
    assert ["failed" in problem for problem in found["problems"]] == [True]


# Answers of programs, and (available, a word of the reason).
AUDITD: list[tuple[dict[str, Any], tuple[bool, str]]] = [
    ({}, (True, "")),
    ({"systemd-detect-virt": Outcome(0, "systemd-nspawn\n")}, (False, "containers")),
    ({"auditctl -s": Outcome(1, "", "Error: Operation not permitted\n")}, (False, "Operation not permitted")),
]


@pytest.mark.parametrize(("programs", "answer"), AUDITD)
def test_auditd(tmp_path: Path, programs: dict[str, Any], answer: tuple[bool, str]) -> None:
    found = logging_state.auditd(node(tmp_path, **programs))
    assert found["available"] is answer[0]
    assert answer[1] in (found["reason"] or "")
    if answer[0]:
        assert (found["rules"], found["our_rules"], found["lost"]) == (2, 1, 2)


def test_logrotate_shows_doubles(tmp_path: Path) -> None:
    put(tmp_path, "/etc/logrotate.conf", f"include {tmp_path}/etc/logrotate.d\n")
    put(tmp_path, "/etc/logrotate.d/pve", "/var/log/pveproxy/access.log {\n rotate 7\n}\n")
    put(tmp_path, "/etc/logrotate.d/z", "\n/var/log/pveproxy/*.log {\n}\n")
    found = logging_state.logrotate(node(tmp_path))
    (double,) = found["doubles"]
    assert (double["first"], double["second"]) == (
        f"{tmp_path}/etc/logrotate.d/pve:1",
        f"{tmp_path}/etc/logrotate.d/z:2",
    )
    assert found["policies"][0]["rotate"] == "7"
    assert found["problems"] == ["z:2 duplicate log entry for /var/log/pveproxy/access.log"]
    without = logging_state.logrotate(node(tmp_path, ["logrotate"]))
    assert without["problems"] == ["there is no program logrotate"]


def aged(name: str, days: float, used: int = 1000) -> LogFile:
    """A file that was written last so many days ago."""
    return LogFile(f"/var/log/{name}", used, NOW - days * 86400)


# Files, and bytes a day or a word of the reason.
GROWTH: list[tuple[list[LogFile], int | str]] = [
    ([], "fewer than 2"),
    ([aged("access.log", 0), aged("syslog", 3)], "fewer than 2"),
    ([aged("access.log.1", 4, 9), aged("access.log-20261117.gz", 2), aged("syslog", 0, 10**9)], 250),
    ([aged("journal/a/system@1.journal", 4, 9), aged("journal/a/system@2.journal", 1, 4000)], 1000),
    ([aged("access.log.1", 0.3), aged("access.log.2.gz", 0.1)], "hours old"),
    ([aged("access.log.1", 20), aged("access.log.2.gz", 1)], "fewer than 2"),
    ([aged("a.log.1", 3), aged("b.log.1", 3)], "no log file"),
]


@pytest.mark.parametrize(("files", "answer"), GROWTH)
def test_growth(files: list[LogFile], answer: int | str) -> None:
    rate, how, reason = storage_state.growth(files, NOW)
    if isinstance(answer, int):
        assert (rate, reason) == (answer, None)
        assert how and "finished since" in how
    else:
        assert (rate, how) == (None, None)
        assert reason and answer in reason


def test_storage_of_a_real_directory(tmp_path: Path) -> None:
    for days, name in ((5, "a.log.2.gz"), (1, "a.log.1")):
        put(tmp_path, f"/var/log/{name}", "x" * 8192)
        os.utime(tmp_path / "var" / "log" / name, (NOW - days * 86400, NOW - days * 86400))
    found = storage_state.storage(node(tmp_path))
    assert found["bytes_per_day"] == 1638
    assert found["days_left"] == round(found["free"] / 1638, 1)


SIZES = [("48.0M", 48 << 20), ("8B", 8), ("1.5G", 3 << 29), ("12", 12), ("", None), ("x", None), ("1.2.3M", None)]


@pytest.mark.parametrize(("text", "size"), SIZES)
def test_sizes(text: str, size: int | None) -> None:
    assert look.parse_size(text) == size
