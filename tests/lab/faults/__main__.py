# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m tests.lab.faults`: boot the lab, harden it, play the nine cases, print the table with its figures.

Exit status 1 when acknowledged delivery lost a line, repeated one without a mark, or let an intruder in.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path

from tests.lab.faults import intruders, rotation
from tests.lab.faults.cases import CASES, Outcome, play
from tests.lab.faults.deliveries import DELIVERIES, INSTALL
from tests.lab.faults.report import failures, markdown
from tests.lab.faults.rig import Rig
from tests.lab.hosts import lab as actions
from tests.lab.hosts.errors import LabError
from tests.lab.hosts.layout import find_lab


def main() -> int:
    """Returns the exit status."""
    options = _options()
    rig = Rig(find_lab(), DELIVERIES[options.delivery])
    try:
        actions.up(rig.lab)
        prepare(rig, options.no_harden)
        outcomes = [_told(name, partial(play, rig, name, options.messages)) for name in _chosen(options.case)]
        tried: list[intruders.Attempt] = []
        if options.delivery == "acknowledged" and not options.case:
            outcomes.append(_told("access.log", partial(rotation.access_log, rig, options.messages)))
            outcomes.append(_told("task index", partial(rotation.task_index, rig, min(options.messages, 1500))))
            tried = intruders.play(rig)
    except LabError as error:
        print(error, file=sys.stderr)
        return 1
    wrong = [*failures(outcomes), *(f"{one.name}: {one}" for one in tried if not one.held)]
    text = _text(options.delivery, outcomes, tried)
    print(text)
    if options.output:
        _insert(Path(options.output), options.delivery, text)
    if options.json:
        Path(options.json).write_text(json.dumps([*map(asdict, outcomes), *map(asdict, tried)], indent=2) + "\n")
    print("\n".join(wrong) or f"nothing was lost{', and nobody got in' if tried else '; intruders were not tried'}")
    return 1 if wrong and options.delivery == "acknowledged" else 0


def prepare(rig: Rig, ready: bool) -> None:
    """Harden the hosts, and set up their kind of delivery."""
    delivery = rig.delivery
    if delivery.packages:
        rig.on_nodes(INSTALL.format(delivery.packages))
    if not ready:
        start = time.monotonic()
        rig.playbook("harden", "-e", f"pve_audit_node_logging_remote_syslog_delivery={delivery.role}")
        print(f"hardened in {time.monotonic() - start:.0f} s", flush=True)
    if delivery.setup_collector:
        rig.run(rig.collector, INSTALL.format(delivery.packages))
        rig.run(rig.collector, delivery.setup_collector)
    if delivery.setup_node:
        rig.on_nodes(delivery.setup_node)


def _told(name: str, action: Callable[[], Outcome]) -> Outcome:
    print(f"... {name}", flush=True)
    start = time.monotonic()
    outcome = action()
    arrived = {node: one["distinct"] for node, one in outcome.counts.items()}
    print(f"    arrived {arrived}, lost {outcome.lost} ({time.monotonic() - start:.0f} s)", flush=True)
    return outcome


def _chosen(words: list[str]) -> list[str]:
    return [name for name in CASES if not words or any(word in name for word in words)]


def _text(delivery: str, outcomes: list[Outcome], tried: list[intruders.Attempt]) -> str:
    text = f"Delivery `{delivery}`, two nodes and a collector (figures are node1 / node2):\n\n{markdown(outcomes)}"
    if tried:
        text += "\n| intruder | lines in the archive | what the collector reports |\n| --- | --- | --- |\n"
        text += "".join(f"| {one.name} | {one.archived} | {one.reported or 'NOTHING'} |\n" for one in tried)
    return text


def _insert(page: Path, delivery: str, text: str) -> None:
    """Put the tables between the marks of this delivery, or at the end of a page that has none."""
    old = page.read_text(encoding="utf-8") if page.exists() else ""
    start, end = f"<!-- {delivery} -->", f"<!-- end of {delivery} -->"
    if start not in old:
        old += f"{start}\n{end}\n"
    before, _mark, rest = old.partition(start)
    page.write_text(f"{before}{start}\n{text}{end}{rest.partition(end)[2]}", encoding="utf-8")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=20_000, help="from each node in each case")
    parser.add_argument("--delivery", choices=tuple(DELIVERIES), default="acknowledged")
    parser.add_argument("--case", action="append", default=[], help="only cases whose name contains this")
    parser.add_argument("--no-harden", action="store_true", help="the hosts are hardened already")
    parser.add_argument("--output", help="put the tables into this Markdown file")
    parser.add_argument("--json", help="write the outcomes to this file")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
