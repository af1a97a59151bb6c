# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""UPIDs: the names Proxmox VE gives to its worker tasks.

`UPID:node:pid:pstart:starttime:type:id:user:`, the three numbers in hexadecimal; pstart has 8 digits, or 9 on nodes
that are up for more than 497 days. Source: pve-common PVE/UPID.pm (encode, decode).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ansible_collections.pve.audit.plugins.module_utils._model.errors import InputError
from ansible_collections.pve.audit.plugins.module_utils._model.event import EventUser
from ansible_collections.pve.audit.plugins.module_utils._model.names import split_userid

_HEX8 = "[0-9A-Fa-f]{8}"
_STRICT = re.compile(
    rf"UPID:([a-zA-Z0-9](?:[a-zA-Z0-9\-]*[a-zA-Z0-9])?):({_HEX8}):([0-9A-Fa-f]{{8,9}}):({_HEX8}):([^:\s/\x00]+):([^:\s/\x00]*):([^:\s/\x00]+):",
    re.ASCII,
)
# The six fields on the left never hold a colon and neither does the user on the right: what is between is the id.
_TOLERANT = re.compile(
    rf"UPID:([^:\s]+):([0-9A-Fa-f]{{1,16}}):([0-9A-Fa-f]{{1,16}}):({_HEX8}):([^:\s]+):(.*):([^:\s]+):",
    re.ASCII | re.DOTALL,
)
# One number more than Proxmox VE has: the counter of a task of Proxmox Backup Server or Datacenter Manager.
# Source: proxmox-rest-server, upid.rs.
_BACKUP_SERVER = re.compile(
    rf"UPID:[^:\s]+:{_HEX8}:[0-9A-Fa-f]{{8,9}}:[0-9A-Fa-f]{{8,16}}:{_HEX8}:[^:\s]+:[^:\s]*:[^:\s]+:", re.ASCII
)
# An id never holds a start time, and that of a guest's task no colon but in `vm:100`: such are two UPIDs that ran
# together.
_TWO_IN_ONE = re.compile(rf"(?:.*:)?{_HEX8}:.*", re.ASCII | re.DOTALL)
_GUEST_TYPES = ("qm", "vz", "ha")
_SERVICE = re.compile(r"(?:vm|ct):\d{1,9}", re.ASCII)
# A task names its guest as 100, as vm:100 where the HA manager starts it, as 100@store for a volume or backups of the
# guest, and as 100-scsi0>101-scsi1 for a disk that moves.
_GUEST = re.compile(r"(?:(?:vm|ct)[:/])?([1-9]\d{2,8})(?:([@-]).+)?", re.ASCII | re.DOTALL)
# Types whose object may have a mere number for its name: an account, a pool, a disk.
_OTHER_OBJECTS = ("acme", "auth-", "ceph", "cluster", "dir", "disk", "lvm", "srv", "wipe", "zfs")
_ESCAPE = re.compile(r"\\x([0-7][0-9A-Fa-f])")


@dataclass(frozen=True, slots=True)
class Upid:
    """The parts of a UPID. `starttime` is in epoch seconds, `pstart` in clock ticks since the node's boot.

    `user` is `name@realm` without the token, whose name is `tokenid`. `strict` is False when the decoder of Proxmox VE
    itself would refuse the text: such tasks stand in the files, but the API does not show them.
    """

    upid: str
    node: str
    pid: int
    pstart: int
    starttime: int
    type: str
    id: str
    user: str
    tokenid: str | None
    strict: bool = True

    @property
    def userid(self) -> str:
        """The user as the UPID has it, with the token: `alice@pve!ci`."""
        return self.user if self.tokenid is None else f"{self.user}!{self.tokenid}"

    @property
    def object(self) -> str:
        r"""The id without escapes: Proxmox VE writes a colon as `\x3a`."""
        return _without_escapes(self.id)

    @property
    def guest(self) -> int | None:
        """The guest that the task was about, as `guest_of` tells it."""
        return guest_of(self.type, self.id)


def guest_of(task_type: str, object_id: str) -> int | None:
    """The number of the guest that an id of a task names, or None. This is the only place that knows the rule.

    With two guests, as of a disk that moves, it is the first one.
    """
    match = _GUEST.fullmatch(_without_escapes(object_id))
    if match is None or (match[2] != "@" and task_type.startswith(_OTHER_OBJECTS)):
        return None
    return int(match[1])


def _without_escapes(text: str) -> str:
    return _ESCAPE.sub(lambda match: chr(int(match[1], 16)), text) if "\\" in text else text


def user_fields(userid: str) -> EventUser:
    """The fields of a user: `{"id": "alice@pve!ci", "account": "alice@pve", "name": "alice", "domain": "pve"}`.

    The account stands for the person and all tokens; where the text names no realm, it is the text.
    """
    name, realm, _token = split_userid(userid)
    if realm is None:
        return {"id": userid, "account": userid, "name": name}
    return {"id": userid, "account": f"{name}@{realm}", "name": name, "domain": realm}


def parse_upid(text: str, *, strict: bool = True) -> Upid:
    """The parts of `text`, which is a whole UPID with its last colon.

    With `strict`, what the decoder of Proxmox VE refuses is refused: a colon, slash or space in the id among them.
    Without it such a UPID is read from both ends and marked.
    Raises InputError when the text is no UPID.
    """
    if not isinstance(text, str):
        raise InputError(f"a UPID is text, not {type(text).__name__}")
    match = _STRICT.fullmatch(text)
    known = match is not None
    if match is None:
        match = _tolerant_match(text, strict)
    node, pid, pstart, start, task_type, object_id, userid = match.groups()
    name, realm, token = split_userid(userid)
    user = userid if token is None else f"{name}@{realm}"
    return Upid(text, node, int(pid, 16), int(pstart, 16), int(start, 16), task_type, object_id, user, token, known)


def _tolerant_match(text: str, strict: bool) -> re.Match[str]:
    """What Proxmox VE refuses, read from both ends. Raises InputError for what is no UPID, or more than one."""
    match = _TOLERANT.fullmatch(text)
    # No type of a task is eight hexadecimal digits: this is the start time, and what stands before it is the counter.
    if _BACKUP_SERVER.fullmatch(text) or (match is not None and re.fullmatch(_HEX8, match[5])):
        raise InputError(
            f"{_short(text)} is a UPID of Proxmox Backup Server or Datacenter Manager, which have one number more: "
            "leave it out, only tasks of Proxmox VE are read"
        )
    if match is None or strict:
        raise InputError(
            f"{_short(text)} is not a UPID: it must look like UPID:node:pid:pstart:starttime:type:id:user@realm:"
        )
    of_guest = match[5].startswith(_GUEST_TYPES) and not _SERVICE.fullmatch(match[6])
    if (of_guest and ":" in match[6]) or "UPID:" in text[1:] or "\0" in text or _TWO_IN_ONE.fullmatch(match[6]):
        raise InputError(f"{_short(text)} is damaged: two UPIDs ran together")
    return match


def log_path(upid: Upid) -> str:
    """Where the node keeps the text of the task: below a directory named after the last hex digit of the start time.

    The digit is written as the UPID has it, in capitals by Proxmox VE. Source: PVE/UPID.pm decode.
    """
    return f"/var/log/pve/tasks/{upid.upid.split(':', 5)[4][-1]}/{upid.upid}"


def _short(text: str) -> str:
    return repr(text if len(text) <= 120 else text[:117] + "...")
