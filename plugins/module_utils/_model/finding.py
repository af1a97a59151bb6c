# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The finding: something in the events that a person must look at."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.pve.audit.plugins.module_utils._model.errors import InputError

Finding = dict[str, Any]

SEVERITY_ORDER = ("CRITICAL", "HIGH", "MEDIUM", "LOW", "INFO")


def check_severity(value: object) -> str:
    """A severity in capitals; `informational` is Sigma's word for INFO.

    Raises InputError for a word that is no severity.
    """
    word = str(value).upper()
    word = "INFO" if word == "INFORMATIONAL" else word
    if word not in SEVERITY_ORDER:
        raise InputError(f"severity {value!r} is unknown: use one of {', '.join(SEVERITY_ORDER)}")
    return word


def finding_id(rule: str, group: Mapping[str, Any], start: str) -> str:
    """A stable id: the same rule, group and first event give the same id in every run."""
    text = "\x1f".join([rule, start, *(f"{key}={group[key]!s}" for key in sorted(group))])
    return f"{rule}-{hashlib.sha256(text.encode('utf-8', 'surrogateescape')).hexdigest()[:12]}"


def sort_findings(findings: Iterable[Finding]) -> list[Finding]:
    """Worst first; among equals the oldest first."""
    return sorted(findings, key=lambda item: (SEVERITY_ORDER.index(item["severity"]), item["start"], item["id"]))
