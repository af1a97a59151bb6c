# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A change of one object: how it was, how it will be, and the requests that lead there.

Planners are pure functions from what is there and what is wanted to a Change. An option that is None was left out and
is never looked at. An object that is not there is an empty dict.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ansible_collections.pve.audit.plugins.module_utils._model.errors import (
    ApiError,
    ForbiddenError,
    InputError,
    NotAnApiError,
)
from ansible_collections.pve.audit.plugins.module_utils._pve.session import Api, ChangeApi

Record = dict[str, Any]

NOT_SHOWN = "(not shown)"
NEW_NOT_SHOWN = "(new value, not shown)"


@dataclass(frozen=True)
class Request:
    """One write. `what` completes the sentence "cannot ...", `secrets` names parameters that nothing may show."""

    what: str
    method: str
    path: tuple[str, ...]
    params: Mapping[str, Any] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()


@dataclass(frozen=True)
class Change:
    """From `before` to `after`. `secret` names what gets a new value that the records do not show."""

    before: Record
    after: Record
    requests: tuple[Request, ...] = ()
    secret: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def changed(self) -> bool:
        """True when there is something to do."""
        return bool(self.requests)

    def diff(self) -> dict[str, Record]:
        """What differs, for Ansible's diff mode; secrets are only mentioned."""
        names = [name for name in {**self.before, **self.after} if self.before.get(name) != self.after.get(name)]
        before = {name: self.before[name] for name in names if name in self.before}
        after = {name: self.after[name] for name in names if name in self.after}
        for name in self.secret:
            before.update({name: NOT_SHOWN} if self.before else {})
            after[name] = NEW_NOT_SHOWN
        return {"before": before, "after": after}


def send(api: ChangeApi, change: Change, check_mode: bool = False) -> list[Any]:
    """Make the change; the answers of its requests. The first refusal ends it. Raises ApiError."""
    if check_mode:
        return []
    return [
        api.write(request.method, request.path, request.params, what=request.what, secrets=request.secrets)
        for request in change.requests
    ]


def refuse(mistakes: Iterable[str | None]) -> None:
    """Raises InputError with all that is wrong; None is nothing."""
    if found := [mistake for mistake in mistakes if mistake]:
        raise InputError("; ".join(found))


def with_warnings(change: Change, warnings: Iterable[str]) -> Change:
    """The change with more to be said about it, when it is one."""
    found = tuple(warnings) if change.changed else ()
    return replace(change, warnings=(*change.warnings, *found)) if found else change


def differing(before: Mapping[str, Any], wanted: Mapping[str, Any]) -> Record:
    """The wanted values that are given and not there yet; what is absent counts as empty."""
    return {
        name: value for name, value in wanted.items() if value is not None and value != before.get(name, type(value)())
    }


def updated(before: Mapping[str, Any], changes: Mapping[str, Any]) -> Record:
    """The record with the changes; empty texts are absent, as Proxmox VE reads them."""
    return {name: value for name, value in {**before, **changes}.items() if value not in ("", None)}


def parameters(changes: Mapping[str, Any]) -> Record:
    """Values as the API takes them: 0 and 1, and lists with commas."""
    result: Record = {}
    for name, value in changes.items():
        if isinstance(value, bool):
            result[name] = int(value)
        else:
            result[name] = ",".join(value) if isinstance(value, list) else value
    return result


def rows(answer: Any, asked: str) -> Iterator[Mapping[str, Any]]:
    """The rows of a list. Raises NotAnApiError when the answer is none."""
    if not isinstance(answer, list):
        raise NotAnApiError(f"GET {asked} did not answer with a list: check api_host and api_port")
    yield from (row for row in answer if isinstance(row, Mapping))


def read_detail(api: Api, path: tuple[str, ...], what: str) -> Mapping[str, Any] | None:
    """An object that no list shows: what is there, or None when it is not.

    Lists leave out what the credential may not see, so only the object itself tells "not there" (500) from "may not be
    read" (403). Raises ForbiddenError for the second, InputError for a name that cannot be, ApiError for all else.
    """
    try:
        answer = api.get(*path)
    except ForbiddenError as error:
        raise ForbiddenError(
            f"{what} cannot be read by {api.user}, so that nothing is known about it ({error})", error.status
        ) from None
    except ApiError as error:
        if error.status == 500:
            return None
        if error.status == 400:
            raise InputError(f"{what} has a name that Proxmox VE does not take ({error})") from None
        raise
    if not isinstance(answer, Mapping):
        raise NotAnApiError(f"GET /{'/'.join(path)} did not answer with an object: check api_host and api_port")
    return answer
