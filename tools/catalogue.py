# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the catalogue of actions lacks of a Proxmox VE: ``python -m tools.catalogue FILE...``.

A FILE is the schema of the API, `/usr/share/pve-docs/api-viewer/apidoc.js` of a node (or JSON: that file's tree, or
path -> method -> description), or the web interface's labels of tasks, `/usr/share/pve-manager/js/pvemanagerlib.js`.
A line `lacks` is a gap and makes the command fail; a line `beyond` is what the catalogue has and the schema has not.
"""

from __future__ import annotations

import gzip
import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tools.paths import COLLECTIONS

sys.path.insert(0, str(COLLECTIONS))

from ansible_collections.pve.audit.plugins.module_utils._classify import api, tasks

READING = "GET"
TASK_AFTER: dict[str, bool | None] = {
    "string": True,
    "": True,
    "null": False,
    "object": False,
    "boolean": False,
    "array": None,
}
"""By the type of what a call returns whether it leaves a task: a UPID is a string, and consoles declare no type."""

UNLIKE: dict[tuple[str, str], str] = {
    ("POST", "/access/openid/auth-url"): "the string is the address to log in at",
    ("POST", "/access/openid/login"): "declares no type and returns a ticket",
    ("POST", "/cluster/sdn/lock"): "the string is the token of the lock",
    ("POST", "/nodes/{node}/lxc/{vmid}/template"): "declares null and forks a worker",
    ("POST", "/nodes/{node}/qemu/{vmid}/monitor"): "the string is what the monitor answers",
    ("POST", "/nodes/{node}/replication/{id}/schedule_now"): "the string is the job's id, which pvescheduler then runs",
    ("POST", "/nodes/{node}/storage/{storage}/content"): "the string is the volume's id",
    ("POST", "/nodes/{node}/wakeonlan"): "the string is the hardware address that was woken",
}
"""Calls of which the returned type tells the wrong thing, read off their sources."""

_LABELS = re.compile(r"override_task_descriptions\(\{(.*?)\}\)", re.DOTALL)
_LABEL = re.compile(r"^\s*(?:'([^']+)'|([\w-]+)): *[\[(\w]", re.MULTILINE)


class Call(NamedTuple):
    """A call of the API. `returns` is the JSON type of its answer, empty where the schema names none."""

    method: str
    path: str
    returns: str


def _walk(branches: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for branch in branches:
        yield branch["path"], branch.get("info", {})
        yield from _walk(branch.get("children", ()))


def writing_calls(text: str) -> list[Call]:
    """The writing calls of a schema. Raises ValueError where there is none."""
    start = re.search(r"[\[{]", text.partition("apiSchema")[2] or text)
    if start is None:
        raise ValueError("there is no JSON in it")
    body = (text.partition("apiSchema")[2] or text)[start.start() :]
    schema = json.JSONDecoder().raw_decode(body)[0]
    paths = schema.items() if isinstance(schema, dict) else _walk(schema)
    return [
        Call(method, path, info.get("returns", {}).get("type", ""))
        for path, methods in paths
        for method, info in methods.items()
        if method != READING
    ]


def task_types(text: str) -> list[str]:
    """The task types that the web interface has a label for."""
    return [quoted or plain for block in _LABELS.findall(text) for quoted, plain in _LABEL.findall(block)]


def lacking(calls: Iterable[Call]) -> Iterator[str]:
    """Calls that the catalogue does not hold, or of which it says something else about the task they leave."""
    known = {(method, path): leaves for method, path, _action, leaves in api.API_CALLS}
    for method, path, returns in calls:
        if (method, path) not in known:
            yield f"{method} {path} (returns {returns or 'what it does not declare'})"
        elif (known[method, path] == TASK_AFTER[returns]) is ((method, path) in UNLIKE):
            yield f"{method} {path} returns {returns or 'no declared type'}: does it leave a task?"


def beyond(calls: Iterable[Call]) -> list[tuple[str, str]]:
    """Calls of the catalogue that the schema does not have."""
    there = {(method, path) for method, path, _returns in calls}
    return [(method, path) for method, path, _action, _leaves in api.API_CALLS if (method, path) not in there]


def lacking_types(types: Iterable[str]) -> list[str]:
    """Task types that the catalogue does not hold."""
    return [name for name in types if not tasks.classify_task(name).known]


def _report(text: str) -> tuple[list[str], list[str]]:
    if types := task_types(text):
        return [f"task type {name}" for name in lacking_types(types)], []
    calls = writing_calls(text)
    return list(lacking(calls)), [f"{method} {path}" for method, path in beyond(calls)]


def read(path: Path) -> str:
    """The text of a file, packed or not."""
    data = path.read_bytes()
    return (gzip.decompress(data) if path.suffix == ".gz" else data).decode("utf-8")


def main(arguments: list[str]) -> int:
    """Print the gaps of each file; 1 where there is one."""
    if not arguments:
        sys.exit("name at least one file: apidoc.js or pvemanagerlib.js of a node, or a schema as JSON")
    failed = 0
    for name in arguments:
        gaps, more = _report(read(Path(name)))
        print("\n".join((*(f"lacks {gap}" for gap in gaps), *(f"beyond {call}" for call in more))))
        failed = failed or int(bool(gaps))
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
