# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Log text in Markdown shows itself and does nothing else."""

from __future__ import annotations

import re
from typing import Any

import cmarkgfm
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.pve.audit.plugins.plugin_utils._render.markdown import escape_markdown

TEXTS: list[tuple[Any, str]] = [
    (None, ""),
    (100, "100"),
    ("plain text", "plain text"),
    ("iac@pve!janitor", "iac@pve\\!janitor"),
    ("<script>alert(1)</script>", "&lt;script&gt;alert\\(1\\)&lt;/script&gt;"),
    ("a | b", "a \\| b"),
    ("`x` *y* _z_ ~~w~~", "\\`x\\` \\*y\\* \\_z\\_ \\~\\~w\\~\\~"),
    ("[t](javascript:x)", "\\[t\\]\\(javascript:x\\)"),
    ("http://evil.example", "http&#58;//evil.example"),
    ("www.evil.example", "www&#46;evil.example"),
    ("a@evil.example @all", "a&#64;<!-- -->evil.example &#64;<!-- -->all"),
    ("one\r\ntwo", "one\\\\r\\\\ntwo"),
    ("# head", "\\# head"),
    ("- item", "&#45; item"),
    ("1. item", "1&#46; item"),
    ("2026-11-23 18:00", "2026-11-23 18:00"),
    ("&amp;", "&amp;amp;"),
    ("\u202eexe", "\\\\u202eexe"),
]


@pytest.mark.parametrize(("value", "text"), TEXTS)
def test_escape(value: Any, text: str) -> None:
    assert escape_markdown(value) == text


@given(st.text(max_size=60))
def test_any_text_is_one_line_without_live_characters(text: str) -> None:
    out = escape_markdown(text)
    assert len(out.splitlines()) <= 1
    assert not re.search(r"[<>]", out.replace("<!-- -->", ""))
    assert not re.search(r"(?<!\\)(?:\\\\)*[|`\[\]*]", out)


LIVE = [
    "mail a@evil.example, mailto:a@evil.example and xmpp:a@evil.example/b",
    "http://evil.example https://evil.example ftp://evil.example HTTP://EVIL.EXAMPLE www.evil.example WWW.evil.example",
    "<a href=x>y</a> <http://evil.example> [t](http://evil.example) ![t](x.png) [t]: http://evil.example",
    "alice@pve!ci and iac@corp.example.org",
    "`a` **b** _c_ ~~d~~ ==e== | f | - [ ] g",
]


@pytest.mark.parametrize("text", LIVE)
def test_github_s_own_renderer_makes_nothing_of_it(text: str) -> None:
    """With the parser that GitHub runs, as a paragraph and in a table."""
    for page in (escape_markdown(text), f"| h |\n| --- |\n| {escape_markdown(text)} |\n"):
        html = cmarkgfm.github_flavored_markdown_to_html(page)
        tags = set(re.findall(r"<(/?\w+)", html)) - set(
            "p /p table /table thead /thead tbody /tbody tr /tr th /th td /td".split()
        )
        assert not tags, html
        assert "evil.example" in html or "evil.example" not in text
