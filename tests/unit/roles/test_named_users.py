# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role named_users: options, controls, plan and documents agree with each other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from ansible_collections.pve.audit.plugins.module_utils._identity.plan import controls as identity_controls
from ansible_collections.pve.audit.plugins.module_utils._module.identity_options import plan_options

ROLE = Path(__file__).resolve().parents[3] / "roles" / "named_users"


def load(name: str) -> Any:
    return yaml.safe_load((ROLE / name).read_text(encoding="utf-8"))


def test_the_plan_knows_the_controls_of_the_cluster() -> None:
    known = {value for value in vars(identity_controls).values() if str(value).startswith("PVA-")}
    rows = load("vars/controls.yml")["pve_audit_named_users_controls"]
    assert known == {row["id"] for row in rows if row.get("hosts") == ["pve_audit_clusters"]}


def test_the_whole_declaration_can_be_given() -> None:
    assert set(load("vars/main.yml")["pve_audit_named_users_given"]) == set(plan_options()["declaration"]["options"])
