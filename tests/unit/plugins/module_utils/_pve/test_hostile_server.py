# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server that lies, or a proxy in front of one: each is one sentence of the right class, within size and time.

The server speaks real TLS with a certificate that is accepted, so that nothing but its answer is wrong.
"""

from __future__ import annotations

import gzip
import json
import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.pve.audit.plugins.module_utils._model import errors
from ansible_collections.pve.audit.plugins.module_utils._pve import transport
from ansible_collections.pve.audit.plugins.module_utils._pve.credentials import Credentials
from ansible_collections.pve.audit.plugins.module_utils._pve.session import Session
from tests.lab.certs import make_certificates

SECRET = "11111111-2222-3333-4444-555555555555"
PAGE = b"<html><head><title>Sign in</title></head><body>please log in</body></html>"
Serve = Callable[[Any], int]


def answer(status: str, body: bytes, *headers: str) -> bytes:
    """A whole answer."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers, "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


def deep() -> bytes:
    """Nested so deep that a reader without bounds ends."""
    return b'{"data":' + b"[" * 200_000 + b"]" * 200_000 + b"}"


ANSWERS: dict[str, tuple[bytes, type[errors.ApiError], str]] = {
    "deep json": (answer("200 OK", deep()), errors.NotAnApiError, "not as the Proxmox VE API does"),
    "deep error": (answer("500 No", deep()), errors.NotAnApiError, "not as the Proxmox VE API does"),
    "html": (answer("200 OK", PAGE, "Content-Type: text/html"), errors.NotAnApiError, "not with JSON"),
    "empty": (answer("200 OK", b""), errors.NotAnApiError, "not with JSON"),
    "list": (answer("200 OK", b"[1]"), errors.NotAnApiError, "not as the Proxmox VE API does"),
    "error list": (answer("500 No", b"[1]"), errors.NotAnApiError, "not as the Proxmox VE API does"),
    "proxy 502": (answer("502 Bad Gateway", PAGE), errors.NotAnApiError, "502 and a page that is not .*: a proxy"),
    "basic": (answer("401 No", PAGE, "WWW-Authenticate: Basic"), errors.NotAnApiError, "401 and a page that is not"),
    "firewall": (answer("403 Forbidden", PAGE), errors.NotAnApiError, "403 and a page that is not"),
    "cut off": (b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n{", errors.ApiError, "127.0.0.1"),
    "escapes": (answer("500 \x1b[2J\x9b1mgone", b""), errors.ApiError, r"500 \\x1b\[2J\\x9b1mgone"),
    "escapes in a body": (
        answer("403 no", json.dumps({"message": "a\nb \x1b]0;x\x07\u202e\u0430lice", "data": None}).encode()),
        errors.ForbiddenError,
        r"a b \\x1b\]0;x\\x07\\u202e\\u0430lice$",
    ),
    "many header lines": (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 5000 + b"\r\n", errors.ApiError, "127.0.0.1"),
}


def read_request(connection: ssl.SSLSocket) -> None:
    """All of it: a server that closes with something unread resets the connection."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += connection.recv(65536)
    head, _end, body = data.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)content-length: *(\d+)", head)
    while length and len(body) < int(length[1]):
        body += connection.recv(65536)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The CA, and the chain with the key of the server."""
    return make_certificates(tmp_path_factory.mktemp("certificates"), "valid")


@pytest.fixture
def serve(certificates: tuple[Path, Path]) -> Iterator[Serve]:
    """Start a server that does `talk(connection)` for every connection once a request has come; returns its port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates[1])
    listeners: list[socket.socket] = []

    def start(talk: Callable[[ssl.SSLSocket], None]) -> int:
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)

        def one(raw: socket.socket) -> None:
            with suppress(OSError), context.wrap_socket(raw, server_side=True) as connection:
                read_request(connection)
                talk(connection)

        def accept() -> None:
            with suppress(OSError):
                while True:
                    threading.Thread(target=one, args=(listener.accept()[0],), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        return int(listener.getsockname()[1])

    yield start
    for listener in listeners:
        listener.close()


@pytest.fixture
def connect(certificates: tuple[Path, Path]) -> Callable[..., Session]:
    """A session with the server on a port."""

    def make(port: int, **change: Any) -> Session:
        given = {"token_id": "report", "token_secret": SECRET, "timeout": 5.0, **change}
        login = Credentials(host="127.0.0.1", port=port, user="audit@pve", ca_path=str(certificates[0]), **given)
        return Session(login, sleep=lambda _seconds: None)

    return make


def failure(call: Callable[[], object]) -> errors.ApiError:
    """The error that a call ends with, in one line without the secret."""
    with pytest.raises(errors.ApiError) as caught:
        call()
    text = str(caught.value)
    assert text.isprintable() and SECRET not in text and len(text) < 700, text
    assert "<html" not in text
    return caught.value


@pytest.mark.parametrize("name", ANSWERS)
def test_one_sentence(serve: Serve, connect: Callable[..., Session], name: str) -> None:
    whole, kind, sentence = ANSWERS[name]
    port = serve(lambda connection: connection.sendall(whole))
    with pytest.raises(kind, match=sentence):
        connect(port).get("nodes")
    failure(lambda: connect(port).get("nodes"))
    failure(lambda: connect(port).write("PUT", ("access", "users", "a@pve"), {"comment": "x"}, what="change a@pve"))
    failure(lambda: connect(port, token_id=None, token_secret=None, password="hunter2"))


@pytest.mark.parametrize("packed", [False, True])
def test_an_endless_body_ends(
    serve: Serve, connect: Callable[..., Session], monkeypatch: pytest.MonkeyPatch, packed: bool
) -> None:
    """Its size is counted unpacked."""
    monkeypatch.setattr(transport, "MAX_BYTES", 1024 * 1024)
    zeros = b"0" * 1024 * 1024
    sent = threading.Event()

    def talk(connection: ssl.SSLSocket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n" + (b"Content-Encoding: gzip\r\n" if packed else b"") + b"\r\n")
        with suppress(OSError):
            while True:
                connection.sendall(gzip.compress(zeros * 16) if packed else zeros)
        sent.set()

    port = serve(talk)
    assert "sent more than 1 MiB in one answer" in str(failure(lambda: connect(port).get("nodes")))
    assert sent.wait(20), "the connection is closed, so that the server cannot go on"


@pytest.mark.parametrize("start", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"])
def test_a_byte_now_and_then_is_not_waited_for(serve: Serve, connect: Callable[..., Session], start: bytes) -> None:
    """Each byte comes before the time-out of one read."""
    stop = threading.Event()

    def talk(connection: ssl.SSLSocket) -> None:
        connection.sendall(start)
        with suppress(OSError):
            while not stop.wait(0.1):
                connection.sendall(b"H")

    found = failure(lambda: connect(serve(talk), timeout=0.5).get("nodes"))
    stop.set()
    assert isinstance(found, errors.TimeoutReachedError)
    assert "did not finish within 2 s (GET /nodes)" in str(found)


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308, 304])
def test_the_credential_goes_nowhere_else(serve: Serve, connect: Callable[..., Session], code: int) -> None:
    heard: list[bytes] = []
    other = serve(lambda connection: heard.append(b"asked"))
    moved = answer(f"{code} Moved", b"", f"Location: https://127.0.0.1:{other}/login")
    port = serve(lambda connection: connection.sendall(moved))
    assert "wants to send the request elsewhere" in str(failure(lambda: connect(port).get("nodes")))
    failure(lambda: connect(port, token_id=None, token_secret=None, password="hunter2"))
    assert failure(lambda: connect(port).accepts_login("bob@pve", "x")).code == "not_an_api"
    assert not heard


def test_a_second_factor_is_no_wrong_password(serve: Serve, connect: Callable[..., Session]) -> None:
    """As Proxmox VE answers a right password when the account has a TOTP."""
    body = {"data": {"username": "audit@pve", "ticket": "PVE:!tfa!x", "CSRFPreventionToken": "y", "NeedTFA": 1}}
    port = serve(lambda connection: connection.sendall(answer("200 OK", json.dumps(body).encode())))
    found = failure(lambda: connect(port, token_id=None, token_secret=None, password="hunter2"))
    assert isinstance(found, errors.AuthError)
    assert "asks for a second factor of audit@pve" in str(found) and "use an API token" in str(found)
    assert "password" not in str(found)


def test_a_dead_pvedaemon_is_no_wrong_password(serve: Serve, connect: Callable[..., Session]) -> None:
    port = serve(lambda connection: connection.sendall(answer("595 Connection refused", b"")))
    found = failure(lambda: connect(port, token_id=None, token_secret=None, password="hunter2"))
    assert isinstance(found, errors.NodeUnreachableError)
    assert "pvedaemon behind it does not (595 Connection refused): look there at systemctl status" in str(found)
    found = failure(lambda: connect(port).get("nodes", "pve2", "tasks"))
    assert "the node cannot be reached by 127.0.0.1 (595 Connection refused)" in str(found)


def test_the_reason_below_the_first_line_is_shown(serve: Serve, connect: Callable[..., Session]) -> None:
    body = {"data": None, "message": "Parameter verification failed.\nexpire: value must be 0 or more\n"}
    port = serve(
        lambda connection: connection.sendall(answer("500 Parameter verification failed.", json.dumps(body).encode()))
    )
    found = failure(lambda: connect(port).write("PUT", ("x",), {}, what="change it"))
    assert "Parameter verification failed. expire: value must be 0 or more" in str(found)


def test_plain_http_is_told_from_a_bad_certificate(connect: Callable[..., Session]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def talk() -> None:
            with suppress(OSError):
                while True:
                    connection = listener.accept()[0]
                    connection.recv(4096)
                    connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                    connection.close()

        threading.Thread(target=talk, daemon=True).start()
        found = failure(lambda: connect(int(listener.getsockname()[1])).get("nodes"))
    assert isinstance(found, errors.TlsError) and "does not speak TLS there: check api_port" in str(found)
