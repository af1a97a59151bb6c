# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The way to a collector: TCP, TLS with certificates on both sides, the RELP session; and what went wrong there."""

from __future__ import annotations

import contextlib
import ipaddress
import select
import socket
import ssl
import time
from collections.abc import Iterable
from typing import Any

from pve_audit.forward.relp import Frame, RelpError, Window, check_offer, offer, take_frame
from pve_audit.forward.settings import Limits, Target
from pve_audit.settings_file import SettingsError

CHUNK = 64 * 1024
# X509_V_ERR_CERT_HAS_EXPIRED in OpenSSL's x509_vfy.h.
EXPIRED = 10
WAITING = "nothing is lost, sending goes on when it is renewed"


class LinkError(Exception):
    """The collector cannot be reached, or the connection ended. The message is for people."""


def make_context(target: Target) -> ssl.SSLContext:
    """Read the certificate files anew, so that a renewed one is used at the next connection. Raises SettingsError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = False  # check_peer does it, also for names that are not the host's
    try:
        context.load_verify_locations(cafile=target.ca)
    except (OSError, ssl.SSLError) as error:
        raise SettingsError(f"the CA certificate {target.ca} cannot be used: {_reason(error)}") from error
    try:
        context.load_cert_chain(target.certificate, target.key)
    except (OSError, ssl.SSLError) as error:
        files = f"the certificate {target.certificate} with the key {target.key}"
        raise SettingsError(f"{files} cannot be used: {_reason(error)}") from error
    return context


def check_peer(certificate: Any, permitted: Iterable[str]) -> None:
    """Raises LinkError unless a name in the (verified) certificate is permitted.

    A `*` stands for one whole first label. The common name only counts when there is no subjectAltName, as in RFC 6125.
    """
    alternatives = [value for kind, value in certificate.get("subjectAltName", ()) if kind in ("DNS", "IP Address")]
    common = [value for part in certificate.get("subject", ()) for key, value in part if key == "commonName"]
    names = alternatives or common
    permitted = list(permitted)
    if not any(_matches(name, wanted) for name in names for wanted in permitted):
        shown = ", ".join(names) or "nobody"
        raise LinkError(f"the collector's certificate is for {shown}, permitted is {', '.join(permitted)}")


def _matches(name: str, wanted: str) -> bool:
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(name) == ipaddress.ip_address(wanted)
    name, wanted = name.lower().rstrip("."), wanted.lower().rstrip(".")
    if name == wanted:
        return True
    for pattern, other in ((name, wanted), (wanted, name)):
        if pattern.startswith("*.") and "." in pattern[2:] and other.partition(".")[2] == pattern[2:]:
            return True
    return False


def own_expiry(target: Target) -> str | None:
    """A sentence when this node's certificate has expired, which a collector need not tell us."""
    # The only decoder of certificates in the standard library; without it there is just no such sentence.
    decode = getattr(getattr(ssl, "_ssl", None), "_test_decode_cert", None)
    if not target.tls or decode is None:
        return None
    try:
        until = str(decode(target.certificate)["notAfter"])
        expired = ssl.cert_time_to_seconds(until) < time.time()
    except (OSError, ValueError, KeyError):
        return None
    return f"this node's certificate {target.certificate} expired on {until}; {WAITING}" if expired else None


def explain(error: Exception) -> str:
    """One sentence for an error of the connection."""
    if isinstance(error, ssl.SSLCertVerificationError):
        if error.verify_code == EXPIRED:
            return f"the collector's certificate has expired; {WAITING}"
        return f"the collector's certificate is not trusted: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        reason = (error.reason or "").replace("_", " ").lower()
        if "certificate expired" in reason:
            return f"the collector says that this node's certificate has expired; {WAITING}"
        if "alert" in reason:
            return f"the collector refuses this node's certificate: {reason}"
        return f"TLS failed: {reason or error}"
    if isinstance(error, TimeoutError):
        return "the collector does not answer in time"
    return _reason(error)


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return (error.reason or str(error)).replace("_", " ").lower()
    return str(getattr(error, "strerror", None) or error)


class Link:
    """One open RELP session. Nothing here waits except `connect` and `close`."""

    def __init__(self, sock: socket.socket, window: int) -> None:
        self._sock = sock
        self._out = bytearray()
        self._in = bytearray()
        self.window = Window(window)
        self.heard = time.monotonic()

    @classmethod
    def connect(cls, target: Target, limits: Limits) -> Link:
        """Connect, check the certificate, open the session. Raises LinkError or SettingsError."""
        context = make_context(target) if target.tls else None
        try:
            sock: socket.socket = socket.create_connection((target.host, target.port), limits.connect_timeout)
        except OSError as error:
            raise LinkError(f"{target.name}: {explain(error)}") from error
        try:
            _tune(sock, limits)
            if context is not None:
                secure = context.wrap_socket(sock, server_hostname=target.host)
                sock = secure
                check_peer(secure.getpeercert(), target.permitted_peers or (target.host,))
            link = cls(sock, limits.window)
            link._open(limits.connect_timeout)
        except (OSError, ValueError, RelpError, LinkError) as error:
            sock.close()
            raise LinkError(f"{target.name}: {own_expiry(target) or explain(error)}") from error
        return link

    def _open(self, timeout: float) -> None:
        self._sock.setblocking(False)
        self.send("open", offer(), None)
        deadline = time.monotonic() + timeout
        while self.window:
            if time.monotonic() > deadline:
                raise TimeoutError
            self.wait([], max(0.0, deadline - time.monotonic()))
            self.flush()
            for frame in self._opening_frames():
                if frame.command == "rsp":
                    check_offer(frame.data)
                self.window.acknowledge(frame)

    def _opening_frames(self) -> list[Frame]:
        """rsyslog hangs up without a word on a certificate that it does not permit."""
        try:
            return self._receive()
        except LinkError as error:
            reason = "it may not permit the name in this node's certificate"
            raise LinkError(f"the collector ends the connection before the session is open: {reason}") from error

    @property
    def room(self) -> bool:
        """Whether another message may be given to `send`: bounded by the window and by what waits to be written."""
        return not self.window.full and len(self._out) < 4 * CHUNK

    def send(self, command: str, data: bytes, token: object) -> None:
        """Queue one frame; `flush` writes it."""
        self._out += self.window.send(command, data, token, time.monotonic())

    def flush(self) -> None:
        """Write as much as the socket takes. Raises OSError."""
        while self._out:
            try:
                done = self._sock.send(memoryview(self._out)[:CHUNK])
            except (BlockingIOError, ssl.SSLWantWriteError, ssl.SSLWantReadError):
                return
            del self._out[:done]

    def acknowledged(self) -> list[object]:
        """The tokens of the messages acknowledged since the last call. Raises OSError, RelpError or LinkError."""
        return [token for frame in self._receive() for token in self.window.acknowledge(frame)]

    def _receive(self) -> list[Frame]:
        frames = []
        ended = self._read()
        while (frame := take_frame(self._in)) is not None:
            frames.append(frame)
        if frames:
            self.heard = time.monotonic()
        elif ended:
            raise LinkError("the collector closed the connection")
        return frames

    def _read(self) -> bool:
        """Read all that is there; True when the other side has closed."""
        while True:
            try:
                data = self._sock.recv(CHUNK)
            except (BlockingIOError, ssl.SSLWantWriteError, ssl.SSLWantReadError):
                return False
            if not data:
                return True
            self._in += data

    def silent_for(self, now: float) -> float:
        """For how long something is waiting for an acknowledgement while none came, in seconds."""
        oldest = self.window.oldest
        return 0.0 if oldest is None else now - max(oldest, self.heard)

    def wait(self, others: list[int], timeout: float) -> None:
        """Until the socket or another descriptor is ready."""
        number = self._sock.fileno()
        select.select([number, *others], [number] if self._out else [], [], timeout)

    def close(self, polite: bool = False) -> None:
        """Say goodbye (`polite`) and close."""
        with contextlib.suppress(OSError, ValueError):
            if polite:
                self.send("close", b"", None)
                self._sock.settimeout(1.0)
                self._sock.sendall(self._out)
        self._sock.close()


def _tune(sock: socket.socket, limits: Limits) -> None:
    """Notice a line that went dead in silence within about `ack_timeout`."""
    seconds = max(4, int(limits.ack_timeout))
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for name, value in (
        ("TCP_KEEPIDLE", max(1, seconds // 2)),
        ("TCP_KEEPINTVL", max(1, seconds // 8)),
        ("TCP_KEEPCNT", 4),
        ("TCP_USER_TIMEOUT", seconds * 1000),
    ):
        if hasattr(socket, name):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
