# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a page says about its own inline text."""

from __future__ import annotations

import base64
import hashlib


def csp_hash(text: str) -> str:
    """The source expression by which a Content-Security-Policy accepts exactly this inline text: `'sha256-...'`."""
    digest = hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"
