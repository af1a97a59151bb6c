# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pseudonyms in place of names, in any nested data: events, findings, summaries, identities. Pure.

First the data are searched for names: the values of fields that hold people, and whatever looks like `name@realm` or
`name@realm!token` in any text. Then every text is rewritten: user and token names, e-mail addresses and IP addresses,
and each further occurrence of a known name as a whole word. What is not text stays as it is.

The tails of ids that are made by hashing (findings, questions, access lines) are hidden too: who can guess a name could
hash it again and compare.

A name has one pseudonym in the fields that hold people and in UPIDs, so that a reader can follow somebody. In free
text, paths and objects it has another one in each text: a reader may have written such a text himself, with the names
in it of which he wants to know the pseudonyms.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from ipaddress import ip_address
from itertools import chain
from typing import Any
from urllib.parse import quote

from ansible_collections.pve.audit.plugins.plugin_utils._pseudonyms.pseudonym import LOOKALIKE, Cipher

# Whole values that name people or their tokens, by the end of the dotted path.
_PEOPLE = frozenset(
    """user userid username user.id user.account user.name actor actors person persons asked owner by login firstname
    lastname user.full_name userids users members member target_user key_id""".split()
)
# A key belongs to somebody, too.
_EMAIL = frozenset(["email", "key_fingerprint", "ca_fingerprint"])
_TOKENS = frozenset(["token", "tokenid", "pve.token"])
_REALMS = frozenset(["domain", "realm", "user.domain"])
_ADDRESSES = frozenset(["ip", "address", "rhost"])
# Words of a fixed vocabulary: a user called `backup` must not turn the action `backup.create` into nonsense.
_VOCABULARY = frozenset(
    """action actions top_actions category kind dataset outcome state severity rule type task_type object_type channel
    code verdict method schema timezone worst severities stratum privs roleid""".split()
)
# Our own keys: a user called `source` must not rename the field.
_FIELDS = frozenset(
    """@timestamp event id kind dataset action category outcome original start end user name domain source ip host http
    request method response status_code url path query error message pve upid task_type status state vmid token object
    object_type severity channel rule title type sentence count total values group nodes event_ids remedy node complete
    from until oldest records reasons code coverage findings events summary totals critical by_actor by_action by_hour
    by_weekday matrix failures root actor actors timeline period since generated timezone verdict tasks failed logs
    lines person asked by at comment answer questions people strata rows users groups roles acl realms tokens low high
    medium info success failure unknown corrupt admin backup sources looked_at not_looked_at incomplete shows look
    refused reads statement first last objects share account young related member target_user change lost log repeated
    continued session tty uid time_note key_type key_id key_fingerprint ca_fingerprint keys_added keys_removed
    keys_changed file version since writer writer_node writer_process mtime incomplete unseen""".split()
)
_KEYS = frozenset(["keys_added", "keys_removed", "keys_changed"])
_TIME = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?( ?(Z|[+-]\d\d:?\d\d))?)?")
_HASHED = re.compile(r"(\S*[-:])?([0-9a-f]{12,64})", re.ASCII)
# A word begins after anything but a letter or digit, and after what an escape leaves: %3D, \n, \x1b, \u202e.
_LEFT = r"(?:(?<![^\W_])|(?<=%[0-9A-Fa-f]{2})|(?<=\\[nrt])|(?<=\\x[0-9a-f]{2})|(?<=\\u[0-9a-f]{4}))"
_RIGHT = r"(?![^\W_])"
_LETTER = r"(?:[^\s:/@,;\"'`()<>\[\]{}=|&?*%\\]|%(?!2[0126CFcf]|27|3[ABDFabdf]|40)[0-9A-Fa-f]{2})"
# Everything has a longest length, so that no text takes more than linear time.
_PART = r"[A-Za-z](?:[\w.-]{0,98}\w)?"
_ACCOUNT = (
    rf"{_LEFT}(?P<name>{_LETTER}{{1,100}})(?P<at>@|%40)(?P<realm>{_PART})"
    rf"(?:(?P<mark>!|%21)(?P<token>\w(?:[\w.-]{{0,98}}\w)?))?{_RIGHT}"
)
_IPV4 = rf"{_LEFT}(?:\d{{1,3}}\.){{3}}\d{{1,3}}{_RIGHT}"
_IPV6 = rf"{_LEFT}(?=[0-9A-Fa-f.]{{0,20}}:[0-9A-Fa-f.]{{0,20}}:)[0-9A-Fa-f:.]{{1,48}}(?<!\.){_RIGHT}"
_UPID = re.compile(r"(UPID:(?:[^\s:]{0,100}:){5,6}[^\s]{0,200}?:?)([^\s:]{1,100}):")
_UPID_USER = re.compile(r"UPID:\S{0,300}?:([^\s:/]{1,100}@[A-Za-z][\w.-]{0,98}(?:!\w[\w.-]{0,98})?):")
# Where lines of sshd, PAM, sudo, su, useradd, logind and pvedaemon name somebody, known or not.
_NAME = r"([^\s:;,=()\"'\[\]]{1,100})"
_IN_LINES = tuple(
    re.compile(rule.replace("NAME", _NAME))
    for rule in (
        r"(?:Accepted|Failed|Postponed) \S{1,40} for (?:invalid user |illegal user )?NAME from ",
        r"[Ii](?:nvalid|llegal) user NAME (?:from |\S{1,64} port )",
        r"\bUser NAME from \S{1,100} not allowed",
        r"authenticating user NAME ",
        r"exceeded for (?:invalid user )?NAME from ",
        r"session (?:opened|closed) for user NAME",
        r"\bby NAME\(uid=",
        r"\b(?:user|ruser|logname|acct|USER)=[\"']?NAME",
        r"\bsudo(?:\[\d{1,9}\])?: {1,8}NAME : ",
        r"^ {0,8}NAME : (?:TTY|PWD|\d{1,3} incorrect|user NOT|command not|a password)",
        r"(?:FAILED SU |\bSuccessful su for |)\(to \S{1,64}\) NAME on ",
        r"/home/NAME(?:/|\b)",
        r"\bname=NAME,",
        r"(?:delete|remove) user '?NAME",
        r"password (?:changed )?for (?:user )?'?NAME",
        r"\bof user NAME\.",
        r"change user name '[^']{1,100}' to 'NAME",
        r"\bowned by '?NAME",
        r"(?:added|removed|set|changed) by NAME ",
        r" -ciuser NAME",
        r"\bauth for user '?NAME",
    )
)
# CORP\\name, as Windows writes it; a text that was escaped has two backslashes.
_WINDOWS = re.compile(r"(?<![\w\\])[A-Z][A-Z0-9_-]{1,14}\\{1,2}([A-Za-z][\w.-]{0,62}\w)")
_INVISIBLE = "\u00ad\u034f\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufe00-\ufe0f\ufeff"
_HAS_INVISIBLE = re.compile(f"[{_INVISIBLE}]")
_FOUND = re.compile(_ACCOUNT)
_REALM = re.compile(_PART)
_LIKE = re.compile(LOOKALIKE)
_NOTHING = r"(?!)"


class Names:
    """What is known of the people in some data."""

    def __init__(self, keep: Iterable[str], extra: Iterable[str]) -> None:
        self.keep = frozenset(keep)
        self.kept_names = frozenset(split_account(one)[0] for one in self.keep)
        self.accounts: set[str] = set()
        self.words: set[str] = {one for one in extra if one}
        self.tokens: set[str] = set()

    def collect(self, value: Any, path: tuple[str, ...] = ()) -> None:
        """Search nested data."""
        for text, at in _texts(value, path):
            if _at(at, _EMAIL):
                self.words.add(text)
            elif _at(at, _PEOPLE):
                self._add(text)
            elif _at(at, _TOKENS):
                self.tokens.add(text)
            elif _at(at, _ADDRESSES) and _is_address(text):
                self.words.add(text)
            for match in _FOUND.finditer(text):
                self._add(match.group().replace("%40", "@").replace("%21", "!"), guess=True)
            for user in _UPID_USER.findall(text):
                self._add(user)
            for name in chain.from_iterable(rule.findall(text) for rule in (*_IN_LINES, _WINDOWS)):
                self._add(name.rstrip("."), guess=True)

    def _add(self, text: str, guess: bool = False) -> None:
        """`guess`: found in some text, where `lena@example.com` is rather an e-mail address than an account."""
        name, realm, token = split_account(text)
        if guess and "." in realm:
            return
        if not _REALM.fullmatch(realm):
            name, realm, token = text, "", ""
        if realm:
            self.accounts.add(f"{name}@{realm}")
        if token:
            self.tokens.add(token)
        if name not in self.kept_names:
            self.words |= {name, name.rpartition("\\")[2]} - {"", *self.kept_names}


def split_account(text: str) -> tuple[str, str, str]:
    """`alice@pve!ci` as name, realm and token; what is missing is empty."""
    head, at, tail = text.rpartition("@")
    if not at:
        return text, "", ""
    realm, _mark, token = tail.partition("!")
    return head, realm, token


class Pseudonymizer:
    """Rewrites data in which the `names` occur."""

    def __init__(self, cipher: Cipher, names: Names, keep_realm: bool = True) -> None:
        self._hide = cipher.hide
        self._names, self._keep_realm = names, keep_realm
        self._strict = _Patterns(names)
        self._loose: _Patterns | None = None
        self._seen: dict[tuple[bool, str, str], str] = {}

    def rewrite(self, value: Any, path: tuple[str, ...] = ()) -> Any:
        """The data with pseudonyms; mappings become dictionaries."""
        if isinstance(value, str):
            return self._value(str(value), path)
        if isinstance(value, Mapping):
            return {self._key(key): self.rewrite(item, (*path, str(key))) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            below = _row_path(value, path)
            items = [self.rewrite(item, below if number else path) for number, item in enumerate(value)]
            return tuple(items) if isinstance(value, tuple) else items
        return value

    def _key(self, key: Any) -> Any:
        """A key of the structure stays whatever people are called; one that is an account or an address is data."""
        if not isinstance(key, str) or set(key.split(".")) <= _FIELDS:
            return key
        return self._rewritten(key, False, "")

    def _value(self, text: str, path: tuple[str, ...]) -> str:
        if _at(path, _PEOPLE):
            return self._person(text)
        if _at(path, _ADDRESSES) and _is_address(text):
            return self._hide(text)
        if _at(path, _TOKENS | _EMAIL) or (_at(path, _REALMS) and not self._keep_realm):
            return self._hide(text) if text else text
        return self._text(text, not _at(path, _VOCABULARY | _REALMS), path[-1] if path else "")

    def _person(self, text: str) -> str:
        name, realm, token = split_account(text)
        if text in ("", "-") or text in self._names.kept_names:
            return text
        if not _REALM.fullmatch(realm):
            return self._hide(text)
        return self._account((name, "@", realm, "!" if "!" in text[len(name) :] else "", token), "")

    def _account(self, parts: tuple[str, str, str, str, str], place: str) -> str:
        name, at, realm, mark, token = parts
        kept = f"{name}@{realm}" in self._names.keep
        if not kept:
            name = self._hide(name, place)
            realm = realm if self._keep_realm and not _LIKE.search(realm) else self._hide(realm, place)
        return f"{name}{at}{realm}{mark}{self._hide(token, place) if token else ''}"

    def _text(self, text: str, words: bool, field: str) -> str:
        found = self._seen.get((words, field, text))
        if found is None:
            found = self._seen[words, field, text] = self._rewritten(text, words, f"{field}\0{text}")
        return found

    def _rewritten(self, text: str, words: bool, place: str) -> str:
        if _TIME.fullmatch(text):
            return text
        if hashed := _HASHED.fullmatch(text):
            return self._rewritten(hashed[1] or "", words, place) + self._hide(hashed[2])
        if upid := _UPID.fullmatch(text):
            return f"{self._searched(upid[1], words, place)}{self._person(upid[2])}:"
        return self._searched(text, words, place)

    def _searched(self, text: str, words: bool, place: str) -> str:
        patterns = self._patterns_for(text)
        return (patterns.all if words else patterns.fixed).sub(lambda match: self._replace(match, place), text)

    def _patterns_for(self, text: str) -> _Patterns:
        """What is invisible in a text may stand between the letters of a name."""
        if text.isascii() or not _HAS_INVISIBLE.search(text):
            return self._strict
        self._loose = self._loose or _Patterns(self._names, f"[{_INVISIBLE}]{{0,8}}")
        return self._loose

    def _replace(self, match: re.Match[str], place: str) -> str:
        text = match.group()
        if match["ip"] is not None:
            return self._address(text, place)
        if match["known"] is not None:
            name, realm, _token = split_account(text)
            return self._account((name, "@", realm, "", ""), place)
        if match["account"] is None:
            return self._hide(text, place)
        name, at, realm, mark, token = match.group("name", "at", "realm", "mark", "token")
        if "." in realm and f"{name}@{realm}" not in self._names.accounts | self._names.keep:
            return self._hide(text, place)
        return self._account((name, at, realm, mark or "", token or ""), place)

    def _address(self, text: str, place: str) -> str:
        """What looks like an address: one, one with a colon after it, or a time or number in which a name may stand."""
        if _is_address(text):
            return self._hide(text, place)
        if text.endswith(":") and _is_address(text[:-1]):
            return self._hide(text[:-1], place) + ":"
        return self._strict.words.sub(lambda word: self._hide(word.group(), place), text)


class _Patterns:
    """What is searched for; `between` may stand between any two characters of a name."""

    def __init__(self, names: Names, between: str = "") -> None:
        accounts = rf"{_LEFT}(?:{_any(names.accounts - names.keep, between)})(?![\w@])"
        known, tokens = _any(_forms(names.words), between), _any(_forms(names.tokens), between)
        word = rf"{_LEFT}(?:(?i:{known})|(?:{tokens})){_RIGHT}"
        fixed = rf"(?P<like>{LOOKALIKE})|(?P<ip>{_IPV4}|{_IPV6})|(?P<known>{accounts})|(?P<account>{_ACCOUNT})"
        self.fixed, self.words = re.compile(fixed), re.compile(rf"(?P<word>{word})")
        self.all = re.compile(rf"{fixed}|(?P<word>{word})")


def _texts(value: Any, path: tuple[str, ...]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """All texts, keys too, each with its path. A key has no path: what it names is not known."""
    if isinstance(value, str):
        yield value, path
    elif isinstance(value, Mapping):
        for key, item in value.items():
            if isinstance(key, str):
                yield key, ()
            yield from _texts(item, (*path, str(key)))
    elif isinstance(value, (list, tuple)):
        below = _row_path(value, path)
        for number, item in enumerate(value):
            yield from _texts(item, below if number else path)


def _row_path(row: Sequence[Any], path: tuple[str, ...]) -> tuple[str, ...]:
    """What the values of a row are: of `[user alice@pve firstname, Alice]`, a changed key of /etc/pve."""
    if not path or path[-1] not in _KEYS or not row or not isinstance(row[0], str):
        return path
    return (*path, row[0].rpartition(" ")[2])


def _at(path: Sequence[str], names: frozenset[str]) -> bool:
    """Whether the path ends in one of the names, which have one part or two; a key may be dotted itself."""
    return bool(path) and (path[-1] in names or ".".join(path[-2:]) in names)


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return any(char.isalnum() for char in text)


def _forms(names: Iterable[str]) -> set[str]:
    """The names in every case and normal form, and as URLs have them. What has no letter and no digit is no word."""
    known = {name for name in names if any(char.isalnum() for char in name)}
    visible = known | {_HAS_INVISIBLE.sub("", name) for name in known}
    cased = {form for name in visible for form in (name, name.upper(), name.casefold())}
    normal = {unicodedata.normalize(form, name) for name in cased for form in ("NFC", "NFD")} | known
    return {form for form in normal | {quote(name, safe="", errors="replace") for name in normal} if form}


def _any(texts: Iterable[str], between: str = "") -> str:
    """A pattern for any of the texts, the longest first."""
    longest = sorted(texts, key=lambda text: (-len(text), text))
    return "|".join(between.join(map(re.escape, text)) if between else re.escape(text) for text in longest) or _NOTHING


def pseudonymize(
    value: Any, cipher: Cipher, *, keep_realm: bool = True, names: Iterable[str] = (), keep: Iterable[str] = ()
) -> Any:
    """Nested data with pseudonyms in place of names. `names` are more names to hide, `keep` accounts to leave."""
    known = Names(keep, names)
    known.collect(value)
    return Pseudonymizer(cipher, known, keep_realm).rewrite(value)


def reveal(value: Any, cipher: Cipher) -> Any:
    """Nested data with the names in place of the pseudonyms. Raises InputError for a pseudonym of another key."""
    if isinstance(value, str):
        return cipher.reveal(str(value))
    if isinstance(value, Mapping):
        return {reveal(key, cipher): reveal(item, cipher) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        items = [reveal(item, cipher) for item in value]
        return tuple(items) if isinstance(value, tuple) else items
    return value
