# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of `identity_info` and `identity_plan`."""

from __future__ import annotations

from typing import Any

Spec = dict[str, Any]


def _strings() -> Spec:
    return {"type": "list", "elements": "str"}


def _rows(options: Spec) -> Spec:
    return {"type": "list", "elements": "dict", "options": options}


def info_options() -> Spec:
    """The options of `identity_info`; the defaults of the policy stand in _identity/policy.py."""
    return {
        "policy": {
            "type": "dict",
            "default": {},
            "options": {
                "shared_patterns": _strings(),
                "concurrency_window": {"type": "str"},
                "cluster_addresses": _strings(),
                "root_share_percent": {"type": "int"},
                "root_share_min_actions": {"type": "int"},
                "inactive_days": {"type": "int"},
                "external_groups": _strings(),
                "external_realms": _strings(),
                "external_patterns": _strings(),
                "external_email_domains": _strings(),
                "max_administrators": {"type": "int"},
                "service_accounts": _strings(),
                "break_glass": _strings(),
                "disabled_rules": _strings(),
                "severities": {"type": "dict"},
            },
        },
        "events": {"type": "list", "elements": "dict", "default": []},
        "logins_since": {"type": "str"},
        "access_since": {"type": "str"},
        "timezone": {"type": "str", "default": "UTC"},
    }


def plan_options() -> Spec:
    """The options of `identity_plan`. Only keys that are given are looked at, so nothing has a default."""
    return {
        "declaration": {"type": "dict", "required": True, "options": _declaration()},
        "nodes": {"type": "dict", "default": {}},
        "directory_users": {**_strings(), "default": []},
        "root_locked": {"type": "bool", "default": False},
        "fail_on_lockout": {"type": "bool", "default": True},
        "min_hours_left": {"type": "int", "default": 168},
        "break_glass_min_days": {"type": "int", "default": 90},
    }


def _declaration() -> Spec:
    return {
        "realm": {"type": "str"},
        "people": _rows(_person()),
        "groups": _rows({"id": _required(), "comment": {"type": "str"}, "roles": _grants()}),
        "roles": _rows({"id": _required(), "privs": _strings()}),
        "service_accounts": _rows(_service()),
        "break_glass": {"type": "dict", "options": _break_glass()},
        "shared_accounts": _strings(),
        "undeclared": {"type": "str", "choices": ["report", "disable", "remove"]},
        "token_policy": {
            "type": "dict",
            "no_log": False,
            "options": {"max_days": {"type": "int"}, "privsep": {"type": "bool"}},
        },
        "password_policy": {"type": "dict", "no_log": False, "options": {"min_length": {"type": "int"}}},
        "tfa_realms": {"type": "dict"},
    }


def _required() -> Spec:
    return {"type": "str", "required": True}


def _grants() -> Spec:
    return _rows({"path": _required(), "role": _required(), "propagate": {"type": "bool"}})


def _person() -> Spec:
    texts = {name: {"type": "str"} for name in ("realm", "firstname", "lastname", "email", "comment", "expire")}
    return {
        "id": _required(),
        **texts,
        "groups": _strings(),
        "state": {"type": "str", "choices": ["present", "disabled", "absent"]},
        "password": {"type": "str", "no_log": True},
        "unix": {"type": "bool"},
        "ssh_keys": {**_strings(), "no_log": False},
        "sudo": {"type": "bool"},
    }


def _service() -> Spec:
    token = {
        "id": _required(),
        "comment": {"type": "str"},
        "expire": {"type": "str"},
        "privsep": {"type": "bool"},
        "roles": _grants(),
    }
    return {
        "id": _required(),
        **{name: {"type": "str"} for name in ("realm", "comment", "expire")},
        "groups": _strings(),
        "roles": _grants(),
        "tokens": {**_rows(token), "no_log": False},
    }


def _break_glass() -> Spec:
    return {
        "id": _required(),
        **{name: {"type": "str"} for name in ("realm", "comment")},
        "password": {"type": "str", "no_log": True},
        "unix": {"type": "bool"},
    }
