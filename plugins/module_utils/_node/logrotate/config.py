# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The text of logrotate policies, and which paths an existing configuration rotates. Pure: text in, text out.

Source of the grammar: logrotate config.c (readConfigFile, parseGlobString, checkFile).
"""

from __future__ import annotations

import fnmatch
import itertools
import posixpath
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.pve.audit.plugins.module_utils._model.errors import InputError

MARKER = "# Managed by Ansible (pve.audit.logrotate). Changes made here are lost."
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", re.ASCII)
SIZE = re.compile(r"[0-9]+[kMG]?", re.ASCII)
# Each `*ENDING` of logrotate's default list; a file of such a name is not read.
TABOO = tuple(
    "*" + ending
    for ending in (
        ",v .bak .cfsaved .disabled .dpkg-bak .dpkg-del .dpkg-dist .dpkg-new .dpkg-old .dpkg-tmp .new .old"
        " .orig .pacnew .pacorig .pacsave .rhn-cfg-tmp-* .rpmnew .rpmorig .rpmsave .swp .ucf-dist .ucf-new .ucf-old ~"
    ).split()
)
SCRIPTS = ("firstaction", "prerotate", "postrotate", "lastaction", "preremove")
_FLAGS = frozenset(
    "compress nocompress delaycompress nodelaycompress shred noshred sharedscripts nosharedscripts copytruncate"
    " nocopytruncate renamecopy norenamecopy copy nocopy ifempty notifempty dateext nodateext dateyesterday"
    " nodateyesterday datehourago nodatehourago noolddir mailfirst maillast missingok nomissingok ignoreduplicates"
    " nocreate nomail hourly daily weekly monthly yearly allowhardlink noallowhardlink nocreateolddir".split()
)
_FREQUENCIES = ("hourly", "daily", "weekly", "monthly", "yearly")


@dataclass(frozen=True)
class Block:
    """One `paths { ... }`. `line` counts from 1; `options` are its own over those of the file before it."""

    line: int
    patterns: tuple[str, ...]
    options: Mapping[str, str]


@dataclass(frozen=True)
class Include:
    """An `include` directive."""

    path: str


@dataclass(frozen=True)
class Taboo:
    """A `tabooext` or `taboopat` directive: shell patterns of names that a directory include passes over."""

    patterns: tuple[str, ...]
    add: bool


@dataclass
class ParsedFile:
    """What one file says, in its order, and the global options at its end."""

    items: list[Block | Include | Taboo] = field(default_factory=list)
    options: dict[str, str] = field(default_factory=dict)


def parse_config(text: str, inherited: Mapping[str, str] | None = None) -> ParsedFile:
    """Read one file. Never fails, and leaves it to logrotate itself to say what is wrong."""
    found = ParsedFile(options=dict(inherited or {}))
    lines = enumerate(text.split("\n"), 1)
    options = found.options
    for number, line in lines:
        # More than one directive on a line: after `{` and after a flag.
        rest = line.strip()
        while rest and not rest.startswith("#"):
            if rest[0] == "}":
                options = found.options
                break
            if rest[0] in "/\"'~" and options is found.options:
                patterns, rest = _block_head(rest, lines)
                if patterns is not None:
                    options = dict(found.options)
                    found.items.append(Block(number, patterns, options))
                continue
            word, value = _split_word(rest)
            if word in _FLAGS:
                _set_flag(options, word)
                rest = value
                continue
            if word in SCRIPTS:
                body = itertools.takewhile(lambda item: item[1].split()[:1] != ["endscript"], lines)
                options[word] = "\n".join(part.strip() for _number, part in body)
            else:
                _set_value(found, options, word, value)
            break
    return found


def _block_head(rest: str, lines: Iterator[tuple[int, str]]) -> tuple[tuple[str, ...] | None, str]:
    """The paths up to `{`, over as many lines as it takes, and what follows the brace; None without a brace."""
    parts = []
    while "{" not in rest:
        parts.append("" if rest.startswith("#") else rest)
        following = next(lines, None)
        if following is None:
            return None, ""
        rest = following[1].strip()
    head, _brace, tail = rest.partition("{")
    text = " ".join([*parts, head])
    try:
        return tuple(shlex.split(text)), tail.strip()
    except ValueError:
        return tuple(text.replace('"', " ").split()), tail.strip()


def _set_flag(options: dict[str, str], word: str) -> None:
    if word in _FREQUENCIES:
        options["frequency"] = word
    elif word.startswith("no") and word != "notifempty":
        options.pop(word[2:], None)
    else:
        options.pop({"ifempty": "notifempty", "notifempty": "ifempty"}.get(word, ""), None)
        options[word] = ""


def _set_value(found: ParsedFile, options: dict[str, str], word: str, value: str) -> None:
    if word == "include":
        found.items.append(Include(value.strip("\"'")))
    elif word in ("tabooext", "taboopat"):
        star = "*" if word == "tabooext" else ""
        names = re.split(r"[\s,]+", value.lstrip("+").strip())
        found.items.append(Taboo(tuple(star + name for name in names if name), value.startswith("+")))
    else:
        options[word] = value.strip("\"'")


def _split_word(text: str) -> tuple[str, str]:
    match = re.match(r"[^\s=]*", text)
    word = match[0] if match else text
    return word or text[:1], text[len(word or text[:1]) :].lstrip(" \t=")


def is_taboo(name: str, patterns: Iterable[str]) -> bool:
    """Whether a directory include passes over this name. A `*` does not match a leading dot (FNM_PERIOD)."""
    return any(
        fnmatch.fnmatchcase(name, pattern) and not (name.startswith(".") and pattern[:1] in "*?[")
        for pattern in patterns
    )


def patterns_overlap(left: str, right: str) -> bool:
    """Whether some path can match both shell patterns, as glob(3) reads them: `*` and `?` never match a slash."""
    one, two = posixpath.normpath(left).split("/"), posixpath.normpath(right).split("/")
    return len(one) == len(two) and all(_parts_overlap(a, b) for a, b in zip(one, two, strict=True))


def pattern_covers(wide: str, narrow: str) -> bool:
    """Whether everything that `narrow` matches is matched by `wide` too; sure for equal and literal ones, else no."""
    if posixpath.normpath(wide) == posixpath.normpath(narrow):
        return True
    return not re.search(r"[*?\[]", narrow) and patterns_overlap(wide, narrow)


def _parts_overlap(left: str, right: str) -> bool:
    """The same for one path component: a walk over all pairs of places in both patterns."""
    one, two = _tokens(left), _tokens(right)
    todo, seen = [(0, 0)], set()
    while todo:
        a, b = place = todo.pop()
        if place == (len(one), len(two)):
            return True
        if place in seen:
            continue
        seen.add(place)
        if one[a : a + 1] == ["*"]:
            todo += [(a + 1, b), (a, min(b + 1, len(two)))]
        elif two[b : b + 1] == ["*"]:
            todo += [(a, b + 1), (min(a + 1, len(one)), b)]
        elif a < len(one) and b < len(two) and _tokens_meet(one[a], two[b]):
            todo.append((a + 1, b + 1))
    return False


def _tokens(part: str) -> list[str]:
    return re.findall(r"\\.|\[[!^]?\]?[^\]]*\]|.", part, re.DOTALL)


def _tokens_meet(left: str, right: str) -> bool:
    """Two single-character tokens. Two sets are taken to meet: a doubt counts as an overlap."""
    left, right = (token[1] if len(token) == 2 and token[0] == "\\" else token for token in (left, right))
    if "?" in (left, right) or (len(left) > 1 and len(right) > 1):
        return True
    one, single = sorted((left, right), key=len, reverse=True)
    return fnmatch.fnmatchcase(single, one.replace("[^", "[!")) if len(one) > 1 else left == right


def render_policy(name: str, policy: Mapping[str, Any]) -> str:
    """The text of /etc/logrotate.d/`name`. The keys of `policy` are the options of the module pve.audit.logrotate.

    Raises InputError for a value that would change the meaning of the file: the text of an option never gets further
    than its own line.
    """
    check_policy(name, policy)
    lines = [MARKER, *(_quote(path) for path in policy["paths"]), "{"]
    lines += [f"    {line}" for line in _option_lines(policy)]
    for script in ("prerotate", "postrotate"):
        body = policy.get(script) or []
        if body:
            lines += [f"    {script}", *(f"        {line}" for line in body), "    endscript"]
    return "\n".join([*lines, "}", ""])


def _option_lines(policy: Mapping[str, Any]) -> Iterator[str]:
    if policy.get("size") is None:
        yield policy.get("frequency") or "daily"
    yield f"rotate {policy['rotate']}"
    yield from _values(policy, "maxage", "size", "minsize", "maxsize")
    yield _flag(policy, "missingok", "nomissingok")
    yield _flag(policy, "notifempty", "ifempty")
    yield _flag(policy, "dateext", "nodateext")
    if policy.get("dateext"):
        yield from _values(policy, "dateformat")
    yield _flag(policy, "compress", "nocompress")
    if policy.get("compress"):
        yield _flag(policy, "delaycompress", "nodelaycompress")
        yield from _values(policy, "compresscmd", "compressext", "compressoptions")
    create, su = policy.get("create"), policy.get("su")
    yield f"create {create['mode']} {create['owner']} {create['group']}" if create else "nocreate"
    if su:
        yield f"su {su['user']} {su['group']}"
    yield f"olddir {_quote(policy['olddir'])}" if policy.get("olddir") else "noolddir"
    yield _flag(policy, "sharedscripts", "nosharedscripts")


def _values(policy: Mapping[str, Any], *keys: str) -> Iterator[str]:
    """A line for each of these options that is given."""
    yield from (f"{key} {policy[key]}" for key in keys if policy.get(key) not in (None, ""))


def _flag(policy: Mapping[str, Any], key: str, otherwise: str) -> str:
    return key if policy.get(key) else otherwise


def check_policy(name: str, policy: Mapping[str, Any]) -> None:
    """Raises InputError with the option that cannot be used."""
    if not NAME.fullmatch(name):
        raise InputError(f"name must be letters, digits, - and _ (logrotate ignores some others), not {name!r}")
    if not policy["paths"]:
        raise InputError("paths must name at least one log file")
    for path in policy["paths"]:
        if not path.startswith("/") or re.search(r"[\x00-\x1f\x7f\"'\\{}#]", path):
            raise InputError(
                f"paths: {path!r} must be absolute, without quotes, backslashes, braces, # or control characters"
            )
    _check_numbers(policy)
    _check_words(policy)
    _check_scripts(policy)


def _check_numbers(policy: Mapping[str, Any]) -> None:
    for key in ("size", "minsize", "maxsize"):
        value = policy.get(key)
        if value is not None and not SIZE.fullmatch(str(value)):
            raise InputError(f"{key} must be a number of bytes, with k, M or G after it if you like, not {value!r}")
    for key in ("rotate", "maxage"):
        if policy.get(key) is not None and policy[key] < (-1 if key == "rotate" else 1):
            raise InputError(f"{key} must not be {policy[key]}")
    if policy.get("size") is not None and policy.get("frequency"):
        raise InputError("size and frequency exclude each other in logrotate; use maxsize or minsize with a frequency")
    if policy.get("dateformat") and not re.fullmatch(r"[-._A-Za-z0-9%+]+", policy["dateformat"]):
        raise InputError(
            f"dateformat must be letters, digits, - _ . and the % letters of logrotate, not {policy['dateformat']!r}"
        )


def _check_words(policy: Mapping[str, Any]) -> None:
    words = {key: policy.get(key) for key in ("compresscmd", "compressext", "compressoptions", "olddir")}
    for group in ("create", "su"):
        words.update({f"{group}.{key}": value for key, value in (policy.get(group) or {}).items()})
    for key, value in words.items():
        wrong = r"[\x00-\x1f\x7f\"'\\{}#]" if key in ("olddir", "compressoptions") else r"[^-._/A-Za-z0-9]"
        if value is not None and re.search(wrong, str(value)):
            raise InputError(f"{key} holds a character that logrotate would misread: {value!r}")
    create = policy.get("create")
    if create and not re.fullmatch(r"0?[0-7]{3}", str(create["mode"])):
        raise InputError(
            f"create.mode must be three octal digits, with a 0 before them if you like, not {create['mode']!r}"
        )


def _check_scripts(policy: Mapping[str, Any]) -> None:
    for key in ("prerotate", "postrotate"):
        for line in policy.get(key) or []:
            if "\n" in line or line.split()[:1] == ["endscript"]:
                raise InputError(f"{key}: each entry is one line of shell and must not be endscript: {line!r}")


def _quote(path: str) -> str:
    return f'"{path}"' if re.search(r"\s", path) else path
