# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which files of the archive have something new, and which of them the index knows under another name."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from pve_audit.collector.index.database import Known
from pve_audit.collector.index.lines import UNREAD
from pve_audit.collector.index.reading import digest_of, files_of, first_line
from pve_audit.collector.settings import Settings
from pve_audit.collector.store import DamagedError, DayFile
from pve_audit.files import exclusive_lock


class Survey(NamedTuple):
    """All files, each with what is known of it; those to be read; and what is known of files that are gone."""

    files: list[tuple[DayFile, Known]]
    news: list[tuple[DayFile, Known]]
    gone: list[Known]


def survey(settings: Settings, known: Iterable[Known]) -> Survey:
    """Compare the archive with what is known. Nobody closes or deletes a day meanwhile. Raises OSError.

    A file that was closed since is known by its first line: closing packs it under another name.
    """
    with exclusive_lock(Path(settings.state) / "lock"):
        files = [file for file in files_of(Path(settings.archive)) if file.source not in UNREAD]
        looks = {file: look_of(file.path) for file in files}
        left = {(one.node, one.source, one.name): one for one in known}
        pairs = {}
        for file in files:
            one = left.get((file.node, file.source, file.path.name))
            if one is not None and one.seen == looks[file]:
                pairs[file] = left.pop((file.node, file.source, file.path.name))
        for file in files:
            if file not in pairs:
                pairs[file] = _known_by_content(file, left)
    news = [(file, one) for file, one in pairs.items() if one.seen != looks[file]]
    return Survey([(file, pairs[file]) for file in files], news, list(left.values()))


def _known_by_content(file: DayFile, left: dict[tuple[str, str, str], Known]) -> Known:
    """Takes the one that is known of this file out of `left`; a new one where there is none."""
    name, head = file.path.name, ""
    with contextlib.suppress(DamagedError, FileNotFoundError):
        head = digest_of(first_line(file.path))
    same = [
        key
        for key, one in left.items()
        if key[:2] == (file.node, file.source) and one.name.startswith(f"{file.day}.") and one.head in ("", head)
    ]
    same = [key for key in same if key[2] == name] or [key for key in same if head and left[key].head == head]
    if not same:
        return Known(0, file.node, file.source, name)
    return replace(left.pop(same[0]), name=name, seen="")


def look_of(path: Path) -> str:
    """Changes whenever the content may have changed; empty for a file that is not there."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return ""
    return f"{found.st_ino}:{found.st_size}:{found.st_mtime_ns}"
