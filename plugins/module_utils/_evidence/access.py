# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""pveproxy's access.log: every call of the API and the web interface, with the client's address."""

from __future__ import annotations

import re

from ansible_collections.pve.audit.plugins.module_utils._classify.action import object_of
from ansible_collections.pve.audit.plugins.module_utils._classify.api import classify_call
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
    parse_access_line,
)

_VMID = re.compile(r"[1-9]\d{2,8}", re.ASCII)


def _parse(item: Item, context: Context) -> Event:
    if not isinstance(item, str):
        raise InputError("access.log has lines, not records")
    return parse_access_line(item, context.node, context.ids)


def _classify(event: Event) -> None:
    method, path = get_field(event, "http.request.method"), get_field(event, "url.path")
    action, params = classify_call(method or "", path or "", get_field(event, "url.query"))
    name_action(event, action)
    if (identity := object_of(params, action)) is not None:
        event["pve"]["object"] = identity
    if _VMID.fullmatch(params.get("vmid", "")):
        event["pve"]["vmid"] = int(params["vmid"])


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
        blind_to="what a call sent, commands on a node, and refusals of the web interface, which stand as 200",
    ),
)
