# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Texts as Proxmox VE keeps them."""

from __future__ import annotations

import pytest

from ansible_collections.pve.audit.plugins.module_utils._model.texts import plain_text


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ("", ""),
        ("left in May", "left in May"),
        ("  left in May ", "left in May"),
        ("a  b", "a  b"),
        ("   ", ""),
        ("0", ""),
        (" 0 ", ""),
        ("00", "00"),
        ("0 days", "0 days"),
        ("\ta\n", "\ta\n"),
        (" \u00a0x ", "\u00a0x"),
    ],
)
def test_plain_text(value: str, kept: str) -> None:
    assert plain_text(value) == kept
