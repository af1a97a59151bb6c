# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever stands in user.cfg and domains.cfg, identity_info answers, and counts what Proxmox VE shows."""

from __future__ import annotations

import json
import time
from typing import Any
from urllib.parse import quote, urlencode

from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.pve.audit.plugins.module_utils._model.errors import ApiError
from ansible_collections.pve.audit.plugins.modules.identity_info import assess_identity
from tests.lab.authn import Authenticator
from tests.lab.dispatch import Dispatcher, Timing
from tests.lab.http import Request
from tests.lab.identity import install
from tests.lab.story import StoryOptions, build_story

NOW = 1_795_455_600
OPTIONS: dict[str, Any] = {"events": [], "logins_since": None, "access_since": None, "timezone": "UTC", "policy": {}}


class Direct:
    """The simulator's answers without a network, as a user or a token gets them."""

    def __init__(self, user_cfg: str, domains_cfg: str, who: str) -> None:
        """A cluster with these files."""
        self.cluster = build_story(StoryOptions(now=NOW, nodes=1, tasks_per_node=0))
        install(
            self.cluster, user_cfg=user_cfg, domains_cfg=domains_cfg, passwords=None, tfa=None, secret=lambda name: name
        )
        authenticator = Authenticator(self.cluster, b"key")
        self._dispatch = Dispatcher(self.cluster, authenticator, Timing(0.0))
        self.user = who.partition("!")[0]
        self._headers = {"cookie": f"PVEAuthCookie={authenticator.ticket(who, time.time())}"}
        if "!" in who:
            self._headers = {"authorization": f"PVEAPIToken={who}={who}"}

    def get(self, *path: str, **params: Any) -> Any:
        """The data of the answer. Raises ApiError."""
        target = "/api2/json/" + "/".join(quote(part, safe=":@!") for part in path)
        answer = self._dispatch(Request("GET", target, urlencode(params), self._headers))
        if answer.status != 200:
            raise ApiError(answer.reason, answer.status)
        return json.loads(answer.body)["data"]


# Names that meet, with what is hard about names: case, @, !, %, blanks, letters beyond ASCII, empty, nothing.
NAMES = st.sampled_from(
    "root@pam ann@pve Ann@pve ANN@low ann@low j\u00c3\u00b6rg@pve a@b@pve a%2fb@pve 0@pve @pve a@ x@g <b>@pve".split()
)
GROUPS = st.sampled_from(["admins", "Admins", "0", "", "-", "g.1"])
ROLES = st.sampled_from(["Administrator", "NoAccess", "PVEAuditor", "PVEUserAdmin", "Own", "0", "Missing", ""])
PATHS = st.sampled_from(
    ["/", "/access", "/access/groups", "/access/groups/admins", "/access/realm/low", "/vms/100", "", "//x//", "/pool/p"]
)
NUMBERS = st.sampled_from(["0", "1", "", "2", "-1", "x", "1577923199", "99999999999999999999"])
TEXTS = st.text(st.characters(max_codepoint=0xFF, exclude_characters="\n"), max_size=12)
TOKENS = st.builds("{}!{}".format, NAMES, st.sampled_from(["ci", "a.b", "", "0", "x y"]))
WHO = st.one_of(NAMES, TOKENS, GROUPS.map("@{}".format))
LISTS = st.lists(WHO, max_size=3).map(",".join)


def line(*fields: st.SearchStrategy[str] | str) -> st.SearchStrategy[str]:
    """A line of user.cfg."""
    return st.tuples(*(st.just(one) if isinstance(one, str) else one for one in fields)).map(":".join)


USER_CFG = st.lists(
    st.one_of(
        line("user", NAMES, NUMBERS, NUMBERS, TEXTS, TEXTS, TEXTS, TEXTS, TEXTS, ""),
        line("token", TOKENS, NUMBERS, NUMBERS, TEXTS, ""),
        line("group", GROUPS, LISTS, TEXTS, ""),
        line("role", ROLES, st.sampled_from(["User.Modify,Sys.Audit", "Permissions.Modify", "VM.Monitor", ""]), ""),
        line("acl", NUMBERS, PATHS, LISTS, ROLES, ""),
        line("pool", GROUPS, TEXTS, "100,x", "local", ""),
        TEXTS,
    ),
    max_size=20,
).map("\n".join)
DOMAINS_CFG = st.lists(
    st.one_of(
        st.builds(
            "{}: {}\n\t{} {}\n".format,
            st.sampled_from(["pve", "pam", "ldap", "ad", "openid", "odd"]),
            st.sampled_from(["pve", "pam", "low", "sso", "0"]),
            st.sampled_from(["case-sensitive", "tfa", "comment", "default", "sync-defaults-options", "odd"]),
            st.sampled_from(["0", "1", "type=oath", "type=yubico,id=1", "", "scope=users", "x=y"]),
        ),
        TEXTS,
    ),
    max_size=5,
).map("\n".join)


@settings(max_examples=150, deadline=None)
@given(user_cfg=USER_CFG, domains_cfg=DOMAINS_CFG, who=st.sampled_from(["root@pam", "ann@pve", "ann@pve!ci"]))
def test_identity_info_answers_whatever_the_files_hold(user_cfg: str, domains_cfg: str, who: str) -> None:
    api = Direct(user_cfg, domains_cfg, who)
    try:
        result = assess_identity(api, OPTIONS, NOW)
    except ApiError as error:
        assert error.status == 401  # disabled, expired, or not there
        return
    json.dumps(result)
    summary, coverage = result["summary"], result["identity"]["coverage"]
    assert summary["complete"] == all(entry["complete"] for entry in coverage.values())
    config = api.cluster.users
    enabled = sum(bool(account.enable) for account in config.users.values())
    expected = {"users": len(config.users), "enabled_users": enabled, "groups": len(config.groups)}
    for name, count in expected.items():
        assert summary[name] in (None, count) and (summary[name] is not None or who != "root@pam"), name
