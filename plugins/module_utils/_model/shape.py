# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Data from outside, read field by field: a wrong shape is refused with one sentence that names item and key."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from ansible_collections.pve.audit.plugins.module_utils._model.errors import InputError
from ansible_collections.pve.audit.plugins.module_utils._model.time import to_epoch

T = TypeVar("T")


def read_list(value: object, what: str, read: Callable[[object, str], T]) -> list[T]:
    """Every item of the list `value`, read by `read(item, "item 3 of the findings")`. Raises InputError."""
    if isinstance(value, (str, bytes, Mapping)) or not isinstance(value, Iterable):
        raise InputError(f"{what} must be a list, not {type(value).__name__}")
    return [read(item, f"item {number} of the {what}") for number, item in enumerate(value, 1)]


def text(value: object) -> str:
    """A text. This and the other readers of a field raise InputError with the words for what is needed."""
    if not isinstance(value, str):
        raise InputError("a text")
    return value


def moment(value: object) -> float:
    """The time of an RFC 3339 text in epoch seconds."""
    try:
        return to_epoch(text(value))
    except InputError:
        raise InputError("an RFC 3339 time such as 2026-11-23T17:40:33Z") from None


def number(value: object) -> int:
    """A whole number that is not negative. Templates make texts of numbers, so its digits will do."""
    if isinstance(value, str) and value.isascii() and value.isdigit():
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise InputError("a whole number")
    return value


def items(value: object) -> list[Any]:
    """A list."""
    if not isinstance(value, (list, tuple)):
        raise InputError("a list")
    return list(value)


def texts(value: object) -> list[str]:
    """A list of texts."""
    if not isinstance(value, (list, tuple)) or not all(isinstance(item, str) for item in value):
        raise InputError("a list of texts")
    return list(value)


def mapping(value: object) -> dict[str, Any]:
    """A map with texts as keys."""
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise InputError("a map")
    return dict(value)


def read_field(data: Mapping[str, Any], key: str, read: Callable[[Any], T], place: str, remedy: str) -> T:
    """The field `key` of `data`, which stands at `place`. Raises InputError when it is missing or of another kind."""
    if key not in data:
        raise InputError(f"{place} has no {key}: {remedy}")
    try:
        return read(data[key])
    except InputError as error:
        raise InputError(f"{place}: {key} must be {error}, not {data[key]!r}: {remedy}") from None
