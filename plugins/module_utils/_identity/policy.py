# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What counts as sloppy: the limits and lists that the identity rules are judged by."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from ansible_collections.pve.audit.plugins.module_utils._model.errors import InputError
from ansible_collections.pve.audit.plugins.module_utils._model.severity import check_severity
from ansible_collections.pve.audit.plugins.module_utils._model.time import parse_duration

# Matched against the whole name before the @, in any case.
SHARED_PATTERNS = (
    r"(sys|pve|proxmox|cluster|vm|super)?[-_.]?admins?(istrator)?s?[-_.]?\d*",
    r"root[-_.]?\d*",
    r"(super)?users?[-_.]?\d*",
    r"test(s|er|user|ing|account)?[-_.]?\d*",
    r"demo[-_.]?\d*",
    r"(op|ops|operators?|operations?)[-_.]?\d*",
    r"(it|edv)([-_.]?(team|dept|admin|support))?[-_.]?\d*",
    r"(support|helpdesk|service[-_.]?desk|hotline)[-_.]?\d*",
    r"(noc|soc)[-_.]?\d*",
    r"(guest|shared|team|staff|public|everyone|temp|trainee|intern)[-_.]?\d*",
)


@dataclass(frozen=True)
class Policy:
    """The checked policy. Patterns are compiled; `concurrency_window` is in seconds."""

    shared_patterns: tuple[re.Pattern[str], ...]
    concurrency_window: int
    cluster_addresses: frozenset[str]
    root_share_percent: int
    root_share_min_actions: int
    inactive_days: int
    external_groups: frozenset[str]
    external_realms: frozenset[str]
    external_patterns: tuple[re.Pattern[str], ...]
    external_email_domains: frozenset[str]
    max_administrators: int
    service_accounts: frozenset[str]
    break_glass: frozenset[str]
    disabled_rules: frozenset[str]
    severities: Mapping[str, str]

    def wants_details(self, userid: str) -> bool:
        """True for the accounts of people: they have a name, an e-mail address, and they log in."""
        return userid not in self.service_accounts and userid not in self.break_glass


DEFAULTS: dict[str, Any] = {
    "shared_patterns": list(SHARED_PATTERNS),
    "concurrency_window": "10m",
    "cluster_addresses": [],
    "root_share_percent": 10,
    "root_share_min_actions": 20,
    "inactive_days": 90,
    "external_groups": [],
    "external_realms": [],
    "external_patterns": [],
    "external_email_domains": [],
    "max_administrators": 5,
    "service_accounts": [],
    "break_glass": [],
    "disabled_rules": [],
    "severities": {},
}
_NUMBERS = ("root_share_percent", "root_share_min_actions", "inactive_days", "max_administrators")


def check_policy(given: Mapping[str, Any], rules: Iterable[str]) -> Policy:
    """The policy with defaults for what is left out or null.

    Raises InputError that names the key: unknown keys, patterns that are none, limits below 0, unknown rules.
    """
    unknown = sorted(set(given) - {item.name for item in fields(Policy)})
    if unknown:
        raise InputError(f"policy has no key {unknown[0]!r}: use {', '.join(DEFAULTS)}")
    values = DEFAULTS | {key: value for key, value in given.items() if value is not None}
    _check_values(values, set(rules))
    try:
        window = parse_duration(values["concurrency_window"])
    except InputError as error:
        raise InputError(f"policy.concurrency_window: {error}") from None
    return Policy(
        shared_patterns=_patterns(values, "shared_patterns"),
        concurrency_window=window,
        cluster_addresses=_names(values, "cluster_addresses"),
        root_share_percent=values["root_share_percent"],
        root_share_min_actions=values["root_share_min_actions"],
        inactive_days=values["inactive_days"],
        external_groups=_names(values, "external_groups"),
        external_realms=_names(values, "external_realms"),
        external_patterns=_patterns(values, "external_patterns"),
        external_email_domains=frozenset(str(name).lower().lstrip("@") for name in values["external_email_domains"]),
        max_administrators=values["max_administrators"],
        service_accounts=_names(values, "service_accounts"),
        break_glass=_names(values, "break_glass"),
        disabled_rules=_names(values, "disabled_rules"),
        severities={rule: check_severity(word) for rule, word in values["severities"].items()},
    )


def _check_values(values: Mapping[str, Any], rules: set[str]) -> None:
    for key in _NUMBERS:
        if isinstance(values[key], bool) or not isinstance(values[key], int) or values[key] < 0:
            raise InputError(f"policy.{key} must be a whole number of at least 0, not {values[key]!r}")
    for key in ("disabled_rules", "severities"):
        if strange := sorted(set(values[key]) - rules):
            raise InputError(
                f"policy.{key} names the unknown rule {strange[0]!r}: the rules are {', '.join(sorted(rules))}"
            )


def _names(values: Mapping[str, Any], key: str) -> frozenset[str]:
    return frozenset(str(name) for name in values[key])


def _patterns(values: Mapping[str, Any], key: str) -> tuple[re.Pattern[str], ...]:
    try:
        return tuple(re.compile(str(text), re.IGNORECASE) for text in values[key])
    except re.error as error:
        raise InputError(f"policy.{key} holds {error.pattern!r}, which is not a regular expression: {error}") from None
