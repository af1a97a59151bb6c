# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The service: configuration, threads, signals, the status file, and few words in the journal."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

from pve_audit import VERSION
from pve_audit.files import exclusive_lock, write_atomic
from pve_audit.forward.pipeline import Pipeline, make_pipelines
from pve_audit.forward.settings import Config, load
from pve_audit.forward.watchdog import notify
from pve_audit.settings_file import SettingsError

REPEAT_SECONDS = 600.0
CONTROL = dict.fromkeys((*range(0x20), 0x7F), " ")
STATUS_SECONDS = 2.0
# Shorter than TimeoutStopSec of the unit.
STOP_SECONDS = 20.0


class Voice:
    """Writes to standard error for the journal. What we say is itself forwarded: the same thing is said rarely."""

    def __init__(self, write: Callable[[str], object], clock: Callable[[], float] = time.monotonic) -> None:
        self._write = write
        self._clock = clock
        self._lock = threading.Lock()
        self._said: dict[tuple[str, str], float] = {}

    def say(self, severity: int, key: str, text: str) -> None:
        """`key` is the subject. News about it are said at once, the same thing again after REPEAT_SECONDS."""
        now = self._clock()
        with self._lock:
            said = self._said.get((key, text))
            if said is not None and now - said < REPEAT_SECONDS:
                return
            if len(self._said) > 500:
                self._said.clear()
            self._said[key, text] = now
        self._write(f"<{severity}>{text.translate(CONTROL)}\n")


def check(config: Config) -> None:
    """What the settings need of the node; certificates are read at each connection. Raises SettingsError."""
    if config.journal is not None and not os.access(config.journal.command[0], os.X_OK):
        raise SettingsError(f"{config.journal.command[0]} is not a program")


def hold_lock(stack: contextlib.ExitStack, state_dir: Path) -> None:
    """Only one forwarder for one state directory, until the stack ends. Raises SettingsError."""
    try:
        state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        stack.enter_context(exclusive_lock(state_dir, wait=False))
    except BlockingIOError:
        raise SettingsError(f"another forwarder already uses the state directory {state_dir}") from None
    except OSError as error:
        raise SettingsError(f"the state directory {state_dir} cannot be used: {error.strerror}") from error


def write_status(config: Config, pipelines: Sequence[Pipeline]) -> None:
    """The status file, for people and for the module node_logging_info. Raises OSError."""
    status = {
        "version": 1,
        "program": VERSION,
        "pid": os.getpid(),
        "node": config.node,
        "mode": config.mode,
        "updated": time.time(),
        "pipelines": [asdict(pipeline.status) for pipeline in pipelines],
    }
    write_atomic(Path(config.status_file), json.dumps(status).encode(), durable=False)


def serve(config: Config, voice: Voice, ended: threading.Event) -> int:
    """Run until `ended`. Returns the exit status."""
    pipelines = make_pipelines(config, voice.say)
    # What hangs in the kernel cannot be ended, and must not keep the service from ending.
    threads = [threading.Thread(target=one.run, name=one.status.name, daemon=True) for one in pipelines]
    for thread in threads:
        thread.start()
    notify("READY=1", "WATCHDOG=1")
    while not ended.wait(STATUS_SECONDS) and all(thread.is_alive() for thread in threads):
        _status(config, pipelines, voice)
        _watch(pipelines, voice)
    failed = not ended.is_set()
    notify("STOPPING=1")
    for pipeline in pipelines:
        pipeline.stop()
    deadline = time.monotonic() + STOP_SECONDS
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    _status(config, pipelines, voice)
    return 1 if failed else 0


def _watch(pipelines: Sequence[Pipeline], voice: Voice) -> None:
    """Feed the watchdog as long as everything moves."""
    now = time.monotonic()
    still = [sentence for one in pipelines if (sentence := one.stands_still(now)) is not None]
    for sentence in still:
        voice.say(2, sentence, f"{sentence}: the watchdog will start the service anew")
    if not still:
        notify("WATCHDOG=1")


def _status(config: Config, pipelines: Sequence[Pipeline], voice: Voice) -> None:
    try:
        write_status(config, pipelines)
    except OSError as error:
        voice.say(4, "status", f"the status file {config.status_file} cannot be written: {error}")


def main(arguments: list[str]) -> int:
    """The command line. Returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="pve_audit forward", description="Send the journal and log files to a collector."
    )
    parser.add_argument("--config", default="/etc/pve-audit/forward.json")
    parser.add_argument("--check", action="store_true", help="say what is wrong with the settings, and end")
    options = parser.parse_args(arguments)
    voice = Voice(lambda text: (sys.stderr.write(text), sys.stderr.flush()))
    with contextlib.ExitStack() as stack:
        try:
            config = load(options.config)
            if options.check:
                check(config)
                return 0
            hold_lock(stack, Path(config.state_dir))
        except SettingsError as error:
            print(error, file=sys.stderr)
            return 1
        ended = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda _number, _frame: ended.set())
        return serve(config, voice, ended)
