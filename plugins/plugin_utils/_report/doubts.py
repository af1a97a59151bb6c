# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the records themselves say against a row of coverage: some are damaged, or their log says that it lost some."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

from ansible_collections.pve.audit.plugins.module_utils._model.coverage import Coverage
from ansible_collections.pve.audit.plugins.module_utils._model.event import Event, get_field

# Events in which a log speaks of itself, and the sources that are read from that log.
_OF_ITSELF = "linux.log"
_JOURNAL = ("pve.auth", "linux.auth")
# What the archive or its forwarder lacks, by a part of its name; anything else may be of any log that is read by lines.
_ARCHIVE = "pve.archive"
_PARTS = (("journal", _JOURNAL), ("entry", _JOURNAL), ("access", ("pve.access",)), ("task", ("pve.task",)))
_BY_LINES = ("pve.access", *_JOURNAL)

CORRUPT, MISSING = "corrupt_records", "records_missing"
_SENTENCES = {
    CORRUPT: "{count} records that were handed over are damaged",
    MISSING: "the log says itself, {count} times, that messages were lost or damaged",
}
Doubts = Counter[tuple[str, str, str]]


def doubts_of(events: Iterable[Event]) -> Doubts:
    """How often the events say against (source, node, code of the reason); node "" where none is named."""
    found: Doubts = Counter()
    for event in events:
        head = event["event"]
        dataset, broken = head.get("dataset"), head.get("kind") == "pipeline_error"
        if not broken and dataset not in (_OF_ITSELF, _ARCHIVE):
            continue
        node = get_field(event, "host.name") or ""
        if broken:
            found.update((source, node, CORRUPT) for source in _sources_of_broken(dataset))
        elif dataset == _OF_ITSELF and get_field(event, "event.outcome") == "failure":
            found.update((source, node, MISSING) for source in _JOURNAL if _lacks(event))
        elif dataset == _ARCHIVE and get_field(event, "event.outcome") == "failure":
            found.update((source, node, MISSING) for source in _sources_of_hole(get_field(event, "pve.object")))
    return found


def _lacks(event: Event) -> bool:
    """Whether a log that lost something is the one that was read. The journal has what its copy for syslog lacks, and
    an entry of the journal has a cursor."""
    log = get_field(event, "pve.log")
    return log == "journal" or (log == "syslog" and get_field(event, "pve.cursor") is None)


def unshown_damage(coverage: Iterable[Coverage], doubts: Doubts) -> int:
    """How many damaged records whoever collected saw, that are not among the events: the API has no text of them."""
    return sum(max(0, entry.damaged - doubts[(entry.source, entry.node, CORRUPT)]) for entry in coverage)


def _sources_of_broken(dataset: object) -> tuple[str, ...]:
    """A line that is too broken to tell what it was may have been of each log that is read by lines."""
    return _BY_LINES if dataset in (None, _ARCHIVE, _OF_ITSELF) else (str(dataset),)


def _sources_of_hole(name: object) -> tuple[str, ...]:
    return next((sources for part, sources in _PARTS if part in str(name)), _BY_LINES)


def doubt_coverage(coverage: Sequence[Coverage], doubts: Doubts) -> list[Coverage]:
    """The rows, each with the reasons that its own records give. What names no node counts against every node."""
    return [_doubted(entry, doubts) for entry in coverage]


def _doubted(entry: Coverage, doubts: Doubts) -> Coverage:
    known = {reason["code"] for reason in entry.reasons}
    reasons = []
    for code, sentence in _SENTENCES.items():
        count = doubts[(entry.source, entry.node, code)] + doubts[(entry.source, "", code)]
        if count and code not in known:
            reasons.append({"code": code, "message": sentence.format(count=count)})
    return replace(entry, reasons=[*entry.reasons, *reasons]) if reasons else entry
