# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who did something, from where, and how sure that is, as the tables of the report show it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, TypedDict

from ansible_collections.pve.audit.plugins.module_utils._model.act import CONFIDENCES, UNKNOWN, Act, Candidate
from ansible_collections.pve.audit.plugins.module_utils._model.finding import Finding


class Who(TypedDict):
    """`candidates` are texts, a name and the address where one is known; a name is the person's, else the account's."""

    user: str | None
    person: str | None
    ip: str | None
    channel: str
    confidence: str
    candidates: list[str]


NOBODY: Who = {"user": None, "person": None, "ip": None, "channel": "unknown", "confidence": UNKNOWN, "candidates": []}


def who_did(act: Act) -> Who:
    """What the attribution of an act says, without the lines it rests on."""
    attribution = act["attribution"]
    return {
        "user": act["user"]["id"],
        "person": act["person"],
        "ip": act["source"]["ip"],
        "channel": str(act["pve"]["channel"]),
        "confidence": attribution["confidence"],
        "candidates": [name for one in attribution["candidates"] if (name := _name(one))],
    }


def behind(findings: Iterable[Finding], who: Mapping[str, Who]) -> dict[str, dict[str, Any]]:
    """By the id of a finding: who may have done what it tells of, and how many acts are how sure.

    A finding of whose events none is known has no entry.
    """
    found = {}
    for finding in findings:
        known = [who[event_id] for event_id in finding.event_ids if event_id in who]
        sure = Counter(one["confidence"] for one in known)
        if known:
            found[finding.id] = {
                "candidates": sorted({name for one in known for name in one["candidates"]}),
                "confidence": {level: sure[level] for level in CONFIDENCES if sure[level]},
            }
    return found


def _name(one: Candidate) -> str:
    name = one["person"] or one["user"] or ""
    return f"{name} ({one['ip']})" if name and one["ip"] else name or one["ip"] or ""
