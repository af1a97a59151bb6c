# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small threaded HTTPS server: HTTP/1.1, keep-alive, one thread for each connection."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable

from tests.lab.http import Answer, Request

MAX_HEADERS = 8 * 1024
MAX_HEAD = 64 * 1024
MAX_HEADER_COUNT = 64
MAX_BODY = 4 * 1024 * 1024
KEEP_ALIVE_REQUESTS = 100
IDLE_SECONDS = 60.0


class _Closed(Exception):
    """The connection ended or cannot go on."""


class _Reader:
    """Reads requests from one connection."""

    def __init__(self, connection: ssl.SSLSocket) -> None:
        self._connection = connection
        self._buffer = b""

    def _more(self) -> None:
        data = self._connection.recv(65536)
        if not data:
            raise _Closed
        self._buffer += data

    def _take(self, size: int) -> bytes:
        while len(self._buffer) < size:
            self._more()
        data, self._buffer = self._buffer[:size], self._buffer[size:]
        return data

    def _head(self) -> list[str]:
        while (end := self._buffer.find(b"\r\n\r\n")) < 0:
            if len(self._buffer) > MAX_HEAD:
                raise _Closed
            self._more()
        lines = self._take(end + 4)[:-4].decode("latin-1").split("\r\n")
        if len(lines) >= MAX_HEADER_COUNT or sum(map(len, lines[1:])) >= MAX_HEADERS:
            raise _Closed
        return lines

    def request(self) -> Request:
        """The next request; _Closed at the end, or for headers that PVE drops the connection for."""
        lines = self._head()
        while lines and not lines[0]:
            lines.pop(0)
        parts = lines[0].split(" ") if lines else []
        if len(parts) != 3 or not parts[2].startswith("HTTP/1."):
            raise _Closed
        headers: dict[str, str] = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            headers[name.strip().lower()] = value.strip()
        size = int(headers["content-length"]) if headers.get("content-length", "").isdigit() else 0
        if size > MAX_BODY:
            raise _Closed
        if parts[2] == "HTTP/1.0":
            headers.setdefault("connection", "close")
        path, _, query = parts[1].partition("?")
        return Request(parts[0], path, query, headers, self._take(size))


def _listen(host: str, port: int) -> list[socket.socket]:
    """The port of an IPv4 or IPv6 address; the same of ::1 beside that of 127.0.0.1, where there is IPv6."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    first = socket.create_server((host, port), family=family, backlog=512)
    sockets = [first]
    if host == "127.0.0.1":
        with contextlib.suppress(OSError):
            sockets.append(socket.create_server(("::1", first.getsockname()[1]), family=socket.AF_INET6, backlog=512))
    return sockets


class Listener:
    """Listens on one port and answers with `handle`."""

    def __init__(self, handle: Callable[[Request], Answer], context: ssl.SSLContext, host: str, port: int) -> None:
        self._handle = handle
        self._context = context
        self._stopping = threading.Event()
        self._connections: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._sockets = _listen(host, port)
        self.port: int = self._sockets[0].getsockname()[1]
        self._threads = [
            threading.Thread(target=self._accept, args=(one,), name=f"lab-{self.port}", daemon=True)
            for one in self._sockets
        ]

    def start(self) -> None:
        """Begin to answer."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Close the port and all connections."""
        self._stopping.set()
        for one in self._sockets:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        with self._lock:
            open_connections = list(self._connections)
        for connection in open_connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(timeout=5)

    def _accept(self, listening: socket.socket) -> None:
        while not self._stopping.is_set():
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, raw: socket.socket) -> None:
        with self._lock:
            self._connections.add(raw)
        try:
            raw.settimeout(IDLE_SECONDS)
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._context.wrap_socket(raw, server_side=True) as connection:
                with self._lock:
                    self._connections.add(connection)
                    self._connections.discard(raw)
                self._converse(connection)
                with self._lock:
                    self._connections.discard(connection)
        except (OSError, _Closed):
            pass
        finally:
            with self._lock:
                self._connections.discard(raw)
            raw.close()

    def _converse(self, connection: ssl.SSLSocket) -> None:
        reader = _Reader(connection)
        try:
            for left in range(KEEP_ALIVE_REQUESTS - 1, -1, -1):
                request = reader.request()
                answer = self._handle(request)
                wanted = "close" not in request.headers.get("connection", "").lower()
                keep = left > 0 and wanted and answer.status < 400
                connection.sendall(answer.encode(accept_gzip=request.accepts_gzip(), keep_alive=keep))
                if not keep:
                    return
        except _Closed:
            return
        finally:
            with self._lock:
                self._connections.discard(connection)
