# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A source in a thread of its own, so that one that hangs in the kernel (a dead disk, a file system of somebody else)
stops neither the others nor the end of the service.

Only the thread touches the source. The pipeline takes lines out of a short queue, puts acknowledgements into another
one, and sees the position as it was last published.
"""

from __future__ import annotations

import contextlib
import os
import select
import threading
import time
from collections import deque
from typing import Any

from pve_audit.forward.source import Position, Source, SourceLine

ROOM = 64
# After a line as long as this the queue has to be empty before the next one is read.
LONG = 64 * 1024
PUBLISH_SECONDS = 0.5
CLOSE_SECONDS = 2.0
# A source whose thread did not move for so long is said to hang.
SLOW_SECONDS = 20.0
Published = tuple[Position, bool, dict[str, Any]]
NOTHING: Published = ({}, False, {})


class _Bell:
    """Rung by one thread, heard by another one that waits for its descriptor."""

    def __init__(self) -> None:
        self.number = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)

    def ring(self) -> None:
        os.eventfd_write(self.number, 1)

    def hush(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(self.number)

    def __del__(self) -> None:
        os.close(self.number)


class _Reader(threading.Thread):
    """Reads a source from one `open` to its `close`."""

    def __init__(self, source: Source, poll: float, wake: _Bell, news: _Bell) -> None:
        super().__init__(name=source.name, daemon=True)
        self._source = source
        self._poll = poll
        self._wake = wake
        self._news = news
        self._start_at: tuple[Position, Position] = ({}, {})
        self._next_publish = 0.0
        self.lines: deque[SourceLine] = deque()
        self.acknowledged: deque[Any] = deque()
        self.error: str | None = None
        self.published: Published = NOTHING
        self.ended = threading.Event()
        self.moved = time.monotonic()

    def begin(self, position: Position, high_water: Position) -> None:
        """Start after `position`."""
        self._start_at = (position, high_water)
        self.start()

    def run(self) -> None:
        self._source.open(*self._start_at)
        try:
            while not self.ended.is_set():
                self.moved = time.monotonic()
                self._publish(self.moved)
                if not (self._room() and self._read(self.moved)):
                    self._rest()
        finally:
            self._publish(float("inf"))
            self._source.close()

    def _room(self) -> bool:
        if not self.lines:
            return True
        return len(self.lines) < ROOM and len(self.lines[-1].message.text) < LONG

    def _read(self, now: float) -> bool:
        """One line; whether there was one."""
        try:
            line = self._source.next(now)
        except OSError as error:
            self.error = str(error)
            self._news.ring()
            return False
        self.error = None
        if line is not None:
            self.lines.append(line)
            if len(self.lines) == 1:
                self._news.ring()
        return line is not None

    def _publish(self, now: float) -> None:
        """Hand on acknowledgements, and show where the source stands then."""
        if not self.acknowledged and now < self._next_publish:
            return
        self._next_publish = now + PUBLISH_SECONDS
        while self.acknowledged:
            self._source.acknowledge(self.acknowledged.popleft())
        self.published = (self._source.position(), self._source.caught_up(), self._source.backlog())

    def _rest(self) -> None:
        """Until there may be something to do."""
        number = self._source.fileno() if self._room() else None
        select.select([self._wake.number, *([number] if number is not None else [])], [], [], self._poll)
        self._wake.hush()


class Worker:
    """A source as the pipeline sees it: as source.Source, but `next` waits for nothing, and `close` not for long."""

    def __init__(self, source: Source, poll_seconds: float) -> None:
        self.name = source.name
        self._source = source
        self._poll = min(0.5, poll_seconds)
        self._wake, self._news = _Bell(), _Bell()
        self._reader: _Reader | None = None
        self._wanted: tuple[Position, Position] | None = None

    def open(self, position: Position, high_water: Position) -> None:
        """Read on from there; if the thread of the last session hangs, as soon as it has ended."""
        self._wanted = (position, high_water)
        self._begin()

    def _begin(self) -> None:
        if self._wanted is not None and not self._is_running():
            self._reader = _Reader(self._source, self._poll, self._wake, self._news)
            self._reader.begin(*self._wanted)
            self._wanted = None

    def _is_running(self) -> bool:
        return self._reader is not None and self._reader.is_alive()

    def next(self) -> SourceLine | None:
        """The next line, or None when there is none at present. Raises OSError when the source cannot be read."""
        self._begin()
        reader = self._reader
        if reader is None or self._wanted is not None:
            return None
        if not reader.lines:
            self._news.hush()
            if not reader.lines:
                if reader.error is not None:
                    raise OSError(reader.error)
                if not reader.is_alive():
                    raise RuntimeError(f"the thread of the source {self.name} has died")
                return None
        line = reader.lines.popleft()
        if not reader.lines:
            self._wake.ring()
        return line

    def acknowledge(self, place: Any) -> None:
        """The collector has everything up to this place."""
        if self._reader is not None and self._wanted is None:
            self._reader.acknowledged.append(place)
            self._wake.ring()

    def backlog(self) -> dict[str, Any]:
        """Figures for the status file."""
        hangs = self.hangs_for(time.monotonic())
        return self.published()[2] | ({"hangs_seconds": round(hangs)} if hangs > SLOW_SECONDS else {})

    def published(self) -> Published:
        """The acknowledged position, whether it is the furthest that ever was, and figures for the status file."""
        return NOTHING if self._reader is None or self._wanted is not None else self._reader.published

    def fileno(self) -> int:
        """Ready when there are lines."""
        return self._news.number

    def hangs_for(self, now: float) -> float:
        """Seconds since the thread last moved; 0 when none runs."""
        return max(0.0, now - self._reader.moved) if self._reader is not None and self._is_running() else 0.0

    def end(self) -> None:
        """Ask the thread to end."""
        self._wanted = None
        if self._reader is not None:
            self._reader.ended.set()
            self._wake.ring()

    def close(self) -> None:
        """Wait for it, but not for long."""
        self.end()
        if self._reader is not None:
            self._reader.join(CLOSE_SECONDS)
