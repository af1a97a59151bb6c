# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the files of /etc/pve hold, as keys and values, and what is different between two of them. Pure.

Values that are secrets are hidden, and of a file that holds nothing else only a sum is told.
[pve-common: PVE/SectionConfig.pm; pve-access-control: PVE/AccessControl.pm; qemu-server: PVE/QemuConfig.pm;
pve-firewall: PVE/Firewall.pm]
"""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

Items = dict[str, str]
HIDDEN = "(hidden)"
MOST = 100
_LONGEST = 300
_MOST_GRANTS = 5000
# Of more lines a diff takes time that grows with their square; then it is told which came and which went.
_MOST_LINES = 2000
_SECRET_FILE = re.compile(
    r"(?:.*/)?priv(?:/.*)?|.*\.key|.*\.pw|.*wg-keys.*|(?:.*/)?(?:shadow|tfa|token)\.cfg.*", re.DOTALL
)
_SECRET_KEY = re.compile(
    r"pass(?:word|wd)?\b|secret|token|credential|private|api-?key|encryption-key|cipassword|bind_?pw|\bkey$|hmac|\bpsk\b"
    r"|^keys$|^args$|^env$|lxc\.environment|keyring|^header$|^body$|^url$",
    re.IGNORECASE,
)
_SECRET_TEXT = re.compile(r"(?i)\b(pass(?:word|wd)?|secret|pw)(\s*[=:]\s*)(\S+)")
# The same in a file of which nobody knows what its lines are.
_SECRET_LINE = re.compile(r"(?i)(pass(?:word|wd)?|secret|token|key)(\s*[=:]\s*|\s+)(\S+)")
_SECRET_IN_URL = re.compile(r"//[^/@\s]{1,200}@")
_SECRET_HASH = re.compile(r"\$(?:1|5|6|7|y|2[abxy]|argon2\w*)\$\S+")
# The secret of a token looks like any other UUID: hidden where it is not known what a line is.
_SECRET_UUID = re.compile(r"\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b")
# `user.cfg.bak` holds what `user.cfg` does.
_COPY = re.compile(r"(\.(?:cfg|conf|fw))[.~-].*", re.DOTALL)
_PRIVATE_KEY = b"PRIVATE KEY"
_USER_FIELDS = ("enable", "expire", "firstname", "lastname", "email", "comment", "keys")
_AGAIN = re.compile(r" \(\d+\)$")
_SECTION = re.compile(r"([a-z][a-z0-9_-]*):[ \t]*(\S*)", re.IGNORECASE)
_PAIR = re.compile(r"([A-Za-z0-9_.-]+)\s*[:=]\s*(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Difference:
    """Keys that came, went, or have another value: `[key, old, new]`. `diff` is what a file of no known kind shows."""

    added: list[list[str]]
    removed: list[list[str]]
    changed: list[list[str]]
    diff: list[str]
    left_out: int = 0


def holds_secrets(path: str) -> bool:
    """Whether nothing but names and sums of this file may be told or kept."""
    return _SECRET_FILE.fullmatch(path) is not None


def compare(path: str, before: bytes | None, after: bytes | None) -> Difference:
    """What is different. None for a file that was not there, or whose content is not known."""
    old, new = (_text(one) for one in (before, after))
    read = _reader(_COPY.sub(r"\1", path))
    if any(_PRIVATE_KEY in (one or b"") for one in (before, after)):
        return Difference([], [], [], [HIDDEN])
    if read is None:
        lines = _different(old.split("\n"), new.split("\n"))
        shown = [_shown(_hide_all(line)) for line in lines[:MOST]]
        return Difference([], [], [], shown, max(0, len(lines) - MOST))
    return compare_items(read(old), read(new))


def _different(old: list[str], new: list[str]) -> list[str]:
    """A unified diff without its head, or the lines that went and came."""
    if len(old) + len(new) <= _MOST_LINES:
        return list(difflib.unified_diff(old, new, n=1, lineterm=""))[2:]
    before, after = Counter(old), Counter(new)
    return [f"-{line}" for line in (before - after).elements()] + [f"+{line}" for line in (after - before).elements()]


def compare_items(old: Mapping[str, str], new: Mapping[str, str]) -> Difference:
    """By key, in the order of the keys. Values of keys that name a secret are hidden, not the change itself."""
    added = [[_key(key), _value(key, new[key])] for key in sorted(new.keys() - old.keys())]
    removed = [[_key(key), _value(key, old[key])] for key in sorted(old.keys() - new.keys())]
    both = sorted(key for key in old.keys() & new.keys() if old[key] != new[key])
    changed = [[_key(key), _value(key, old[key]), _value(key, new[key])] for key in both]
    left_out = sum(max(0, len(rows) - MOST) for rows in (added, removed, changed))
    return Difference(added[:MOST], removed[:MOST], changed[:MOST], [], left_out)


def _text(data: bytes | None) -> str:
    return (data or b"").decode("utf-8", "backslashreplace")


def _key(key: str) -> str:
    """A line that is not understood is its own key."""
    return _shown(_SECRET_UUID.sub(HIDDEN, key))


def _value(key: str, value: str) -> str:
    name = _AGAIN.sub("", key).rpartition(" ")[2]
    return HIDDEN if value and _SECRET_KEY.search(name) else _shown(value)


def _hide_all(line: str) -> str:
    return _SECRET_LINE.sub(lambda match: f"{match[1]}{match[2]}{HIDDEN}", _SECRET_UUID.sub(HIDDEN, line))


def _shown(text: str) -> str:
    text = _SECRET_IN_URL.sub(f"//{HIDDEN}@", text)
    text = _SECRET_HASH.sub(HIDDEN, _SECRET_TEXT.sub(lambda match: f"{match[1]}{match[2]}{HIDDEN}", text))
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]} and {len(text) - _LONGEST} more characters"


def _reader(path: str) -> Callable[[str], Items] | None:
    return next((read for pattern, read in _READERS if pattern.fullmatch(path)), None)


def read_users(text: str) -> Items:
    """user.cfg: `user alice@pve comment`, `acl / alice@pve Administrator`, `token alice@pve!ci privsep`, and so on."""
    items: Items = {}
    for line in text.split("\n"):
        kind, colon, rest = line.strip().partition(":")
        read = _USER_LINES.get(kind) if colon else None
        if read is not None:
            items.update(read(rest.split(":")))
        elif line.strip():
            items[f"line {line.strip()}"] = ""
    return items


def _user(fields: list[str]) -> Iterator[tuple[str, str]]:
    yield f"user {fields[0]}", ""
    for name, value in zip(_USER_FIELDS, fields[1:], strict=False):
        if value and not (name == "expire" and value == "0"):
            yield f"user {fields[0]} {name}", value


def _token(fields: list[str]) -> Iterator[tuple[str, str]]:
    yield f"token {fields[0]}", ""
    for name, value in zip(("expire", "privsep", "comment"), fields[1:], strict=False):
        if value and not (name == "expire" and value == "0"):
            yield f"token {fields[0]} {name}", value


def _group(fields: list[str]) -> Iterator[tuple[str, str]]:
    name, members, comment = (*fields, "", "", "")[:3]
    yield f"group {name}", ""
    yield from ((f"group {name} member {one}", "") for one in _words(members))
    if comment:
        yield f"group {name} comment", comment


def _role(fields: list[str]) -> Iterator[tuple[str, str]]:
    name, privileges = (*fields, "", "")[:2]
    yield f"role {name}", ""
    yield from ((f"role {name} privilege {one}", "") for one in _words(privileges))


def _pool(fields: list[str]) -> Iterator[tuple[str, str]]:
    name, comment, guests, storages = (*fields, "", "", "", "")[:4]
    yield f"pool {name}", ""
    if comment:
        yield f"pool {name} comment", comment
    yield from ((f"pool {name} guest {one}", "") for one in _words(guests))
    yield from ((f"pool {name} storage {one}", "") for one in _words(storages))


def _acl(fields: list[str]) -> Iterator[tuple[str, str]]:
    propagate, path, who, roles = (*fields, "", "", "", "")[:4]
    people, granted, how = _words(who), _words(roles), "propagate" if propagate == "1" else "here only"
    if len(people) * len(granted) > _MOST_GRANTS:  # nobody means that: it would fill the memory of every node
        yield f"acl {path} ({len(people)} names, {len(granted)} roles)", f"{who}:{roles}"
        return
    yield from ((f"acl {path} {one} {role}", how) for one in people for role in granted)


def _words(text: str) -> list[str]:
    return [one for one in re.split(r"[,; ]+", text) if one]


_USER_LINES = {"user": _user, "token": _token, "group": _group, "role": _role, "pool": _pool, "acl": _acl}


def read_sections(text: str) -> Items:
    """`type: id` or `id` with indented `key value` below it: storage.cfg, domains.cfg, jobs.cfg, HA, SDN, mappings."""
    items = _Collected()
    place = ""
    for line in text.split("\n"):
        if line.strip() and line[0] not in " \t#":
            head = _SECTION.fullmatch(line.rstrip())
            place = f"{head[1]} {head[2]}".rstrip() if head else line.strip()
            items[place] = ""
        elif line.strip():
            key, _blank, value = line.strip().partition(" ")
            items.add(f"{place} {key}".lstrip(), value.strip())
    return items


def read_pairs(text: str) -> Items:
    """`key: value`, sections in brackets (snapshots of a guest), and `#` lines that are a description."""
    items = _Collected()
    place, notes = "", []
    for line in text.split("\n"):
        if line.startswith("[") and line.rstrip().endswith("]"):
            place = f"{line.strip()} "
            items[place.rstrip()] = ""
        elif line.startswith("#"):
            notes.append(line[1:])
        elif (match := _PAIR.fullmatch(line.strip())) is not None:
            items.add(place + match[1], match[2])
        elif line.strip():
            items.add(place + line.strip(), "")
    if notes:
        items["description"] = "\n".join(notes)
    return items


def read_firewall(text: str) -> Items:
    """Options by name; rules, aliases and members of sets are lines, in the section that they are of."""
    items = _Collected()
    place = ""
    for line in text.split("\n"):
        words = line.strip()
        if words.startswith("["):
            place = words
            items[place] = ""
        elif words and place.upper() == "[OPTIONS]" and (match := _PAIR.fullmatch(words)) is not None:
            items[f"{place} {match[1]}"] = match[2]
        elif words:
            items.add(f"{place} {words}", "")
    return items


class _Collected(dict[str, str]):
    """Items in which a key may come again: the second one is told as such."""

    def __init__(self) -> None:
        super().__init__()
        self._times: dict[str, int] = {}

    def add(self, key: str, value: str) -> None:
        """Keep all of them, in time that grows with their number only."""
        times = self._times[key] = self._times.get(key, 0) + 1
        self[key if times == 1 else f"{key} ({times})"] = value


_READERS: tuple[tuple[re.Pattern[str], Callable[[str], Items]], ...] = (
    (re.compile(r"user\.cfg"), read_users),
    (re.compile(r"(?:.*/)?firewall/[^/]+\.fw|nodes/[^/]+/host\.fw"), read_firewall),
    (re.compile(r"nodes/[^/]+/(?:qemu-server|lxc|openvz)/\d+\.conf"), read_pairs),
    (re.compile(r"datacenter\.cfg|nodes/[^/]+/config|vzdump\.conf"), read_pairs),
    (
        re.compile(
            r"(?:storage|domains|jobs|status|replication|notifications|plugins|ceph)\.cfg|(?:ha|sdn|mapping|acme)/[^/]+\.cfg"
        ),
        read_sections,
    ),
)
