# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The answers to a spot check: confirmed, denied, overdue or open, and the findings that follow. Pure.

Answers are kept in a record that is only added to: one JSON object a line, chained by SHA-256. The first line follows
from the digest of the question set, so neither questions nor answers can be changed without breaking the chain; who
cuts lines off the end is found by the `head` (number of lines and last hash) that earlier results carry.

A line: `{"n", "set", "question", "answer", "by", "at", "recorded", "comment", "origin", "previous", "hash"}`.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.pve.audit.plugins.module_utils._model.errors import InputError
from ansible_collections.pve.audit.plugins.module_utils._model.time import rfc3339, to_epoch
from ansible_collections.pve.audit.plugins.plugin_utils._spot_check.findings import spot_check_findings
from ansible_collections.pve.audit.plugins.plugin_utils._spot_check.sample import SCHEMA, canonical, digest_of

ANSWERS = ("confirmed", "denied")
STATES = ("denied", "overdue", "open", "confirmed")
LONGEST = 2000
_KEYS = ("answer", "by", "at", "comment")
_SLACK = 86400  # clocks and time zones of people who write a time by hand


@dataclass(frozen=True)
class Given:
    """One answer as it was found: `fields` may be anything; `file` and `place` (`line 3`) are for messages."""

    question: str
    fields: Any
    file: str
    place: str


def judge_answers(
    sample: Mapping[str, Any],
    given: Iterable[Given],
    record: str = "",
    *,
    now: str,
    anchor: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """What became of each question of the sample set.

    `given` are new answers, `record` is the text of the record so far, `anchor` the `head` of an earlier result.
    Returns `rows` (the questions with `state`, `answer` and `history`), `counts`, `asked`, `record` (the whole new
    text), `appended` (number of new lines), `head`, `problems` (one sentence for each answer that cannot be used) and
    `findings`.
    Raises InputError when the questions or the record are not as they were made.
    """
    check_sample(sample)
    entries = read_record(record, sample, anchor)
    fresh, problems = _new_entries(sample, list(given), entries, now)
    entries = [*entries, *fresh]
    rows = [_row(sample, question, entries, now) for question in sample["questions"]]
    text = record if not record or record.endswith("\n") else record + "\n"
    return {
        "rows": rows,
        "counts": {state: sum(row["state"] == state for row in rows) for state in STATES},
        "asked": _by_respondent(rows),
        "record": text + "".join(canonical(entry).decode("ascii") + "\n" for entry in fresh),
        "appended": len(fresh),
        "head": {"entries": len(entries), "hash": _last_hash(sample, entries)},
        "problems": problems,
        "findings": [finding.as_dict() for finding in spot_check_findings(sample, rows, now)],
    }


def check_sample(sample: object) -> None:
    """Raises InputError unless `sample` is a sample set that is as it was made."""
    if not isinstance(sample, Mapping) or sample.get("schema") != SCHEMA:
        raise InputError("this is no set of spot check questions: take the questions.json that the role wrote")
    if sample.get("digest") != digest_of(sample):
        raise InputError(
            "the questions are not as they were made (questions.json does not fit its digest): restore the file"
        )


def read_record(text: str, sample: Mapping[str, Any], anchor: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
    """The lines of the record. Raises InputError when a line was changed, added by hand, moved or taken away."""
    entries: list[dict[str, Any]] = []
    previous = str(sample["digest"])
    for number, line in enumerate(text.splitlines(), 1):
        try:
            entry = json.loads(line)
        except (ValueError, RecursionError):
            entry = None
        if not isinstance(entry, dict) or not _follows(entry, number, previous):
            raise InputError(
                f"the record of answers was changed after it was written: line {number} does not follow from what "
                "stands before it; restore the file from a backup"
            )
        entries.append(entry)
        previous = entry["hash"]
    if anchor:
        _check_anchor(entries, anchor, str(sample["digest"]))
    return entries


def _follows(entry: Mapping[str, Any], number: int, previous: str) -> bool:
    known = entry.get("n") == number and entry.get("previous") == previous and entry.get("answer") in ANSWERS
    return known and entry.get("hash") == _hash(entry)


def _hash(entry: Mapping[str, Any]) -> str:
    return hashlib.sha256(canonical({key: entry[key] for key in entry if key != "hash"})).hexdigest()


def _last_hash(sample: Mapping[str, Any], entries: Sequence[Mapping[str, Any]]) -> str:
    return str(entries[-1]["hash"] if entries else sample["digest"])


def _check_anchor(entries: Sequence[Mapping[str, Any]], anchor: Mapping[str, Any], digest: str) -> None:
    number, wanted = anchor.get("entries"), anchor.get("hash")
    if not isinstance(number, int) or isinstance(number, bool) or number < 0:
        raise InputError(f"the anchor must be the head of an earlier result, not {dict(anchor)!r}")
    found = digest if not number else entries[number - 1]["hash"] if number <= len(entries) else None
    if found != wanted:
        raise InputError(
            f"the record of answers does not hold the {number} answers that an earlier result has seen: lines were "
            "taken away or rewritten; restore the file from a backup"
        )


def _new_entries(
    sample: Mapping[str, Any], given: Sequence[Given], entries: Sequence[Mapping[str, Any]], now: str
) -> tuple[list[dict[str, Any]], list[str]]:
    """The lines to add, in the order of the questions, and what cannot be used."""
    known = [question["id"] for question in sample["questions"]]
    recorded = {(one["question"], one["answer"], one["by"], one["comment"]) for one in entries}
    usable: dict[str, list[dict[str, Any]]] = {}
    problems = []
    for one in given:
        try:
            checked = _check(one, known, sample, now)
        except InputError as error:
            problems.append(str(error))
            continue
        if checked and (one.question, checked["answer"], checked["by"], checked["comment"]) not in recorded:
            usable.setdefault(one.question, []).append(checked)
    fresh: list[dict[str, Any]] = []
    for question in known:
        answers = usable.get(question, [])
        if len({answer["answer"] for answer in answers}) > 1:
            places = " and ".join(answer["origin"] for answer in answers)
            problems.append(f"{places}: the question {question} is answered in two ways: keep one of them")
        elif answers:
            previous = _last_hash(sample, [*entries, *fresh])
            entry = {"n": len(entries) + len(fresh) + 1, "set": sample["digest"], "previous": previous, **answers[0]}
            fresh.append({**entry, "hash": _hash(entry)})
    return fresh, problems


def _check(one: Given, known: Sequence[str], sample: Mapping[str, Any], now: str) -> dict[str, Any] | None:
    """The answer in the record's form, or None for one that was not filled in. Raises InputError with the place."""
    where = f"{one.file} {one.place}".strip()
    answer, by, at, comment = _texts(one, where)
    if not answer and not comment:
        return None
    if one.question not in known:
        raise InputError(f"{where}: there is no question {one.question!r} in this spot check: copy the id as it stands")
    if answer not in ANSWERS:
        raise InputError(f"{where}: the answer to {one.question} is {answer!r}: write confirmed or denied")
    if not by:
        raise InputError(f"{where}: the answer to {one.question} does not say who gave it: fill in by")
    if max(len(by), len(comment)) > LONGEST:
        raise InputError(f"{where}: the answer to {one.question} is longer than {LONGEST} characters")
    when = _time(at or now, f"{where}: the time of the answer to {one.question}", sample["made"], now)
    return {
        "question": one.question,
        "answer": answer,
        "by": by,
        "at": when,
        "recorded": now,
        "comment": comment,
        "origin": where,
    }


def _texts(one: Given, where: str) -> list[str]:
    """What stands below each of _KEYS, empty when nothing does. Raises InputError for fields of another shape."""
    fields = one.fields
    if not isinstance(fields, Mapping):
        raise InputError(
            f"{where}: the answer to {one.question} must have the lines answer, by and, if you like, comment"
        )
    if wrong := sorted(str(key) for key in fields if key not in _KEYS):
        raise InputError(f"{where}: {wrong[0]!r} is unknown in an answer: use {', '.join(_KEYS)}")
    if bad := [key for key in _KEYS if fields.get(key) is not None and not isinstance(fields[key], str)]:
        raise InputError(f"{where}: {bad[0]} of {one.question} must be a text")
    return [(fields.get(key) or "").strip() for key in _KEYS]


def _time(text: str, what: str, made: str, now: str) -> str:
    try:
        epoch = to_epoch(text)
        when = rfc3339(epoch)
    except InputError as error:
        raise InputError(f"{what} cannot be read: {error}") from None
    if not to_epoch(made) - _SLACK <= epoch <= to_epoch(now) + _SLACK:
        raise InputError(f"{what} ({when}) does not lie between the question ({made}) and now")
    return when


def _row(
    sample: Mapping[str, Any], question: Mapping[str, Any], entries: Iterable[Mapping[str, Any]], now: str
) -> dict[str, Any]:
    history = [
        {key: entry[key] for key in ("answer", "by", "at", "recorded", "comment")}
        for entry in entries
        if entry["question"] == question["id"]
    ]
    if not history:
        overdue = to_epoch(now) > to_epoch(sample["deadline"])
        return {**question, "state": "overdue" if overdue else "open", "answer": None, "history": []}
    last = history[-1]
    respondent = question["asked"].casefold()
    answer = {
        **last,
        "late": to_epoch(last["at"]) > to_epoch(sample["deadline"]),
        "by_asked": last["by"].casefold() in (respondent, respondent.rpartition("@")[0]),
    }
    return {**question, "state": last["answer"], "answer": answer, "history": history}


def _by_respondent(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    counts: dict[str, Counter[str]] = {}
    for row in rows:
        found = counts.setdefault(row["asked"], Counter())
        found[row["state"]] += 1
        found["by_others"] += bool(row["answer"]) and not row["answer"]["by_asked"]
    return [
        {"asked": respondent, **{name: found[name] for name in (*STATES, "by_others")}}
        for respondent, found in counts.items()
    ]
