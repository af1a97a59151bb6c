# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The registry: what stands in it agrees with itself, with the filter's choices and with the page about sources."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.pve.audit.plugins.filter.events import DOCUMENTATION
from ansible_collections.pve.audit.plugins.module_utils._evidence.read import classify_event
from ansible_collections.pve.audit.plugins.module_utils._evidence.registry import BY_DATASET, CHOICES, SOURCES
from ansible_collections.pve.audit.plugins.module_utils._evidence.source import Context, Item, Source
from ansible_collections.pve.audit.plugins.module_utils._model.coverage import REASON_CODES, SOURCES_OF_EVIDENCE

PAGE = Path(__file__).resolve().parents[5] / "docs" / "sources.md"
CONTEXT = Context("pve1", 1795456000.0)

# source, item, dataset, action, severity, guest
ITEMS: list[tuple[str, Item, str, str, str, int | None]] = [
    (
        "task",
        "UPID:pve1:000005D0:0007AF88:6B047A91:qmdestroy:501:dario@pve: 6B047AD3 OK",
        "pve.task",
        "guest.destroy",
        "critical",
        501,
    ),
    (
        "task",
        {"upid": "UPID:pve1:000005D0:0007AF88:6B047A91:imgdel:501@store:dario@pve:", "status": "OK"},
        "pve.task",
        "storage.volume.delete",
        "critical",
        501,
    ),
    (
        "access",
        '192.0.2.7 - a@pve [23/11/2026:02:13:05 +0100] "DELETE /api2/json/nodes/pve1/qemu/100 HTTP/1.1" 200 83',
        "pve.access",
        "guest.destroy",
        "critical",
        100,
    ),
    (
        "archive",
        '<12>1 2026-11-23T17:39:20.000000Z pve1 pve-audit-forward - forward [pveaudit@32473 node="pve1" '
        'source="forward" note="journal_hole"] entries may be missing',
        "pve.archive",
        "logging.messages.lost",
        "high",
        None,
    ),
    (
        "journal",
        "Nov 23 17:39:20 pve1 pvedaemon[1]: <root@pam> successful auth for user 'a@pve'",
        "pve.auth",
        "access.authenticate",
        "info",
        None,
    ),
    (
        "journal",
        {
            "MESSAGE": "Accepted publickey for root from 192.0.2.7 port 4 ssh2",
            "SYSLOG_IDENTIFIER": "sshd",
            "__REALTIME_TIMESTAMP": "1795452098185390",
        },
        "linux.auth",
        "session.ssh.open",
        "low",
        None,
    ),
]


@pytest.mark.parametrize(("name", "item", "dataset", "action", "severity", "guest"), ITEMS)
def test_one_source_recognises_parses_and_classifies(
    name: str, item: Item, dataset: str, action: str, severity: str, guest: int | None
) -> None:
    source = next(one for one in SOURCES if one.recognises(item))
    assert source.name == name
    event: Any = source.parse(item, CONTEXT)
    assert event["event"]["dataset"] == dataset
    classify_event(event)
    assert (event["event"]["action"], event["pve"]["severity"], event["pve"].get("vmid")) == (action, severity, guest)


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
def test_a_source_is_whole(source: Source) -> None:
    assert any(name == source.name for name, *_rest in ITEMS), "it has no example above"
    assert source.coverage.name in source.datasets
    assert set(source.coverage.reasons) <= set(REASON_CODES)
    broken: Any = source.parse("broken", CONTEXT)
    assert broken["event"]["kind"] == "pipeline_error"
    assert BY_DATASET[broken["event"]["dataset"]] is source


def test_names_and_datasets_stand_once() -> None:
    assert len(set(CHOICES)) == len(SOURCES) + 1
    assert len(BY_DATASET) == sum(len(source.datasets) for source in SOURCES)


def test_what_was_not_looked_at_is_told_of_every_source() -> None:
    """What a log says about itself is no source beside the log, nor is an archive of logs."""
    assert set(BY_DATASET) - {"linux.log", "pve.archive"} <= set(SOURCES_OF_EVIDENCE)


def test_the_filter_documents_the_choices() -> None:
    assert yaml.safe_load(DOCUMENTATION)["options"]["source"]["choices"] == list(CHOICES)


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
def test_the_page_has_a_row(source: Source) -> None:
    datasets = ", ".join(f"`{dataset}`" for dataset in source.datasets)
    told = source.coverage
    row = f"| `{source.name}` | {source.what} | {datasets} | {told.blind_to} | {told.forgets} |"
    assert row in PAGE.read_text(encoding="utf-8").splitlines()
