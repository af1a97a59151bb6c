# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a change of a guest's options destroyed a disk."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ansible_collections.pve.audit.plugins.module_utils._parse.guest_changes import action_of_change

CHANGES = {
    "resize --disk scsi0 --size 42G": "guest.disk.resize",
    "-delete unused0": "guest.disk.unlink",
    "-delete unused0,unused1": "guest.disk.unlink",
    "-delete hotplug;unused12 -description keep": "guest.disk.unlink",
    "-delete memory unused1 -onboot 1": "guest.disk.unlink",
    "-delete scsi1 -force 1": "guest.disk.unlink",
    "-cores 2 -delete scsi1 -description hello -force 1 -name x": "guest.disk.unlink",
    "-boot order=scsi0;net0 -cipassword <hidden> -delete efidisk0 -force 1": "guest.disk.unlink",
    "-delete scsi1": "guest.config.modify",
    "-delete scsi1 -force 0": "guest.config.modify",
    "-delete net1 -force 1": "guest.config.modify",
    "-delete hotplug": "guest.config.modify",
    "-description text -delete unused0": "guest.config.modify",
    "-cores 2 -description text -delete unused0 -force 1": "guest.config.modify",
    "-memory 384": "guest.config.modify",
    "-scsi1 local:8": "guest.config.modify",
    "": "guest.config.modify",
}


@pytest.mark.parametrize(("change", "action"), CHANGES.items())
def test_action_of_change(change: str, action: str) -> None:
    assert action_of_change(change) == action


@given(st.sampled_from(["", "-cores 2 ", "-delete hotplug "]), st.text())
@example("-cores 2 ", "x -delete unused0 -force 1")
@example("-delete hotplug ", "-delete unused0")
def test_free_text_destroys_nothing(before: str, text: str) -> None:
    assert action_of_change(f"{before}-description {text}") == "guest.config.modify"
