# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The recordings of a genuine cluster below tests/unit/data, as lines and records."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

DATA = Path(__file__).resolve().parents[3] / "data"
CORPUS = DATA / "corpus"
SCENARIOS = DATA / "scenarios"


def read_lines(path: Path) -> list[bytes]:
    """The lines of a file, as bytes without line ends; `path` may be stored as `path.gz`."""
    packed = path.with_name(path.name + ".gz")
    data = gzip.decompress(packed.read_bytes()) if packed.exists() else path.read_bytes()
    return data.removesuffix(b"\n").split(b"\n") if data else []


def read_records(path: Path) -> list[dict[str, Any]]:
    """One JSON record for each line."""
    return [json.loads(line) for line in read_lines(path)]


def api_tasks() -> dict[str, list[dict[str, Any]]]:
    """All task records that the API answered: of the lists of nodes (`node`) and of the cluster (`cluster`)."""
    answers: dict[str, list[dict[str, Any]]] = json.loads(gzip.decompress((CORPUS / "api_tasks.json.gz").read_bytes()))
    return answers


def scenario_tasks(name: str) -> list[dict[str, Any]]:
    """The answers of the nodes' task lists in a scenario."""
    files = sorted((SCENARIOS / name / "api").glob("nodes_*_tasks.json"))
    return [task for file in files for task in json.loads(file.read_text(encoding="utf-8"))["data"]]
