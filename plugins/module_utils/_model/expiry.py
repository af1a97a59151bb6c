# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When an account or a token ends, as people write it, in the seconds that Proxmox VE stores."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime

from ansible_collections.pve.audit.plugins.module_utils._model.errors import InputError

NEVER = 0
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_EPOCH = re.compile(r"\d{1,11}", re.ASCII)
# Shorter numbers, such as 20270630 and 365, are meant to be something else.
_LEAST_EPOCH = 100_000_000


def parse_expire(value: object) -> int:
    """Epoch seconds of the last second in which the account works; 0 for never.

    `value` is `never` (or empty, or 0), a date (its last second in UTC), or epoch seconds. A YAML date is a date.
    Raises InputError for anything else, epoch seconds before 1973-03-03 included.
    """
    text = value.isoformat()[:10] if isinstance(value, date) else str(value).strip()
    if text in ("", "never"):
        return NEVER
    if _EPOCH.fullmatch(text):
        return _epoch(text)
    try:
        if not _DATE.fullmatch(text):
            raise ValueError
        day = datetime.fromisoformat(text).replace(hour=23, minute=59, second=59, tzinfo=UTC)
        seconds = int(day.timestamp())
        if seconds < 0:
            raise ValueError
    except ValueError:
        raise InputError(
            f"expire: {text!r} is no date: write never, a date such as 2027-06-30 (its last second in UTC), or epoch "
            "seconds"
        ) from None
    return seconds


def _epoch(text: str) -> int:
    seconds = int(text)
    if NEVER < seconds < _LEAST_EPOCH:
        raise InputError(f"expire: {text!r} would be epoch seconds before 1974: is this a date? write 2027-06-30")
    return seconds
