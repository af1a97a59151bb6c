# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Instants in the reader's zone, and whole days."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.pve.audit.plugins.module_utils._model.errors import InputError
from ansible_collections.pve.audit.plugins.plugin_utils._render.local import LAYOUT, full_days, local_time

TIMES: list[tuple[Any, str, str, str]] = [
    ("2026-11-23T17:40:33Z", "Europe/Berlin", LAYOUT, "2026-11-23 18:40:33 +01:00"),
    ("2026-07-01T00:00:00Z", "Europe/Berlin", LAYOUT, "2026-07-01 02:00:00 +02:00"),
    ("2026-11-23T17:40:33Z", "America/St_Johns", LAYOUT, "2026-11-23 14:10:33 -03:30"),
    ("2026-11-23T17:40:33Z", "UTC", "%d.%m. %H:%M", "23.11. 17:40"),
    ("", "UTC", LAYOUT, ""),
    (None, "UTC", LAYOUT, ""),
]


@pytest.mark.parametrize(("text", "zone", "layout", "shown"), TIMES)
def test_local_time(text: Any, zone: str, layout: str, shown: str) -> None:
    assert local_time(text, zone, layout) == shown


DAYS = [
    (7, "UTC", "2026-11-23T17:40:33Z", "2026-11-16T00:00:00Z", "2026-11-23T00:00:00Z"),
    (7, "Europe/Berlin", "2026-11-23T23:30:00Z", "2026-11-16T23:00:00Z", "2026-11-23T23:00:00Z"),
    (1, "Europe/Berlin", "2026-10-26T12:00:00Z", "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z"),  # a day of 25 hours
    (1, "Europe/Berlin", "2026-03-30T12:00:00Z", "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z"),  # and one of 23
]


@pytest.mark.parametrize(("days", "zone", "now", "since", "until"), DAYS)
def test_full_days(days: int, zone: str, now: str, since: str, until: str) -> None:
    assert full_days(days, zone, now) == {"since": since, "until": until}


@pytest.mark.parametrize("days", [0, -1, 3661, True, "7", None, 1.5])
def test_full_days_refuses(days: Any) -> None:
    with pytest.raises(InputError, match="is not a number of days"):
        full_days(days, "UTC", "2026-11-23T17:40:33Z")


@pytest.mark.parametrize(
    ("text", "zone", "layout"), [("noon", "UTC", LAYOUT), ("2026-11-23T00:00:00Z", "Mars", LAYOUT)]
)
def test_local_time_refuses(text: str, zone: str, layout: str) -> None:
    with pytest.raises(InputError):
        local_time(text, zone, layout)
