# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hostile text made visible: nothing that a log or a server says may move the cursor, hide itself, turn the reading
direction, or pass for another name.

It does not escape for HTML, Markdown or CSV: that is done after it, by the one who knows the language.

What is spelled out, and why:

* control, format, private, unassigned and surrogate characters, every space but the plain one, variation selectors and
  other characters without a glyph (Unicode's Default_Ignorable_Code_Point): they hide or move text;
* characters that stand for an ASCII letter or sign in another form (fullwidth, mathematical, ligatures, small forms),
  and a short list of signs and letters that look like one: they disguise names;
* letters of another script in a word with Latin letters, as `alice` with a Cyrillic a, but for the scripts that are
  written together (Unicode TR39, "highly restrictive"); and letters of a script of which the whole text has nothing
  but look-alikes of Latin ones;
* combining marks that stack up, or that have nothing to combine with.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

_NAMED = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
_HIDDEN_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Zs"})
# Ignorable, or without ink, although their category does not say so.
_HIDDEN = frozenset(
    "\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0\U0001d159\U00016fe4"
    + "".join(map(chr, (*range(0xFE00, 0xFE10), *range(0xFFF0, 0x10000), *range(0xE0100, 0xE01F0))))
)
# Look like ! | / : . and i, and nothing in Unicode's decompositions says so.
_LOOK_ALIKES = frozenset("\u01c3\u01c0\u2044\u2215\u29f8\u2236\ua789\u02d0\u0589\u05c3\u0131\u0237")
_PHONETIC = range(0x0250, 0x02B0)
# Other forms of something in ASCII that nobody takes for it, and the sign for a millionth.
_PLAIN_TO_SEE = frozenset("\u00aa\u00ba\u2026\u00b5")
# Cyrillic, Greek, Armenian and Cherokee letters that a reader takes for Latin ones. [Unicode TR39 confusables]
_LATIN_LIKE = frozenset(
    "\u0430\u0435\u043e\u0440\u0441\u0443\u0445\u0456\u0458\u0455\u0501\u04bb\u04cf\u051b\u051d\u0432\u043a\u043c\u043d\u0442\u0433\u04af"
    "\u0410\u0412\u0415\u0405\u0406\u0408\u041a\u041c\u041d\u041e\u0420\u0421\u0422\u0423\u0425\u04ae\u050c\u04c0"
    "\u03b1\u03b9\u03ba\u03bd\u03bf\u03c1\u03c4\u03c5\u03c7\u03b3\u03c9\u0391\u0392\u0395\u0396\u0397\u0399\u039a\u039c\u039d\u039f\u03a1\u03a4\u03a5\u03a7"
    "\u0578\u057d\u0585\u0570\u0566\u0563\u0581\u0555\u054d\u054f"
    "\u13aa\u13af\u13b3\u13bb\u13c0\u13c2\u13c3\u13d2\u13da\u13de\u13df\u13e2\u13e6\u13a0\u13a1\u13a2\u13ac\u13b7"
)
# Scripts that are written in one word with Latin letters or with each other.
_TOGETHER = frozenset({"LATIN", "CJK", "HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA", "HANGUL", "BOPOMOFO"})
_WORD = re.compile(r"[^\W\d_]+(?:[^\W_]|[\u0300-\u036f])*")
_SPELLED = re.compile(r"\\(?:[nrt]|x[0-9a-f]{2}|u[0-9a-f]{4}|U[0-9a-f]{8})")
_MARKS = re.compile(r"[\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]+")
_MARKS_AT_MOST = 2


def safe_text(value: object, *, multiline: bool = False) -> str:
    """`value` with everything that hides or disguises itself spelled out: `\\n`, `\\x1b`, `\\u202e`, `\\u0430lice`.

    None becomes the empty text. With `multiline` line feeds and tabs stay as they are, and a carriage return before
    a line feed goes.
    """
    if value is None:
        return ""
    text = str(value)
    if multiline:
        text = text.replace("\r\n", "\n")
    if text.isascii() and text.isprintable():
        return text
    spelled = _stacked(text) | _disguised(text)
    keep = "\n\t" if multiline else ""
    return "".join(
        _spell(char) if char not in keep and (place in spelled or is_hidden(char)) else char
        for place, char in enumerate(text)
    )


def _stacked(text: str) -> set[int]:
    """The places of combining marks that follow on as many as anybody writes."""
    places: set[int] = set()
    for run in _MARKS.finditer(text):
        places.update(range(run.start() + _MARKS_AT_MOST, run.end()))
    return places


@lru_cache(maxsize=4096)
def is_hidden(char: str) -> bool:
    """Whether a character cannot be seen, or stands for an ASCII character in another form."""
    if " " <= char <= "~":
        return False
    category = unicodedata.category(char)
    if category in _HIDDEN_CATEGORIES or char in _HIDDEN or char in _LOOK_ALIKES or ord(char) in _PHONETIC:
        return True
    if (category[0] not in "LP" and category not in ("Nl", "Sm", "Sk", "Sc")) or char in _PLAIN_TO_SEE:
        return False
    plain = unicodedata.normalize("NFKC", char)
    return plain != char and plain.strip().isascii()


def _disguised(text: str) -> set[int]:
    """The places of letters that are there to be taken for others."""
    if text.isascii():
        return set()
    places: set[int] = set()
    scripts: dict[str, set[int]] = {}
    # What is spelled out already, as in a text that comes here twice, is no part of a word.
    for word in _WORD.finditer(_SPELLED.sub(lambda match: " " * len(match.group()), text)):
        found = {place: _script(text[place]) for place in range(*word.span()) if text[place].isalpha()}
        used = set(found.values())
        if len(used) > 1 and not used <= _TOGETHER:
            places |= {place for place, script in found.items() if script != "LATIN"}
        for place, script in found.items():
            scripts.setdefault(script, set()).add(place)
    for script, where in scripts.items():
        if script not in _TOGETHER and all(text[place] in _LATIN_LIKE for place in where):
            places |= where
    return places


@lru_cache(maxsize=4096)
def _script(letter: str) -> str:
    """The script of a letter, which is the first word of its name."""
    return "LATIN" if letter in _PLAIN_TO_SEE else unicodedata.name(letter, "UNNAMED").partition(" ")[0]


def _spell(char: str) -> str:
    if char in _NAMED:
        return _NAMED[char]
    code = ord(char)
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
