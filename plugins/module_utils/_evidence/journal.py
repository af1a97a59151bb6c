# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The journal and syslog: logins, sessions, commands, changes, and what the loggers say about themselves."""

from __future__ import annotations

from ansible_collections.pve.audit.plugins.module_utils._classify.action import action_named
from ansible_collections.pve.audit.plugins.module_utils._evidence.source import (
    Context,
    Item,
    Source,
    SourceCoverage,
    name_action,
)
from ansible_collections.pve.audit.plugins.module_utils._model.event import Event
from ansible_collections.pve.audit.plugins.module_utils._parse.facts import LINUX_AUTH, LINUX_LOG, PVE_AUTH
from ansible_collections.pve.audit.plugins.module_utils._parse.journal import (
    looks_like_journal,
    parse_journal_line,
    parse_journal_record,
)
from ansible_collections.pve.audit.plugins.module_utils._parse.ledger_messages import CONFIG


def _parse(item: Item, context: Context) -> Event | None:
    if isinstance(item, str):
        return parse_journal_line(item, context.node, context.ids, reference=context.reference, clock=context.clock)
    return parse_journal_record(item, context.node, context.ids)


def _classify(event: Event) -> None:
    if name := event["event"].get("action"):
        name_action(event, action_named(name))


JOURNAL = Source(
    name="journal",
    what="records of `journalctl -o json`, lines of the journal or of syslog",
    line="journal line",
    datasets=(PVE_AUTH, LINUX_AUTH, LINUX_LOG, CONFIG),
    looks_like=looks_like_journal,
    record_keys=("MESSAGE", "__REALTIME_TIMESTAMP", "__CURSOR"),
    parse=_parse,
    classify=_classify,
    coverage=SourceCoverage(
        name=PVE_AUTH,
        dated_by="@timestamp",
        forgets="journald removes the oldest files when its limit of size or age is reached",
        blind_to="what a session did, except for tasks, sudo and changes of accounts",
    ),
)
