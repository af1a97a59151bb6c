# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the join needs an event to be: events come from users too, and may be anything."""

from __future__ import annotations

from collections.abc import Iterable

from ansible_collections.pve.audit.plugins.module_utils._model.errors import InputError
from ansible_collections.pve.audit.plugins.module_utils._model.event import Event

# Part -> field -> type; a field may be absent, and others may be there.
_TEXT = "action dataset id kind original outcome end"
_TEXTS = """
    upid cursor token object status method change service session severity key_fingerprint file writer_node
"""
_NUMBERS = "vmid loginuid audit_session leader uid mtime version"
_FIELDS: dict[str, dict[str, type]] = {
    "event": dict.fromkeys(_TEXT.split(), str),
    "user": {"id": str},
    "source": {"ip": str},
    "host": {"name": str},
    "http": {"request": dict, "response": dict},
    "url": {"path": str, "query": str},
    "process": {"name": str, "command_line": str, "executable": str, "pid": int},
    "pve": {**dict.fromkeys(_TEXTS.split(), str), **dict.fromkeys(_NUMBERS.split(), int)},
}
_CALL: dict[str, dict[str, type]] = {"request": {"method": str}, "response": {"status_code": int, "body": dict}}


def mistake(event: Event) -> str | None:
    """The first field that is not what it must be; None when the event can be joined."""
    if not isinstance(event.get("@timestamp", ""), str):
        return "@timestamp"
    return _mistake(event, _FIELDS, "") or _mistake(event.get("http", {}), _CALL, "http.")


def _mistake(whole: object, table: dict[str, dict[str, type]], before: str) -> str | None:
    if not isinstance(whole, dict):
        return before
    for name, fields in table.items():
        if name not in whole:
            continue
        part = whole[name]
        if not isinstance(part, dict):
            return f"{before}{name}"
        for field, value in part.items():
            wanted = fields.get(field)
            # Ansible has kinds of its own of texts, numbers and maps. A truth value is a number for Python alone.
            if wanted is not None and (not isinstance(value, wanted) or value is True or value is False):
                return f"{before}{name}.{field}"
    return None


def require_joinable(events: Iterable[Event]) -> None:
    """Raises InputError naming the first event that cannot be joined."""
    for number, event in enumerate(events, 1):
        if (field := mistake(event)) is not None:
            raise InputError(
                f"item {number} of the list is not an event, as its {field} is of the wrong type: "
                "build events with `pve.audit.events`"
            )
