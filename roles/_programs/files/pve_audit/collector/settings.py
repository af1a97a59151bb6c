# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings of the collector: one JSON file, written by the role."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from pve_audit.settings_file import SettingsError, read_settings

DEFAULT_PATH = "/etc/pve-audit/collector.json"
# A directory below the archive: no leading dot, no slash, nothing a shell or a terminal would read.
COMPONENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Settings:
    """`listeners` maps the name of an rsyslog input to the node whose certificate is the only one it lets in.

    `silence_sources` are sources that never rest for more minutes than this on a node that lives.
    `partial` maps a node to those of its sources of which it may send a part only, or lines without numbers.
    Days are whole days (UTC), disk thresholds per cent used, sizes bytes, times seconds.
    """

    archive: str
    state: str
    rejected: str
    unit: str = "pve-audit-collector.service"
    listeners: dict[str, str] = field(default_factory=dict)
    ports: dict[str, str] = field(default_factory=dict)
    runtime: str = "/run/pve-audit-collector"
    compression: str = "gzip"
    grace_seconds: int = 900
    sync_seconds: float = 1.0
    max_sources: int = 32
    max_open_files: int = 256
    rejected_max_bytes: int = 64 * 1024 * 1024
    retention_days: int = 365
    retention_minimum_days: int = 90
    retention_kept_days: int = 30
    retention_days_per_run: int = 7
    disk_warn_percent: int = 80
    disk_critical_percent: int = 90
    partial: dict[str, list[str]] = field(default_factory=dict)
    silence_minutes: float = 10
    silence_sources: dict[str, float] = field(default_factory=lambda: {"journal": 60})
    quota_bytes: int = 2048 << 20
    reserve_bytes: int = 256 << 20

    @property
    def manifest(self) -> Path:
        return Path(self.archive) / "manifest.jsonl"

    @property
    def head(self) -> Path:
        """The last hash of the manifest, kept outside the archive."""
        return Path(self.state) / "manifest.head"

    @property
    def reserve(self) -> Path:
        """The file that keeps room for what makes room."""
        return Path(self.archive) / ".reserve"

    @property
    def index(self) -> Path:
        """The directory of the index, which is no evidence and may be deleted at any time."""
        return Path(self.state) / "index"

    @property
    def unkept(self) -> Path:
        """What was not kept because of a quota."""
        return Path(self.state) / "unkept.json"


def parse(data: Any) -> Settings:
    """Raises SettingsError."""
    if not isinstance(data, dict):
        raise SettingsError("the settings must be a JSON object")
    known = {one.name for one in fields(Settings)}
    unknown = sorted(set(data) - known)
    if unknown:
        raise SettingsError(f"unknown settings: {', '.join(unknown)}")
    try:
        settings = Settings(**data)
    except TypeError as error:
        raise SettingsError(f"settings are missing: {error}") from error
    for objection in _objections(settings):
        raise SettingsError(objection)
    return settings


def _objections(settings: Settings) -> Iterator[str]:
    """One sentence for each value that cannot be used."""
    wrong = [node for node in settings.listeners.values() if not COMPONENT.fullmatch(node)]
    if wrong:
        yield f"these nodes cannot be the names of directories: {', '.join(wrong)}"
    if settings.compression not in ("gzip", "xz"):
        yield f"compression must be gzip or xz, not {settings.compression!r}"
    if not all(type(one) in (int, float) and one > 0 for one in _minutes(settings)):
        yield "silence_minutes and silence_sources must be minutes, more than 0"
    if not _is_lists(settings.partial):
        yield "partial must be a list of sources for each node"
    if settings.retention_days_per_run < 1:
        yield "retention_days_per_run must be at least 1"
    if settings.retention_days < max(1, settings.retention_minimum_days):
        yield "retention_days must not be less than retention_minimum_days"


def _minutes(settings: Settings) -> list[Any]:
    sources: Any = settings.silence_sources
    return [settings.silence_minutes, *(sources.values() if isinstance(sources, dict) else [None])]


def _is_lists(data: Any) -> bool:
    """Whether it maps to lists of texts."""
    return isinstance(data, dict) and all(
        isinstance(one, list) and all(isinstance(text, str) for text in one) for one in data.values()
    )


def load(path: str = DEFAULT_PATH) -> Settings:
    """Raises SettingsError."""
    return parse(read_settings(path))
