# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules of PVA-LOG-07 in this machine's kernel: they load, and a record names the login uid of the person.

Without auditd the kernel writes its records to its own log. The state of before is put back.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import jinja2
import pytest

TEMPLATE = Path(__file__).resolve().parents[2] / "roles" / "node_logging" / "templates" / "audit.rules.j2"
LIMIT = Path("/proc/sys/kernel/printk_ratelimit")
PERSON = 4711  # a login uid that nobody here has


def auditctl(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["auditctl", *words], capture_output=True, text=True, check=False)


def why_not() -> str:
    """Why this kernel cannot be asked, or nothing."""
    if os.geteuid() or not shutil.which("auditctl"):
        return "auditctl needs root and Debian's package auditd"
    status = dict(line.split(None, 1) for line in auditctl("-s").stdout.splitlines() if " " in line)
    if status.get("enabled") not in ("0", "1") or not status.get("loginuid_immutable", "").startswith("0"):
        return "the kernel's audit cannot be changed from here, as in a container"
    return "auditd runs on this machine, and its records are not ours" if status.get("pid") != "0" else ""


@pytest.fixture
def rules(tmp_path: Path) -> Iterator[Path]:
    """The role's rules for a command and a directory of the test, loaded."""
    if reason := why_not():
        message = f"NOT TESTED: the audit rules in a real kernel: {reason}"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(message)
    command, directory = tmp_path / "qm", tmp_path / "priv"
    command.write_text("#!/bin/sh\nexit 0\n", encoding="ascii")
    command.chmod(0o755)
    directory.mkdir()
    text = jinja2.Environment(trim_blocks=True).from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        pve_audit_node_logging_auditd_commands=[str(command), "/usr/sbin/not-there"],
        pve_audit_node_logging_auditd_directories=[str(directory)],
        pve_audit_node_logging_auditd_extra_rules=[],
        pve_audit_node_logging_existing=[str(command), str(directory)],
    )  # fmt: skip
    file = tmp_path / "rules"
    file.write_text(text, encoding="utf-8")
    loaded = auditctl("-R", str(file))
    assert loaded.returncode == 0, loaded.stdout + loaded.stderr
    limit = LIMIT.read_text(encoding="ascii")
    LIMIT.write_text("0", encoding="ascii")  # the kernel's log would leave records out
    auditctl("-e", "1")
    yield tmp_path
    auditctl("-e", "0")
    LIMIT.write_text(limit, encoding="ascii")
    for key in ("pve-audit-command", "pve-audit-priv"):
        auditctl("-D", "-k", key)


def records(pattern: str) -> list[str]:
    """Lines of the kernel's log; the kernel writes them a moment later."""
    for _attempt in range(20):
        log = subprocess.run(["dmesg"], capture_output=True, text=True, check=True).stdout
        if found := [line for line in log.splitlines() if re.search(pattern, line)]:
            return found
        time.sleep(0.2)
    return []


def test_a_record_names_the_person(rules: Path) -> None:
    listed = auditctl("-l").stdout
    assert f"-F path={rules}/qm -F perm=x -F auid!=-1 -F key=pve-audit-command" in listed
    as_person = f"echo {PERSON} >/proc/self/loginuid; exec {rules}/qm"
    subprocess.run(["sh", "-c", as_person], check=True)
    assert records(rf'auid={PERSON} .*comm="qm" .*key="pve-audit-command"')


def test_who_writes_below_priv_is_recorded(rules: Path) -> None:
    as_person = f"echo {PERSON} >/proc/self/loginuid; echo x >{rules}/priv/shadow.cfg"
    subprocess.run(["sh", "-c", as_person], check=True)
    assert records(rf'auid={PERSON} .*key="pve-audit-priv"')
