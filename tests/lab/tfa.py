# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Second factors, as priv/tfa.cfg holds them (pve-access-control API2/TFA.pm, which leaves the work to proxmox-tfa)."""

from __future__ import annotations

import base64
import binascii
import hmac
import time
from dataclasses import dataclass, field
from typing import Any

_STEP = 30
ORDER = ("recovery", "totp", "webauthn", "u2f", "yubico")


def totp(secret: str, moment: float) -> str:
    """The six digits of a TOTP secret in base 32 (RFC 6238, SHA-1, 30 seconds)."""
    key = base64.b32decode(secret + "=" * (-len(secret) % 8), casefold=True)
    digest = hmac.digest(key, int(moment // _STEP).to_bytes(8, "big"), "sha1")
    offset = digest[-1] & 15
    number = int.from_bytes(digest[offset : offset + 4], "big") & 0x7FFFFFFF
    return f"{number % 1_000_000:06d}"


def totp_passes(secret: str, code: str) -> bool:
    """Is this the code of now, or of one step before or after?"""
    try:
        return bool(secret) and code in {totp(secret, time.time() + shift) for shift in (-_STEP, 0, _STEP)}
    except binascii.Error:
        return False


@dataclass(slots=True)
class TfaEntry:
    """One second factor. `code` is an answer that passes at login, `secret` that of a TOTP in base 32.

    `created` in seconds since the epoch. Recovery keys are one entry with the id and the type `recovery`.
    """

    id: str
    type: str
    description: str = ""
    created: int = 0
    enable: bool = True
    code: str = ""
    secret: str = ""

    def info(self) -> dict[str, Any]:
        """The form in API answers."""
        data: dict[str, Any] = {"type": self.type, "id": self.id}
        if self.description:
            data["description"] = self.description
        data["created"] = self.created
        return data if self.enable else {**data, "enable": 0}

    def passes(self, code: str) -> bool:
        """Is this the right answer?"""
        return self.enable and (bool(self.code and self.code == code) or totp_passes(self.secret, code))


@dataclass(slots=True)
class TfaUser:
    """A user's second factors. `recovery`: the unused recovery keys, None for those already used."""

    entries: list[TfaEntry] = field(default_factory=list)
    recovery: list[str | None] = field(default_factory=list)
    totp_locked: bool = False
    locked_until: int | None = None

    def infos(self) -> list[dict[str, Any]]:
        """The entries in PVE's order."""
        return [entry.info() for kind in ORDER for entry in self.entries if entry.type == kind]

    def find(self, name: str) -> TfaEntry | None:
        """An entry by its id."""
        return next((entry for entry in self.entries if entry.id == name), None)

    def _locked(self) -> bool:
        return self.locked_until is not None and self.locked_until > time.time()

    def locks(self) -> dict[str, Any]:
        """The fields that say that the user is locked out."""
        fields: dict[str, Any] = {"totp-locked": 1} if self.totp_locked else {}
        return {**fields, "tfa-locked-until": self.locked_until} if self._locked() else fields

    def challenge(self) -> dict[str, Any] | None:
        """What a login asks for; None when there is nothing or all is disabled. Used-up recovery keys still ask."""
        kinds = {entry.type for entry in self.entries if entry.enable}
        asked: dict[str, Any] = {kind: True for kind in ("totp", "yubico") if kind in kinds}
        asked |= {kind: {} for kind in ("webauthn", "u2f") if kind in kinds}
        if "recovery" in kinds:
            asked["recovery"] = [number for number, key in enumerate(self.recovery) if key is not None]
        return asked or None

    def passes(self, response: str) -> bool:
        """Does `TYPE:CODE` answer the challenge? A recovery key is used up by that, and unlocks TOTP."""
        kind, _, code = response.partition(":")
        if self._locked() or (kind == "totp" and self.totp_locked):
            return False
        if kind == "recovery":
            if code not in self.recovery:
                return False
            self.recovery[self.recovery.index(code)] = None
            self.totp_locked = False
            return True
        return any(entry.type == kind and entry.passes(code) for entry in self.entries)

    def kinds(self) -> list[str]:
        """The types of the entries, disabled ones too."""
        return [kind for kind in ORDER if any(entry.type == kind for entry in self.entries)]

    def legacy_type(self) -> str:
        """The one type that the login of old versions would have known."""
        kinds = self.kinds()
        old = {"u2f": "u2f", "totp": "oath", "yubico": "yubico"}
        return next((name for kind, name in old.items() if kind in kinds), "incompatible")
