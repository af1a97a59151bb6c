# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The privileges and the built-in roles of PVE (pve-access-control AccessControl.pm)."""

from __future__ import annotations

# category: (only for root, for administrators, for users, for auditors)
_GROUPS: dict[str, tuple[str, str, str, str]] = {
    "VM": (
        "",
        "Config.Disk Config.CPU Config.Memory Config.Network Config.HWType Config.Options Allocate Clone"
        " GuestAgent.Unrestricted Migrate Replicate Snapshot Snapshot.Rollback",
        "Config.CDROM Config.Cloudinit Console Backup GuestAgent.FileRead GuestAgent.FileSystemMgmt"
        " GuestAgent.FileWrite PowerMgmt",
        "Audit GuestAgent.Audit",
    ),
    "Sys": ("PowerMgmt Modify Incoming AccessNetwork", "Console Syslog", "", "Audit"),
    "Datastore": ("", "Allocate AllocateTemplate", "AllocateSpace", "Audit"),
    "SDN": ("", "Allocate Audit", "Use", "Audit"),
    "User": ("=Realm.Allocate", "Modify =Group.Allocate =Realm.AllocateUser", "", ""),
    "Pool": ("", "Allocate", "Audit", "Audit"),
    "Mapping": ("", "Modify", "Use", "Audit"),
}


def _names(category: str, words: str) -> set[str]:
    return {word[1:] if word.startswith("=") else f"{category}.{word}" for word in words.split()}


def _build() -> tuple[frozenset[str], dict[str, frozenset[str]]]:
    valid = {"Permissions.Modify"}
    roles: dict[str, set[str]] = {"NoAccess": set(), "PVEAdmin": set(), "PVEAuditor": set()}
    for category, words in _GROUPS.items():
        root, admin, user, audit = (_names(category, part) for part in words)
        valid |= root | admin | user | audit
        roles[f"PVE{category}Admin"] = admin | user | audit
        roles["PVEAdmin"] |= admin | user | audit
        if user:
            roles[f"PVE{category}User"] = user | audit
        roles["PVEAuditor"] |= audit
    roles["PVEAdmin"].discard("Mapping.Modify")
    roles["PVETemplateUser"] = {"VM.Clone", "VM.Audit"}
    roles["Administrator"] = valid
    return frozenset(valid), {name: frozenset(privs) for name, privs in roles.items()}


PRIVILEGES, BUILTIN_ROLES = _build()
