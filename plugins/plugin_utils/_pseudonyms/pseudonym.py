# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A name as a pseudonym that only the key turns back. Pure.

Construction, with AES-SIV (RFC 5297) of the package cryptography, which ansible-core brings:

    sealing   = PBKDF2-HMAC-SHA-512(key, salt="pve.audit.pseudonym/2" 0 scope, ROUNDS)    a weak key costs time to guess
    mark      = six zero bytes, or the first six of SHA-256(place) for a name in free text
    padded    = mark, name, 0x80, zeros up to a multiple of 16                            names of one length class
    pseudonym = "psn-" + base32(AES-256-SIV(sealing, padded)), lower case, no padding

The same key, scope, place and name give the same pseudonym; a pseudonym determines its name, so two names never share
one. Without the key nothing but the length class (up to 9 bytes, up to 25, ...) is seen, and a forged pseudonym is
refused. The place keeps apart what a reader may have written himself: who puts a name into the comment of a task and
finds its pseudonym there cannot find the same pseudonym anywhere else.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from itertools import pairwise

from ansible_collections.pve.audit.plugins.module_utils._model.errors import InputError

try:
    from cryptography.exceptions import InvalidTag, UnsupportedAlgorithm
    from cryptography.hazmat.primitives.ciphers.aead import AESSIV

    MISSING: ImportError | None = None
except ImportError as error:
    MISSING = error

ROUNDS = 200_000
SHORTEST_KEY = 16
_FEWEST_CHARACTERS = 8
_KEY_BYTES = 64
_BLOCK = 16
_PLACE_BYTES = 6
_MARK = "psn-"
# 16 + 16 bytes are 52 characters, and 16 bytes more are 25 or 26 more; what does not decode is not ours. One may follow
# upon the other without anything between.
_PSEUDONYM = re.compile(rf"{_MARK}((?:(?!{_MARK})[a-z2-7]){{52,}})(?:(?={_MARK})|(?![a-z2-7]))")
_REPEATED = re.compile(r"(.{1,8}?)\1+.{0,7}", re.DOTALL)
_COMMON = re.compile(
    r"pass(?:word|phrase)?|passwort|change|secret|geheim|admin|proxmox|qwert[yz]|me|key", re.IGNORECASE
)


class Cipher:
    """Pseudonyms under one key and scope.

    Raises InputError for a key that is no text of at least 16 characters or that is easy to guess, and where AES-SIV
    is missing. The key is in no message.
    """

    def __init__(self, key: object, scope: str = "", rounds: int = ROUNDS) -> None:
        if not isinstance(key, str) or len(key) < SHORTEST_KEY:
            raise InputError(
                f"the key must be a text of at least {SHORTEST_KEY} characters: make a random one, keep it in a vault"
            )
        if is_weak(key):
            raise InputError(
                "the key can be guessed: make a random one, as with openssl rand -base64 32, and keep it in a vault"
            )
        if MISSING is not None:
            raise InputError(
                "the Python package cryptography is missing where this runs, or older than 37: install it with"
                " `pip install cryptography`"
            )
        salt = b"pve.audit.pseudonym/2\x00" + _bytes(scope)
        try:
            self._siv = AESSIV(hashlib.pbkdf2_hmac("sha512", _bytes(key), salt, rounds, _KEY_BYTES))
        except UnsupportedAlgorithm:
            raise InputError("the Python package cryptography has no AES-SIV here: it needs OpenSSL 3") from None
        self._known: dict[tuple[str, str], str] = {}

    def hide(self, name: str, place: str = "") -> str:
        """The pseudonym of a name: the same everywhere, or with a `place` the same only there."""
        found = self._known.get((place, name))
        if found is None:
            mark = hashlib.sha256(_bytes(place)).digest() if place else bytes(_PLACE_BYTES)
            padded = mark[:_PLACE_BYTES] + _bytes(name) + b"\x80"
            found = self._known[place, name] = self._seal(padded + bytes(-len(padded) % _BLOCK))
        return found

    def _seal(self, padded: bytes) -> str:
        return _MARK + base64.b32encode(self._siv.encrypt(padded, None)).decode("ascii").rstrip("=").lower()

    def name_of(self, pseudonym: str) -> str | None:
        """The name behind a pseudonym; None when it was not made with this key and scope."""
        found = _PSEUDONYM.fullmatch(pseudonym)
        if not found:
            return None
        text = found[1].upper()
        try:
            padded = self._siv.decrypt(base64.b32decode(text + "=" * (-len(text) % 8)), None)
        except (binascii.Error, InvalidTag):
            return None
        # base32 has spare bits, and one spelling is enough.
        if self._seal(padded) != pseudonym:
            return None
        return padded[_PLACE_BYTES:].rstrip(b"\x00")[:-1].decode("utf-8", "surrogatepass")

    def reveal(self, text: str) -> str:
        """`text` with the name in place of each pseudonym. Raises InputError for one of another key or scope."""

        def name(match: re.Match[str]) -> str:
            found = self.name_of(match.group())
            if found is None:
                raise InputError(f"the pseudonym {match.group()} was not made with this key and scope")
            return found

        return _PSEUDONYM.sub(name, text)


LOOKALIKE = _PSEUDONYM.pattern
"""What `reveal` takes for a pseudonym. Who hides names must hide what looks like one too, or it would not come back."""


def is_weak(key: str) -> bool:
    """Whether a key is made of few characters, of a repetition, of a sequence, or of the words everybody tries."""
    rest = _COMMON.sub("", key)
    steps = [ord(after) - ord(before) for before, after in pairwise(key)]
    even = max(steps.count(step) for step in (0, 1, -1)) if steps else 0
    return (
        len(set(key)) < _FEWEST_CHARACTERS
        or _REPEATED.fullmatch(key) is not None
        or even > len(key) // 2
        or len(set(rest)) < _FEWEST_CHARACTERS
    )


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
