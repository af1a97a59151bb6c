# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the units of a node may do: little, by systemd's own measure, and no capability without use."""

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

from ansible_collections.pve.audit.plugins.module_utils._node.forward import config

ROLE = Path(__file__).resolve().parents[4] / "roles" / "node_logging"
TEMPLATES = ROLE / "templates"
# By `systemd-analyze security`, where 0 is nothing and 10 everything.
MOST_EXPOSED = 2.5
CAPABILITIES = {
    "pve-audit-forward": "CAP_DAC_READ_SEARCH",
    "pve-audit-preserve": "CAP_DAC_READ_SEARCH",
    "pve-audit-disk-guard": "",
    "pve-audit-ledger": "",
    "pve-audit-rules": "CAP_AUDIT_CONTROL",
}


def variables() -> dict[str, Any]:
    """Those of the role, as far as units need them."""
    found = yaml.safe_load((ROLE / "vars/main.yml").read_text(encoding="utf-8"))
    found |= yaml.safe_load((ROLE / "defaults/main.yml").read_text(encoding="utf-8"))
    return {**found, "pve_audit_node_logging_program": "/usr/local/lib/pve-audit/pve_audit.pyz"}


def unit(name: str) -> str:
    """A service as it is installed."""
    if name == "pve-audit-forward":
        return config.render_unit("/usr/local/lib/pve-audit/pve_audit.pyz", "/etc/pve-audit/forward.json", "x")
    loader = jinja2.FileSystemLoader(TEMPLATES)
    templates = jinja2.Environment(loader=loader, keep_trailing_newline=True, trim_blocks=True)
    return templates.get_template(f"{name}.service.j2").render(variables())


def settings(text: str, key: str) -> list[str]:
    """The values of a setting."""
    return re.findall(rf"^{key}=(.*)$", text, re.MULTILINE)


def test_all_units_are_looked_at() -> None:
    names = {path.name.removesuffix(".service.j2") for path in TEMPLATES.glob("*.service.j2")}
    assert names | {"pve-audit-forward"} == set(CAPABILITIES)


@pytest.mark.parametrize("name", CAPABILITIES)
def test_exposure(name: str, tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        warnings.warn("NOT TESTED: systemd-analyze is not there", stacklevel=1)
        pytest.skip("NOT TESTED: systemd-analyze is not there")
    path = tmp_path / f"{name}.service"
    path.write_text(unit(name), encoding="utf-8")
    command = ["systemd-analyze", "security", "--no-pager", "--offline=true", str(path)]
    shown = subprocess.run(command, capture_output=True, text=True, check=False)
    found = re.search(r"Overall exposure level for \S+: ([0-9.]+)", shown.stdout)
    assert found, shown.stderr
    assert float(found[1]) <= MOST_EXPOSED, shown.stdout
    assert "Unknown" not in shown.stderr


@pytest.mark.parametrize("name", CAPABILITIES)
def test_capabilities_are_those_in_use_and_root_has_a_reason(name: str) -> None:
    text = unit(name)
    assert settings(text, "CapabilityBoundingSet") == [CAPABILITIES[name]]
    assert "\n# As root, since " in text


def test_secrets_are_out_of_sight() -> None:
    shown = {name: settings(unit(name), "InaccessiblePaths") for name in CAPABILITIES}
    assert shown.pop("pve-audit-rules") == [], "a rule for a path that is hidden would watch something else"
    (ledger,) = shown.pop("pve-audit-ledger")
    assert set(config.SECRETS) - {path.removeprefix("-") for path in ledger.split()} == {"/var/lib/pve-cluster"}
    assert {tuple(paths) for paths in shown.values()} == {(" ".join(f"-{path}" for path in config.SECRETS),)}


def test_what_all_units_have_the_forwarder_has_too() -> None:
    shared = set((TEMPLATES / "hardening.j2").read_text(encoding="utf-8").splitlines())
    assert shared - set(config.UNIT.splitlines()) == {"IPAddressDeny=any"}


@pytest.mark.parametrize(
    ("needed", "seen"),
    [
        ([], set()),
        (["/etc/ssl/private/node.key"], {"/etc/ssl/private"}),
        (["/etc/pve/priv/x.pem", "/etc/sshd.log"], {"/etc/pve/priv"}),
    ],
)
def test_what_the_settings_name_stays_visible(needed: list[str], seen: set[str]) -> None:
    text = config.render_unit("/p", "/c", "x", needed)
    hidden = settings(text, "InaccessiblePaths")[0].split()
    assert {f"-{path}" for path in set(config.SECRETS) - seen} == set(hidden)


def test_the_watchdog_waits_longer_than_the_forwarder_takes_to_notice() -> None:
    text = unit("pve-audit-forward")
    assert settings(text, "Type") == ["notify"]
    assert settings(text, "NotifyAccess") == ["main"]
    assert int(settings(text, "WatchdogSec")[0]) > 120
    assert int(settings(text, "TimeoutStopSec")[0]) > 20
