# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names, mail addresses and comments as Proxmox VE keeps them, so that what is wanted can be compared with what is."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def plain_text(value: str) -> str:
    """The text without the spaces around it; the text "0" is no text.

    Source: PVE/AccessControl.pm parse_user_config, write_user_config: fields are trimmed, and what Perl calls false is
    not written. Tabs and line breaks are encoded before that, and stay.
    """
    text = value.strip(" ")
    return "" if text == "0" else text


def some(names: Iterable[str], limit: int = 10) -> str:
    """The first names of a list, and how many more there are."""
    found = list(names)
    more = len(found) - limit
    return ", ".join(found[:limit]) + (f" and {more} more" if more > 0 else "")


def counted(number: int, what: str) -> str:
    """`1 user`, `2 users`."""
    return f"{number} {what}{'' if number == 1 else 's'}"


def meant(word: str, known: Iterable[str]) -> str:
    """`, did you mean x?` for the known word that is most like this one in small letters, else nothing."""
    words = {one.casefold(): one for one in sorted(set(known), reverse=True)}
    close = difflib.get_close_matches(word.casefold(), sorted(words), n=1, cutoff=0.75)
    return f", did you mean {words[close[0]]}?" if close else ""
