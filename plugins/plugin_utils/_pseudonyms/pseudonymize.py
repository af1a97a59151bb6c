# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pseudonyms in place of names, in any nested data: events, findings, summaries, identities. Pure.

First the data are searched for names: the values of fields that hold people, and whatever looks like `name@realm` or
`name@realm!token` in any text. Then every text is rewritten: user and token names, e-mail addresses and IP addresses,
and each further occurrence of a known name as a whole word. What is not text stays as it is.

The tails of ids that are made by hashing (findings, questions, access lines) are hidden too: who can guess a name could
hash it again and compare.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from ipaddress import ip_address
from typing import Any
from urllib.parse import quote

from ansible_collections.pve.audit.plugins.plugin_utils._pseudonyms.pseudonym import LOOKALIKE, Cipher

# Whole values that name people or their tokens, by the end of the dotted path.
_PEOPLE = frozenset(
    """user userid username user.id user.name actor actors person persons asked owner by login firstname lastname
    user.full_name userids users members""".split()
)
_EMAIL = frozenset(["email"])
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
    medium info success failure unknown corrupt admin backup""".split()
)
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
_UPID_USER = re.compile(r"UPID:\S{0,300}?:([^\s:/]{1,100}@[A-Za-z][\w.-]{0,98}(?:!\w[\w.-]{0,98})?):")
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
            self.words.add(name)


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
        accounts = rf"{_LEFT}(?:{_any(names.accounts - names.keep)})(?![\w@])"
        words = rf"{_LEFT}(?:(?i:{_any(_forms(names.words))})|(?:{_any(_forms(names.tokens))})){_RIGHT}"
        fixed = rf"(?P<like>{LOOKALIKE})|(?P<ip>{_IPV4}|{_IPV6})|(?P<known>{accounts})|(?P<account>{_ACCOUNT})"
        self._fixed, self._all = re.compile(fixed), re.compile(rf"{fixed}|(?P<word>{words})")
        self._words = re.compile(rf"(?P<word>{words})")
        self._seen: dict[tuple[bool, str], str] = {}

    def rewrite(self, value: Any, path: tuple[str, ...] = ()) -> Any:
        """The data with pseudonyms; mappings become dictionaries."""
        if isinstance(value, str):
            return self._value(str(value), path)
        if isinstance(value, Mapping):
            return {self._key(key): self.rewrite(item, (*path, str(key))) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            items = [self.rewrite(item, path) for item in value]
            return tuple(items) if isinstance(value, tuple) else items
        return value

    def _key(self, key: Any) -> Any:
        if not isinstance(key, str) or set(key.split(".")) <= _FIELDS:
            return key
        return self._text(key, words=True)

    def _value(self, text: str, path: tuple[str, ...]) -> str:
        if _at(path, _PEOPLE):
            return self._person(text)
        if _at(path, _TOKENS | _EMAIL) or (_at(path, _REALMS) and not self._keep_realm):
            return self._hide(text) if text else text
        return self._text(text, words=not _at(path, _VOCABULARY | _REALMS))

    def _person(self, text: str) -> str:
        name, realm, token = split_account(text)
        if text in ("", "-") or text in self._names.kept_names:
            return text
        if not _REALM.fullmatch(realm):
            return self._hide(text)
        return self._account(name, "@", realm, "!" if "!" in text[len(name) :] else "", token)

    def _account(self, name: str, at: str, realm: str, mark: str, token: str) -> str:
        kept = f"{name}@{realm}" in self._names.keep
        if not kept:
            name = self._hide(name)
            realm = realm if self._keep_realm and not _LIKE.search(realm) else self._hide(realm)
        return f"{name}{at}{realm}{mark}{self._hide(token) if token else ''}"

    def _text(self, text: str, words: bool) -> str:
        found = self._seen.get((words, text))
        if found is None:
            found = self._seen[(words, text)] = self._rewritten(text, words)
        return found

    def _rewritten(self, text: str, words: bool) -> str:
        if _TIME.fullmatch(text):
            return text
        if hashed := _HASHED.fullmatch(text):
            return self._rewritten(hashed[1] or "", words) + self._hide(hashed[2])
        return (self._all if words else self._fixed).sub(self._replace, text)

    def _replace(self, match: re.Match[str]) -> str:
        text = match.group()
        if match["ip"] is not None:
            return self._address(text)
        if match["known"] is not None:
            name, realm, _token = split_account(text)
            return self._account(name, "@", realm, "", "")
        if match["account"] is None:
            return self._hide(text)
        name, at, realm, mark, token = match.group("name", "at", "realm", "mark", "token")
        if "." in realm and f"{name}@{realm}" not in self._names.accounts | self._names.keep:
            return self._hide(text)
        return self._account(name, at, realm, mark or "", token or "")

    def _address(self, text: str) -> str:
        """What looks like an address: one, one with a colon after it, or a time or number in which a name may stand."""
        if _is_address(text):
            return self._hide(text)
        if text.endswith(":") and _is_address(text[:-1]):
            return self._hide(text[:-1]) + ":"
        return self._words.sub(lambda word: self._hide(word.group()), text)


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
        for item in value:
            yield from _texts(item, path)


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
    """The names as they are and as URLs have them. What has no letter and no digit is no word."""
    known = [name for name in names if any(char.isalnum() for char in name)]
    return {*known, *(quote(name, safe="", errors="replace") for name in known)}


def _any(texts: Iterable[str]) -> str:
    """A pattern for any of the texts, the longest first."""
    return "|".join(re.escape(text) for text in sorted(texts, key=lambda text: (-len(text), text))) or _NOTHING


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
