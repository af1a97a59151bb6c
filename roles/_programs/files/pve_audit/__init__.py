# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The programs of pve.audit on nodes and collectors. Standard library only, Python 3.11 and newer.

`wire` and `files` are shared and import nothing of ours; forward, preserve, disk_guard and collector use them, and not
each other.
"""

from __future__ import annotations

VERSION = "1.0"
