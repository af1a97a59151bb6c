# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines as relays and the collector of this collection hand them on: with a priority in front, or as RFC 5424.

Nothing in them is trusted: of several elements or parameters of one name the first counts, as it did for the collector.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

SD_ID = "pveaudit@32473"
_MOST_PRIORITY = 191
_PRIORITY = re.compile(r"<(\d{1,3})>", re.ASCII)
_HEADER = re.compile(r"1 (\S+) (\S+) (\S+) (\S+) (\S+) ", re.ASCII)
_PARAM = re.compile(r' ([!#-<>-\\^-~]{1,32})="((?:\\.|[^"\\\]])*)"', re.DOTALL)
_ELEMENT = re.compile(r'\[([!#-<>-\\^-~]{1,32})((?: [!#-<>-\\^-~]{1,32}="(?:\\.|[^"\\\]])*")*)\]', re.DOTALL)
# A relay that does not know the program leaves its name and pid in the message.
_TAG = re.compile(r"([^\s:\[]{1,48})(?:\[(\d+)\])?: ", re.ASCII)
_ESCAPED = re.compile(r'\\(["\\\]])')
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Relayed:
    """A line of RFC 5424. `micros` since the epoch, None without a time; `params` are our forwarder's, None without."""

    micros: int | None
    host: str
    app: str
    procid: str
    text: str
    params: Mapping[str, str] | None = None


def has_priority(line: str) -> bool:
    """True for a line that begins with what looks like a priority."""
    return bool(_PRIORITY.match(line))


def split_priority(line: str) -> str | None:
    """What follows the priority, None where there is none that syslog knows."""
    match = _PRIORITY.match(line)
    return line[match.end() :] if match and int(match[1]) <= _MOST_PRIORITY else None


def parse_relayed(text: str) -> Relayed | None:
    """What follows the priority of a line as RFC 5424 has it; None when it is something else."""
    header = _HEADER.match(text)
    if header is None:
        return None
    time, host, app, procid, _msgid = ("" if field == "-" else field for field in header.groups())
    params, end = None, header.end()
    if text.startswith("-", end):
        end += 1
    else:
        first = _ELEMENT.match(text, end)
        if first is None:
            return None
        if first[1] == SD_ID:
            params = _parameters(first[2])
        while (element := _ELEMENT.match(text, end)) is not None:
            end = element.end()
    message = text[end:].removeprefix(" ").removeprefix("\ufeff")
    if not app and (tag := _TAG.match(message)) is not None:
        app, procid, message = tag[1], procid or tag[2] or "", message[tag.end() :]
    elif (tag := _TAG.fullmatch(f"{app.rstrip(':')}: ")) is not None:
        app, procid = tag[1], procid or tag[2] or ""
    return Relayed(_micros(time), host, app, procid, message, params)


def _parameters(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in _PARAM.findall(text):
        found.setdefault(name, _ESCAPED.sub(r"\1", value))
    return found


def _micros(text: str) -> int | None:
    try:
        moment = datetime.fromisoformat(text)
        return (moment - _EPOCH) // timedelta(microseconds=1) if moment.tzinfo else None
    except (ValueError, OverflowError):
        return None
