# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A change of sshd that undoes itself unless it is confirmed.

Before the new file takes its place, the old one is kept and a timer is set; what the timer starts lies on disk and
needs neither Ansible nor a login. It also runs at boot, before sshd, so that no power cut keeps a change unconfirmed.
One lock keeps the undoing and the confirming apart: whoever comes first, wins, and the other one sees it.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass

from ansible_collections.pve.audit.plugins.module_utils._model.errors import InputError
from ansible_collections.pve.audit.plugins.module_utils._node.command import Runner
from ansible_collections.pve.audit.plugins.module_utils._node.managed_file import (
    FileState,
    Wanted,
    differences,
    read_state,
    remove_file,
    restore_file,
    sync_directory,
    write_file,
)

NAME = "pve-audit-sshd-undo"
RELOAD = ("systemctl", "try-reload-or-restart", "ssh.service")


@dataclass(frozen=True)
class CommitPlaces:
    """Where the change that waits is kept; only tests use others."""

    state: str = "/var/lib/pve-audit/sshd"
    units: str = "/etc/systemd/system"
    lock: str = "/run/pve-audit-sshd.lock"

    def kept(self, name: str) -> str:
        """`old`, `pending`, `undone` or `undo.sh`."""
        return os.path.join(self.state, name)

    @property
    def unit(self) -> str:
        """The unit that undoes."""
        return os.path.join(self.units, f"{NAME}.service")

    @property
    def wants(self) -> str:
        """The link that starts it at boot."""
        return os.path.join(self.units, "multi-user.target.wants", f"{NAME}.service")


def script(path: str, places: CommitPlaces) -> str:
    """What undoes the change. Without `old` there was no file before."""
    return f"""#!/bin/sh
# Undoes a change of sshd that nobody has confirmed. Written by pve.audit.sshd_config.
exec 9>'{places.lock}' && flock 9 || exit 1
cd '{places.state}' && test -e pending || exit 0
if test -e old; then
    cp -p old '{path}.dpkg-tmp' && mv -f '{path}.dpkg-tmp' '{path}' || exit 1
else
    rm -f '{path}' || exit 1
fi
date -u +%Y-%m-%dT%H:%M:%SZ >undone
sync
rm -f pending old undo.sh '{places.wants}' '{places.unit}'
# Not waited for: at boot this runs before sshd.
/usr/sbin/sshd -t && systemctl --no-block try-reload-or-restart ssh.service
"""


def unit_text(places: CommitPlaces) -> str:
    """The unit that undoes the change, for the timer and for the next boot."""
    return f"""# Written by pve.audit.sshd_config; it goes when the change is confirmed.
[Unit]
Description=Undo a change of the SSH server that nobody has confirmed
Before=ssh.service
ConditionPathExists={places.kept("pending")}

[Service]
Type=oneshot
ExecStart=/bin/sh {places.kept("undo.sh")}
Restart=on-failure
RestartSec=5

[Install]
WantedBy=multi-user.target
"""


@contextlib.contextmanager
def locked(places: CommitPlaces) -> Iterator[None]:
    """Nobody else changes, undoes or confirms."""
    with open(places.lock, "w", encoding="ascii") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def is_pending(places: CommitPlaces) -> bool:
    """Whether a change waits for its confirmation."""
    return os.path.exists(places.kept("pending"))


def undone_at(places: CommitPlaces) -> str | None:
    """When the last change was undone, unless another one was made since."""
    state = read_state(places.kept("undone"))
    return state.content.decode("ascii", "replace").strip() if state else None


def digest(content: bytes | None) -> str:
    """A name for a content; for no file too."""
    return "absent" if content is None else hashlib.sha256(content).hexdigest()


def arm(path: str, new: bytes | None, seconds: int, places: CommitPlaces, run: Runner) -> None:
    """Keep what was last confirmed, and set the timer anew. Raises InputError when there can be no timer."""
    os.makedirs(places.state, mode=0o700, exist_ok=True)
    if not is_pending(places):
        remove_file(places.kept("undone"))
        restore_file(places.kept("old"), read_state(path))
    _write(places.kept("undo.sh"), script(path, places), 0o700)
    _write(places.unit, unit_text(places), 0o644)
    _write(places.kept("pending"), digest(new) + "\n", 0o600)
    os.makedirs(os.path.dirname(places.wants), exist_ok=True)
    if not os.path.lexists(places.wants):
        os.symlink(places.unit, places.wants)
    _stop_timer(run)
    timer = ["systemd-run", "--quiet", f"--on-active={seconds}", "--timer-property=AccuracySec=1s"]
    for command in (["systemctl", "daemon-reload"], [*timer, f"--unit={NAME}.service"]):
        outcome = run(command)
        if not outcome.ok:
            raise InputError(f"no timer could be set that would undo the change: {outcome.stderr.strip()}")


def disarm(places: CommitPlaces, run: Runner) -> None:
    """Confirm: from the first line on, nothing is undone any more."""
    remove_file(places.kept("pending"))
    _stop_timer(run)
    for path in (places.kept("old"), places.kept("undo.sh"), places.unit):
        remove_file(path)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(places.wants)
        sync_directory(places.wants)
    run(["systemctl", "daemon-reload"])


def undo(path: str, places: CommitPlaces, run: Runner) -> None:
    """Put back at once what was last confirmed."""
    restore_file(path, read_state(places.kept("old")))
    disarm(places, run)


def is_new(content: FileState | None, places: CommitPlaces) -> bool:
    """Whether this is the content that waits for its confirmation."""
    state = read_state(places.kept("pending"))
    return state is not None and state.content == f"{digest(content.content if content else None)}\n".encode()


def reload_sshd(run: Runner) -> None:
    """Let a running sshd read its configuration. Raises InputError when it does not want to."""
    outcome = run(RELOAD)
    if not outcome.ok:
        raise InputError(f"sshd could not be reloaded: {outcome.stderr.strip()}")


def _stop_timer(run: Runner) -> None:
    # Says 5 when there is none.
    run(["systemctl", "stop", f"{NAME}.timer"])


def _write(path: str, text: str, mode: int) -> None:
    wanted = Wanted(path, text.encode(), mode)
    if differences(wanted, read_state(path)):
        write_file(wanted)
