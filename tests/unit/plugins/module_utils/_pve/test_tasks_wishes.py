# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was asked for and is known to nobody is misspelt, or at least said."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.pve.audit.plugins.module_utils._model.errors import ForbiddenError
from ansible_collections.pve.audit.plugins.module_utils._pve.tasks_wishes import doubtful_wishes

TASKS: list[Any] = [{"type": "newtask", "user": "gone@pve", "tokenid": "ci"}]
USERS = [{"userid": "alice@pve"}, {"userid": "bob@ldap"}]
NOBODY = "users: there is no account {}, and no task of one"
TYPES = ("qmdestroy", "vzdump")


class Accounts:
    """Answers the one request there may be."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self.asked = 0

    def get(self, *path: str) -> Any:
        """The accounts, or a refusal."""
        assert path == ("access", "users")
        self.asked += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.mark.parametrize(
    ("types", "users", "doubts"),
    [
        (["qmdestroy", "newtask"], [], []),
        (["qmdestory"], [], [("types: there is no task of type qmdestory, did you mean qmdestroy?", True)]),
        (["QMDestroy"], [], [("types: there is no task of type QMDestroy, did you mean qmdestroy?", True)]),
        (["zzz"], [], [("types: there is no task of type zzz", False)]),
        ([], ["alice", "alice@pve", "alice@pve!ci", "bob@ldap", "gone@pve", "gone", "gone@pve!ci"], []),
        (
            [],
            ["alcie@pve"],
            [("users: there is no account alcie@pve, and no task of one, did you mean alice@pve?", True)],
        ),
        (
            [],
            ["alcie@pve!ci"],
            [("users: there is no account alcie@pve!ci, and no task of one, did you mean alice@pve?", True)],
        ),
        (
            [],
            ["ALICE@PVE"],
            [("users: there is no account ALICE@PVE, and no task of one, did you mean alice@pve?", True)],
        ),
        ([], ["bbo"], [("users: there is no account bbo, and no task of one", False)]),
        ([], ["zoe@pve"], [("users: there is no account zoe@pve, and no task of one", False)]),
    ],
)
def test_a_wish(types: list[str], users: list[str], doubts: list[tuple[str, bool]]) -> None:
    api: Any = Accounts(USERS)
    assert doubtful_wishes(api, {"types": types, "users": users}, TASKS, TYPES) == doubts
    assert api.asked == any(not user.startswith("gone") for user in users)


@pytest.mark.parametrize("answer", [[], None, [7, {}], ForbiddenError("no")])
def test_who_may_not_see_accounts_says_nothing_of_users(answer: Any) -> None:
    api: Any = Accounts(answer)
    assert doubtful_wishes(api, {"types": [], "users": ["alcie@pve"]}, [], TYPES) == []
