# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a successful writing call answers with, because access.log has the length of the answer.

Most calls answer with nothing, or with the UPID of the task that they started. The few others stand here, and so do
calls of which no API schema says what they return. A test compares the table with the schema of PVE 9.2.
"""

from __future__ import annotations

from functools import cache

from ansible_collections.pve.audit.plugins.module_utils._classify.tasks import TASK_ACTIONS

NOTHING = "nothing"
TASK = "task"
FLAG = "flag"
BODY = "body"

_CONSOLES = ("mtunnel", "spiceproxy", "termproxy", "vncproxy")
_AGENT = ("exec", "fsfreeze-freeze", "fsfreeze-status", "fsfreeze-thaw", "fstrim", "ping", "set-user-password")
_AGENT_POWER = ("shutdown", "suspend-disk", "suspend-hybrid", "suspend-ram")

WITH_BODY: frozenset[tuple[str, str]] = frozenset(
    {
        ("POST", "/access/openid/auth-url"),
        ("POST", "/access/openid/login"),
        ("POST", "/access/tfa/{userid}"),
        ("POST", "/access/ticket"),
        ("POST", "/access/users/{userid}/token/{tokenid}"),
        ("PUT", "/access/users/{userid}/token/{tokenid}"),
        ("POST", "/cluster/config/nodes/{node}"),
        ("POST", "/cluster/ha/resources/{sid}/migrate"),
        ("POST", "/cluster/ha/resources/{sid}/relocate"),
        ("POST", "/cluster/sdn/lock"),
        ("POST", "/cluster/sdn/prefix-lists"),
        ("DELETE", "/cluster/sdn/prefix-lists/{id}"),
        ("PUT", "/cluster/sdn/prefix-lists/{id}"),
        ("POST", "/cluster/sdn/prefix-lists/{id}/entries"),
        ("DELETE", "/cluster/sdn/prefix-lists/{id}/entries/{url_seq}"),
        ("PUT", "/cluster/sdn/prefix-lists/{id}/entries/{url_seq}"),
        ("POST", "/cluster/sdn/route-maps/entries"),
        ("DELETE", "/cluster/sdn/route-maps/entries/{route-map-id}/entry/{order}"),
        ("PUT", "/cluster/sdn/route-maps/entries/{route-map-id}/entry/{order}"),
        *(("POST", f"/nodes/{{node}}/{kind}/{{vmid}}/{name}") for kind in ("qemu", "lxc") for name in _CONSOLES),
        ("POST", "/nodes/{node}/qemu/{vmid}/agent"),
        *(("POST", f"/nodes/{{node}}/qemu/{{vmid}}/agent/{name}") for name in (*_AGENT, *_AGENT_POWER)),
        ("POST", "/nodes/{node}/qemu/{vmid}/monitor"),
        ("POST", "/nodes/{node}/certificates/custom"),
        ("POST", "/nodes/{node}/execute"),
        ("POST", "/nodes/{node}/replication/{id}/schedule_now"),
        ("POST", "/nodes/{node}/spiceshell"),
        ("POST", "/nodes/{node}/termproxy"),
        ("POST", "/nodes/{node}/vncshell"),
        ("POST", "/nodes/{node}/wakeonlan"),
        ("POST", "/nodes/{node}/storage/{storage}/content"),
        ("POST", "/storage"),
        ("PUT", "/storage/{storage}"),
    }
)

WITH_FLAG: frozenset[tuple[str, str]] = frozenset({("PUT", "/access/users/{userid}/unlock-tfa")})

# The id of the task that a call starts: as long as the guest's number in the path, or from and to so many characters.
# Calls that are not here may start a task with any id.
OF_GUEST = None
_NEW_GUEST = (3, 9)
_ONE_OR_MORE = (0, 9)
ID_LENGTHS: dict[str, tuple[int, int] | None] = {
    "backup.create": _ONE_OR_MORE,
    "guest.bulk.migrate": (0, 0),
    "guest.bulk.shutdown": (0, 0),
    "guest.bulk.start": (0, 0),
    "guest.bulk.suspend": (0, 0),
    "guest.clone": OF_GUEST,
    "guest.config.modify": OF_GUEST,
    "guest.create": _NEW_GUEST,
    "guest.destroy": OF_GUEST,
    "guest.disk.resize": OF_GUEST,
    "guest.migrate": OF_GUEST,
    "guest.reboot": OF_GUEST,
    "guest.reset": OF_GUEST,
    "guest.resume": OF_GUEST,
    "guest.shutdown": OF_GUEST,
    "guest.snapshot.create": OF_GUEST,
    "guest.snapshot.delete": OF_GUEST,
    "guest.snapshot.rollback": OF_GUEST,
    "guest.start": OF_GUEST,
    "guest.stop": OF_GUEST,
    "guest.suspend": OF_GUEST,
    "guest.template.convert": OF_GUEST,
    "node.package.refresh": (0, 0),
}

# A call can start a task of another name than its own: a restore is posted like a creation, and the HA manager stops.
_ALSO = {"guest.create": ("guest.restore",), "guest.shutdown": ("guest.stop",)}


def answer_of(method: str, template: str, leaves_task: bool | None) -> str:
    """What a successful call answers with: `NOTHING`, a `TASK` (its UPID, or nothing), a `FLAG`, or a `BODY`."""
    if (method, template) in WITH_FLAG:
        return FLAG
    if leaves_task is None or (method, template) in WITH_BODY:
        return BODY
    return TASK if leaves_task else NOTHING


@cache
def type_lengths(action: str) -> frozenset[int]:
    """How long the type of the task may be that a call of this action starts."""
    names = (action, *_ALSO.get(action, ()))
    return frozenset(len(kind) for kind, name in TASK_ACTIONS.items() if name in names)
