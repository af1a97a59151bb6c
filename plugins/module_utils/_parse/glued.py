# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Records of the task log that ran together in one line.

On a full disk or when the power fails, a line is cut anywhere, the next record stands right behind the stump, and
blocks that never reached the disk are NUL bytes. What stands behind a stump is a record of its own. An error text may
quote a UPID, and may be chosen by somebody who wants to be taken for a record: where the grammar leaves both open,
nothing is believed.
"""

from __future__ import annotations

import re
from typing import NamedTuple

MOST_PIECES = 16

STUMP = "the record was cut off, and another one ran into it"
NULS = "the line has NUL bytes, which stand for what never reached the disk"
AMBIGUOUS = "either the error text quotes a task, or another record ran into this one: nothing of it is believed"

# What Proxmox VE and its workers write word for word. Nothing follows these, so what does follow is another record.
# [pve-common PVE/UPID.pm, pve-manager PVE/VZDump.pm, pve-guest-common PVE/AbstractMigrate.pm]
KNOWN = (
    "OK",
    "unexpected status",
    "job errors",
    "interrupted by signal",
    "received interrupt",
    "migration aborted",
    "connection timed out",
)
_UPID = r"UPID:[^:\s]+:[0-9A-Fa-f]{1,16}:[0-9A-Fa-f]{1,16}:[0-9A-Fa-f]{8}:[^:\s]+:[^:\s]*:[^:\s]+:"
_START = re.compile(r"UPID:", re.ASCII)
_WITH_STATUS = re.compile(r"UPID:.*?:(?:\s[01])?\s[0-9A-Fa-f]{8}\s+(.+)", re.ASCII | re.DOTALL)
_RECORD = re.compile(r"UPID:[^\s\x00]+:(?:\s[01])?\s[0-9A-Fa-f]{8}(?![^\s\x00])", re.ASCII)
# A UPID that an error text quotes is followed by more of the text, and not by what may be the beginning of an end time.
_QUOTED = re.compile(_UPID + r"(?=[^A-Za-z0-9\x00])(?!(?:\s[01])?\s*[0-9A-Fa-f]{0,8}\Z)", re.ASCII)
_BEFORE_QUOTE = frozenset(" \t'\"`([{<=,")
_ANY_RECORD = "UPID:a:0:0:00000000:a::a: 00000000 "
_WARNINGS = re.compile(r"WARNINGS: ?\d*", re.ASCII)


class Piece(NamedTuple):
    """A part of a line: what stands there, and why nothing in it can be believed; None for a record of its own."""

    text: str
    damage: str | None = None


def split_records(text: str) -> list[Piece]:
    """The records and stumps of a line, in order; one piece without damage when nothing ran together in it.

    Only what stands behind the stump of a record, or behind NUL bytes, is taken for a record.
    """
    if text.find("UPID:", 1) < 0 and "\0" not in text:
        return [Piece(text)]
    starts = [found.start() for found in _START.finditer(text) if found.start()]
    if starts and not _may_be_stump(text[: starts[0]]):
        return [Piece(text)]
    if len(starts) > MOST_PIECES:
        return [Piece(text, AMBIGUOUS)]
    pieces: list[Piece] = []
    begin = 0
    for start in starts:
        damage = _judge(text[begin:start], text[start:])
        if damage is not None:
            end = len(text) if damage == AMBIGUOUS else start
            pieces.append(Piece(text[begin:end], damage))
            begin = end
        if begin == len(text):
            return pieces
    return [*pieces, _last(text[begin:], recovered=begin > 0)]


def status_damage(status: str) -> str | None:
    """Why a status is none that Proxmox VE wrote, or None."""
    if "\0" in status:
        return NULS
    if "UPID:" not in status:
        return None
    pieces = split_records(_ANY_RECORD + status)
    return STUMP if len(pieces) > 1 else pieces[0].damage


def _may_be_stump(head: str) -> bool:
    """True for the beginning of a record, whole or of the word UPID alone, and for NUL bytes."""
    bare = head.strip("\0")
    return bare.startswith("UPID:") or "UPID:".startswith(bare)


def _judge(head: str, rest: str) -> str | None:
    """What `head` is, with a UPID right behind it: damaged, ambiguous, or (None) a text that quotes the UPID."""
    found = _WITH_STATUS.fullmatch(head.lstrip("\0"))
    if found is None or _starts_known(found[1].rstrip("\0")):
        return NULS if "\0" in head else STUMP
    quotes = found[1][-1] in _BEFORE_QUOTE and _QUOTED.match(rest) and not _RECORD.match(rest)
    return None if quotes and "\0" not in head else AMBIGUOUS


def _starts_known(status: str) -> bool:
    bare = status.strip()
    return any(whole.startswith(bare) for whole in (*KNOWN, "WARNINGS")) or bool(_WARNINGS.fullmatch(bare))


def _last(text: str, *, recovered: bool) -> Piece:
    """The piece that the line end ended. One that is recovered must have its end time, to be a whole record."""
    if "\0" in text:
        return Piece(text, NULS)
    return Piece(text, STUMP if recovered and not _RECORD.match(text) else None)
