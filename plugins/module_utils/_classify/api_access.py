# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Writing calls below /access and /pools: who may do what.

Data only. A row is ``(method, path template, action, leaves a task)``; the last is None where it depends on the
body of the request.
"""

from __future__ import annotations

from ansible_collections.pve.audit.plugins.module_utils._classify.call import Call

CALLS: tuple[Call, ...] = (
    ("PUT", "/access/acl", "access.acl.modify", False),
    ("POST", "/access/domains", "access.realm.create", False),
    ("DELETE", "/access/domains/{realm}", "access.realm.delete", False),
    ("PUT", "/access/domains/{realm}", "access.realm.modify", False),
    ("POST", "/access/domains/{realm}/sync", "access.realm.sync", True),
    ("POST", "/access/groups", "access.group.create", False),
    ("DELETE", "/access/groups/{groupid}", "access.group.delete", False),
    ("PUT", "/access/groups/{groupid}", "access.group.modify", False),
    ("POST", "/access/openid/auth-url", "access.login.begin", False),
    ("POST", "/access/openid/login", "access.login", False),
    ("PUT", "/access/password", "access.password.modify", False),
    ("POST", "/access/roles", "access.role.create", False),
    ("DELETE", "/access/roles/{roleid}", "access.role.delete", False),
    ("PUT", "/access/roles/{roleid}", "access.role.modify", False),
    ("POST", "/access/tfa/{userid}", "access.tfa.create", False),
    ("DELETE", "/access/tfa/{userid}/{id}", "access.tfa.delete", False),
    ("PUT", "/access/tfa/{userid}/{id}", "access.tfa.modify", False),
    ("POST", "/access/ticket", "access.login_or_renewal", False),
    ("POST", "/access/users", "access.user.create", False),
    ("DELETE", "/access/users/{userid}", "access.user.delete", False),
    ("PUT", "/access/users/{userid}", "access.user.modify", False),
    ("DELETE", "/access/users/{userid}/token/{tokenid}", "access.token.delete", False),
    ("POST", "/access/users/{userid}/token/{tokenid}", "access.token.create", False),
    ("PUT", "/access/users/{userid}/token/{tokenid}", "access.token.modify", False),
    ("PUT", "/access/users/{userid}/unlock-tfa", "access.tfa.unlock", False),
    ("POST", "/access/vncticket", "access.ticket.verify", False),
    ("DELETE", "/pools", "pool.delete", False),
    ("POST", "/pools", "pool.create", False),
    ("PUT", "/pools", "pool.modify", False),
    ("DELETE", "/pools/{poolid}", "pool.delete", False),
    ("PUT", "/pools/{poolid}", "pool.modify", False),
)
