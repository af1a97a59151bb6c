# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who did what on the recordings, against the truth of every action."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.pve.audit.plugins.filter.events import events
from ansible_collections.pve.audit.plugins.module_utils._evidence.acts.act import join_acts
from ansible_collections.pve.audit.plugins.module_utils._model.act import CHANNELS, CONFIDENCES, Act
from ansible_collections.pve.audit.plugins.module_utils._model.event import Event
from tools.attribution import KINDS, NAMES, NODES, RECORDINGS, SOURCES, figures, main, pick, recorded, score, truth

# Kind of action -> how many of the recordings were said to be what, with all sources. All others were certain.
NOT_CERTAIN = {"gui": {"ambiguous": 6}, "root": {"likely": 10}, "refused": {"likely": 1}, "login": {"likely": 9}}


def test_all_sources_together_decide_what_can_be_decided() -> None:
    for label, count in figures(SOURCES).items():
        other = NOT_CERTAIN.get(label, {})
        assert {name: number for name, number in count.items() if number} == Counter(
            {"actions": count["actions"], "certain": count["actions"] - sum(other.values())} | other
        ) - Counter(), KINDS[label]


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_no_certain_act_is_wrong_whatever_files_are_missing(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(NAMES))
    parts = data.draw(st.lists(st.sampled_from(recorded(name)), unique_by=id))
    nodes = data.draw(st.sampled_from([None, NODES, {"pve1": NODES["pve1"]}]))
    found = pick(parts, SOURCES)
    acts = join_acts(found, nodes)
    wrong = [row for row, said in score(truth(name), found, acts) if said.says == "wrong certain"]
    assert not wrong
    own = {address for listed in NODES.values() for address in listed}
    assert nodes is not NODES or not own & {act["source"]["ip"] for act in acts}


@pytest.mark.parametrize("name", NAMES)
def test_the_order_of_events_does_not_matter(name: str) -> None:
    found = pick(recorded(name), SOURCES)
    said = [score(truth(name), some, join_acts(some, NODES)) for some in (found, found[::-1])]
    assert [one.says for _row, one in said[0]] == [one.says for _row, one in said[1]]


@pytest.mark.parametrize("name", ["revenge", "busy-day"])
def test_a_journal_in_two_forms_is_one(name: str) -> None:
    """The records, and beside them what the API answers: lines without year, cursor and login uid."""
    found = pick(recorded(name), SOURCES)
    texts: list[Event] = []
    for node in NODES:
        file = RECORDINGS / name / "api" / f"nodes_{node}_journal.json.gz"
        rows = json.loads(gzip.decompress(file.read_bytes()))["data"]
        texts += events(rows, node=node, reference="2026-11-24T00:00:00Z")
    assert texts
    acts, both = join_acts(found, NODES), join_acts([*texts, *found], NODES)
    assert Counter(map(essence, both)) == Counter(map(essence, acts))


def essence(act: Act) -> tuple[Any, ...]:
    """What an act says, but for its time and witnesses: a record is more exact than its line."""
    told = act["attribution"]
    return act["event"]["action"], act["user"]["id"], act["person"], act["source"]["ip"], told["confidence"]


@pytest.mark.parametrize("nodes", [NODES, None], ids=["given", "learned"])
def test_what_a_bulk_action_did_belongs_to_whoever_started_it(nodes: dict[str, list[str]] | None) -> None:
    acts = [act for act in join_acts(pick(recorded("bulk-actions"), SOURCES), nodes) if act["pve"]["upid"]]
    said = Counter(
        (act["user"]["id"], act["source"]["ip"], act["event"]["action"], act["attribution"]["confidence"])
        for act in acts
        if act["event"]["action"] not in ("guest.create", "guest.destroy")
    )
    browser, program = ("bea@pve", "10.99.77.31"), ("bea@pve!bulk", "10.99.77.33")
    bulk = [(*who, f"guest.bulk.{what}", "certain") for who, what in [
        (browser, "start"), (browser, "shutdown"), (browser, "suspend"), (browser, "migrate"), (program, "start"),
    ]]  # fmt: skip
    children = {(*browser, "guest.start"): 6, (*browser, "guest.migrate"): 1, (*program, "guest.start"): 2}
    assert said == Counter(bulk) + Counter({(*child, "likely"): number for child, number in children.items()})


def test_every_act_has_the_words_that_the_documentation_names() -> None:
    acts = [act for name in NAMES for act in join_acts(pick(recorded(name), SOURCES), NODES)]
    assert {act["attribution"]["confidence"] for act in acts} <= set(CONFIDENCES)
    assert {act["pve"]["channel"] for act in acts} <= set(CHANNELS)
    assert all(act["attribution"]["candidates"] and act["attribution"]["witnesses"] for act in acts)


def test_the_page_has_the_figures() -> None:
    assert main(["--check"]) == 0, "run: python -m tools.attribution"
