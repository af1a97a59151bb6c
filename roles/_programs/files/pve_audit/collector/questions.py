# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands `index` and `find`. The readers of all sources are imported when one of them runs, not before."""

from __future__ import annotations

import argparse
from importlib import import_module
from typing import Any

from pve_audit.collector.settings import Settings

Told = tuple[int, dict[str, Any], list[str]]


def add_options(index: argparse.ArgumentParser, find: argparse.ArgumentParser, moment: Any) -> None:
    """`moment` turns a text into epoch seconds."""
    index.add_argument("--rebuild", action="store_true", help="make it again from all lines")
    find.add_argument("--vmid", type=int, help="the number of a guest")
    find.add_argument("--user", default="", help="an account with its realm, such as alice@pve, or one of its tokens")
    find.add_argument("--object", default="", help="what it was done to, as events name it: a guest, a user, a storage")
    find.add_argument("--address", default="", help="the IP address of a client")
    find.add_argument("--since", type=moment, help="for instance --since=-7d, or a date with or without a time")
    find.add_argument("--until", type=moment)
    find.add_argument("--verify", action="store_true", help="read each line of the answer again where it lies")
    find.add_argument("--scan", action="store_true", help="read all lines, and do without the index")


def index(settings: Settings, options: argparse.Namespace) -> Told:
    """Bring the index up to date."""
    return _run("index", settings, options)


def find(settings: Settings, options: argparse.Namespace) -> Told:
    """Answer a question."""
    return _run("find", settings, options)


def _run(command: str, settings: Settings, options: argparse.Namespace) -> Told:
    told: Told = getattr(import_module("pve_audit.collector.index.commands"), command)(settings, options)
    return told
