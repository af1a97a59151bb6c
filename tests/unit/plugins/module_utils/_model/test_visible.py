# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nothing in a text stays hidden."""

from __future__ import annotations

import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.pve.audit.plugins.module_utils._model.visible import safe_text

# Text, whether it may have lines, and what is shown; None: the same as it came.
TEXTS: list[tuple[Any, bool, str | None]] = [
    (None, False, ""),
    (7, False, "7"),
    ("Grüße aus Köln, 日本", False, "Grüße aus Köln, 日本"),
    ("a\nb\tc\rd", False, "a\\nb\\tc\\rd"),
    ("a\r\nb\tc\rd\x00", True, "a\nb\tc\\rd\\x00"),
    ("\x1b[31m\x7f\x85", False, "\\x1b[31m\\x7f\\x85"),
    ("\u202e\u2066\u200b\ufeff\u2028", False, "\\u202e\\u2066\\u200b\\ufeff\\u2028"),
    ("\U000e0041", False, "\\U000e0041"),
    ("\ud800", False, "\\ud800"),
    # Written by people, and to be read by people.
    ("Łukasz Żółć, Œuvre, Straße, Nguyễn Văn, a\u0301", False, "Łukasz Żółć, Œuvre, Straße, Nguyễn Văn, a\u0301"),
    ("Иван Петров с работы, Ελλάδα, VM日本テスト, 한국어, हिन्दी, עברית", False, None),
    ("5 µm, 1º, m², „quote“ – … € 😀", False, None),
    # Names that pass for others: another script in one word, a whole name of look-alikes, other forms of ASCII.
    ("\u0430lice@pve", False, "\\u0430lice@pve"),
    ("r\u03bfot@pam", False, "r\\u03bfot@pam"),
    ("\u0440\u0430\u0443\u0440\u0430l@pve", False, "\\u0440\\u0430\\u0443\\u0440\\u0430l@pve"),
    ("\u0441\u043e\u0441\u043e@pve", False, "\\u0441\\u043e\\u0441\\u043e@pve"),
    ("adm\u0131n \u0261roup", False, "adm\\u0131n \\u0261roup"),
    ("\uff41dmin \U0001d41bob \u217cinux \ufb01le", False, "\\uff41dmin \\U0001d41bob \\u217cinux \\ufb01le"),
    (
        "alice\uff20pve a\u2024b svc\u01c3x 1\u2044\u2215\ua789",
        False,
        "alice\\uff20pve a\\u2024b svc\\u01c3x 1\\u2044\\u2215\\ua789",
    ),
    # Variation selectors, blanks that are not the plain one, letters without ink, marks that stack up.
    ("alice\ufe0f\ufe00\U000e0100\u180b", False, "alice\\ufe0f\\ufe00\\U000e0100\\u180b"),
    ("a\u00a0b\u2003c\u3000\u2800\u3164\u115f\uffa0", False, "a\\xa0b\\u2003c\\u3000\\u2800\\u3164\\u115f\\uffa0"),
    ("a\u0301\u0302\u0303\u0304", False, "a\u0301\u0302\\u0303\\u0304"),
]


@pytest.mark.parametrize(("value", "multiline", "text"), TEXTS)
def test_safe_text(value: Any, multiline: bool, text: str | None) -> None:
    assert safe_text(value, multiline=multiline) == (value if text is None else text)


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


@given(st.text())
def test_what_is_shown_is_shown_the_same_again(text: str) -> None:
    assert safe_text(safe_text(text)) == safe_text(text)
