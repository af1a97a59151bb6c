# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The logrotate configuration of a node as a whole: read it, find paths rotated twice, try it out with a candidate."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ansible_collections.pve.audit.plugins.module_utils._model.errors import InputError
from ansible_collections.pve.audit.plugins.module_utils._node.command import Outcome, Runner
from ansible_collections.pve.audit.plugins.module_utils._node.logrotate.config import (
    TABOO,
    Block,
    Include,
    Taboo,
    is_taboo,
    parse_config,
    patterns_overlap,
)

# logrotate stops at 16.
MAX_NESTING = 16


@dataclass(frozen=True)
class LogrotateRule:
    """One pattern that a file rotates, with all options in effect for it."""

    file: str
    line: int
    pattern: str
    options: Mapping[str, str]

    @property
    def place(self) -> str:
        """`/etc/logrotate.d/pve:1`."""
        return f"{self.file}:{self.line}"


@dataclass
class Configuration:
    """All that logrotate reads, in its order."""

    main: str
    files: list[str] = field(default_factory=list)
    directories: list[str] = field(default_factory=list)
    rules: list[LogrotateRule] = field(default_factory=list)
    taboo: list[str] = field(default_factory=lambda: list(TABOO))
    options: dict[str, str] = field(default_factory=dict)


def read_configuration(main: str) -> Configuration:
    """Follow `main` and its includes as logrotate does. A file that cannot be read is passed over."""
    found = Configuration(main)
    _read_path(found, main, 0)
    return found


def _read_path(found: Configuration, path: str, depth: int) -> None:
    if depth > MAX_NESTING:
        return
    if not os.path.isdir(path):
        _read_file(found, path, depth)
        return
    found.directories.append(os.path.normpath(path))
    for name in sorted(os.listdir(path)):
        file = os.path.join(path, name)
        if not is_taboo(name, found.taboo) and os.path.isfile(file):
            _read_file(found, file, depth)


def _read_file(found: Configuration, path: str, depth: int) -> None:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as stream:
            text = stream.read()
    except OSError:
        return
    found.files.append(path)
    # The options of the files read before hold here too, so does what an include leaves behind.
    parsed = parse_config(text, found.options)
    for item in parsed.items:
        if isinstance(item, Block):
            found.rules += [LogrotateRule(path, item.line, pattern, item.options) for pattern in item.patterns]
        elif isinstance(item, Taboo):
            found.taboo = [*(found.taboo if item.add else []), *item.patterns]
        elif isinstance(item, Include):
            found.options = parsed.options
            _read_path(found, os.path.join(os.path.dirname(path), item.path), depth + 1)
    found.options = parsed.options


def overlapping_rules(found: Configuration, paths: Iterable[str], but: str) -> list[LogrotateRule]:
    """The rules of other files than `but` that rotate something that `paths` rotate too."""
    wanted = list(paths)
    return [
        rule
        for rule in found.rules
        if rule.file != but and any(patterns_overlap(rule.pattern, path) for path in wanted)
    ]


def doubles(found: Configuration) -> list[tuple[LogrotateRule, LogrotateRule]]:
    """All pairs of rules that may rotate the same path: logrotate refuses the later one when the file exists."""
    return [
        (first, second)
        for number, second in enumerate(found.rules)
        for first in found.rules[:number]
        if "ignoreduplicates" not in first.options and patterns_overlap(first.pattern, second.pattern)
    ]


def find_errors(main: str, run: Runner) -> list[str]:
    """The errors that the real `logrotate -d` finds in the configuration as it is, or why it cannot be asked."""
    outcome = run(["logrotate", "-d", main])
    if outcome.missing or outcome.timed_out:
        return [outcome.stderr]
    return [line.removeprefix("error: ") for line in _error_lines(outcome)]


def try_configuration(main: str, directory: str, contents: Mapping[str, bytes | None], run: Runner) -> list[str]:
    """The errors that the real `logrotate -d` finds in the complete configuration with a change, and not without it.

    `contents` are those of files in `directory` by name, None for a file that goes away. The configuration is copied,
    with all modes, to a temporary place where the change is made; names in the answers are the real ones. Nothing of
    the node is touched.
    """
    before = _errors(main, directory, {}, run)
    after = _errors(main, directory, contents, run)
    return [error for error in after if error not in before]


def _errors(main: str, directory: str, contents: Mapping[str, bytes | None], run: Runner) -> list[str]:
    with tempfile.TemporaryDirectory(prefix="pve-audit-logrotate-") as place:
        staged = os.path.join(place, "logrotate.d")
        _copy_directory(directory, staged)
        for name, content in contents.items():
            _stage(os.path.join(staged, name), content)
        copy = os.path.join(place, "logrotate.conf")
        _stage(copy, _redirect(main, directory, staged))
        outcome = run(["logrotate", "-d", "-s", os.path.join(place, "state"), copy])
        return [_real_names(line, main, copy, directory, staged) for line in _error_lines(outcome)]


def _copy_directory(source: str, target: str) -> None:
    os.mkdir(target, 0o755)
    for name in os.listdir(source):
        file = os.path.join(source, name)
        if os.path.isfile(file):
            shutil.copy2(file, os.path.join(target, name))
            found = os.stat(file)
            os.chown(os.path.join(target, name), found.st_uid, found.st_gid)


def _stage(path: str, content: bytes | None) -> None:
    if content is None:
        os.unlink(path)
        return
    with open(path, "wb") as stream:
        stream.write(content)
    os.chmod(path, 0o644)


def _redirect(main: str, directory: str, staged: str) -> bytes:
    """The main file with its include of `directory` led to the staged one."""
    with open(main, encoding="utf-8", errors="surrogateescape") as stream:
        lines = stream.read().split("\n")
    hits = 0
    for number, line in enumerate(lines):
        match = re.fullmatch(r"(\s*include[\s=]+)[\"']?([^\"']+?)[\"']?\s*", line)
        if match and os.path.normpath(match[2]) == os.path.normpath(directory):
            lines[number] = match[1] + staged
            hits += 1
    if not hits:
        raise InputError(f"{main} has no line `include {directory}`: a policy there would never be used")
    return "\n".join(lines).encode("utf-8", "surrogateescape")


def _error_lines(outcome: Outcome) -> list[str]:
    """logrotate leaves with 0 after an unknown option: the word at the start of the line decides, as it prints it."""
    if outcome.missing or outcome.timed_out:
        raise InputError(f"the policy cannot be validated: {outcome.stderr}")
    lines = (outcome.stderr + outcome.stdout).splitlines()
    errors = [line for line in lines if line.startswith("error:") or " unknown option " in line]
    if not errors and outcome.code:
        errors = [f"logrotate -d left with status {outcome.code}"]
    return errors


def _real_names(line: str, main: str, copy: str, directory: str, staged: str) -> str:
    """Names in a directory are printed without it (`error: pve:3 unknown option`)."""
    line = line.replace(copy, main).replace(staged, directory)
    line = re.sub(r"^(?:error|warning): ", "", line)
    if re.match(r"[^/\s]+:\d+,? ", line):
        return f"{directory}/{line}"
    return re.sub(r"^found error in file ([^/,]+), skipping$", rf"found error in file {directory}/\1, skipping", line)
