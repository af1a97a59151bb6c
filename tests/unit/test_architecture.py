# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rooms of the house: who may import whom in `plugins`, and who may never touch the outside world.

The tables below are the design. `ROOMS` names the rooms that a room may use beside itself, `PACKAGES` the order of the
packages inside a room, and no file may be part of a circle.
"""

from __future__ import annotations

import ast
import json
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

PLUGINS = Path(__file__).resolve().parents[2] / "plugins"
OURS = "ansible_collections.pve.audit.plugins."

# Room -> the other rooms it may import. What modules use lies in module_utils, what only filters use in plugin_utils.
ROOMS: dict[str, set[str]] = {
    "module_utils/_model": set(),
    "module_utils/_parse": {"module_utils/_model"},
    "module_utils/_classify": {"module_utils/_model"},
    "module_utils/_evidence": {"module_utils/_model", "module_utils/_parse", "module_utils/_classify"},
    "module_utils/_places": {
        "module_utils/_model",
        "module_utils/_parse",
        "module_utils/_classify",
        "module_utils/_evidence",
        "module_utils/_pve",
    },
    "module_utils/_query": {"module_utils/_model"},
    "module_utils/_identity": {"module_utils/_model"},
    "module_utils/_pve": {
        "module_utils/_model",
        "module_utils/_parse",
        "module_utils/_query",
        "module_utils/_identity",
    },
    "module_utils/_node": {"module_utils/_model", "module_utils/_parse"},
    "module_utils/_module": {
        "module_utils/_model",
        "module_utils/_query",
        "module_utils/_evidence",
        "module_utils/_places",
        "module_utils/_pve",
    },
    "plugin_utils/_detect": {"module_utils/_model", "module_utils/_evidence"},
    "plugin_utils/_report": {"module_utils/_model", "module_utils/_classify", "module_utils/_evidence"},
    "plugin_utils/_controls": {"module_utils/_model", "plugin_utils/_render"},
    "plugin_utils/_spot_check": {"module_utils/_model"},
    "plugin_utils/_pseudonyms": {"module_utils/_model"},
    "plugin_utils/_render": {"module_utils/_model"},
}

# Package -> the other packages of its room that it may import; "." are the files of the room itself.
PACKAGES: dict[str, dict[str, set[str]]] = {
    "module_utils/_evidence": {".": set(), "acts": {"."}, "question": {".", "acts"}},
    "module_utils/_identity": {".": set(), "rules": {"."}, "plan": {"."}, "guard": {"."}},
    "module_utils/_node": {
        ".": set(),
        "forward": {"."},
        "logrotate": {"."},
        "sshd": {"."},
        "facts": {".", "logrotate"},
    },
}

# The programs of nodes and collectors: each part -> the other parts of its package that it may import. They import
# nothing else but the standard library.
PROGRAMS = Path(__file__).resolve().parents[2] / "roles" / "_programs" / "files" / "pve_audit"
SHARED = {"__init__", "wire", "files", "say", "settings_file"}
PARTS: dict[str, set[str]] = {
    "__init__": set(),
    "wire": set(),
    "files": set(),
    "say": set(),
    "settings_file": set(),
    "forward": SHARED,
    "ledger": SHARED,
    "preserve": SHARED,
    "disk_guard": SHARED,
    "collector": SHARED,
    "cli": set(),  # it imports the chosen program by name
}
# The one package of the programs that reads lines as modules do, and the rooms that do it (`packages.json`).
READING_PROGRAM = PROGRAMS / "collector" / "index"
READING_ROOMS = {f"module_utils/{name}" for name in ("_classify", "_evidence", "_model", "_parse")}

# Same input, same output: nothing here can read a clock, a file, the network or the environment.
PURE_ROOMS = {
    room
    for room in ROOMS
    if room not in {"module_utils/_pve", "module_utils/_node", "module_utils/_module", "module_utils/_places"}
}
PURE_MODULES = """
    __future__ abc base64 binascii bisect calendar codecs collections contextlib copy csv dataclasses datetime decimal
    difflib enum fractions functools graphlib hashlib heapq hmac html io ipaddress itertools json keyword math numbers
    operator re statistics string struct textwrap types typing unicodedata urllib.parse xml.etree.ElementTree zoneinfo
"""
IMPURE_CALLS = {"open", "input", "print", "now", "utcnow", "today"}

# Packages beside the standard library, and the only rooms that may use them.
THIRD_PARTY = {
    "module_utils/_pve": {"proxmoxer", "requests", "urllib3"},
    "module_utils/_query": {"jmespath"},
    "module_utils/_module": {"ansible"},
    "plugin_utils/_pseudonyms": {"cryptography"},
}


def imports_of(file: Path) -> Iterator[tuple[int, str]]:
    """Each import of a file, wherever it stands in it: line number and dotted name."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            name = "." * node.level + (node.module or "")
            parts = [f"{name}.{alias.name}" for alias in node.names]
            modules = [part for part in parts if target_of(part) is not None]
            yield from ((node.lineno, part) for part in modules or [name])


def target_of(name: str) -> Path | None:
    """The file of ours that a dotted name means, if it is one."""
    if not name.startswith(OURS):
        return None
    file = PLUGINS.joinpath(*name.removeprefix(OURS).split(".")).with_suffix(".py")
    return file if file.is_file() else None


def room_files() -> list[Path]:
    """All files in rooms."""
    return sorted(file for kind in ("module_utils", "plugin_utils") for file in (PLUGINS / kind).rglob("*.py"))


def room_of(file: Path) -> str:
    """`module_utils/_parse` for plugins/module_utils/_parse/upid.py."""
    return "/".join(file.relative_to(PLUGINS).parts[:2])


def package_of(file: Path) -> str:
    """`guard` for plugins/module_utils/_identity/guard/people.py, `.` for a file of the room itself."""
    parts = file.relative_to(PLUGINS).parts
    return parts[2] if len(parts) > 3 else "."


def name_of(path: object) -> str:
    """The name of a test case."""
    return str(path.relative_to(PLUGINS)) if isinstance(path, Path) else repr(path)


def test_every_folder_is_a_private_room() -> None:
    assert {room_of(file) for file in room_files()} == set(ROOMS)


@pytest.mark.parametrize("file", room_files(), ids=name_of)
def test_room_imports_only_what_it_may(file: Path) -> None:
    room = room_of(file)
    wrong = []
    for line, name in imports_of(file):
        top = name.split(".")[0]
        target = target_of(name)
        if target is not None:
            good = room_of(target) in {room, *ROOMS[room]}
        elif name.startswith(OURS):
            good = False
        elif top in sys.stdlib_module_names:
            good = room not in PURE_ROOMS or not {name, top}.isdisjoint(PURE_MODULES.split())
        else:
            good = top in THIRD_PARTY.get(room, set())
        if not good:
            wrong.append(f"line {line}: {name or 'a relative import'}")
    assert not wrong, f"{room} may not import {wrong}"


@pytest.mark.parametrize("file", [file for file in room_files() if room_of(file) in PACKAGES], ids=name_of)
def test_package_imports_only_what_it_may(file: Path) -> None:
    room, package = room_of(file), package_of(file)
    allowed = {package, *PACKAGES[room][package]}
    targets = [target for _line, name in imports_of(file) if (target := target_of(name)) is not None]
    wrong = [name_of(target) for target in targets if room_of(target) == room and package_of(target) not in allowed]
    assert not wrong, f"{package} may not import {wrong}"


def test_packages_of_a_room_are_named() -> None:
    """A room with packages has an order among them."""
    packages = {room: {package_of(file) for file in room_files() if room_of(file) == room} for room in ROOMS}
    assert {room for room, found in packages.items() if found != {"."}} == set(PACKAGES)
    assert {room: packages[room] | {"."} for room in PACKAGES} == {room: set(table) for room, table in PACKAGES.items()}


def test_no_circle() -> None:
    """Neither between rooms and packages, as the tables say, nor between files, as the imports are."""
    graph = {
        file: {target for _line, name in imports_of(file) if (target := target_of(name)) is not None}
        for file in room_files()
    }
    for nodes in (
        ROOMS,
        *PACKAGES.values(),
        {name_of(file): set(map(name_of, found)) for file, found in graph.items()},
    ):
        try:
            TopologicalSorter(nodes).prepare()
        except CycleError as error:
            pytest.fail(f"a circle: {error.args[1]}")


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
        todo += [target for _line, name in imports_of(current) if (target := target_of(name)) is not None]
    return reached


@pytest.mark.parametrize("file", sorted((PLUGINS / "modules").glob("[!_]*.py")), ids=name_of)
def test_module_that_runs_on_a_node_needs_only_python(file: Path) -> None:
    """Only the modules that say so in their documentation talk to the API, from the controller, with packages."""
    if "pve.audit.api" in file.read_text(encoding="utf-8"):
        return
    packages = {name.split(".")[0] for found in reached_from(file) for _line, name in imports_of(found)}
    assert packages <= set(sys.stdlib_module_names) | {"ansible", "ansible_collections"}


def part_of(file: Path) -> str:
    """`forward` for pve_audit/forward/link.py, `wire` for pve_audit/wire.py."""
    return file.relative_to(PROGRAMS).parts[0].removesuffix(".py")


def program_imports(file: Path) -> Iterator[tuple[str, Path | None]]:
    """Each import of a file of the programs, and the file of ours that it means."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{'.' * node.level}{node.module}.{alias.name}" for alias in node.names]
        for name in names:
            parts = name.split(".")
            places = [PROGRAMS.parent.joinpath(*path) for path in (parts, parts[:-1])]
            files = [one for place in places for one in (place.with_suffix(".py"), place / "__init__.py")]
            yield name, next((one for one in files if parts[0] == "pve_audit" and one.is_file()), None)


def test_programs_import_only_what_they_may() -> None:
    files = sorted(PROGRAMS.rglob("*.py"))
    assert {part_of(file) for file in files} == set(PARTS)
    wrong = []
    for file in files:
        for name, target in program_imports(file):
            if target is not None:
                good = part_of(target) in {part_of(file), *PARTS[part_of(file)]}
            else:
                good = name.split(".")[0] in sys.stdlib_module_names or may_read_with(file, name)
            if not good:
                wrong.append(f"{file.relative_to(PROGRAMS)}: {name}")
    assert not wrong


def may_read_with(file: Path, name: str) -> bool:
    """Whether the file of a program may import this of ours."""
    target = target_of(name.rpartition(".")[0])
    return file.parent == READING_PROGRAM and target is not None and room_of(target) in READING_ROOMS


def test_the_rooms_of_programs_are_packed_with_them() -> None:
    packed = json.loads((PROGRAMS.parent / "packages.json").read_bytes())
    assert {name.removeprefix(OURS).replace(".", "/") for name in packed} == READING_ROOMS
    assert all(
        (PROGRAMS.parent / place).resolve() == PLUGINS / name.removeprefix(OURS).replace(".", "/")
        for name, place in packed.items()
    )
    assert all(ROOMS[room] <= READING_ROOMS for room in READING_ROOMS)
    assert READING_ROOMS <= PURE_ROOMS


def test_only_the_index_is_imported_by_name() -> None:
    """So that no other program loads the readers when it starts."""
    users = [
        file
        for file in PROGRAMS.rglob("*.py")
        for _name, target in program_imports(file)
        if target and target.parent == READING_PROGRAM
    ]
    assert {file.parent for file in users} == {READING_PROGRAM}


def test_programs_have_no_circle() -> None:
    graph = {file: {target for _name, target in program_imports(file) if target} for file in PROGRAMS.rglob("*.py")}
    TopologicalSorter(graph).prepare()


def test_no_room_is_the_house() -> None:
    """No room holds more than a quarter of the lines of all plugins."""
    lines = {file: len(file.read_text(encoding="utf-8").splitlines()) for file in PLUGINS.rglob("*.py")}
    for room in ROOMS:
        share = sum(count for file, count in lines.items() if room_of(file) == room) / sum(lines.values())
        assert share <= 0.25, f"{room} holds {share:.0%}"
