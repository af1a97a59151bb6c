# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The bodies of answers: json, extjs and html (pve-http-server Formatter/Standard.pm)."""

from __future__ import annotations

import re
from html import escape

from tests.lab.context import Result
from tests.lab.errors import ApiError
from tests.lab.http import JSON_TYPE, Answer, compact

HTML_TYPE = "text/html;charset=UTF-8"
_HEAD = "<!-- as long as PVE's pages, which are worth compressing -->" * 20
FORMATS = frozenset(("json", "extjs", "html", "htmljs", "png", "spiceconfig"))


def split_uri(path: str) -> tuple[str, str | None]:
    """`/api2/FORMAT/rest` as (`/rest`, FORMAT); no format when there is none."""
    match = re.match(r"/api2/+([a-z][a-z0-9]+)(/[^\n]*)?$", path)
    return (match[2] or "/", match[1]) if match else ("/", None)


def _dump(fields: dict[str, object], data: str) -> bytes:
    rest = "".join(f',"{name}":{compact(value)}' for name, value in fields.items())
    return f'{{"data":{data}{rest}}}'.encode("utf-8", "surrogatepass")


def success(result: Result, form: str) -> Answer:
    """An answer with data."""
    fields: dict[str, object] = {"total": result.total} if result.total else {}
    if form == "json":
        return Answer(200, "OK", _dump(fields, result.json()))
    if form == "extjs":
        return Answer(200, "OK", _dump({"success": 1, **fields}, result.json()))
    body = f"<html>{_HEAD}<body><pre>{escape(result.json())}</pre></body></html>"
    return Answer(200, "OK", body.encode("utf-8", "surrogatepass"), HTML_TYPE)


def failure(error: ApiError, form: str) -> Answer:
    """An error: the message in the reason line and in the body; extjs answers 200 and puts the status in the body."""
    if error.empty_body:
        return Answer(error.status, error.message, b"", None)
    fields: dict[str, object] = {"message": error.message}
    if error.errors:
        fields["errors"] = error.errors
    if form == "extjs":
        return Answer(200, "OK", _dump({**fields, "status": error.status, "success": 0}, "null"))
    if form == "json":
        return Answer(error.status, error.message, _dump(fields, "null"))
    body = f"<html>{_HEAD}<body><h1>{error.status}</h1><pre>{escape(error.message)}</pre></body></html>"
    return Answer(error.status, error.message, body.encode("utf-8", "surrogatepass"), HTML_TYPE)


def plain(status: int, text: str) -> Answer:
    """An error outside the API: the text is reason and body, without a content type."""
    return Answer(status, text, text.encode("latin-1", "replace"), None)


__all__ = ["FORMATS", "HTML_TYPE", "JSON_TYPE", "failure", "plain", "split_uri", "success"]
