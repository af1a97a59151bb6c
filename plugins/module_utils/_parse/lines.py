# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What all readers of lines share: text from bytes, addresses, stable event ids, and events for broken lines."""

from __future__ import annotations

import hashlib
import ipaddress
from functools import lru_cache

from ansible_collections.pve.audit.plugins.module_utils._model.event import Event, EventHead
from ansible_collections.pve.audit.plugins.module_utils._parse.redact import redact

PREFIXES = {
    "pve.access": "access",
    "pve.auth": "auth",
    "linux.auth": "auth",
    "linux.log": "log",
    "pve.archive": "log",
    "pve.task": "task",
}


def decode_line(raw: str | bytes) -> str:
    r"""A line as text that JSON can carry, without its line end; bytes that are not UTF-8 become `\xff`.

    Text read with `surrogateescape` gives the same as the bytes it came from.
    """
    text = scrub(raw) if isinstance(raw, str) else raw.decode("utf-8", "backslashreplace")
    return text.rstrip("\r\n")


def scrub(text: str) -> str:
    """Text without lone surrogates, which neither UTF-8 nor JSON can carry."""
    if text.isascii():
        return text
    try:
        return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:
        return text.encode("utf-8", "backslashreplace").decode("utf-8")


def from_bytewise(text: str) -> str:
    """A text of the task API, in which each byte of a file stands as one character, with its UTF-8 put together again.

    Proxmox VE reads status, UPID and log of a task without an encoding, so that `ä` in the file is `Ã¤` in the answer.
    A text is only changed as a whole, and only when all its characters are bytes that together are UTF-8: what came
    right, Latin-1, and a line cut within a letter stay as they are. `Ã¤` that somebody really wrote comes as four
    characters and is right after the one decoding; only in an answer that was never bytewise it would be taken for `ä`.
    [PVE::Tools dump_logfile, PVE::API2::Tasks]
    """
    if text.isascii():
        return text
    try:
        return text.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return scrub(text)


@lru_cache(maxsize=4096)
def client_ip(text: str) -> str | None:
    """An IP address in its usual form, IPv6-mapped ones as IPv4; None when the text is no address."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)


class EventIds:
    """Stable ids for the events of one collection.

    An id is a prefix and 32 hex digits of a SHA-256 over dataset, node and line. Identical lines of one node are told
    apart by counting them, so that reading the same log twice gives the same ids, and two true lines stay two.
    """

    def __init__(self) -> None:
        self._seen: dict[str, int] = {}

    def line(self, dataset: str, node: str, line: str) -> str:
        """The id of a line; the n-th identical one (n from 0) gets its own."""
        base = stable_id(dataset, node, line)
        count = self._seen.get(base)
        if count is None:
            self._seen[base] = 0
            return base
        self._seen[base] = count + 1
        return stable_id(dataset, node, f"{line}\0{count + 1}")

    def cursor(self, dataset: str, cursor: str) -> str:
        """The id of an entry of a journal, in whatever form it comes: its cursor is unique among all journals."""
        return stable_id(dataset, "", f"cursor\0{cursor}")


def stable_id(dataset: str, node: str, text: str) -> str:
    """Prefix and hash, the same in every run."""
    digest = hashlib.sha256(f"{dataset}\0{node}\0{text}".encode("utf-8", "backslashreplace")).hexdigest()
    return f"{PREFIXES.get(dataset, 'line')}:{digest[:32]}"


def corrupt_event(
    dataset: str | None, node: str, line: str, reason: str, ids: EventIds, *, timestamp: str | None = None
) -> Event:
    """The event of a line that could not be read: it is shown and counted, not dropped."""
    about: EventHead = {"id": ids.line(dataset or "", node, line), "kind": "pipeline_error"}
    if dataset:
        about["dataset"] = dataset
    about |= {"outcome": "unknown", "original": redact(line)}
    event: Event = {"event": about, "error": {"message": reason}, "pve": {}}
    if timestamp is not None:
        event["@timestamp"] = timestamp
    if node:
        event["host"] = {"name": node}
    return event
