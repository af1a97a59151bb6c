# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The spot check: a sample of what each person did, as questions that ask "was this really you?". Pure.

The sample is stratified: the strata of a person are severity class and action. It is drawn by the hash of seed and
event id, so the same seed and events give the same sample in every Python, whatever the order of the events.

A sample set (`draw_sample`): `{"schema", "seed", "made", "deadline", "period": {"since", "until"}, "complete": bool,
"options", "questions": [question], "asked": [{"asked", "file", "questions", "persons"}], "people": [{"person", "acted",
"sampled", "share", "strata": [{"severity", "action", "acted", "sampled", "share"}]}], "statistics", "digest"}`.
A question: `{"id", "event_id", "person", "asked", "user", "time"?, "action", "severity", "object"?, "object_type"?,
"vmid"?, "node"?, "ip"?, "outcome", "status"?, "sentence"}`; `person` owns the account `user`, `asked` has to answer.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from ansible_collections.pve.audit.plugins.module_utils._model.act import CERTAIN, LIKELY
from ansible_collections.pve.audit.plugins.module_utils._model.coverage import Coverage
from ansible_collections.pve.audit.plugins.module_utils._model.errors import InputError
from ansible_collections.pve.audit.plugins.module_utils._model.event import Event, get_field, unique_events
from ansible_collections.pve.audit.plugins.module_utils._model.names import owner_of
from ansible_collections.pve.audit.plugins.module_utils._model.severity import SEVERITIES
from ansible_collections.pve.audit.plugins.module_utils._model.time import parse_duration, rfc3339, to_epoch

SCHEMA = "pve.audit.spot_check/1"
_FIELDS = {
    "time": "@timestamp",
    "object": "pve.object",
    "object_type": "pve.object_type",
    "vmid": "pve.vmid",
    "node": "host.name",
    "ip": "source.ip",
    "status": "pve.status",
}
_NO_FILE_NAME = re.compile(r"[^A-Za-z0-9.-]")

Strata = dict[tuple[str, str], list[Event]]


@dataclass(frozen=True)
class SampleOptions:
    """How the sample is drawn.

    `size` actions of each person, one of each stratum first; those of the severities `always` come besides, up to
    `always_limit` (0: all). Acts below `min_severity` are not asked about. `contacts` says who answers for an account
    or token; `shared` accounts name no person and need one. `deadline` is a length of time.
    """

    size: int = 5
    always: Sequence[str] = ("critical",)
    always_limit: int = 50
    min_severity: str = "low"
    contacts: Mapping[str, str] = field(default_factory=dict)
    shared: Sequence[str] = ("root@pam",)
    deadline: str = "14d"

    def __post_init__(self) -> None:
        """Raises InputError for an option that cannot be used."""
        for name, lowest, highest in (("size", 1, 1000), ("always_limit", 0, 100_000)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or not lowest <= value <= highest:
                raise InputError(f"{name} must be a whole number from {lowest} to {highest}, not {value!r}")
        self._check_lists()
        contacts = self.contacts
        if not isinstance(contacts, Mapping) or not all(isinstance(one, str) and one for one in contacts.values()):
            raise InputError("contacts must be a map of accounts and who answers for them: {'root@pam': 'lena@pve'}")
        parse_duration(self.deadline)

    def _check_lists(self) -> None:
        for name in ("always", "shared"):
            if isinstance(getattr(self, name), str) or not isinstance(getattr(self, name), Sequence):
                raise InputError(f"{name} must be a list, not {getattr(self, name)!r}")
        for word in (*self.always, self.min_severity):
            if word not in SEVERITIES:
                raise InputError(f"severity {word!r} is unknown: use one of {', '.join(SEVERITIES)}")

    def as_dict(self) -> dict[str, Any]:
        """The options as plain data."""
        plain = {one.name: getattr(self, one.name) for one in fields(self)}
        return {**plain, "always": list(self.always), "shared": list(self.shared), "contacts": dict(self.contacts)}

    @property
    def severities(self) -> frozenset[str]:
        """The severities that are asked about."""
        return frozenset((*SEVERITIES[: SEVERITIES.index(self.min_severity) + 1], *self.always))


def canonical(value: object) -> bytes:
    """JSON with one form for equal data: what digests are made of."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, default=str).encode("ascii")


def digest_of(sample: Mapping[str, Any]) -> str:
    """The SHA-256 of a sample set without its own `digest`: it binds the answers to these questions."""
    return hashlib.sha256(canonical({key: sample[key] for key in sample if key != "digest"})).hexdigest()


def draw_sample(
    events: Iterable[Event],
    seed: str,
    options: SampleOptions,
    *,
    now: str,
    since: str | None = None,
    until: str | None = None,
    coverage: Sequence[Coverage] = (),
) -> dict[str, Any]:
    """The questions about `events`, and how much of what each person did they cover.

    `now`, `since` and `until` are RFC 3339 texts; without `coverage` the set says that it is not complete.
    Raises InputError for an empty seed and for times that cannot be read.
    """
    if not seed:
        raise InputError("the spot check needs a seed: any text that nobody knows before the sample is drawn")
    acts, left_out = _acts(events, options)
    questions: list[dict[str, Any]] = []
    people = []
    for person, strata in sorted(acts.items()):
        chosen = _choose(strata, seed, options)
        questions += [_question(event, person, options) for event in chosen]
        people.append(_coverage_of(person, strata, chosen))
    questions.sort(key=lambda one: (one["asked"], one.get("time", ""), one["id"]))
    acted, sampled = sum(row["acted"] for row in people), len(questions)
    sample: dict[str, Any] = {
        "schema": SCHEMA,
        "seed": seed,
        "made": now,
        "deadline": rfc3339(to_epoch(now) + parse_duration(options.deadline)),
        "period": {"since": since, "until": until if until is not None else now},
        "complete": bool(coverage) and all(entry.complete for entry in coverage),
        "options": options.as_dict(),
        "questions": questions,
        "asked": _respondents(questions),
        "people": people,
        "statistics": {
            "people": len(people),
            "acted": acted,
            "sampled": sampled,
            "share": _share(sampled, acted),
            "left_out": left_out,
            "unassigned": sorted({one["asked"] for one in questions} & set(options.shared)),
        },
    }
    return {**sample, "digest": digest_of(sample)}


def _acts(events: Iterable[Event], options: SampleOptions) -> tuple[dict[str, Strata], dict[str, int]]:
    """Person -> stratum -> acts, and what is not asked about: too harmless, by nobody known, or unreadable."""
    acts: dict[str, Strata] = defaultdict(lambda: defaultdict(list))
    left_out = Counter({"harmless": 0, "nobody": 0, "unreadable": 0})
    for event in _unique(events):
        user, severity = _user_of(event), str(get_field(event, "pve.severity") or "info")
        if event["event"].get("kind") == "pipeline_error":
            left_out["unreadable"] += 1
        elif not user:
            left_out["nobody"] += 1
        elif severity not in options.severities:
            left_out["harmless"] += 1
        else:
            acts[owner_of(str(user))][(severity, str(event["event"].get("action", "other")))].append(event)
    return acts, dict(left_out)


def _user_of(event: Event) -> str | None:
    """Who did it. Of an act, behind root@pam, whom the lines leave as the only one."""
    user, attribution = get_field(event, "user.id"), event.get("attribution")
    if isinstance(attribution, Mapping) and attribution.get("confidence") in (CERTAIN, LIKELY):
        users = {one.get("user") for one in attribution.get("candidates", ())} - {None}
        user = users.pop() if len(users) == 1 else user
    return None if user is None else str(user)


def _event_id(event: Event) -> str:
    return str(event["event"].get("id") or "") or hashlib.sha256(canonical(event)).hexdigest()


def _unique(events: Iterable[Event]) -> list[Event]:
    """Each event once, whatever the order they came in."""
    texts = {canonical(event): event for event in events}
    return sorted(unique_events(texts[text] for text in sorted(texts)), key=_event_id)


def _choose(strata: Strata, seed: str, options: SampleOptions) -> list[Event]:
    """The acts of one person to ask about."""

    def rank(event: Event) -> str:
        return hashlib.sha256(canonical([seed, _event_id(event)])).hexdigest()

    ranked = {key: sorted(acts, key=rank) for key, acts in strata.items()}
    always = {key: acts for key, acts in ranked.items() if key[0] in options.always}
    others = {key: acts for key, acts in ranked.items() if key not in always}
    limit = options.always_limit or sum(map(len, always.values()))
    counts = {**_shares(always, limit), **_shares(others, options.size)}
    return [event for key, number in counts.items() for event in ranked[key][:number]]


def _shares(strata: Strata, size: int) -> dict[tuple[str, str], int]:
    """How many of each stratum: one of each first, the gravest before the others, then by size (Adams' method)."""
    taken = dict.fromkeys(sorted(strata, key=lambda key: (SEVERITIES.index(key[0]), -len(strata[key]), key)), 0)
    places = list(taken)
    for _turn in range(min(size, sum(map(len, strata.values())))):
        open_ones = [key for key in places if taken[key] < len(strata[key])]
        untouched = [key for key in open_ones if not taken[key]]
        taken[untouched[0] if untouched else max(open_ones, key=lambda key: len(strata[key]) / taken[key])] += 1
    return taken


def _question(event: Event, person: str, options: SampleOptions) -> dict[str, Any]:
    user = str(_user_of(event))
    respondent = options.contacts.get(user) or options.contacts.get(person) or person
    known = {name: get_field(event, path) for name, path in _FIELDS.items()}
    about = event["event"]
    question = {
        "id": "Q-" + hashlib.sha256(canonical([_event_id(event), respondent])).hexdigest()[:16],
        "event_id": _event_id(event),
        "person": person,
        "asked": respondent,
        "user": user,
        "action": str(about.get("action", "other")),
        "severity": str(get_field(event, "pve.severity") or "info"),
        "outcome": str(about.get("outcome", "unknown")),
        **{name: value for name, value in known.items() if value is not None},
    }
    return {**question, "sentence": _sentence(question)}


def _sentence(question: Mapping[str, Any]) -> str:
    """`guest.destroy 100 on pve1 by alice@pve!ci from 192.0.2.7 at 2026-11-23T17:40:33Z (success)`."""
    parts = [question["action"]]
    for name, word in (("object", ""), ("node", "on "), ("user", "by "), ("ip", "from "), ("time", "at ")):
        if question.get(name) not in (None, ""):
            parts.append(f"{word}{question[name]}")
    return f"{' '.join(parts)} ({question['outcome']})"


def _coverage_of(person: str, strata: Strata, chosen: Sequence[Event]) -> dict[str, Any]:
    sampled = Counter(
        (str(get_field(event, "pve.severity") or "info"), str(event["event"].get("action", "other")))
        for event in chosen
    )
    acted = sum(map(len, strata.values()))
    rows = [
        {
            "severity": key[0],
            "action": key[1],
            "acted": len(strata[key]),
            "sampled": sampled[key],
            "share": _share(sampled[key], len(strata[key])),
        }
        for key in sorted(strata, key=lambda key: (SEVERITIES.index(key[0]), key[1]))
    ]
    share = _share(len(chosen), acted)
    return {"person": person, "acted": acted, "sampled": len(chosen), "share": share, "strata": rows}


def _share(part: int, whole: int) -> float:
    return round(part / whole, 4) if whole else 0.0


def _respondents(questions: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Who has to answer, with the name of their file."""
    rows: dict[str, dict[str, Any]] = {}
    for one in questions:
        row = rows.setdefault(
            one["asked"], {"asked": one["asked"], "file": file_name(one["asked"]), "questions": 0, "persons": []}
        )
        row["questions"] += 1
        if one["person"] not in row["persons"]:
            row["persons"].append(one["person"])
    return list(rows.values())


def file_name(person: str) -> str:
    """A harmless file name that no other person has: `alice_pve-1f0e9c2b` for `alice@pve`."""
    plain = _NO_FILE_NAME.sub("_", person).lstrip(".-")[:48]
    return f"{plain}-{hashlib.sha256(person.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"
