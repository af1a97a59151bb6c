# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One stream of lines to one collector (or to the first of several that answers), with a state of its own.

Nothing is buffered beyond the window: a line that was not acknowledged is read again from where it came.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pve_audit.forward import worker
from pve_audit.forward.file_source import FileSource
from pve_audit.forward.heartbeat import Heartbeat
from pve_audit.forward.journal import JournalSource
from pve_audit.forward.link import Link, LinkError, explain
from pve_audit.forward.relp import RelpError
from pve_audit.forward.settings import Config, Limits, Target
from pve_audit.forward.source import Source
from pve_audit.forward.state import State
from pve_audit.forward.worker import Worker
from pve_audit.settings_file import SettingsError
from pve_audit.wire import encode

TURN = 32
DRAIN_SECONDS = 5.0
REPORT_SECONDS = 1.0
# A source that did not move for so long is no longer waited for: the watchdog then ends the service.
HANGING_SECONDS = 120.0
# say(severity, key, text): one key is not said again and again.
Say = Callable[[int, str, str], None]


@dataclass
class Status:
    """What the status file shows of a pipeline; times are epoch seconds."""

    name: str
    connected: str | None = None
    connected_since: float | None = None
    last_acknowledged: float | None = None
    acknowledged: int = 0
    in_flight: int = 0
    last_error: dict[str, Any] | None = None
    state_error: str | None = None
    sources: dict[str, dict[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class InFlight:
    """Whose line a frame is, for when it is acknowledged; `place` is None for all but the last part of a line."""

    source: Worker
    place: Any


class Pipeline:
    """Run it in a thread of its own; `stop` ends it, after what is in flight was acknowledged or DRAIN_SECONDS."""

    def __init__(self, name: str, targets: Sequence[Target], config: Config, say: Say) -> None:
        self._targets = targets
        self._node = config.node
        self._limits: Limits = config.limits
        self._errors: dict[str, str] = {}
        self._counts: Counter[str] = Counter()
        poll = config.limits.poll_seconds
        self._sources = [Worker(source, poll) for source in make_sources(config, name)]
        if config.limits.heartbeat_seconds:
            # First, so that it finds room in the window however much the others have to send.
            beat = Heartbeat(
                config.node, config.limits.heartbeat_seconds, tuple(self._sources), self._counts, self._errors
            )
            self._sources.insert(0, Worker(beat, poll))
        self._state = State(Path(config.state_dir) / f"{name}.json", config.limits.resend_seconds)
        self._say = say
        self._stop = threading.Event()
        self._lost_at = time.monotonic()
        self._next_save = 0.0
        self._next_report = 0.0
        self._proved = False
        self._moved = time.monotonic()
        self.status = Status(name)

    def stop(self) -> None:
        """Ask the pipeline to end."""
        self._stop.set()

    def stands_still(self, now: float) -> str | None:
        """A sentence when the pipeline or one of its sources has not moved for HANGING_SECONDS."""
        for source in self._sources:
            if source.hangs_for(now) > HANGING_SECONDS:
                return f"the source {source.name} hangs"
        return f"the pipeline {self.status.name} hangs" if now - self._moved > HANGING_SECONDS else None

    def run(self) -> None:
        """Until stopped. Errors of the network and of files are waited out, never raised."""
        problem = self._state.load(self._lost_at)
        if problem:
            self._say(4, "state_unusable", problem)
        pause, backoff, turn = 0.0, 0.0, 0
        while not self._stop.wait(pause):
            self._proved = False
            self._moved = time.monotonic()
            target = self._targets[turn]
            try:
                self._session(target, Link.connect(target, self._limits))
            except (LinkError, RelpError, SettingsError, OSError) as error:
                self._failed(target, error)
            self.status.connected = None
            pause, turn = 0.0, (turn + 1) % len(self._targets)
            if self._proved:
                pause = backoff = self._limits.backoff_min
                turn = 0
            elif turn == 0:
                pause = backoff = min(max(backoff * 2, self._limits.backoff_min), self._limits.backoff_max)
        self._save(force=True)

    def _failed(self, target: Target, error: Exception) -> None:
        text = explain(error)
        text = text if text.startswith(target.name) else f"{target.name}: {text}"
        self.status.last_error = {"time": time.time(), "message": text}
        self._say(4, f"link {target.name}", text)

    def _session(self, target: Target, link: Link) -> None:
        """Send until something breaks, the first target should be tried again, or the end is asked for."""
        positions, high_water = self._state.resume(self._lost_at), self._state.high_water
        self.status.connected, self.status.connected_since = target.name, time.time()
        self._say(6, f"link {target.name}", f"connected to {target.name}")
        try:
            for source in self._sources:
                source.open(positions.get(source.name, {}), high_water.get(source.name, {}))
            self._pump(link, target)
        finally:
            now = time.monotonic()
            self._lost_at = max(min(link.heard, now), now - self._limits.ack_timeout)
            link.close(polite=self._stop.is_set())
            for source in self._sources:
                source.end()
            for source in self._sources:
                source.close()
            self._record(now)
            self.status.in_flight = 0

    def _pump(self, link: Link, target: Target) -> None:
        started = time.monotonic()
        deadline = float("inf")
        while True:
            now = self._moved = time.monotonic()
            stopping = self._stop.is_set()
            if stopping:
                deadline = min(deadline, now + DRAIN_SECONDS)
                if not link.window or now > deadline:
                    return
            more = not stopping and self._fill(link)
            link.flush()
            self._acknowledge(link.acknowledged())
            if link.silent_for(now) > self._limits.ack_timeout:
                raise LinkError(f"no acknowledgement for {self._limits.ack_timeout:.0f} s")
            if now - started > self._limits.failback_seconds and target is not self._targets[0]:
                started = now
                if self._first_target_is_back():
                    return
            self._proved = self._proved or now - started > self._limits.backoff_max
            self._record(now)
            self._save()
            self._report(link, now)
            self._wait(link, reading=link.room and not stopping, more=more)

    def _wait(self, link: Link, reading: bool, more: bool) -> None:
        """Until the collector answers, or a source has something while `reading`; not at all while there is `more`."""
        numbers = [source.fileno() for source in self._sources]
        link.wait(numbers if reading else [], 0.0 if more else min(0.5, self._limits.poll_seconds))

    def _first_target_is_back(self) -> bool:
        try:
            Link.connect(self._targets[0], self._limits).close(polite=True)
        except (LinkError, SettingsError):
            return False
        self._proved = True
        return True

    def _fill(self, link: Link) -> bool:
        """Send some lines of each source in turn; whether there may be more at once."""
        more = False
        for source in self._sources:
            for _count in range(TURN):
                if not link.room:
                    return False
                if not self._send_next(link, source):
                    break
            else:
                more = True
        return more

    def _send_next(self, link: Link, source: Worker) -> bool:
        """Send one line; a source that cannot be read is mentioned, and does not stop the others."""
        try:
            line = source.next()
        except OSError as error:
            self._errors[source.name] = str(error)
            self._say(3, f"source {source.name}", f"the source {source.name} cannot be read: {error}")
            return False
        if line is None and source.hangs_for(time.monotonic()) > worker.SLOW_SECONDS:
            self._errors[source.name] = "it hangs"
            self._say(3, f"source {source.name}", f"the source {source.name} hangs: nothing is read from it any more")
            return False
        self._errors.pop(source.name, None)
        if line is None:
            return False
        if line.message.source == "forward":
            self._say(4, f"remark {source.name}", line.message.text)
        *parts, last = encode(line.message, self._limits.frame_bytes)
        for part in parts:
            link.send("syslog", part, InFlight(source, None))
        link.send("syslog", last, InFlight(source, line.place))
        return True

    def _acknowledge(self, tokens: list[object]) -> None:
        for token in tokens:
            if isinstance(token, InFlight) and token.place is not None:
                token.source.acknowledge(token.place)
                self._counts[token.source.name] += 1
        if tokens:
            self._proved = True
            self.status.acknowledged += len(tokens)
            self.status.last_acknowledged = time.time()

    def _record(self, now: float) -> None:
        """Hand the acknowledged positions to the state; a source that repeats old lines keeps its old best."""
        high_water = self._state.high_water
        positions = {}
        for source in self._sources:
            position, caught_up, _figures = source.published()
            positions[source.name] = position if caught_up else high_water.get(source.name, {})
        self._state.record(positions, now)

    def _save(self, force: bool = False) -> None:
        """Write the state now and then. When that fails, sending goes on: after a restart more is sent twice."""
        now = time.monotonic()
        if not force and now < self._next_save:
            return
        self._next_save = now + self._limits.save_seconds
        try:
            self._state.save(now)
        except OSError as error:
            self.status.state_error = str(error)
            text = f"the state cannot be written ({error}): sending goes on, a restart will send lines again"
            self._say(3, "state", text)
        else:
            if self.status.state_error:
                self._say(5, "state", "the state can be written again")
            self.status.state_error = None

    def _report(self, link: Link, now: float) -> None:
        """Refresh the figures of the status file; whole objects are replaced, another thread reads them."""
        self.status.in_flight = len(link.window)
        if now < self._next_report:
            return
        self._next_report = now + REPORT_SECONDS
        self.status.sources = {source.name: self._figures(source) for source in self._sources}

    def _figures(self, source: Worker) -> dict[str, Any]:
        error = self._errors.get(source.name)
        return {"lines": self._counts[source.name]} | source.backlog() | ({"error": error} if error else {})


def make_sources(config: Config, pipeline: str) -> list[Source]:
    """The sources of the configuration, each pipeline has its own."""
    sources: list[Source] = []
    if config.journal is not None:
        sources.append(JournalSource(config.journal, config.node))
    for spec in config.files:
        done = Path(config.state_dir) / f"{pipeline}.{spec.name}.done"
        sources.append(FileSource(spec, config.node, config.limits.poll_seconds, done))
    return sources


def make_pipelines(config: Config, say: Say) -> list[Pipeline]:
    """One for all targets (failover), or one for each (parallel)."""
    if config.mode == "failover":
        return [Pipeline("failover", config.targets, config, say)]
    safe = str.maketrans(dict.fromkeys("/:[]", "_"))
    return [Pipeline(target.name.translate(safe), [target], config, say) for target in config.targets]
