# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A name as a pseudonym that only the key turns back. Pure.

Construction: deterministic authenticated encryption as in SIV (RFC 5297), with HMAC-SHA-256 for the pseudo-random
function, because the standard library has no cipher and the collection must not need one:

    master  = PBKDF2-HMAC-SHA-256(key, salt="pve.audit.pseudonym/1" 0 scope, ROUNDS)    a weak key costs time to guess
    mac, enc = HMAC(master, "mac"), HMAC(master, "enc")                                 two keys for two uses
    padded  = name, 0x80, zeros up to a multiple of 16                                  names of one length class
    iv      = HMAC(mac, padded), the first 8 bytes                                      synthetic: also the tag
    stream  = HMAC(enc, iv 0), HMAC(enc, iv 1), ...                                     counter mode
    pseudonym = "psn-" + base32(iv + (padded xor stream)), lower case, no padding

The same key, scope and name give the same pseudonym; a pseudonym determines its name, so two names never share one.
Without the key nothing but the length class (up to 15 bytes, up to 31, ...) is seen. The iv is cut to 8 bytes so that
people can still look at it: it repeats by chance after some 2**32 names, and a forged pseudonym passes once in 2**64.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from itertools import count

from ansible_collections.pve.audit.plugins.module_utils._model.errors import InputError

ROUNDS = 200_000
SHORTEST_KEY = 16
_BLOCK = 16
_IV = 8
_MARK = "psn-"
# 8 + 16 bytes are 39 characters, and 16 bytes more are 25 or 26 more; what does not decode is not ours.
_PSEUDONYM = re.compile(rf"{_MARK}([a-z2-7]{{39,}})(?![a-z2-7])")


class Cipher:
    """Pseudonyms under one key and scope.

    Raises InputError for a key that is no text of at least 16 characters. The key is in no message.
    """

    def __init__(self, key: object, scope: str = "", rounds: int = ROUNDS) -> None:
        if not isinstance(key, str) or len(key) < SHORTEST_KEY:
            raise InputError(
                f"the key must be a text of at least {SHORTEST_KEY} characters: make a random one, keep it in a vault"
            )
        salt = b"pve.audit.pseudonym/1\x00" + _bytes(scope)
        master = hashlib.pbkdf2_hmac("sha256", _bytes(key), salt, rounds)
        self._mac, self._enc = _prf(master, b"mac"), _prf(master, b"enc")
        self._known: dict[str, str] = {}

    def hide(self, name: str) -> str:
        """The pseudonym of a name."""
        found = self._known.get(name)
        if found is None:
            padded = _bytes(name) + b"\x80"
            padded += bytes(-len(padded) % _BLOCK)
            iv = _prf(self._mac, padded)[:_IV]
            sealed = base64.b32encode(iv + self._mask(iv, padded)).decode("ascii")
            found = self._known[name] = _MARK + sealed.rstrip("=").lower()
        return found

    def name_of(self, pseudonym: str) -> str | None:
        """The name behind a pseudonym; None when it was not made with this key and scope."""
        if not pseudonym.startswith(_MARK):
            return None
        text = pseudonym[len(_MARK) :].upper()
        try:
            sealed = base64.b32decode(text + "=" * (-len(text) % 8))
        except (binascii.Error, ValueError):
            return None
        padded = self._mask(sealed[:_IV], sealed[_IV:])
        if not hmac.compare_digest(_prf(self._mac, padded)[:_IV], sealed[:_IV]):
            return None
        name = padded.rstrip(b"\x00")[:-1].decode("utf-8", "surrogatepass")
        return name if self.hide(name) == pseudonym else None

    def reveal(self, text: str) -> str:
        """`text` with the name in place of each pseudonym. Raises InputError for one of another key or scope."""

        def name(match: re.Match[str]) -> str:
            found = self.name_of(match.group())
            if found is None:
                raise InputError(f"the pseudonym {match.group()} was not made with this key and scope")
            return found

        return _PSEUDONYM.sub(name, text)

    def _mask(self, iv: bytes, data: bytes) -> bytes:
        stream = b""
        for number in count():
            if len(stream) >= len(data):
                break
            stream += _prf(self._enc, iv + number.to_bytes(4, "big"))
        return bytes(one ^ other for one, other in zip(data, stream, strict=False))


LOOKALIKE = _PSEUDONYM.pattern
"""What `reveal` takes for a pseudonym. Who hides names must hide what looks like one too, or it would not come back."""


def _prf(key: bytes, data: bytes) -> bytes:
    return hmac.digest(key, data, "sha256")


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
