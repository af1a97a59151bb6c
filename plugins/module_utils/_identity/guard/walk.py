# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A plan played through in memory: after each change, who is an administrator who can log in.

A change is looked up for whom it concerns, and only they are judged anew, so that the walk is about as long as the plan
and the directory together, not as their product.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ansible_collections.pve.audit.plugins.module_utils._identity.access import Directory, directory_of
from ansible_collections.pve.audit.plugins.module_utils._identity.guard.people import (
    GuardContext,
    break_glass_obstacle,
    is_helper,
    local_only,
)
from ansible_collections.pve.audit.plugins.module_utils._identity.guard.state import apply_change

_GROUPS = "/access/groups"


@dataclass(frozen=True)
class Step:
    """A state on the way: after how many changes, and who can repair things there. Names are sorted."""

    made: int
    people: tuple[str, ...]
    local: tuple[str, ...]
    break_glass: str | None


def walk(identity: Mapping[str, Any], changes: Sequence[Mapping[str, Any]], context: GuardContext) -> list[Step]:
    """The state before the changes and the one after each of them."""
    directory = directory_of(identity)
    people = {name for name in directory.users if is_helper(directory, name, context)}
    steps = [_step(directory, 0, people, context)]
    for made, change in enumerate(changes, start=1):
        concerned = concerned_by(directory, change)
        apply_change(directory, change)
        asked = people | directory.users.keys() if concerned is None else concerned
        still = {name for name in asked if is_helper(directory, name, context)}
        if concerned is not None and context.break_glass not in asked and still == people & asked:
            steps.append(replace(steps[-1], made=made))
            continue
        people -= asked
        people |= still
        steps.append(_step(directory, made, people, context))
    return steps


def _step(directory: Directory, made: int, people: Collection[str], context: GuardContext) -> Step:
    names = sorted(people)
    return Step(made, tuple(names), tuple(local_only(directory, names)), break_glass_obstacle(directory, context))


def concerned_by(directory: Directory, change: Mapping[str, Any]) -> set[str] | None:
    """The users about whom the change can alter the judgement, asked before it is made; None is everybody."""
    kind, options = change["object"], change["options"]
    if kind == "token":
        return set()
    if kind == "user":
        return {options["userid"]} | directory.twins(options["userid"])
    if kind == "acl":
        owner = {"user": {options["ugid"]}, "group": directory.groups.get(options["ugid"], set())}
        return set(owner.get(options["type"], ()))
    return _of_group(directory, options["groupid"]) if kind == "group" else None


def _of_group(directory: Directory, group: str) -> set[str] | None:
    """The members; everybody when the group is one of the paths that an administrator is judged by."""
    named = {path.rpartition("/")[2] for path in directory.named.get(_GROUPS, ())}
    if group in named or directory.groups.keys() - named <= {group}:
        return None
    return set(directory.groups.get(group, ()))
