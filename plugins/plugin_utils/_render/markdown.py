# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Text from logs made safe for Markdown (CommonMark and GitHub's dialect), tables included."""

from __future__ import annotations

import re

from ansible_collections.pve.audit.plugins.module_utils._model.visible import safe_text

_PUNCTUATION = re.compile(r"([\\`*_{}\[\]()#!|~$^=])")
_LINE_START = re.compile(r"^(\s*)([-+:]|\d{1,9}[.)])")
_AUTOLINK = re.compile(r"\b(?:(?P<scheme>https?|ftp|mailto|xmpp):|(?P<www>www)\.)", re.IGNORECASE)
_MENTION = re.compile(r"(?<!\w)@|@(?=[\w-]*\.)")
# GitHub's dialect looks for mail addresses when entities are plain text again; only a node between the two halves that
# shows nothing keeps it from making a link.
_NO_MAIL = "&#64;<!-- -->"


def escape_markdown(value: object) -> str:
    """`value` as one line of Markdown that shows the text and does nothing else.

    No HTML, no table cell or row of its own, no emphasis, code, heading or list, and no link, image, mention, mail
    address or automatic link; a line break is shown as `\\n`.
    """
    text = safe_text(value).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    text = _PUNCTUATION.sub(r"\\\1", text)
    text = _AUTOLINK.sub(lambda match: f"{match['scheme']}&#58;" if match["scheme"] else f"{match['www']}&#46;", text)
    text = _MENTION.sub(_NO_MAIL, text)
    return _LINE_START.sub(lambda match: match[1] + match[2][:-1] + f"&#{ord(match[2][-1])};", text)
