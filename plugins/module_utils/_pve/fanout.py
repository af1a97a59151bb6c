# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask many things at once, and never wait longer than allowed."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Hashable, Iterable
from typing import Generic, TypeVar

from ansible_collections.pve.audit.plugins.module_utils._model.errors import ApiError, TimeoutReachedError

Key = TypeVar("Key", bound=Hashable)
Answer = TypeVar("Answer")


class FanOut(Generic[Key, Answer]):
    """Call `work(key)` for every key on a bounded pool of threads.

    The threads are daemons: one that hangs in a dead connection does not keep the process alive. Keys that are not
    answered when the time is up are answered with TimeoutReachedError. Only ApiError is an answer; any other exception
    is a mistake in our own code and is raised again by `run`.
    """

    def __init__(self, work: Callable[[Key], Answer], workers: int) -> None:
        self._work = work
        self._workers = max(1, workers)
        self._todo: queue.SimpleQueue[Key] = queue.SimpleQueue()
        self._done: queue.SimpleQueue[tuple[Key, Answer | BaseException]] = queue.SimpleQueue()

    def run(self, keys: Iterable[Key], seconds: float) -> dict[Key, Answer | ApiError]:
        """The answer, or the error, of every key, after at most `seconds`."""
        wanted = list(dict.fromkeys(keys))
        answers: dict[Key, Answer | ApiError] = {}
        for key in wanted:
            self._todo.put(key)
        for _number in range(min(self._workers, len(wanted))):
            threading.Thread(target=self._worker, daemon=True).start()
        deadline = time.monotonic() + seconds
        while len(answers) < len(wanted):
            try:
                key, answer = self._done.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                break
            if isinstance(answer, BaseException) and not isinstance(answer, ApiError):
                raise answer
            answers[key] = answer
        late = TimeoutReachedError(f"no answer within the total time limit of {seconds:g} s")
        return {key: answers.get(key, late) for key in wanted}

    def _worker(self) -> None:
        while True:
            try:
                key = self._todo.get_nowait()
            except queue.Empty:
                return
            try:
                self._done.put((key, self._work(key)))
            except BaseException as error:  # noqa: BLE001 - handed to the caller, who raises what is not an ApiError
                self._done.put((key, error))
