# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the units of a collector may do: little, by systemd's own measure, and no capability without use."""

from __future__ import annotations

import re
import shutil
import subprocess
import warnings
from pathlib import Path
from typing import Any

import jinja2
import pytest
import yaml

ROLE = Path(__file__).resolve().parents[4] / "roles" / "log_collector"
# By `systemd-analyze security`, where 0 is nothing and 10 everything.
MOST_EXPOSED = 2.5
CAPABILITIES = {"collector": "", "limits": "CAP_NET_ADMIN", "job": "CAP_LINUX_IMMUTABLE"}


def variables() -> dict[str, Any]:
    """Those of the role, as far as units need them."""
    found = yaml.safe_load((ROLE / "vars/main.yml").read_text(encoding="utf-8"))
    found |= yaml.safe_load((ROLE / "defaults/main.yml").read_text(encoding="utf-8"))
    return {**found, "pve_audit_log_collector_tool": "/usr/bin/python3 -B -I /usr/local/lib/pve-audit/pve_audit.pyz"}


JOBS = sorted(variables()["pve_audit_log_collector_jobs"])


def unit(template: str, job: str = "") -> str:
    """A service as it is installed."""
    loader = jinja2.FileSystemLoader(ROLE / "templates")
    templates = jinja2.Environment(loader=loader, keep_trailing_newline=True, trim_blocks=True)
    found = templates.get_template(f"{template}.service.j2")
    return found.render({**variables(), "pve_audit_log_collector_job": job})


def test_all_units_are_looked_at() -> None:
    assert {path.name.removesuffix(".service.j2") for path in (ROLE / "templates").glob("*.service.j2")} == {
        *CAPABILITIES
    }


@pytest.mark.parametrize(("template", "job"), [("collector", ""), ("limits", ""), *(("job", name) for name in JOBS)])
def test_exposure(template: str, job: str, tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        warnings.warn("NOT TESTED: systemd-analyze is not there", stacklevel=1)
        pytest.skip("NOT TESTED: systemd-analyze is not there")
    path = tmp_path / f"pve-audit-{job or template}.service"
    path.write_text(unit(template, job), encoding="utf-8")
    command = ["systemd-analyze", "security", "--no-pager", "--offline=true", str(path)]
    shown = subprocess.run(command, capture_output=True, text=True, check=False)
    found = re.search(r"Overall exposure level for \S+: ([0-9.]+)", shown.stdout)
    assert found, shown.stderr
    assert float(found[1]) <= MOST_EXPOSED, shown.stdout
    assert "Unknown" not in shown.stderr


@pytest.mark.parametrize("template", CAPABILITIES)
def test_capabilities_are_those_in_use(template: str) -> None:
    text = unit(template, JOBS[0])
    assert re.findall(r"^CapabilityBoundingSet=(.*)$", text, re.MULTILINE) == [CAPABILITIES[template]]
