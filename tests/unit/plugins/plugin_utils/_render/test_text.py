# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hash by which a page allows its own inline text."""

from __future__ import annotations

import base64
import hashlib

from ansible_collections.pve.audit.plugins.plugin_utils._render.text import csp_hash


def test_csp_hash() -> None:
    digest = base64.b64encode(hashlib.sha256("ä()".encode()).digest()).decode()
    assert csp_hash("ä()") == f"'sha256-{digest}'"
