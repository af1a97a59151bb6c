# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A name as a pseudonym that only the key turns back. Pure.

Construction, with AES-SIV (RFC 5297) of the package cryptography, which ansible-core brings:

    sealing   = PBKDF2-HMAC-SHA-512(key, salt="pve.audit.pseudonym/2" 0 scope, ROUNDS)    a weak key costs time to guess
    padded    = name, 0x80, zeros up to a multiple of 16                                  names of one length class
    pseudonym = "psn-" + base32(AES-256-SIV(sealing, padded)), lower case, no padding

The same key, scope and name give the same pseudonym; a pseudonym determines its name, so two names never share one.
Without the key nothing but the length class (up to 15 bytes, up to 31, ...) is seen, and a forged pseudonym is refused.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re

from ansible_collections.pve.audit.plugins.module_utils._model.errors import InputError

try:
    from cryptography.exceptions import InvalidTag, UnsupportedAlgorithm
    from cryptography.hazmat.primitives.ciphers.aead import AESSIV

    MISSING: ImportError | None = None
except ImportError as error:
    MISSING = error

ROUNDS = 200_000
SHORTEST_KEY = 16
_KEY_BYTES = 64
_BLOCK = 16
_MARK = "psn-"
# 16 + 16 bytes are 52 characters, and 16 bytes more are 25 or 26 more; what does not decode is not ours.
_PSEUDONYM = re.compile(rf"{_MARK}([a-z2-7]{{52,}})(?![a-z2-7])")


class Cipher:
    """Pseudonyms under one key and scope.

    Raises InputError for a key that is no text of at least 16 characters, and where AES-SIV is missing. The key is in
    no message.
    """

    def __init__(self, key: object, scope: str = "", rounds: int = ROUNDS) -> None:
        if not isinstance(key, str) or len(key) < SHORTEST_KEY:
            raise InputError(
                f"the key must be a text of at least {SHORTEST_KEY} characters: make a random one, keep it in a vault"
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
        self._known: dict[str, str] = {}

    def hide(self, name: str) -> str:
        """The pseudonym of a name."""
        found = self._known.get(name)
        if found is None:
            padded = _bytes(name) + b"\x80"
            padded += bytes(-len(padded) % _BLOCK)
            sealed = base64.b32encode(self._siv.encrypt(padded, None)).decode("ascii")
            found = self._known[name] = _MARK + sealed.rstrip("=").lower()
        return found

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
        name = padded.rstrip(b"\x00")[:-1].decode("utf-8", "surrogatepass")
        # base32 has spare bits, and one spelling is enough.
        return name if self.hide(name) == pseudonym else None

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


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
