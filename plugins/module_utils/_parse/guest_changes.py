# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was done to a guest, from the options that pvedaemon writes into the journal.

They stand in the order of the alphabet and without quotes, so free text such as a description comes after `-delete`
and cannot pass for it. Of the call of a change `access.log` has no more than that there was one: that a disk was
destroyed by it is told by this line alone. Source: qemu-server PVE/API2/Qemu.pm (update_vm_api, resize_vm).
"""

from __future__ import annotations

import re

_DELETE = re.compile(r"(?:-[a-c][\w-]* \S* )*-delete ([\w,; ]+?)(?: -.*)?", re.ASCII | re.DOTALL)
_FORCE = re.compile(r" -force 1(?: -|\Z)", re.ASCII)
# A disk that is deleted becomes unused and is kept, unless that is forced; an unused one is gone.
_UNUSED = re.compile(r"\bunused\d+\b", re.ASCII)
_DISK = re.compile(r"\b(?:ide|sata|scsi|virtio|efidisk|tpmstate|unused)\d+\b", re.ASCII)


def action_of_change(change: str) -> str:
    """The action of what stands behind `update VM 100:` in the journal."""
    if change.startswith("resize --disk "):
        return "guest.disk.resize"
    match = _DELETE.fullmatch(change)
    if match and (_DISK if _FORCE.search(change) else _UNUSED).search(match[1]):
        return "guest.disk.unlink"
    return "guest.config.modify"
