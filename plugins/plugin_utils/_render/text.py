# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hostile text made visible: nothing that a log says may move the cursor, hide itself or turn the reading direction.

It does not escape for HTML, Markdown or CSV: that is done after it, by the one who knows the language.
"""

from __future__ import annotations

import base64
import hashlib
import re

# Control characters (C0, DEL, C1), soft hyphen, bidirectional marks and overrides, zero-width and invisible characters,
# line and paragraph separators, interlinear marks, tags, noncharacters and lone surrogates. See Unicode TR36 and TR9.
_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0"
    "\ufff0-\uffff\ud800-\udfff\U000e0000-\U000e0fff]"
)
_NAMED = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def safe_text(value: object, *, multiline: bool = False) -> str:
    """`value` with every invisible or direction-changing character spelled out: `\\n`, `\\x1b`, `\\u202e`.

    None becomes the empty text. With `multiline` line feeds and tabs stay as they are, and a carriage return before a
    line feed goes.
    """
    if value is None:
        return ""
    text = str(value)
    if multiline:
        text = text.replace("\r\n", "\n")
    return _UNSAFE.sub(lambda match: _spell(match.group(), multiline), text)


def _spell(char: str, multiline: bool) -> str:
    if multiline and char in "\n\t":
        return char
    if char in _NAMED:
        return _NAMED[char]
    code = ord(char)
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def csp_hash(text: str) -> str:
    """The source expression by which a Content-Security-Policy accepts exactly this inline text: `'sha256-...'`."""
    digest = hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"
