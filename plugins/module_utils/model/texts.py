# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names, mail addresses and comments as Proxmox VE keeps them, so that what is wanted can be compared with what is."""

from __future__ import annotations


def plain_text(value: str) -> str:
    """The text without the spaces around it; the text "0" is no text.

    Source: PVE/AccessControl.pm parse_user_config, write_user_config: fields are trimmed, and what Perl calls false is
    not written. Tabs and line breaks are encoded before that, and stay.
    """
    text = value.strip(" ")
    return "" if text == "0" else text
