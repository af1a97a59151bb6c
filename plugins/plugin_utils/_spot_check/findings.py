# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The findings of a spot check: denials, denials that were taken back, and questions nobody answered in time. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.pve.audit.plugins.module_utils._model.finding import Finding, finding_id, sort_findings


def spot_check_findings(sample: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], now: str) -> list[Finding]:
    """A CRITICAL finding for each act that was denied, a MEDIUM one for each denial that was taken back, and one for
    each person who has not answered in time."""
    findings = []
    for row in rows:
        if row["state"] == "denied":
            findings.append(_denied(row, now))
        elif row["state"] == "confirmed" and any(one["answer"] == "denied" for one in row["history"]):
            findings.append(_taken_back(row, now))
    overdue: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        if row["state"] == "overdue":
            overdue.setdefault(row["asked"], []).append(row)
    return sort_findings([*findings, *(_overdue(sample, respondent, late) for respondent, late in overdue.items())])


def _finding(
    rule: str, title: str, severity: str, sentence: str, remedy: str, group: dict[str, Any],
    rows: Sequence[Mapping[str, Any]], start: str, key: str,
) -> Finding:  # fmt: skip
    return Finding(
        id=finding_id(rule, {"question": key}, start),
        rule=rule,
        title=title,
        severity=severity,
        type="event_count",
        sentence=sentence,
        start=start,
        end=start,
        count=len(rows),
        total=len(rows),
        values=[row["id"] for row in rows],
        group=group,
        nodes=sorted({str(row["node"]) for row in rows if row.get("node")}),
        event_ids=[row["event_id"] for row in rows],
        remedy=remedy,
    )


def _said(answer: Mapping[str, Any]) -> str:
    comment = f", who says: {answer['comment']}" if answer["comment"] else ""
    return f"{answer['by']} on {answer['at']}{comment}"


def _denied(row: Mapping[str, Any], now: str) -> Finding:
    return _finding(
        "spot-check-denied",
        "Action denied in the spot check",
        "CRITICAL",
        f"{row['user']}: Nobody behind the account did this: {row['sentence']}, denied by {_said(row['answer'])}.",
        "Treat the account as taken over: block it, revoke its tokens and tickets, and find out who acted.",
        {"user.id": row["user"]},
        [row],
        str(row.get("time") or now),
        row["id"],
    )


def _taken_back(row: Mapping[str, Any], now: str) -> Finding:
    first = next(one for one in row["history"] if one["answer"] == "denied")
    return _finding(
        "spot-check-answer-changed",
        "Denial taken back in the spot check",
        "MEDIUM",
        f"{row['user']}: {row['sentence']} was denied by {_said(first)}, and later "
        f"confirmed by {_said(row['answer'])}.",
        "Ask both what made them sure, and keep their words with the report.",
        {"user.id": row["user"]},
        [row],
        str(row.get("time") or now),
        row["id"],
    )


def _overdue(sample: Mapping[str, Any], respondent: str, rows: Sequence[Mapping[str, Any]]) -> Finding:
    number = f"{len(rows)} question{'s' if len(rows) != 1 else ''}"
    return _finding(
        "spot-check-overdue",
        "Spot check not answered in time",
        "MEDIUM",
        f"{respondent}: {number} of the spot check not answered by {sample['deadline']}.",
        "Remind the person; when nobody answers, ask somebody who can know.",
        {"user.id": respondent},
        rows,
        sample["deadline"],
        f"{sample['digest']} {respondent}",
    )
