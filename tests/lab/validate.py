# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check the parameters of a call against its schema, with PVE's texts (pve-common JSONSchema.pm)."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from functools import cache
from typing import Any

from tests.lab.errors import param_error
from tests.lab.names import REALM, BadName, is_simple_name, normalize_path, split_list, split_token, verify_username
from tests.lab.propstrings import PROPERTY_FORMATS, BadProperties, Format, parse_property_string
from tests.lab.roles import PRIVILEGES
from tests.lab.schema import Call

_INTEGER = re.compile(r"[+-]?\d+", re.ASCII)
_NUMBER = re.compile(r"[+-]?(\d+\.\d+|\d+\.|\.\d+|\d+)([eE][+-]?\d+)?", re.ASCII)
UNKNOWN = "property is not defined in schema and the schema does not allow additional properties"
MISSING = "property is missing and it is not optional"


def _userid(value: str) -> str | None:
    try:
        verify_username(value)
    except BadName as error:
        return str(error)
    return None


def _rule(pattern: str, text: str) -> Callable[[str], str | None]:
    compiled = re.compile(pattern, re.ASCII)
    return lambda value: None if compiled.fullmatch(value) else text.format(value=value)


def _address(value: str) -> str | None:
    try:
        ipaddress.ip_address(value)
    except ValueError:
        if not re.fullmatch(_DNS_NAME, value):
            return f"value does not look like a valid address: {value}"
    return None


_DNS_NAME = r"([a-zA-Z0-9]([a-zA-Z0-9\-]*[a-zA-Z0-9])?\.)*[a-zA-Z0-9]([a-zA-Z0-9\-]*[a-zA-Z0-9])?"
_EMAIL = r"[\w+\-~]+(\.[\w+\-~]+)*@[a-zA-Z0-9\-]+(\.[a-zA-Z0-9\-]+)*"
_FORMATS: dict[str, Callable[[str], str | None]] = {
    "pve-vmid": _rule(r"[1-9][0-9]{2,8}", "value does not look like a valid VM ID"),
    "pve-node": _rule(r"[a-zA-Z0-9]([a-zA-Z0-9\-]*[a-zA-Z0-9])?", "value does not look like a valid node name"),
    "pve-task-status-type": _rule(r"(?i:ok|error|warning|unknown)", "invalid status '{value}'"),
    "pve-userid": _userid,
    "email": _rule(_EMAIL, "value does not look like a valid email address"),
    "pve-realm": _rule(REALM, "value does not look like a valid realm"),
    "pve-groupid": lambda v: None if is_simple_name(v) else f"group name '{v}' contains invalid characters",
    "pve-roleid": lambda v: None if is_simple_name(v) else f"role name '{v}' contains invalid characters",
    "pve-priv": lambda v: None if v in PRIVILEGES else f"invalid privilege '{v}'",
    "pve-tokenid": lambda v: None if split_token(v) else f"value '{v}' does not look like a valid token ID",
    "pve-acl-path": lambda v: None if normalize_path(v) else "invalid path",
    "address": _address,
    "graphite-path": _rule(_DNS_NAME, "value does not look like a valid graphite path"),
    "ldap-simple-attr": _rule(r"[a-zA-Z0-9]+", "value '{value}' does not look like a simple ldap attribute name"),
    "pve-configid": _rule(r"(?i:[a-z][a-z0-9_-]+)", "invalid configuration ID '{value}'"),
}


@cache
def _pattern(perl: str) -> re.Pattern[str]:
    text = perl.replace("(?^i:", "(?i:").replace("(?^:", "(?:")
    return re.compile(f"^{text}$")


def _check_properties(form: Format, value: str, path: str) -> str | None:
    try:
        values = parse_property_string(form, value)
    except BadProperties as error:
        return str(error)
    problems = {name: _problem(rule, values.get(name)) for name, rule in form.items()}
    lines = [f"{path}.{name}: {problem}" for name, problem in sorted(problems.items()) if problem]
    return "\n".join(["format error", *lines]) if lines else None


def _check_format(name: str, value: str, path: str) -> str | None:
    if name in PROPERTY_FORMATS:
        return _check_properties(PROPERTY_FORMATS[name], value, path)
    base, _, kind = name.rpartition("-")
    if kind in ("list", "opt"):
        check = _FORMATS.get(base)
        values = split_list(value) if kind == "list" else [value] * bool(value)
    else:
        check = _FORMATS.get(name)
        values = [value]
    for one in values if check else []:
        problem = check(one) if check else None
        if problem:
            return problem
    return None


def _check_type(kind: str | None, value: Any) -> str | None:
    if isinstance(value, list):
        return None if kind == "array" else f"type check ('{kind}') failed - got ARRAY"
    if kind == "array":
        return "type check ('array') failed"
    bad = (
        (kind == "boolean" and value not in ("0", "1"))
        or (kind == "integer" and not _INTEGER.fullmatch(value))
        or (kind == "number" and not _NUMBER.fullmatch(value))
    )
    return f"type check ('{kind}') failed - got '{value}'" if bad else None


def _check_limits(rule: dict[str, Any], value: str) -> str | None:
    if "pattern" in rule and not _pattern(rule["pattern"]).match(value):
        return "value does not match the regex pattern"
    if len(value) > rule.get("maxLength", len(value)):
        return f"value may only be {rule['maxLength']} characters long"
    if len(value) < rule.get("minLength", 0):
        return f"value must be at least {rule['minLength']} characters long"
    if _NUMBER.fullmatch(value):
        if float(value) > rule.get("maximum", float("inf")):
            return f"value must have a maximum value of {rule['maximum']}"
        if float(value) < rule.get("minimum", float("-inf")):
            return f"value must have a minimum value of {rule['minimum']}"
    if "enum" in rule and value not in rule["enum"]:
        return f"value '{value}' does not have a value in the enumeration '{', '.join(rule['enum'])}'"
    return None


def check_value(rule: dict[str, Any], value: Any, path: str = "") -> str | None:
    """PVE's complaint about the value of the parameter `path`, or None."""
    problem = _check_type(rule.get("type"), value)
    if problem or isinstance(value, list):
        return problem
    if "format" in rule:
        problem = _check_format(rule["format"], value, path)
        if problem:
            return f"invalid format - {problem}\n"
    return _check_limits(rule, value)


def _problem(rule: dict[str, Any], value: Any, path: str = "") -> str | None:
    if value is None:
        return None if rule.get("optional") else MISSING
    return check_value(rule, value, path)


def validate(call: Call, parameters: dict[str, Any]) -> dict[str, Any]:
    """The parameters in the form PVE's code gets them; 400 naming each bad one."""
    values = dict(parameters)
    errors: dict[str, str] = {}
    for name, rule in call.properties.items():
        value = values.get(name)
        if value and isinstance(value, list) and str(rule.get("format", "")).endswith("-list"):
            value = values[name] = ",".join(value)
        elif value and rule.get("type") == "array" and not isinstance(value, list):
            value = values[name] = [value]
        problem = _problem(rule, value, name)
        if problem:
            errors[name] = problem
    for name in values:
        rule = call.properties.get(name, {})
        required = rule.get("requires")
        if name in call.properties:
            if required and values.get(required) is None:
                errors[required] = f"missing property required by '{name}'"
        elif not call.additional:
            errors[name] = UNKNOWN
    if errors:
        raise param_error(errors)
    return values


def as_int(parameters: dict[str, Any], name: str, default: int) -> int:
    """A validated integer or boolean parameter."""
    value = parameters.get(name)
    return default if value is None else int(value)


def as_text(parameters: dict[str, Any], name: str) -> str | None:
    """A string parameter, or None."""
    value = parameters.get(name)
    return None if value is None else str(value)
