# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make the package of roles/node_logging/files importable, as it is on a node."""

from __future__ import annotations

import sys
from pathlib import Path

FILES = str(Path(__file__).resolve().parents[4] / "roles" / "node_logging" / "files")
if FILES not in sys.path:
    sys.path.insert(0, FILES)
