# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Task types and users that were asked for and of which nothing was found: misspelt, or truly without a task.

A misspelt one gives an empty answer that looks like a quiet one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from ansible_collections.pve.audit.plugins.module_utils._model.errors import ApiError
from ansible_collections.pve.audit.plugins.module_utils._model.task import Task
from ansible_collections.pve.audit.plugins.module_utils._model.texts import meant
from ansible_collections.pve.audit.plugins.module_utils._model.visible import safe_text
from ansible_collections.pve.audit.plugins.module_utils._pve.session import Api


def doubtful_wishes(
    api: Api, params: Mapping[str, Any], tasks: Iterable[Task], known_types: Collection[str]
) -> list[tuple[str, bool]]:
    """A sentence for each type and user that nobody knows, and whether it is likely to be misspelt.

    Accounts are asked for only where a user has no task among those found. Who may not list accounts knows nobody.
    """
    found = list(tasks)
    types = set(params["types"]) - {task["type"] for task in found} - set(known_types)
    doubts = [_doubt(f"types: there is no task of type {safe_text(one)}", one, known_types) for one in sorted(types)]
    users = [one for one in params["users"] if not any(_is_by(task, one) for task in found)]
    accounts = _accounts(api) if users else set()
    names = accounts | {account.rpartition("@")[0] for account in accounts}
    unknown = sorted(one for one in users if accounts and one.partition("!")[0] not in names)
    return doubts + [
        _doubt(f"users: there is no account {safe_text(one)}, and no task of one", one.partition("!")[0], names)
        for one in unknown
    ]


def _doubt(sentence: str, word: str, known: Collection[str]) -> tuple[str, bool]:
    suggestion = meant(word, known)
    return sentence + suggestion, bool(suggestion)


def _is_by(task: Task, user: str) -> bool:
    account = task["user"]
    return user in (account, f"{account}!{task['tokenid']}", account.rpartition("@")[0])


def _accounts(api: Api) -> set[str]:
    """The accounts that may be seen; none when they may not be asked for."""
    try:
        answer = api.get("access", "users")
    except ApiError:
        return set()
    rows = answer if isinstance(answer, list) else []
    return {str(row["userid"]) for row in rows if isinstance(row, Mapping) and "userid" in row}
