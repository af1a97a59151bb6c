# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Coverage: for one node and one source, from when to when it was really seen, and why not more."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ansible_collections.pve.audit.plugins.module_utils._model import shape
from ansible_collections.pve.audit.plugins.module_utils._model.errors import InputError
from ansible_collections.pve.audit.plugins.module_utils._model.time import rfc3339

REASON_CODES = (
    "node_offline",
    "node_unreachable",
    "timed_out",
    "not_permitted",
    "empty",
    "begins_late",
    "ring_turned",
    "gap",
    "records_missing",
    "future",
    "server_error",
    "corrupt_records",
    "unknown_node",
    "node_list_incomplete",
    "no_file",
    "unreadable",
    "ends_early",
)
UNEXPLAINED = {"code": "unexplained", "message": "the source says that it is incomplete, but not why"}
_REMEDY = "take `coverage` of the module that collected"


class Evidence(NamedTuple):
    """What only one source shows, and how it comes to be looked at; both complete a sentence."""

    shows: str
    look: str


# By the name that a row of coverage has in `source`.
SOURCES_OF_EVIDENCE: dict[str, Evidence] = {
    "pve.task": Evidence(
        "what ran as a task: guests, backups, snapshots, consoles, packages", "the module pve.audit.tasks_info"
    ),
    "pve.access": Evidence(
        "who called what from which address, and every change that leaves no task: users, rights, tokens, firewall, "
        "storage, pools, a node's reboot",
        "/var/log/pveproxy/access.log of every node through the filter pve.audit.events",
    ),
    "pve.auth": Evidence(
        "logins and refused logins, and who stands behind a command on a node",
        "the journal of every node through the filter pve.audit.events",
    ),
    "linux.auth": Evidence(
        "SSH, sudo and accounts of the nodes' own system",
        "the journal of every node through the filter pve.audit.events",
    ),
    "pve.config": Evidence(
        "what the configuration in /etc/pve was before and after a change, whoever made it",
        "the ledger of a node (control PVA-LOG-09): its lines in the journal through the filter pve.audit.events",
    ),
}


@dataclass
class Coverage:
    """What was seen of one source on one node. Times are epoch seconds.

    `start` and `end` bound the interval that was really seen; `start` None with `complete` True means from the very
    first record on, and both None means that nothing was seen at all. `damaged` of the records cannot be read whole.
    """

    node: str
    source: str = "pve.task"
    start: float | None = None
    end: float | None = None
    oldest: float | None = None
    records: int = 0
    damaged: int = 0
    reasons: list[dict[str, str]] = field(default_factory=list)

    @classmethod
    def from_dict(cls, data: object, place: str = "the coverage") -> Coverage:
        """What `as_dict` gave. A row that is not complete and does not say why gets the reason UNEXPLAINED.

        Raises InputError: which row, which key.
        """
        if not isinstance(data, Mapping) or not {"node", "complete"} <= data.keys():
            raise InputError(f"{place} is not a coverage row: {_REMEDY}")
        given = {key: value for key, value in data.items() if value is not None}
        readers: dict[str, Any] = dict.fromkeys(("from", "until", "oldest"), shape.moment)
        readers |= {
            "node": shape.text,
            "source": shape.text,
            "records": shape.number,
            "damaged": shape.number,
            "reasons": _reasons,
        }
        row = {
            key: shape.read_field(given, key, read, place, _REMEDY)
            for key, read in readers.items()
            if key in given or key == "node"
        }
        entry = cls(start=row.pop("from", None), end=row.pop("until", None), **row)
        if data["complete"] is not True and entry.complete:
            entry.add_reason(**UNEXPLAINED)
        return entry

    @property
    def complete(self) -> bool:
        """True when there is no reason to doubt it."""
        return not self.reasons

    @property
    def nothing(self) -> bool:
        """True when nothing was seen at all."""
        return self.start is None and self.end is None and not self.complete

    def add_reason(self, code: str, message: str) -> None:
        """Note why the source is not complete: a code for machines, a sentence for people."""
        self.reasons.append({"code": code, "message": message})

    def as_dict(self) -> dict[str, Any]:
        """The public form, with times in RFC 3339."""
        return {
            "node": self.node,
            "source": self.source,
            "complete": self.complete,
            "from": None if self.start is None else rfc3339(self.start),
            "until": None if self.end is None else rfc3339(self.end),
            "oldest": None if self.oldest is None else rfc3339(self.oldest),
            "records": self.records,
            **({"damaged": self.damaged} if self.damaged else {}),
            "reasons": list(self.reasons),
        }


def _reasons(value: object) -> list[dict[str, str]]:
    rows = shape.items(value)
    if not all(isinstance(row, Mapping) and {"code", "message"} <= row.keys() for row in rows):
        raise InputError("a list of maps with code and message")
    return [{key: str(row[key]) for key in ("code", "message")} for row in rows]


def not_looked_at(coverage: Iterable[Coverage]) -> list[str]:
    """The names of the sources of evidence that have no row, in the order of SOURCES_OF_EVIDENCE.

    A source that was asked and did not answer has a row with a reason, so it is not among them.
    """
    looked_at = {entry.source for entry in coverage}
    return [name for name in SOURCES_OF_EVIDENCE if name not in looked_at]


def incomplete_sentence(coverage: Iterable[Coverage]) -> str:
    """One sentence that names every node that was not seen whole, and why. Empty when all is complete."""
    parts = [
        f"{entry.node}: {'; '.join(reason['message'] for reason in entry.reasons)}"
        for entry in coverage
        if entry.reasons
    ]
    return "Not everything was seen. " + " | ".join(parts) if parts else ""
