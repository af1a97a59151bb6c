# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the program that a message of the journal claims to be wrote it.

Every user may write to the journal under any name (`logger -t pvedaemon`). What journald itself adds, the uid and the
program's file, nobody can choose. Source: systemd systemd.journal-fields(7).
"""

from __future__ import annotations

from ansible_collections.pve.audit.plugins.module_utils._parse.messages import DAEMONS

_WWW_DATA = 33  # Debian's fixed uid of the proxies [base-passwd]
_PROXIES = frozenset({"pveproxy", "spiceproxy"})
_FILES = {
    "sshd": frozenset({"sshd", "sshd-session", "sshd-auth"}),
    "sshd-session": frozenset({"sshd-session"}),
    "sudo": frozenset({"sudo", "sudo-rs"}),
    "su": frozenset({"su"}),
    "login": frozenset({"login"}),
    "systemd-logind": frozenset({"systemd-logind"}),
}
_ROOTS = frozenset(
    """systemd systemd-journald systemd-logind login pve-audit-ledger useradd usermod userdel groupadd groupmod groupdel
    newusers chpasswd""".split()
)
_BY_ROOT = ("Accepted ", "pam_unix(sshd:")


def forgery(ident: str, message: str, uid: int | None, file: str) -> str | None:
    """Why a message is not that of the program `ident`; None when it may be. `uid` and `file` may be unknown."""
    name = file.removesuffix(" (deleted)").rpartition("/")[2]  # the file was replaced since
    wrong_file = bool(name) and name not in _FILES.get(ident, {name})
    if wrong_file or (uid and _needs_root(ident, message) and not (uid == _WWW_DATA and ident in _PROXIES)):
        writer = " ".join([f"the uid {'unknown' if uid is None else uid}", *([f"with {file}"] if file else [])])
        return f"the line says that it is by {ident or 'nobody'}, but it was written by {writer}: somebody forged it"
    return None


def _needs_root(ident: str, message: str) -> bool:
    """True for what only root's programs write: those of Proxmox VE, logind, login, and sshd before somebody is in."""
    if ident in DAEMONS or ident in _ROOTS or message.startswith("<"):
        return True
    return ident in _FILES and message.startswith(_BY_ROOT)
