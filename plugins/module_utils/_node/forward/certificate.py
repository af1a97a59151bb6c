# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The certificates of a node as the TLS library sees them: usable, matching, and until when."""

from __future__ import annotations

import hashlib
import os
import ssl

from ansible_collections.pve.audit.plugins.module_utils._model.errors import InputError

DAY = 86400


def check_certificates(ca: str, certificate: str, key: str) -> None:
    """Raises InputError unless all three can be read and the key belongs to the certificate."""
    for path in (ca, certificate, key):
        if not os.path.isfile(path):
            raise InputError(f"there is no file {path}; put the certificates in place first")
        if not os.access(path, os.R_OK):
            raise InputError(f"{path} cannot be read")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(cafile=ca)
    except ssl.SSLError as error:
        raise InputError(f"{ca} is not a certificate of an authority: {_reason(error)}") from error
    try:
        context.load_cert_chain(certificate, key, password=_no_password)
    except ssl.SSLError as error:
        raise InputError(f"the key {key} does not fit the certificate {certificate}: {_reason(error)}") from error


def _no_password() -> str:
    raise InputError("the key is protected by a password, which a service cannot type")


def _reason(error: ssl.SSLError) -> str:
    return (error.reason or str(error)).replace("_", " ").lower()


def expires_at(certificate: str) -> float | None:
    """End of the (first) certificate in the file, as epoch seconds; None when this Python cannot tell."""
    # The only decoder of certificates in the standard library; it is there in Python 3.11 to 3.14.
    decode = getattr(getattr(ssl, "_ssl", None), "_test_decode_cert", None)
    if decode is None:
        return None
    try:
        return float(ssl.cert_time_to_seconds(str(decode(certificate)["notAfter"])))
    except (OSError, ValueError, KeyError):
        return None


def expiry_warning(certificate: str, now: float, days: int) -> str | None:
    """A sentence when the certificate has expired, or will within `days`."""
    until = expires_at(certificate)
    if until is None or until - now > days * DAY:
        return None
    if until <= now:
        ago = f"{(now - until) / DAY:.0f} days ago"
        return f"the certificate {certificate} has expired {ago}: nothing is sent until it is renewed"
    return f"the certificate {certificate} expires in {(until - now) / DAY:.0f} days"


def digest_of(*paths: str) -> str:
    """SHA-256 over the contents of files, for telling whether one was replaced."""
    whole = hashlib.sha256()
    for path in paths:
        with open(path, "rb") as stream:
            whole.update(hashlib.sha256(stream.read()).digest())
    return whole.hexdigest()
