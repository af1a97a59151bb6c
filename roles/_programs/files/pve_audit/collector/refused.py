# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who was not let in: reads what rsyslogd tells about refused connections, and the list of rejected lines.

The messages are those of rsyslog 8.2302 and 8.2504 with GnuTLS: imrelp.c (onErr, onAuthErr), nsd_gtls.c, tcpsrv.c.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from pve_audit.collector.store import DamagedError, read_lines
from pve_audit.wire import format_seconds

MOST_GROUPS = 1000
OTHERS = "others, of which there are too many to tell apart"

_RELP = re.compile(
    r"imrelp\[(\d+)\]: (?:authentication )?error '(.*?)', "
    r"(?:peer is '(.*?)'|object +'lstn \d+: conn to clt ([^/]*)/)",
    re.DOTALL,
)
_NAME = re.compile(r"(?:DNSname|CN): *([^;]*?) *;")
_FINGERPRINT = re.compile(r"\ASHA1(?::[0-9A-F]{2}){20}\Z")
_TCP_END = re.compile(r"netstream session \S+ from \[?([0-9a-fA-F.:]+?)\]?(?::\d+)? will be closed due to error")
# A client that speaks something else than TLS at once: here rsyslog tells no address.
_TCP_NO_TLS = re.compile(r"gnutls returned error on handshake: (.*?)(?:\[v8|$)", re.DOTALL)
_TCP_REASONS = (
    (re.compile(r"peer name not authorized.*?Names: (.*)", re.DOTALL), "the certificate is of another peer"),
    (
        re.compile(r"not permitted to talk to peer(?: '.*?')?, certificate invalid: (.*)", re.DOTALL),
        "the certificate is not valid",
    ),
    (re.compile(r"peer fingerprint '(.*?)' unknown"), "the certificate is of another peer"),
    (re.compile(r"peer (?:\S+ )?did not provide a certificate"), "there is no certificate"),
    (re.compile(r"GnuTLS handshake retry returned error: (.*?)(?:\[v8|$)", re.DOTALL), "there was no TLS handshake"),
)
_RELP_REASONS = {
    "no permited name found": "the certificate is of another peer",
    "no permitted name found": "the certificate is of another peer",
    "non-permited fingerprint": "the certificate is of another peer",
    "certificate validation failed": "the certificate is not valid",
    "peer did not provide a certificate": "there is no certificate",
}


@dataclass(slots=True)
class Refusal:
    """One connection. `names` are those of the certificate that was shown, if any; hostile text, never trusted."""

    time: str
    protocol: str
    address: str
    port: str
    reason: str
    names: list[str] = field(default_factory=list)
    detail: str = ""


@dataclass
class RefusalParser:
    """Puts together the messages of one connection. Feed it in order; a refusal is told once its address is known."""

    relp: dict[str, tuple[str, str]] = field(default_factory=dict)
    tcp: tuple[str, str] | None = None

    def feed(self, time: str, message: str) -> Iterator[Refusal]:
        """Refusals that this message completes."""
        found = _RELP.search(message)
        if found is not None:
            yield from self._relp(time, found[1], found[2], found[3], found[4])
            return
        end = _TCP_END.search(message)
        if end is not None and self.tcp is not None:
            reason, detail = self.tcp
            self.tcp = None
            yield Refusal(time, "tcp", end[1], "", reason, names_of(detail), _short(detail))
            return
        yield from self._tcp(time, message)

    def _tcp(self, time: str, message: str) -> Iterator[Refusal]:
        no_tls = _TCP_NO_TLS.search(message)
        if no_tls is not None:
            yield Refusal(time, "tcp", "unknown", "", "there was no TLS handshake", [], _short(no_tls[1]))
        for pattern, reason in _TCP_REASONS:
            match = pattern.search(message)
            if match is not None:
                self.tcp = (reason, match[1] if pattern.groups else "")
        if "unexpected GnuTLS error" in message:
            self.tcp = None

    def _relp(self, time: str, port: str, text: str, peer: str | None, address: str | None) -> Iterator[Refusal]:
        if address is None:
            self.relp[port] = (_RELP_REASONS.get(text, text), peer or "")
        elif "TLS handshake failed" in text:
            reason, names = self.relp.pop(port, ("there was no TLS handshake", ""))
            yield Refusal(time, "relp", address, port, reason, names_of(names), _short(text))


def names_of(text: str) -> list[str]:
    """The names in rsyslog's list of a certificate's names, each once; of a pinned listener its fingerprint."""
    return sorted({name for name in (*_NAME.findall(text), *_FINGERPRINT.findall(text)) if name})


def _short(text: str) -> str:
    return re.sub(r"\s*\[v8[^\]]*\]\s*$", "", text).strip()[:300]


def refusals(messages: Iterable[tuple[str, str]]) -> Iterator[Refusal]:
    """From (time, message) pairs in order."""
    parser = RefusalParser()
    for time, message in messages:
        yield from parser.feed(time, message)


def journal_messages(unit: str, since: float) -> Iterator[tuple[str, str]]:
    """What rsyslogd said, from the journal. Raises OSError when it cannot be read."""
    command = [
        "journalctl",
        f"_SYSTEMD_UNIT={unit}",
        "SYSLOG_IDENTIFIER=rsyslogd",
        "-o",
        "json",
        "--no-pager",
        f"--since=@{since:.0f}",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL) as process:
        for line in process.stdout or ():
            try:
                entry = json.loads(line)
                message = entry.get("MESSAGE")
                text = bytes(message).decode("utf-8", "replace") if isinstance(message, list) else str(message or "")
                yield format_seconds(int(entry.get("__REALTIME_TIMESTAMP", 0)) // 1_000_000), text
            except (ValueError, AttributeError, TypeError, OverflowError, OSError):
                yield "", line.decode("utf-8", "replace")
    if process.returncode:
        raise OSError(f"journalctl ended with status {process.returncode}")


def rejected_lines(directory: Path, since: str) -> tuple[list[dict[str, Any]], list[str]]:
    """Lines rejected since a moment (RFC 3339, UTC), counted by peer, address and reason, with one example each.

    Also what cannot be read, a sentence each.
    """
    groups: dict[tuple[str, str, str], dict[str, Any]] = {}
    damaged: list[str] = []
    for path in sorted(directory.glob("????-??-??.jsonl")):
        if path.stem < since[:10]:
            continue
        broken = 0
        try:
            for line in read_lines(path):
                note = _note_of(line)
                broken += note is None
                if note is not None and str(note.get("time", "")) >= since:
                    _count(groups, note)
        except (DamagedError, FileNotFoundError) as error:
            damaged.append(f"{path.name} cannot be read to its end: {error}")
        if broken:
            damaged.append(f"{path.name} has {broken} lines that cannot be used")
    return sorted(groups.values(), key=lambda group: -int(group["lines"])), damaged


def _note_of(line: bytes) -> dict[str, Any] | None:
    try:
        note = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return note if isinstance(note, dict) and {"peer", "address", "reason"} <= set(note) else None


def _count(groups: dict[tuple[str, str, str], dict[str, Any]], note: dict[str, Any]) -> None:
    """Senders choose what they claim, so only so many reasons are told apart."""
    peer, address, reason = (str(note[name])[:500] for name in ("peer", "address", "reason"))
    key = (peer, address, reason)
    if key not in groups and len(groups) >= MOST_GROUPS:
        key = ("", "", OTHERS)
    named = dict(zip(("peer", "address", "reason"), key, strict=True))
    group = groups.setdefault(key, {**named, "first": note.get("time")})
    group["lines"] = group.get("lines", 0) + 1
    group["last"] = note.get("time")
    group.setdefault("example", str(note.get("raw", ""))[:300])


def summary(found: Iterable[Refusal], rejected: list[dict[str, Any]], ports: dict[str, str]) -> dict[str, Any]:
    """Connections counted by address, port and reason; `node` is the one whose listener was tried."""
    groups: dict[tuple[str, str, str, str], dict[str, Any]] = {}
    for each in found:
        one = each
        key = (one.address, one.port, one.reason, ",".join(one.names))
        if key not in groups and len(groups) >= MOST_GROUPS:
            one = replace(one, address="", port="", reason=OTHERS, names=[], detail="")
            key = ("", "", OTHERS, "")
        group = groups.setdefault(key, {**asdict(one), "node": ports.get(one.port, ""), "first": one.time, "count": 0})
        group["count"] += 1
        group["last"] = one.time
        group.pop("time", None)
    return {"refused": sorted(groups.values(), key=lambda group: -int(group["count"])), "rejected": rejected}
