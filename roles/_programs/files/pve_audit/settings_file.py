# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A file of settings, in JSON, as the roles write it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


class SettingsError(Exception):
    """One sentence: which setting is wrong, and what it should be."""


def read_settings(path: str) -> Any:
    """What the file holds, unchecked. Raises SettingsError."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise SettingsError(f"{path} is not JSON: {error}") from error
