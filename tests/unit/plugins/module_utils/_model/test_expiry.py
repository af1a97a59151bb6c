# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Expiry dates as people write them."""

from __future__ import annotations

from datetime import date

import pytest

from ansible_collections.pve.audit.plugins.module_utils._model.errors import InputError
from ansible_collections.pve.audit.plugins.module_utils._model.expiry import parse_expire


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("never", 0),
        ("", 0),
        ("0", 0),
        (0, 0),
        ("2027-06-30", 1814399999),
        (date(2027, 6, 30), 1814399999),
        (" 1814399999 ", 1814399999),
        (1814399999, 1814399999),
        ("2028-02-29", 1835481599),
        ("00", 0),
        (100000000, 100000000),
    ],
)
def test_expire(value: object, seconds: int) -> None:
    assert parse_expire(value) == seconds


@pytest.mark.parametrize(
    "value", ["2027-02-29", "30.06.2027", "soon", "-1", "1969-01-01", "2027-06-30T12:00:00", True, None]
)
def test_no_expire(value: object) -> None:
    with pytest.raises(InputError, match=r"expire: .* is no date: write never"):
        parse_expire(value)


@pytest.mark.parametrize("value", [1, "365", 2027, 20270630, "99999999", " 20270630 "])
def test_dates_without_hyphens_are_no_seconds(value: object) -> None:
    with pytest.raises(InputError, match=r"^expire: '\d+' would be .* is this a date\? write 2027-06-30$"):
        parse_expire(value)
