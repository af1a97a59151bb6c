# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nothing in a text stays hidden."""

from __future__ import annotations

import base64
import hashlib
import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.pve.audit.plugins.plugin_utils._render.text import csp_hash, safe_text

TEXTS: list[tuple[Any, bool, str]] = [
    (None, False, ""),
    (7, False, "7"),
    ("Grüße aus Köln, 日本", False, "Grüße aus Köln, 日本"),
    ("a\nb\tc\rd", False, "a\\nb\\tc\\rd"),
    ("a\r\nb\tc\rd\x00", True, "a\nb\tc\\rd\\x00"),
    ("\x1b[31m\x7f\x85", False, "\\x1b[31m\\x7f\\x85"),
    ("\u202e\u2066\u200b\ufeff\u2028", False, "\\u202e\\u2066\\u200b\\ufeff\\u2028"),
    ("\U000e0041", False, "\\U000e0041"),
    ("\ud800", False, "\\ud800"),
]


@pytest.mark.parametrize(("value", "multiline", "text"), TEXTS)
def test_safe_text(value: Any, multiline: bool, text: str) -> None:
    assert safe_text(value, multiline=multiline) == text


@given(st.text())
def test_no_control_or_format_character_is_left(text: str) -> None:
    out = safe_text(text)
    assert not [char for char in out if unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp")]
    assert not [
        char
        for char in out
        if unicodedata.bidirectional(char) in ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")
    ]
    out.encode("utf-8")


def test_csp_hash() -> None:
    digest = base64.b64encode(hashlib.sha256("ä()".encode()).digest()).decode()
    assert csp_hash("ä()") == f"'sha256-{digest}'"
