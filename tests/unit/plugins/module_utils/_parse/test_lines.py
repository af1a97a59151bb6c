# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Texts that the API serves byte by byte are put together again, and no other text is touched."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.pve.audit.plugins.module_utils._parse.lines import from_bytewise

CASES = [
    ("TASK OK", "TASK OK"),
    ("Ã¤ndern", "ändern"),
    ("GrÃ¶Ã\x9fe: 5 GiB â\x80\x93 æ\x97¥æ\x9c¬", "Größe: 5 GiB – 日本"),
    # Somebody wrote `Ã¤`: its four bytes are put together once, not twice.
    ("Ã\x83Â¤", "Ã¤"),
    # Right already, as it holds more than bytes, or bytes that are no UTF-8.
    ("ändern", "ändern"),
    ("Größe – 日本", "Größe – 日本"),
    ("Ã¤ – right already", "Ã¤ – right already"),
    # Latin-1 in the file, and a line cut within a letter: as a whole they are no UTF-8.
    ("Ã¤ and ä", "Ã¤ and ä"),
    ("Ã¤ cut off: Ã", "Ã¤ cut off: Ã"),
    ("\udce4", "\\xe4"),
]


@pytest.mark.parametrize(("served", "text"), CASES)
def test_text_of_the_task_api(served: str, text: str) -> None:
    assert from_bytewise(served) == text


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_whatever_was_written_is_read(text: str) -> None:
    assert from_bytewise(text.encode().decode("latin-1")) == text
