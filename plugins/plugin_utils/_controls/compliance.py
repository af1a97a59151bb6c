# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of compliance: each control with what it contributes to, its state on each node, evidence and date. Pure.

The data are those of roles/audit_report/vars/compliance.yml, with the rows of roles/*/vars/controls.yml. The states are
those of the drift check (`drift.py`) and the times of runs. What was not looked at, or too long ago, is `not_checked`,
never `ok`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.pve.audit.plugins.module_utils._model.errors import InputError
from ansible_collections.pve.audit.plugins.module_utils._model.time import parse_duration, to_epoch

STATES = ("drift", "not_checked", "ok", "off")
_STATE_OF = {"ok": "ok", "drift": "drift", "off": "off", "unknown": "not_checked"}
# The drift check says this of a host that failed before its controls were known.
_ALL = "all"


def compliance_rows(
    data: Mapping[str, Any],
    drift: Mapping[str, Any] | Sequence[Mapping[str, Any]],
    *,
    date: str | None,
    performed: Mapping[str, str],
    now: str,
    max_age: str,
) -> list[dict[str, Any]]:
    """One row for each control: `{"control", "title", "implements", "iso": [id], "gdpr": [id], "state", "nodes":
    [{"node", "state"}], "evidence", "date"}`, in the order of the data.

    `state` is the worst of the nodes: drift, not_checked, ok, off. `drift` is the drift report or its rows, `date` its
    time (that of the report by default), `performed` the time of the last good run by control. Times are RFC 3339
    texts; `date` in a row is None when nothing is known. What is older than `max_age`, or has no date, counts as
    not_checked.
    Raises InputError for data of another shape.
    """
    rows: Any = drift.get("rows") if isinstance(drift, Mapping) else drift
    when = date or (drift.get("generated") if isinstance(drift, Mapping) else None)
    oldest = to_epoch(now) - parse_duration(max_age)
    fresh = when is not None and to_epoch(when) >= oldest
    try:
        states = _states(rows or [], fresh)
        controls = [dict(control) for control in data["controls"]]
        table = [_row(control, states.get(control["id"], []), when, performed, oldest) for control in controls]
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"the controls or the rows of the drift report have not the right shape: {error!r} is missing or wrong"
        ) from None
    _refuse_unknown({*states} - {control["id"] for control in controls} - {_ALL})
    for row, control in zip(table, controls, strict=True):
        if control["per"] == "drift":
            _add_lost(row, states.get(_ALL, []))
    return table


def _refuse_unknown(controls: set[str]) -> None:
    if controls:
        raise InputError(f"the drift report has the control {min(controls)}, which the mapping does not know: add it")


def _states(rows: Sequence[Mapping[str, Any]], fresh: bool) -> dict[str, list[dict[str, str]]]:
    states: dict[str, list[dict[str, str]]] = {}
    for row in rows:
        state = _STATE_OF[row["state"]] if fresh else "not_checked"
        states.setdefault(str(row["control"]), []).append({"node": str(row["node"]), "state": state})
    return states


def _row(
    control: Mapping[str, Any],
    nodes: list[dict[str, str]],
    when: str | None,
    performed: Mapping[str, str],
    oldest: float,
) -> dict[str, Any]:
    if control["per"] == "run":
        date = performed.get(control["id"])
        state = "ok" if date and to_epoch(date) >= oldest else "not_checked"
        nodes = []
    else:
        date = when if nodes else None
        state = _worst(nodes)
    return {
        "control": control["id"],
        "title": control["title"],
        "implements": control["implements"],
        "iso": [one["id"] for one in control["iso"]],
        "gdpr": [one["id"] for one in control["gdpr"]],
        "state": state,
        "nodes": nodes,
        "evidence": control["evidence"],
        "date": date or None,
    }


def _worst(nodes: Sequence[Mapping[str, str]]) -> str:
    found = {node["state"] for node in nodes}
    return next((state for state in STATES if state in found), "not_checked")


def _add_lost(row: dict[str, Any], lost: Sequence[Mapping[str, str]]) -> None:
    """A host of which nothing is known may have any control."""
    row["nodes"] = [*row["nodes"], *({"node": one["node"], "state": "not_checked"} for one in lost)]
    row["state"] = _worst(row["nodes"])
