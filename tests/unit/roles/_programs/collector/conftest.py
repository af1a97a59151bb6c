# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An archive in a temporary directory, cleared of attributes afterwards so that it can be deleted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pve_audit.collector.attributes import set_attribute
from pve_audit.collector.settings import Settings

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC).timestamp()
LINE = '<30>1 2026-11-20T10:00:00Z {node} app 1 {source} [pveaudit@32473 node="{node}" source="{source}"{more}] {text}'


def entry(number: int, node: str = "pve1", text: str = "hello", journal: str = "aa", more: str = "") -> bytes:
    """A line of a journal."""
    cursor = f' cursor="s={journal};i={number:x};b=bb;m=1;t=2;x=3"{more}'
    return LINE.format(node=node, source="journal", more=cursor, text=text).encode()


def span(offset: int, text: str, more: str = "") -> bytes:
    """A line of access.log."""
    place = f' file="/var/log/pveproxy/access.log" inode="7" fingerprint="f" offset="{offset}"{more}'
    return LINE.format(node="pve1", source="access.log", more=place, text=text).encode()


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[Settings]:
    for name in ("archive", "state", "rejected", "run"):
        (tmp_path / name).mkdir()
    yield Settings(
        archive=str(tmp_path / "archive"),
        state=str(tmp_path / "state"),
        rejected=str(tmp_path / "rejected"),
        runtime=str(tmp_path / "run"),
        listeners={"relp-pve1": "pve1", "relp-pve2": "pve2"},
    )
    for path in (tmp_path / "archive").rglob("*"):
        if path.is_file() and not path.is_symlink():
            set_attribute(path, "none")


@pytest.fixture
def day(settings: Settings) -> Callable[..., Path]:
    """Lay down an open file with some entries."""

    def make(name: str, numbers: Any = (1, 2, 3), node: str = "pve1", source: str = "journal") -> Path:
        path = Path(settings.archive, node, source, f"{name}.log")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"".join(entry(number, node) + b"\n" for number in numbers))
        path.chmod(0o640)
        return path

    return make
