# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""CSV after RFC 4180 that a spreadsheet program may open: nothing in it is taken for a formula."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.pve.audit.plugins.module_utils._model.errors import InputError
from ansible_collections.pve.audit.plugins.module_utils._model.event import field_getter
from ansible_collections.pve.audit.plugins.module_utils._model.visible import safe_text

DELIMITERS = (",", ";", "\t", "|")
# What starts a formula, in ASCII and in full width, at the start of a cell or after a character that some program may
# take for a separator (a German Excel splits at semicolons, whatever the file uses), with blanks or quotes before it
# or not.
_FORMULA = re.compile("(^|[,;|\t])(?=[\\s\"']*[=+\\-@\uff1d\uff0b\uff0d\uff20])")


def cell(value: Any) -> str:
    """One value as the text of a CSV field, not quoted yet.

    Numbers stay numbers. Lists and mappings become JSON. In text, control characters and line breaks are spelled out,
    so that a record is one line, and an apostrophe stands before whatever a spreadsheet would calculate.
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return str(value)
    text = json.dumps(value, ensure_ascii=False, default=str) if isinstance(value, (list, tuple, dict)) else str(value)
    return _FORMULA.sub(r"\1'", safe_text(text))


def render_csv(
    rows: Iterable[Mapping[str, Any]], columns: Mapping[str, str], *, delimiter: str = ",", header: bool = True
) -> str:
    """Rows as CSV text with CRLF line ends. `columns` maps headings to dotted paths: `{"actor": "user.id"}`.

    What is absent is an empty field. Raises InputError for a delimiter that is none of comma, semicolon, tab and bar,
    for no columns, and for a row that is no mapping.
    """
    if delimiter not in DELIMITERS:
        raise InputError(f"delimiter {delimiter!r} cannot be used: take a comma, a semicolon, a tab or a bar")
    if not columns or not all(isinstance(path, str) and path for path in columns.values()):
        raise InputError("columns must name at least one field, such as {'actor': 'user.id'}")
    getters = [field_getter(path) for path in columns.values()]
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter)
    if header:
        writer.writerow([cell(name) for name in columns])
    for number, row in enumerate(rows, 1):
        if not isinstance(row, Mapping):
            raise InputError(f"item {number} of the rows is {type(row).__name__}, not a mapping")
        writer.writerow([cell(get(row)) for get in getters])
    return text.getvalue()
