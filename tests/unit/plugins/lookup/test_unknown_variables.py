# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every documented variable is known, one letter off is not, and what is somebody else's is left alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible.errors import AnsibleLookupError

from ansible_collections.pve.audit.plugins.lookup.unknown_variables import (
    LookupModule,
    read_names,
    unknown_variables,
)

ROOT = Path(__file__).resolve().parents[4]
NAMES = read_names(ROOT)


def test_the_options_of_all_roles_are_found() -> None:
    roles = ("log_certificates", "log_collector", "named_users", "node_logging", "programs", "report", "spot_check")
    assert sorted(NAMES.prefixes) == [f"pve_audit_{role}_" for role in roles]
    assert len(NAMES.options) > 100
    assert not list(unknown_variables(NAMES.known, NAMES))


@pytest.mark.parametrize("name", sorted(NAMES.options))
def test_a_letter_too_few_is_refused_with_a_suggestion(name: str) -> None:
    misspelt = name[:-1]
    sentences = list(unknown_variables([misspelt], NAMES))
    assert misspelt in NAMES.known or (len(sentences) == 1 and ", did you mean pve_audit_" in sentences[0])


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("pve_audit_report_sinc", ", did you mean pve_audit_report_since?"),
        ("pve_audit_reprot_since", ", did you mean pve_audit_report_since?"),
        ("pve_audit_report_zzzzzzzz_qqqq", "."),
        ("pve_audit_drift_fail", None),
        ("pve_audit_verify_timeout", None),
        ("pve_audit_customer", None),
        ("pve_audit_node_rack", None),
        ("other_report_sinc", None),
    ],
)
def test_what_is_said(name: str, said: str | None) -> None:
    assert list(unknown_variables([name], NAMES)) == ([f"{name} is no variable of pve.audit{said}"] if said else [])


def test_the_lookup_takes_the_variables_of_the_task() -> None:
    lookup = LookupModule()
    found = lookup.run([str(ROOT)], {"pve_audit_report_titel": "x", "pve_audit_report_title": "x"})
    assert found == ["pve_audit_report_titel is no variable of pve.audit, did you mean pve_audit_report_title?"]


def test_a_folder_without_roles_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AnsibleLookupError, match="no roles below"):
        LookupModule().run([str(tmp_path)], {})
