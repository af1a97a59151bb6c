# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bring one rotation policy to a node, or take it away, with the file of somebody else that it takes over.

Taking over: the other file is copied, with mode, owner and time, to a directory that logrotate never reads, then
removed. dpkg takes a conffile that is gone for one that the administrator has removed, and does not bring it back by
itself. When a forced upgrade does bring it back, the next run (and check mode, and node_logging_info) sees it and takes
it over again. dpkg-divert is not used: Debian's policy forbids to divert conffiles.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.pve.audit.plugins.module_utils._model.errors import InputError
from ansible_collections.pve.audit.plugins.module_utils._node.command import Runner
from ansible_collections.pve.audit.plugins.module_utils._node.logrotate.config import (
    MARKER,
    NAME,
    pattern_covers,
    patterns_overlap,
    render_policy,
)
from ansible_collections.pve.audit.plugins.module_utils._node.logrotate.files import (
    Configuration,
    LogrotateRule,
    overlapping_rules,
    read_configuration,
    try_configuration,
)
from ansible_collections.pve.audit.plugins.module_utils._node.managed_file import (
    FileState,
    Wanted,
    differences,
    read_state,
    remove_file,
    restore_file,
    show_diff,
    write_file,
)

SUFFIX = ".pve-audit-disabled"


@dataclass(frozen=True)
class LogrotatePlaces:
    """Where things lie; only tests use others."""

    main: str = "/etc/logrotate.conf"
    directory: str = "/etc/logrotate.d"
    aside: str = "/var/lib/pve-audit/logrotate"


@dataclass
class PolicyPlan:
    """What a run does. `contents`: new bytes by path, None for a file that goes; the same for what it was `before`."""

    path: str
    contents: dict[str, bytes | None] = field(default_factory=dict)
    before: dict[str, bytes | None] = field(default_factory=dict)
    take_over: list[str] = field(default_factory=list)
    give_back: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    attributes_only: bool = False

    @property
    def changed(self) -> bool:
        """Whether there is anything to do."""
        return bool(self.contents or self.give_back or self.attributes_only)

    def diff(self) -> list[dict[str, str]]:
        """One entry for each file."""
        return [show_diff(path, self.before[path], after) for path, after in sorted(self.contents.items())]


def plan_present(name: str, policy: Mapping[str, Any], takeover: bool, places: LogrotatePlaces) -> PolicyPlan:
    """What it takes to have the policy. Raises InputError when another file rotates one of its paths."""
    text = render_policy(name, policy).encode()
    plan = PolicyPlan(os.path.join(places.directory, name))
    found = read_configuration(places.main)
    if os.path.normpath(places.directory) not in found.directories:
        raise InputError(f"{places.main} does not include {places.directory}: a policy there would never be used")
    _check_own_paths(policy["paths"])
    old = _own_state(plan.path)
    plan.take_over = _check_others(found, plan.path, policy["paths"], takeover, places)
    for path in plan.take_over:
        plan.contents[path], plan.before[path] = None, _content(path)
    changes = differences(_wanted(plan.path, text), old)
    if "content" in changes or "absent" in changes:
        plan.contents[plan.path], plan.before[plan.path] = text, old.content if old else None
    plan.attributes_only = bool(changes) and plan.path not in plan.contents
    return plan


def plan_absent(name: str, places: LogrotatePlaces) -> PolicyPlan:
    """What it takes to be without the policy, everything that it took over back in its place."""
    if not NAME.fullmatch(name):
        raise InputError(f"name must be letters, digits, - and _, not {name!r}")
    plan = PolicyPlan(os.path.join(places.directory, name))
    old = _own_state(plan.path)
    if old is not None:
        plan.contents[plan.path], plan.before[plan.path] = None, old.content
    for path in _read_record(name, places):
        kept = read_state(aside_path(path, places))
        plan.give_back.append(path)
        if kept is None:
            plan.warnings.append(f"{path} cannot be given back: its copy {aside_path(path, places)} is gone")
        elif os.path.lexists(path):
            plan.warnings.append(f"{path} is there again (a package brought it) and stays as it is")
        else:
            plan.contents[path], plan.before[path] = kept.content, None
    return plan


def check_plan(plan: PolicyPlan, places: LogrotatePlaces, run: Runner) -> None:
    """Raises InputError with logrotate's own words when the configuration would be worse than before."""
    if not plan.contents:
        return
    contents = {os.path.basename(path): content for path, content in plan.contents.items()}
    errors = try_configuration(places.main, places.directory, contents, run)
    if errors:
        raise InputError(f"logrotate refuses the policy, nothing was changed: {'; '.join(errors)}")


def apply_present(name: str, policy: Mapping[str, Any], plan: PolicyPlan, places: LogrotatePlaces) -> None:
    """Carry out the plan. On a failure everything is as it was before."""
    done: list[tuple[str, FileState | None]] = []
    try:
        if plan.take_over:
            _keep_aside(name, plan.take_over, places)
        done.append((plan.path, write_file(_wanted(plan.path, render_policy(name, policy).encode()))))
        for path in plan.take_over:
            state = remove_file(path)
            done.append((path, state))
    except OSError as error:
        for path, state in reversed(done):
            restore_file(path, state)
        raise InputError(f"nothing was changed: {error.filename}: {error.strerror}") from error


def apply_absent(name: str, plan: PolicyPlan, places: LogrotatePlaces) -> None:
    """Carry out the plan: first give back, then remove, so that no moment is without rotation."""
    for path in plan.give_back:
        if path in plan.contents:
            restore_file(path, read_state(aside_path(path, places)))
    if plan.path in plan.contents:
        remove_file(plan.path)
    for path in plan.give_back:
        remove_file(aside_path(path, places))
    remove_file(_record_path(name, places))


def taken_over(places: LogrotatePlaces) -> dict[str, list[str]]:
    """The files that each policy has taken over, by policy."""
    try:
        names = sorted(name for name in os.listdir(places.aside) if name.endswith(".json"))
    except OSError:
        return {}
    return {name.removesuffix(".json"): _read_record(name.removesuffix(".json"), places) for name in names}


def aside_path(path: str, places: LogrotatePlaces) -> str:
    """Where the copy of a file lies that was taken over."""
    return os.path.join(places.aside, os.path.basename(path) + SUFFIX)


def _wanted(path: str, text: bytes) -> Wanted:
    # logrotate refuses a file that is not root's; tests run with their own user.
    return Wanted(path, text, 0o644, str(os.geteuid()), str(os.getegid()))


def _content(path: str) -> bytes | None:
    state = read_state(path)
    return state.content if state else None


def _own_state(path: str) -> FileState | None:
    """The policy file. Raises InputError when somebody else wrote it."""
    state = read_state(path)
    if state is not None and not state.content.startswith(MARKER.encode()):
        raise InputError(f"{path} was not written by pve.audit.logrotate; choose another name")
    return state


def _check_own_paths(paths: list[str]) -> None:
    for number, path in enumerate(paths):
        for other in paths[:number]:
            if patterns_overlap(path, other):
                raise InputError(f"paths: {other} and {path} may be the same file, which logrotate refuses")


def _check_others(
    found: Configuration, own: str, paths: list[str], takeover: bool, places: LogrotatePlaces
) -> list[str]:
    """The files to take over. Raises InputError when one may not be."""
    rivals = overlapping_rules(found, paths, own)
    files = sorted({rule.file for rule in rivals})
    if rivals and not takeover:
        raise InputError(
            f"{_places(rivals)} already: logrotate would skip one of the two. Set takeover=true to have this policy"
            " instead of that file, or leave the path out"
        )
    for file in files:
        if os.path.normpath(os.path.dirname(file)) != os.path.normpath(places.directory):
            raise InputError(f"{file} cannot be taken over, it is not in {places.directory}; remove the path there")
        left = [r for r in found.rules if r.file == file and not any(pattern_covers(p, r.pattern) for p in paths)]
        if left:
            raise InputError(f"{_places(left)} and nobody would after taking over {file}: add it to paths")
        state = read_state(file)
        if state is not None and state.content.startswith(MARKER.encode()):
            raise InputError(f"{file} is another policy of pve.audit.logrotate; remove it first with state=absent")
    return files


def _places(rules: list[LogrotateRule]) -> str:
    return ", ".join(f"{rule.place} rotates {rule.pattern}" for rule in rules)


def _keep_aside(name: str, files: list[str], places: LogrotatePlaces) -> None:
    """Copies first, then the record, all on disk before the first original goes."""
    os.makedirs(places.aside, mode=0o700, exist_ok=True)
    for path in files:
        restore_file(aside_path(path, places), read_state(path))
    record = {"taken_over": sorted({*_read_record(name, places), *files})}
    write_file(Wanted(_record_path(name, places), (json.dumps(record) + "\n").encode(), 0o600))


def _record_path(name: str, places: LogrotatePlaces) -> str:
    return os.path.join(places.aside, f"{name}.json")


def _read_record(name: str, places: LogrotatePlaces) -> list[str]:
    try:
        with open(_record_path(name, places), encoding="utf-8") as stream:
            record = json.load(stream)
    except (OSError, ValueError):
        return []
    files = record.get("taken_over") if isinstance(record, dict) else None
    return [path for path in files if isinstance(path, str)] if isinstance(files, list) else []
