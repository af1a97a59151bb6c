# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An answer of evidence_info as text for somebody tired: when, what, who, from where, how sure, and what is missing.

Everything that comes from a log is hostile, and is shown by `safe_text` alone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, tzinfo
from typing import Any

from ansible_collections.pve.audit.plugins.module_utils._model.act import AMBIGUOUS, UNKNOWN
from ansible_collections.pve.audit.plugins.module_utils._model.visible import safe_text

_CHANNELS = {
    "gui": "with a ticket (web interface)",
    "api_token": "with an API token",
    "cli_sudo": "by sudo on the node",
    "cli_root": "as root on the node",
    "ssh_root": "as root over SSH",
    "ha": "by the HA manager",
    "scheduler": "by the scheduler",
    "cluster_internal": "by a node itself",
}
_OUTCOMES = {"success": "", "failure": "  FAILED", "unknown": "  outcome unknown"}
_SOURCES = {
    "pve.task": "task log",
    "pve.access": "access.log",
    "pve.auth": "journal",
    "linux.auth": "journal",
    "pve.config": "configuration",
}
_LONGEST = 160
_MOST_LINES = 4  # below one act
_MOST_UPIDS = 3

Row = Mapping[str, Any]


def render_timeline(answer: Row, title: str, tz: tzinfo = UTC, zone_name: str = "UTC") -> str:
    """The whole answer as text that ends with a line feed. `title` says what was asked for."""
    acts = list(answer["acts"])
    count = f"{len(acts)} act{'' if len(acts) == 1 else 's'}"
    lines = [f"{safe_text(title)}: {count}, {_period(answer, tz)} (times in {safe_text(zone_name)})", ""]
    if not acts:
        lines += [_nothing(answer), ""]
    for act in acts:
        lines += [*_act(act, tz), ""]
    lines += _gaps(answer["gaps"], tz)
    lines += _unseen(answer)
    lines += _agreements(answer["agreements"], tz)
    return "\n".join(lines).rstrip() + "\n"


def _period(answer: Row, tz: tzinfo) -> str:
    since, until = (answer.get(key) for key in ("since", "until"))
    start = f"from {_time(since, tz)}" if since else "from the oldest line on"
    return f"{start} to {_time(until, tz)}" if until else f"{start} to the newest"


def _time(text: Any, tz: tzinfo) -> str:
    try:
        return datetime.fromisoformat(str(text)).astimezone(tz).strftime("%Y-%m-%d %H:%M:%S")
    except (ValueError, OverflowError):
        return "at an unknown time "


def _nothing(answer: Row) -> str:
    if answer["complete"] and not answer["gaps"]:
        return "Nothing of this stands in what was looked at."
    return "Nothing of this stands in what was seen. NOT EVERYTHING WAS SEEN, see below."


def _act(act: Row, tz: tzinfo) -> Iterator[str]:
    facts, about = act["pve"], act["event"]
    what = f"{about['action']} {facts['object'] or ''}".strip()
    node = f"  on {act['host']['name']}" if act["host"]["name"] else ""
    yield f"{_time(act['@timestamp'], tz)}  {_cut(what)}{safe_text(node)}{_OUTCOMES.get(about['outcome'], '')}"
    yield from (f"    {line}" for line in _who(act["attribution"]))
    witnesses = act["attribution"]["witnesses"]
    ordered = sorted(witnesses, key=lambda one: one["strength"] != "strong")
    for one in _told(ordered):
        yield f"      {_cut(one)}"
    if len(ordered) > _MOST_LINES:
        more = len(ordered) - _MOST_LINES
        yield f"      and {more} more line{'s' if more > 1 else ''}"


def _who(attribution: Row) -> Iterator[str]:
    confidence, candidates = attribution["confidence"], attribution["candidates"]
    if confidence == UNKNOWN or not candidates:
        names = ", ".join(dict.fromkeys(str(one["user"]) for one in candidates if one["user"]))
        yield f"UNKNOWN who{f', recorded as {safe_text(names)}' if names else ''}"
    elif confidence == AMBIGUOUS:
        yield f"ONE OF {len(candidates)}, the lines do not tell which:"
        yield from (f"  {_candidate(one)}" for one in candidates)
    else:
        yield f"{_candidate(candidates[0])}  [{safe_text(confidence)}]"


def _candidate(one: Row) -> str:
    user, person = one["user"] or "somebody", one["person"]
    name = f"{person} ({user})" if person and person != user else str(user)
    place = f"from {one['ip']}" if one["ip"] else "address not known"
    channel = _CHANNELS.get(one["channel"], "")
    return ", ".join(safe_text(part) for part in (name, place, channel) if part)


def _told(witnesses: Iterable[Row]) -> Iterator[str]:
    """The lines that decide: first of each file the one that tells most, so that each source has its say."""
    files: dict[str, Row] = {}
    rest = [one for one in witnesses if files.setdefault(one["file"], one) is not one]
    for one in [*files.values(), *rest][:_MOST_LINES]:
        place = one["place"] if one["place"].startswith("line ") else ""
        uid = f" (login uid {one['loginuid']})" if "loginuid" in one else ""
        yield f"{one['file']} {place}".strip() + f"{uid}: {one.get('line') or one['place']}"


def _cut(text: str) -> str:
    safe = safe_text(text)
    return safe if len(safe) <= _LONGEST else f"{safe[: _LONGEST - 3]}..."


def _gaps(gaps: Iterable[Row], tz: tzinfo) -> Iterator[str]:
    found = list(gaps)
    if not found:
        return
    yield "GAPS: what one source has and another lacks"
    for gap in found:
        when = _time(gap["from"], tz)
        until = "" if gap["until"] == gap["from"] else f" to {_time(gap['until'], tz)}"
        yield f"  {when}{until}  {_cut(gap['message'])}"
        yield from (f"      {_cut(upid)}" for upid in gap["upids"][:_MOST_UPIDS])
        if len(gap["upids"]) > _MOST_UPIDS:
            yield f"      and {len(gap['upids']) - _MOST_UPIDS} more"
    yield ""


def _unseen(answer: Row) -> Iterator[str]:
    """What was not seen: reasons, each once, and sources that nobody looked at."""
    reasons = [reason["message"] for row in answer["coverage"] for reason in row["reasons"]]
    blind: dict[tuple[str, str], list[str]] = defaultdict(list)
    for row in answer["not_looked_at"]:
        blind[_SOURCES.get(row["source"], row["source"]), row["shows"]].append(row["node"])
    if not reasons and not blind:
        return
    yield "NOT SEEN"
    yield from (f"  {_cut(text)}" for text in dict.fromkeys(reasons))
    for (source, shows), nodes in blind.items():
        yield f"  {safe_text(source)} of {safe_text(', '.join(nodes))} was not looked at: {safe_text(shows)}"
    yield ""


def _agreements(rows: Iterable[Row], tz: tzinfo) -> Iterator[str]:
    found = list(rows)
    if found:
        yield "WITHOUT A GAP, as two sources agree on all tasks"
    for row in found:
        sources = safe_text(" and ".join(row["sources"]))
        yield f"  {safe_text(row['node'])} from {_time(row['from'], tz)} to {_time(row['until'], tz)}: {sources}"
