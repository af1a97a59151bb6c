# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write docs/actions.md from the catalogue: ``python docs/generate_actions.py`` (``--check`` only compares)."""

from __future__ import annotations

import sys
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "docs" / "actions.md"
sys.path.insert(0, str(ROOT / ".build" / "collections"))

from ansible_collections.pve.audit.plugins.module_utils._classify import action, api, catalogue, tasks  # noqa: E402

HEAD = """\
# Actions

Every action that `pve.audit` knows: what a task type of the task log, an API call of `access.log` and a line of
the journal mean.
`event.action` of an event is one of these names; what is not in the list is `other` and is still reported.
This page is generated from the catalogue (`python docs/generate_actions.py`); change it there.

{counts}

## Severity

{rule}

## What a task and its call say differently

Both sides of one act have one name, with these exceptions, where PVE's own trace says less or more:

- `POST /nodes/{{node}}/qemu` and `.../lxc` are `guest.create`, also when they restore a backup: only the task
  (`qmrestore`, `vzrestore`) tells. The archive stands in the body, and the body is not logged.
- An upload (`storage.volume.upload`) runs as the task `imgcopy`, `storage.volume.copy`.
- A guest under HA is shut down by the task `hastop`, which is `guest.stop`.
- A dry run of a realm's sync is only seen in the task (`auth-realm-sync-test`).
- A migration to another cluster (`guest.migrate_to_other_cluster`) runs as the task of an ordinary one
  (`qmigrate`, `vzmigrate`: `guest.migrate`).
- A bulk action (`POST /cluster/bulk-action/guest/...`, Proxmox VE 9.1 and newer) is one task with an empty id; its text
  names the guests. What it does to one of them is a task of its own, with a call that comes from `127.0.0.1`.
- The HA manager moves, starts and stops its guests as `root@pam`, also when it balances the load by itself (9.2):
  such a task has no call at all. The journal names `pve-ha-lrm` as the program that started it.
- `PUT /access/users/{{userid}}/token/{{tokenid}}` may also have given the token a new secret (9.2): that stands in the
  body.
- `qm enroll-efi-keys` leaves neither a task nor a call; where it ran with sudo, the journal has that line.
- A call that changes a guest's configuration can destroy a disk: the options stand in the body. The journal's line
  `update VM` has them, and is `guest.disk.unlink` then; else it is `guest.config.modify` or `guest.disk.resize`. Of a
  container no line tells.
- A call that the guest agent carries out (`.../agent/shutdown`) leaves no task.
- `POST /nodes/{{node}}/status` reboots or shuts down: the body decides, so the name holds both.
- `POST /access/ticket` is a login or the renewal of a ticket, which look alike.
"""
WHOSE = {"srvreload": "`networking`", "srvrestart": "all Ceph daemons of a kind", "termproxy": "a guest"}
"""What the id of a task says where it makes the action another one."""
AREA = """
## {area}

| action | object | severity | category | weekly list | task types | API calls and others |
|---|---|---|---|---|---|---|
"""


def rule() -> str:
    """The written rule out of the docstring of ``action.py``, in Markdown's quotes."""
    text = action.__doc__ or ""
    return text.split("\n\n", 1)[1].strip().replace("``", "`")


def sources() -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """For each action its task types and its API calls."""
    types: dict[str, list[str]] = defaultdict(list)
    calls: dict[str, list[str]] = defaultdict(list)
    for task_type, name in sorted({**tasks.TASK_ACTIONS, **tasks.LEGACY_TASK_ACTIONS}.items()):
        types[name].append(f"`{task_type}`")
    for method, path, name, _task in (*api.API_CALLS, *api.SENSITIVE_READS):
        calls[name].append(f"`{method} {path}`")
    for method, path, name, _task in api.LEGACY_CALLS:
        calls[name].append(f"`{method} {path}` (older releases)")
    for task_type, (_pattern, name) in tasks.BY_ID.items():
        types[name].append(f"`{task_type}` of {WHOSE[task_type]}")
    for name, *_ in catalogue.JOURNAL:
        calls[name].append("lines of the journal")
    calls["api.read"].append("every other GET below `/api2`")
    calls["gui.read"].append("every other GET")
    return types, calls


def row(item: action.Action, types: list[str], calls: list[str]) -> str:
    """One line of the table."""
    weekly = "yes" if action.is_critical(item.name) else ""
    cells = (f"`{item.name}`", item.object_type, item.severity, item.category, weekly)
    return "| " + " | ".join((*cells, " ".join(types), "<br>".join(calls))) + " |\n"


def render() -> str:
    """The whole page."""
    types, calls = sources()
    counts = (
        f"{len(action.ACTIONS)} actions, {len(tasks.TASK_ACTIONS)} task types and {len(api.API_CALLS)} writing API"
        " calls of Proxmox VE 9, and some of older releases."
    )
    page = [HEAD.format(counts=counts, rule=rule())]
    area = ""
    for name in sorted(action.ACTIONS):
        if name.split(".")[0] != area:
            area = name.split(".")[0]
            page.append(AREA.format(area=area))
        page.append(row(action.ACTIONS[name], types[name], calls[name]))
    return "".join(page)


def main(arguments: list[str]) -> int:
    """Write the page, or with ``--check`` say whether it is current."""
    text = render()
    if "--check" in arguments:
        return 0 if TARGET.is_file() and TARGET.read_text(encoding="utf-8") == text else 1
    TARGET.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
