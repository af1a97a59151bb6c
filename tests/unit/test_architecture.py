# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rooms of the house: who may import whom below `plugins/module_utils`, and who may never touch the outside world.

Data flows one way, source -> parse -> classify -> analyze -> render. The tables below are the design.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PLUGINS = Path(__file__).resolve().parents[2] / "plugins"
UTILS = PLUGINS / "module_utils"
OURS = "ansible_collections.pve.audit.plugins."

# Room -> the other rooms it may import.
ROOMS: dict[str, set[str]] = {
    "model": set(),
    "parse": {"model"},
    "classify": {"model"},
    "analyze": {"model", "classify"},
    "render": {"model"},
    "pve": {"model", "parse"},
    "node": {"model", "parse"},
    "archive": {"model"},
}

# Same input, same output: nothing here can read a clock, a file, the network or the environment.
PURE_ROOMS = {"model", "parse", "classify", "analyze", "render"}
PURE_MODULES = """
    __future__ abc base64 binascii bisect calendar codecs collections contextlib copy csv dataclasses datetime decimal
    difflib enum fractions functools hashlib heapq hmac html io ipaddress itertools json keyword math numbers operator
    re statistics string struct textwrap types typing unicodedata urllib.parse zoneinfo
"""
IMPURE_CALLS = {"open", "input", "print", "now", "utcnow", "today"}

# Third-party packages, and the only room that may use them.
THIRD_PARTY = {"pve": {"jmespath", "proxmoxer", "requests", "urllib3"}}


def imports_of(file: Path) -> Iterator[tuple[int, str]]:
    """Each import of a file, wherever it stands in it: line number and dotted name."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.lineno, "." * node.level + (node.module or "")


def room_files() -> list[Path]:
    """All files in rooms."""
    return sorted(UTILS.glob("*/**/*.py"))


def room_of(file: Path) -> str:
    """`parse` for plugins/module_utils/parse/upid.py."""
    return file.relative_to(UTILS).parts[0]


def name_of(path: object) -> str:
    """The name of a test case."""
    return str(path.relative_to(PLUGINS)) if isinstance(path, Path) else repr(path)


def test_every_folder_is_a_room() -> None:
    assert {room_of(file) for file in room_files()} <= set(ROOMS)


@pytest.mark.parametrize("file", room_files(), ids=name_of)
def test_room_imports_only_what_it_may(file: Path) -> None:
    room = room_of(file)
    rooms = tuple(f"{OURS}module_utils.{other}." for other in {room, *ROOMS[room]})
    wrong = []
    for line, name in imports_of(file):
        top = name.split(".")[0]
        if name.startswith(OURS):
            good = name.startswith(rooms) or f"{name}." in rooms
        elif top in sys.stdlib_module_names:
            good = room not in PURE_ROOMS or not {name, top}.isdisjoint(PURE_MODULES.split())
        else:
            good = top in THIRD_PARTY.get(room, set())
        if not good:
            wrong.append(f"line {line}: {name or 'a relative import'}")
    assert not wrong, f"{room} may not import {wrong}"


@pytest.mark.parametrize("file", [file for file in room_files() if room_of(file) in PURE_ROOMS], ids=name_of)
def test_pure_room_calls_nothing_impure(file: Path) -> None:
    wrong = []
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
            if name in IMPURE_CALLS:
                wrong.append(f"line {node.lineno}: {name}()")
    assert not wrong


def reached_from(file: Path) -> set[Path]:
    """The file and all of our own files that it imports, directly or not."""
    reached: set[Path] = set()
    todo = [file]
    while todo:
        current = todo.pop()
        if current in reached:
            continue
        reached.add(current)
        for _line, name in imports_of(current):
            if name.startswith(OURS):
                target = PLUGINS / Path(*name.removeprefix(OURS).split("."))
                todo += [found for found in (target.with_suffix(".py"), target / "__init__.py") if found.exists()]
    return reached


@pytest.mark.parametrize("file", sorted((PLUGINS / "modules").glob("[!_]*.py")), ids=name_of)
def test_module_that_runs_on_a_node_needs_only_python(file: Path) -> None:
    """Only the modules that say so in their documentation talk to the API, from the controller, with packages."""
    if "pve.audit.api" in file.read_text(encoding="utf-8"):
        return
    packages = {name.split(".")[0] for found in reached_from(file) for _line, name in imports_of(found)}
    assert packages <= set(sys.stdlib_module_names) | {"ansible", "ansible_collections"}


@pytest.mark.parametrize("file", sorted(UTILS.rglob("*.py")), ids=name_of)
def test_nothing_below_imports_from_above(file: Path) -> None:
    wrong = [
        name for _line, name in imports_of(file) if name.startswith(OURS) and not name.startswith(f"{OURS}module_utils")
    ]
    assert not wrong
