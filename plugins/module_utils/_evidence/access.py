# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""pveproxy's access.log: every call of the API and the web interface, with the client's address."""

from __future__ import annotations

from functools import lru_cache

from ansible_collections.pve.audit.plugins.module_utils._classify.action import object_of
from ansible_collections.pve.audit.plugins.module_utils._classify.api import READING, KnownCall, find_call
from ansible_collections.pve.audit.plugins.module_utils._evidence.answers import Answer, judge_answer
from ansible_collections.pve.audit.plugins.module_utils._evidence.source import (
    Context,
    Item,
    Source,
    SourceCoverage,
    name_action,
)
from ansible_collections.pve.audit.plugins.module_utils._model.errors import InputError
from ansible_collections.pve.audit.plugins.module_utils._model.event import Event, get_field
from ansible_collections.pve.audit.plugins.module_utils._parse.access import (
    DATASET,
    looks_like_access,
    read_access_line,
)
from ansible_collections.pve.audit.plugins.module_utils._parse.upid import guest_of

_known_call = lru_cache(maxsize=8192)(find_call)  # most lines are the same few reads, again and again


def _parse(item: Item, context: Context) -> Event | list[Event]:
    if not isinstance(item, str):
        raise InputError("access.log has lines, not records")
    return read_access_line(item, context.node, context.ids)


def _classify(event: Event) -> None:
    method, path = get_field(event, "http.request.method") or "", get_field(event, "url.path") or ""
    call = _known_call(method, path, get_field(event, "url.query"))
    name_action(event, call.action)
    facts = event["pve"]
    if (identity := object_of(call.params, call.action)) is not None:
        facts["object"] = identity
    if (guest := guest_of("", call.params.get("vmid", ""))) is not None:
        facts["vmid"] = guest
    status = get_field(event, "http.response.status_code")
    if method not in READING and isinstance(status, int):
        _judge(event, call, path, status)


def _judge(event: Event, call: KnownCall, path: str, status: int) -> None:
    """The outcome of a writing call, where the status does not tell it alone."""
    form = path.split("/", 3)[2] if path.startswith("/api2/") else ""
    length = get_field(event, "http.response.body.bytes")
    verdict = judge_answer(call, Answer(status, form, length, get_field(event, "user.id")))
    if verdict is None:
        return
    event["event"]["outcome"] = verdict.outcome
    if verdict.accepted:
        event["pve"]["accepted"] = True


ACCESS = Source(
    name="access",
    what="lines of `/var/log/pveproxy/access.log`",
    line="access.log line",
    datasets=(DATASET,),
    looks_like=looks_like_access,
    record_keys=(),
    parse=_parse,
    classify=_classify,
    coverage=SourceCoverage(
        name=DATASET,
        dated_by="@timestamp",
        forgets="logrotate removes a file after 7 days, unless the node is set to keep more",
        blind_to="what a call sent, commands on a node, and how calls of the web interface ended that answer with a "
        "body (tokens, storage definitions, consoles)",
    ),
)
