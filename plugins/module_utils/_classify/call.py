# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The type of one row of the tables of API calls."""

from __future__ import annotations

from typing import Optional

Call = tuple[str, str, str, Optional[bool]]  # noqa: UP045 - an alias is evaluated, and sanity asks for this form
"""``(method, path template, action name, leaves a task)``; the last is None where it depends on what is sent."""
