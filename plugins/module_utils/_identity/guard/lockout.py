# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lock-out guard: would a plan leave the cluster without people who can log in and repair it?

The plan is played through in memory, and every state on the way is judged, so that it may break off anywhere:

- there are two administrators who can log in, at least one of them in a realm that needs no other server. A cluster
  that has fewer to begin with may have fewer on the way, never less than it had, and must have two at the end;
- the break-glass account works at the end, and a break-glass account that works is not broken on the way;
- as soon as something is taken away, only those count of whom it is known that they are people: see GuardContext; and
  one of the administrators who are left at the end does not expire soon;
- whoever is hit by a second factor that a realm asks for has it; what may not be seen counts as missing;
- the credential in use is accepted and has the privilege for each change, and is accepted after the last.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from typing import Any

from ansible_collections.pve.audit.plugins.module_utils._identity.access import Directory, directory_of, has
from ansible_collections.pve.audit.plugins.module_utils._identity.administrators import is_active
from ansible_collections.pve.audit.plugins.module_utils._identity.change import Phase
from ansible_collections.pve.audit.plugins.module_utils._identity.guard.credential import (
    credential_obstacle,
    cut_off_obstacle,
    missing_privilege,
)
from ansible_collections.pve.audit.plugins.module_utils._identity.guard.people import (
    LASTING_DAYS,
    NEEDED,
    GuardContext,
    administrators,
    disqualified,
    factor_obstacle,
    lasting,
)
from ansible_collections.pve.audit.plugins.module_utils._identity.guard.state import apply_change
from ansible_collections.pve.audit.plugins.module_utils._identity.guard.walk import Step, walk
from ansible_collections.pve.audit.plugins.module_utils._model.names import realm_of
from ansible_collections.pve.audit.plugins.module_utils._model.texts import counted, some

Changes = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Lockout:
    """Somebody would be locked out. `change`: index of the change that does it, None when it is not a single one."""

    rule: str
    who: tuple[str, ...]
    sentence: str
    change: int | None = None

    def as_dict(self) -> dict[str, Any]:
        """The public form."""
        return {**asdict(self), "who": list(self.who)}


def find_lockouts(identity: Mapping[str, Any], changes: Changes, context: GuardContext) -> list[Lockout]:
    """All reasons not to make the changes; empty when they are safe. Pure: nothing is asked, nothing is changed."""
    if not changes and not context.locks_root:
        return []
    context = _as_strict_as_needed(identity, changes, context)
    final = _state(identity, changes)
    found = list(_not_visible(identity))
    directory = directory_of(identity)
    for index, change in enumerate(changes):
        found += _credential(directory, context, index, change)
        apply_change(directory, change)
        found += _second_factor(directory, final, context, index, change)
    found += _credential_at_end(directory_of(identity), final, context, changes)
    steps = walk(identity, changes, context)
    found += _people(steps, identity, changes, context)
    found += _people_at_end(steps[-1], final, context)
    found += _break_glass(steps, changes, context)
    return _first_of_each(found)


def administrators_of(
    identity: Mapping[str, Any], changes: Changes, context: GuardContext
) -> tuple[list[str], list[str]]:
    """The administrators who can log in before and after the changes, without the break-glass account."""
    context = _as_strict_as_needed(identity, changes, context)
    return administrators(directory_of(identity), context), administrators(_state(identity, changes), context)


def _state(identity: Mapping[str, Any], changes: Changes) -> Directory:
    directory = directory_of(identity)
    for change in changes:
        apply_change(directory, change)
    return directory


def _as_strict_as_needed(identity: Mapping[str, Any], changes: Changes, context: GuardContext) -> GuardContext:
    """Something is taken away in the later phases, and by whatever costs somebody the administrator's rights."""
    takes = context.strict or context.locks_root or any(int(change["phase"]) >= Phase.REALM for change in changes)
    if not takes:
        pairs = pairwise(walk(identity, changes, context))
        takes = any(_lost(before, after) for before, after in pairs)
    return replace(context, strict=takes)


def _lost(before: Step, after: Step) -> tuple[str, ...]:
    """Who was an administrator before a change and is none after it."""
    if before.people is after.people:
        return ()
    return tuple(sorted(set(before.people).difference(after.people)))


def _not_visible(identity: Mapping[str, Any]) -> Iterator[Lockout]:
    for kind in ("users", "groups", "roles", "acl", "realms"):
        reasons = identity["coverage"][kind]["reasons"]
        if reasons:
            text = f"It cannot be told who would be locked out: {reasons[0]['message']}."
            yield Lockout("not-visible", (kind,), text)


def _said(changes: Changes, index: int) -> str:
    return f"change {index + 1} ({str(changes[index]['sentence']).rstrip('.')})"


def _people(
    steps: Sequence[Step], identity: Mapping[str, Any], changes: Changes, context: GuardContext
) -> Iterator[Lockout]:
    least = min(NEEDED, len(steps[0].people))
    least_local = min(1, len(steps[0].local))
    for before, after in pairwise(steps):
        least, least_local = max(least, min(NEEDED, len(before.people))), max(least_local, min(1, len(before.local)))
        lost = _lost(before, after)
        if len(after.people) < least and lost:
            others = disqualified(_state(identity, changes[: after.made]), context)
            text = (
                f"After {_said(changes, before.made)} {some(lost)} would be no administrator who can log in any more, "
                f"and {_left(after.people)}; {NEEDED} are needed besides the break-glass account."
                f"{_almost({name: why for name, why in others.items() if name not in lost})}"
            )
            yield Lockout("administrators", lost, text, before.made)
        elif len(after.local) < least_local and lost:
            text = (
                f"After {_said(changes, before.made)} no administrator in a realm of type pam or pve could log in: "
                "if the servers of the other realms are down, nobody can."
            )
            yield Lockout("local-administrator", lost, text, before.made)


def _left(people: Sequence[str]) -> str:
    return f"only {some(people)} would be left" if people else "nobody would be left"


def _people_at_end(last: Step, final: Directory, context: GuardContext) -> Iterator[Lockout]:
    if len(last.people) < NEEDED:
        count = "nobody" if not last.people else f"only {some(last.people)}"
        others = disqualified(final, context)
        text = (
            f"At the end {count} would be an administrator who can log in; {NEEDED} people are needed besides the "
            f"break-glass account.{_almost(others)}"
        )
        yield Lockout("administrators", tuple(others), text)
    elif not last.local:
        text = (
            "At the end no administrator in a realm of type pam or pve could log in: "
            "if the servers of the other realms are down, nobody can."
        )
        yield Lockout("local-administrator", last.people, text)
    elif context.strict and not lasting(final, last.people, context.now):
        text = (
            f"At the end every administrator who can log in would expire within {LASTING_DAYS} days: "
            f"{some(last.people)}. Let at least one of them stay longer."
        )
        yield Lockout("administrators", last.people, text)


def _almost(others: Mapping[str, str]) -> str:
    reasons = [f"{name} {why}" for name, why in others.items()]
    return f" Not counted: {some(reasons, 5)}." if reasons else ""


def _break_glass(steps: Sequence[Step], changes: Changes, context: GuardContext) -> Iterator[Lockout]:
    """Needed as soon as something is taken away."""
    name = context.break_glass or "break_glass"
    for before, after in pairwise(steps):
        if before.break_glass is None and after.break_glass is not None:
            text = f"After {_said(changes, before.made)} the break-glass account {name} {after.break_glass}."
            yield Lockout("break-glass", (name,), text, before.made)
            return
    if context.strict and context.break_glass is None:
        text = "No break-glass account is declared: declare break_glass before anything is taken away from anybody."
        yield Lockout("break-glass", (), text)
    elif context.break_glass is not None and steps[-1].break_glass is not None:
        text = f"At the end the break-glass account {name} {steps[-1].break_glass}."
        yield Lockout("break-glass", (name,), text)


def _second_factor(
    directory: Directory, final: Directory, context: GuardContext, index: int, change: Mapping[str, Any]
) -> Iterator[Lockout]:
    """Users of a realm that begins to ask for a second factor; those the plan takes away anyway are not counted."""
    options = change["options"]
    if change["object"] != "realm" or options.get("tfa") in (None, "none"):
        return
    hit = {}
    for userid, account in sorted(directory.users.items()):
        if realm_of(userid) != options["realm"] or userid in context.services:
            continue
        obstacle = factor_obstacle(directory, userid, context.now)
        states = (account, final.users.get(userid))
        if obstacle and all(one is not None and is_active(one.expire, context.now, one.enable) for one in states):
            hit[userid] = obstacle
    if hit:
        reasons = some((f"{userid} {obstacle}" for userid, obstacle in hit.items()), 5)
        said = str(change["sentence"]).rstrip(".")
        text = f"Change {index + 1} ({said}) would lock out {counted(len(hit), 'user')}: {reasons}."
        yield Lockout("second-factor", tuple(hit), text, index)


def _credential(
    directory: Directory, context: GuardContext, index: int, change: Mapping[str, Any]
) -> Iterator[Lockout]:
    obstacle = credential_obstacle(directory, context)
    if obstacle:
        text = f"The credential in use, {context.credential}, would be refused at change {index + 1}: {obstacle}."
        yield Lockout("credential", (context.credential,), text, index)
        return
    missing = missing_privilege(directory, context, change)
    if missing:
        said = str(change["sentence"]).rstrip(".")
        text = f"The credential in use, {context.credential}, would have no {missing} at change {index + 1} ({said})."
        yield Lockout("credential", (context.credential,), text, index)


def _credential_at_end(
    start: Directory, final: Directory, context: GuardContext, changes: Changes
) -> Iterator[Lockout]:
    """It must be good for the next run as well."""
    obstacle = cut_off_obstacle(final, context)
    if obstacle is None:
        everyone = has(start, context.credential, "/access/groups", "User.Modify")
        lost = (
            missing_privilege(final, context, change)
            for change in changes
            if everyone or change["object"] not in ("user", "token")
        )
        missing = next((name for name in lost if name), None)
        obstacle = f"it has no {missing}" if missing else None
    if obstacle:
        text = (
            f"The credential in use, {context.credential}, would be cut off: {obstacle} after the changes. "
            f"Run first without the change that does this, then again with the account or token that is to stay"
            f"{_successors(final, context)}."
        )
        yield Lockout("credential", (context.credential,), text)


def _successors(final: Directory, context: GuardContext) -> str:
    names = [name for name in administrators(final, context) if name != context.user]
    return f", for example {names[0]}" if names else ""


def _first_of_each(found: Sequence[Lockout]) -> list[Lockout]:
    """One entry for each rule and person: the first is the cause, the others follow from it."""
    kept: dict[tuple[str, tuple[str, ...]], Lockout] = {}
    for lockout in found:
        kept.setdefault((lockout.rule, lockout.who), lockout)
    return list(kept.values())
