# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Severities: what the classes are, which order they have, and how findings write them.

What makes an action critical or low is the rule at the head of `_classify/action.py`.
"""

from __future__ import annotations

from ansible_collections.pve.audit.plugins.module_utils._model.errors import InputError

SEVERITIES = ("critical", "high", "medium", "low", "info")
"""All classes, the worst first, as events and the catalogue write them."""

HIGH_SEVERITIES = ("critical", "high")
"""What a report lists one by one."""

FINDING_SEVERITIES = tuple(word.upper() for word in SEVERITIES)
"""The same classes as findings write them."""


def check_severity(value: object) -> str:
    """The severity of a finding from a word in any case; `informational` is Sigma's word for INFO.

    Raises InputError for a word that is no severity.
    """
    word = str(value).upper()
    word = "INFO" if word == "INFORMATIONAL" else word
    if word not in FINDING_SEVERITIES:
        raise InputError(f"severity {value!r} is unknown: use one of {', '.join(FINDING_SEVERITIES)}")
    return word
