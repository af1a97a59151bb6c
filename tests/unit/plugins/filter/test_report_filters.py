# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filters of the report: type check, one pure call, one clear sentence when it cannot be done."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import yaml
from ansible.errors import AnsibleFilterError

from ansible_collections.pve.audit.plugins.filter import (
    csp_hash,
    full_days,
    local_time,
    markdown,
    safe_text,
    summary,
    to_csv,
)

MODULES: dict[str, Any] = {
    "csp_hash": csp_hash,
    "full_days": full_days,
    "local_time": local_time,
    "markdown": markdown,
    "safe_text": safe_text,
    "summary": summary,
    "to_csv": to_csv,
}
NOW = "2026-11-23T17:40:33Z"


def call(name: str) -> Callable[..., Any]:
    """The filter as Ansible gets it."""
    found: Callable[..., Any] = MODULES[name].FilterModule().filters()[name]
    return found


GOOD: list[tuple[str, Any, dict[str, Any], Any]] = [
    ("local_time", NOW, {"timezone": "Europe/Berlin"}, "2026-11-23 18:40:33 +01:00"),
    ("local_time", None, {}, ""),
    ("full_days", 1, {"now": NOW}, {"since": "2026-11-22T00:00:00Z", "until": "2026-11-23T00:00:00Z"}),
    ("markdown", "a|b", {}, "a\\|b"),
    ("markdown", 7, {}, "7"),
    ("safe_text", "a\nb", {"multiline": True}, "a\nb"),
    ("safe_text", None, {}, ""),
    ("to_csv", [{"a": 1}], {"columns": ["a"]}, "a\r\n1\r\n"),
    ("to_csv", [{"a": {"b": 1}}], {"columns": {"x": "a.b"}, "header": False}, "1\r\n"),
    ("csp_hash", "", {}, "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='"),
]


@pytest.mark.parametrize(("name", "value", "options", "result"), GOOD)
def test_result(name: str, value: Any, options: dict[str, Any], result: Any) -> None:
    assert call(name)(value, **options) == result


def test_summary_uses_the_clock_when_no_time_is_given() -> None:
    model = call("summary")([], since=NOW)
    assert model["verdict"] == "blind"
    assert model["period"]["until"] == model["period"]["generated"]


def test_full_days_uses_the_clock_when_no_time_is_given() -> None:
    assert call("full_days")(7)["until"].endswith("T00:00:00Z")


BAD: list[tuple[str, Any, dict[str, Any], str]] = [
    ("summary", "text", {}, "a list of events is needed, not str"),
    ("summary", [{"x": 1}], {}, "item 1 of the list is not an event"),
    ("summary", [], {"findings": {}}, "findings must be a list, not dict"),
    ("summary", [], {"findings": [{"id": "x", "rule": "r"}]}, "item 1 of the findings (x) has no title"),
    ("summary", [], {"coverage": "all"}, "coverage must be a list, not str"),
    ("summary", [], {"timezone": "Mars"}, "time zone 'Mars' is unknown"),
    ("to_csv", "text", {"columns": ["a"]}, "a list of rows is needed, not str"),
    ("to_csv", [], {"columns": "a"}, "columns must be a mapping or a list, not str"),
    ("to_csv", [], {"columns": ["a"], "delimiter": "--"}, "delimiter '--' cannot be used"),
    ("markdown", ["a"], {}, "a text is needed, not list"),
    ("safe_text", {"a": 1}, {}, "a text is needed, not dict"),
    ("csp_hash", 7, {}, "a text is needed, not int"),
    ("local_time", "noon", {}, "'noon' is not an RFC 3339 time"),
    ("local_time", 7, {}, "7 is not an RFC 3339 time"),
    ("full_days", "x", {}, "'x' is not a number of days"),
]


@pytest.mark.parametrize(("name", "value", "options", "message"), BAD)
def test_bad_input_is_one_sentence(name: str, value: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(AnsibleFilterError) as caught:
        call(name)(value, **options)
    assert str(caught.value).startswith(f"pve.audit.{name}: {message}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", MODULES)
def test_documentation(name: str) -> None:
    documentation = yaml.safe_load(MODULES[name].DOCUMENTATION)
    assert documentation["name"] == name
    assert yaml.safe_load(MODULES[name].EXAMPLES)
    assert yaml.safe_load(MODULES[name].RETURN)["_value"]["description"]
