# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""JMESPath with errors as one sentence."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.pve.audit.plugins.module_utils._model.errors import InputError

try:
    import jmespath
    from jmespath.exceptions import JMESPathError

    MISSING: ImportError | None = None
except ImportError as error:
    MISSING = error


def search(expression: object) -> Callable[[Any], Any]:
    """A function that searches data with the expression.

    Raises InputError here for an expression that cannot be read, and from the function for one that does not fit the
    data."""
    if MISSING is not None:
        raise InputError(
            "the Python package jmespath is missing where this runs: install it with `pip install jmespath`"
        )
    if not isinstance(expression, str) or not expression.strip():
        raise InputError("query must be a JMESPath expression such as [?type=='qmdestroy'].upid")
    try:
        compiled = jmespath.compile(expression)
    except JMESPathError as error:
        raise InputError(f"query {expression!r} is not a JMESPath expression: {_first_line(error)}") from None

    def run(data: Any) -> Any:
        try:
            return compiled.search(data)
        except JMESPathError as error:
            raise InputError(f"query {expression!r} does not fit the data: {_first_line(error)}") from None

    return run


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0].rstrip(":")
