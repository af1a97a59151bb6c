# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the messages of Proxmox VE's daemons say, and who reads those of other programs.

The text of a failed login holds whatever was typed, so messages are read from both ends. Sources: pve-access-control
PVE/API2/AccessControl.pm (also as it was in Proxmox VE 7, verify_tfa) and OpenId.pm, pve-manager PVE/HTTPServer.pm,
pve-common PVE/RESTEnvironment.pm, qemu-server PVE/API2/Qemu.pm and PVE/CLI/qm.pm, pve-container PVE/API2/LXC.pm.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from ansible_collections.pve.audit.plugins.module_utils._model.errors import InputError
from ansible_collections.pve.audit.plugins.module_utils._model.names import split_userid
from ansible_collections.pve.audit.plugins.module_utils._parse.facts import (
    ACTION_LOST,
    LINUX_AUTH,
    LINUX_LOG,
    PVE_AUTH,
    Facts,
    clean,
    pattern,
    unix_user,
)
from ansible_collections.pve.audit.plugins.module_utils._parse.guest_changes import action_of_change
from ansible_collections.pve.audit.plugins.module_utils._parse.ledger_messages import read_ledger
from ansible_collections.pve.audit.plugins.module_utils._parse.lines import client_ip
from ansible_collections.pve.audit.plugins.module_utils._parse.log_messages import (
    read_kernel,
    read_logger,
    read_systemd,
)
from ansible_collections.pve.audit.plugins.module_utils._parse.redact import MARK
from ansible_collections.pve.audit.plugins.module_utils._parse.ssh_messages import read_ssh
from ansible_collections.pve.audit.plugins.module_utils._parse.status import outcome, task_state
from ansible_collections.pve.audit.plugins.module_utils._parse.unix_messages import (
    read_accounts,
    read_login,
    read_logind,
    read_session,
    read_su,
    read_sudo,
)
from ansible_collections.pve.audit.plugins.module_utils._parse.upid import parse_upid

ACTION_AUTHENTICATE = "access.authenticate"
ACTION_TASK_START = "session.task.start"
ACTION_TASK_END = "session.task.end"

DAEMONS = frozenset({"pvedaemon", "pveproxy", "spiceproxy", "pvescheduler", "pvestatd", "pve-ha-lrm", "pve-ha-crm"})

_SUCCESS = pattern(r"(?:<.*?> )?successful (?:openid )?auth for user '(.*)'")
_FAILURE = pattern(r"(?:openid )?authentication (?:verification )?failure; rhost=(\S*)(?: .*)?")
_REFUSAL = pattern(r"authentication failure: (.*)")
_REFUSED_USERS = tuple(
    pattern(text)
    for text in (
        r"user '(.*)' (?:is disabled|access expired)",
        r"no such user \('(.*)'\)",
        r"no such token '.*' for user '(.*)'",
        r"value '(.*)' does not look like a valid (?:user name|token ID)",
    )
)
# No account has this in its name. The name in a refused login is whatever was typed.
_TIME = re.compile(r" \d\d:\d\d:\d\d|\dT\d\d:\d\d:\d\d", re.ASCII)
# A UPID that was cut off is no evidence of a task, and yet of a line that is damaged.
_TASK = pattern(r"<(.*?)> (starting|end) task (UPID:.*?:(?=\s|\Z)|UPID:\S*)(?:\s(.*))?")
_UPDATE = pattern(r"<(.*?)> update (?:VM|CT) ([1-9]\d{2,8}): (.*)")
_UNLOCK = pattern(r"executed '(?:qm|pct) unlock ([1-9]\d{2,8})'")
_PASSWORD = pattern(r"<.*?> changed password for user '(.*)'")
_OPENID = pattern(
    r"openid (?:user '(.*)' added to groups: .*|overwrite groups enabled; user '(.*)' removed from all groups)"
)
_OPENID_GROUPS = pattern(r"groups created automatically from openid claim: (.*)")
_PAM = pattern(r"pam_unix\(proxmox-ve-auth:auth\): authentication failure;.*? rhost=(\S*)(?:\s+user=(.*)|\s*)")
_REPEATED = pattern(r"message repeated (\d{1,9}) times: \[ ?(.*)\]")
# An older syslogd does not say what was repeated, so that as many messages have no text.
_FOLDED = pattern(r"(?:--- )?last message (?:buffered|repeated|suppressed) (\d{1,9}) times?(?: ---)?")
# The option whose value is a secret, up to the options that can follow it: they are sorted. Newer releases hide it
# themselves.
_PASSWORD_VALUE = re.compile(
    r"((?:^| )-cipassword )(?!<hidden>).*?(?= -(?:citype|ciupgrade|ciuser|cores|cpu\w*|delete|description|digest"
    r"|efidisk0|force|freeze|hookscript|hostpci\d+|hotplug|hugepages|ide\d+|ipconfig\d+|kvm|localtime|memory|name"
    r"|nameserver|net\d+|numa\d*|onboot|protection|sata\d+|scsi\w+|searchdomain|serial\d+|sockets|sshkeys|tags|vga"
    r"|virtio\d+) |$)",
    re.ASCII | re.DOTALL,
)


def read_message(ident: str, message: str) -> Facts | None:
    """What `message`, written by the program `ident`, is evidence of; None when of nothing.

    rsyslog folds a line that comes several times at once: what it repeated counts as `repeated`.
    """
    if message.startswith("message repeated ") and (match := _REPEATED.fullmatch(clean(message))):
        facts = _read_once(ident, match[2])
        if facts is not None:
            facts.extra["repeated"] = int(match[1])
        return facts
    if (match := _FOLDED.fullmatch(message)) and is_audit_program(ident):
        extra = {"object": ident, "lost": int(match[1]), "log": "syslog"}
        return Facts(LINUX_LOG, ACTION_LOST, "failure", error=f"{ident}: {message}", extra=extra)
    return _read_once(ident, message)


def _read_once(ident: str, message: str) -> Facts | None:
    reader = _READERS.get(ident)
    facts = reader(message) if reader and (len(message) <= _LONGEST or reader in _LONG_WINDED) else None
    if facts is None and message.startswith("<"):
        facts = _read_signed(ident, message)
    if facts is None and message.startswith("pam_unix("):
        facts = _read_pam(message)
    if facts is not None and facts.outcome != "failure" and facts.user and _TIME.search(facts.user):
        facts.user, facts.ip, facts.outcome = None, None, "unknown"
        facts.error = "the name of the user holds a time: another line may have run into this one"
    return facts


def is_audit_program(ident: str) -> bool:
    """True for programs whose messages are evidence: one that cannot be read must not vanish."""
    return ident in _READERS and ident not in _MOSTLY_OTHER


def _read_daemon(message: str) -> Facts | None:
    if message.startswith(("openid user ", "openid overwrite ", "groups created ")):
        return _read_openid(message)
    if "auth" not in message:
        return None
    if match := _SUCCESS.fullmatch(message):
        return Facts(PVE_AUTH, ACTION_AUTHENTICATE, "success", match[1])
    if match := _FAILURE.fullmatch(message):
        user, text = _typed_user(message)
        facts = Facts(PVE_AUTH, ACTION_AUTHENTICATE, "failure", user, client_ip(match[1]), text)
        if message.startswith("authentication verification ") or text == "failed to verify TFA":
            facts.extra["method"] = "second factor"
        return facts
    if match := _REFUSAL.fullmatch(message):
        text = clean(match[1])
        facts = Facts(PVE_AUTH, ACTION_AUTHENTICATE, "failure", _refused_user(text), None, text)
        facts.extra["credential"] = "ticket_or_token"
        return facts
    return None


def _typed_user(message: str) -> tuple[str | None, str | None]:
    """User and reason of a failed login.

    The user may hold ` msg=` itself. The reason quotes a malformed user in full: that decides, else the last ` msg=`
    does.
    """
    _head, marker, rest = message.partition(" user=")
    if not marker:
        _head, marker, text = message.partition(" msg=")
        return None, clean(text) if marker else None
    pieces = rest.split(" msg=")
    cut = len(pieces) - 1
    for place in range(1, len(pieces)):
        user = " msg=".join(pieces[:place])
        if f"'{user}'" in " msg=".join(pieces[place:]):
            cut = place
            break
    if cut == 0:
        return clean(rest) or None, None
    return " msg=".join(pieces[:cut]) or None, clean(" msg=".join(pieces[cut:])) or None


def _refused_user(text: str) -> str | None:
    for refusal in _REFUSED_USERS:
        if match := refusal.fullmatch(text):
            return match[1] or None
    return None


def _read_openid(message: str) -> Facts | None:
    """Groups, and so rights, that the identity provider gave or took at a login."""
    text = clean(message)
    if match := _OPENID.fullmatch(text):
        extra = {"object": match[1] or match[2] or "", "change": text}
        return Facts(PVE_AUTH, "access.user.modify", "success", extra=extra)
    if match := _OPENID_GROUPS.fullmatch(text):
        return Facts(PVE_AUTH, "access.group.create", "success", extra={"object": match[1]})
    return None


def _read_signed(ident: str, message: str) -> Facts | None:
    """What begins with `<user>`: tasks, changes of a guest's options, and passwords."""
    if " task UPID:" in message and (facts := _read_task(ident, message)) is not None:
        return facts
    channel = "unknown" if ident in DAEMONS else "cli"
    if match := _UPDATE.fullmatch(message):
        return _update(channel, match[1], match[2], clean(match[3]))
    if match := _PASSWORD.fullmatch(clean(message)):
        # Signed by root@pam whoever did it, so nobody is named.
        return Facts(PVE_AUTH, "access.password.modify", "success", extra={"object": match[1], "channel": channel})
    return None


def _update(channel: str, user: str, guest: str, change: str) -> Facts:
    """New values of a guest's options. The line is written before they are, so that it proves no success."""
    token = split_userid(user)[2]
    change = _PASSWORD_VALUE.sub(rf"\g<1>{MARK}", change)
    extra = {"object": guest, "vmid": int(guest), "change": change, "channel": channel}
    if token is not None:
        extra |= {"channel": "api_token", "token": token}
    return Facts(PVE_AUTH, action_of_change(change), "unknown", user, extra=extra)


def _read_guest_tool(message: str) -> Facts | None:
    """`qm unlock` and `pct unlock`, which leave no task and no call; who typed them is in the record's login uid."""
    match = _UNLOCK.fullmatch(message)
    if match is None:
        return None
    extra = {"object": match[1], "vmid": int(match[1]), "change": "unlock", "channel": "cli"}
    return Facts(PVE_AUTH, "guest.config.modify", "success", extra=extra)


def _read_task(ident: str, message: str) -> Facts | None:
    match = _TASK.fullmatch(message)
    if match is None:
        return None
    user, verb, upid, status = match.groups()
    action = ACTION_TASK_START if verb == "starting" else ACTION_TASK_END
    extra: dict[str, Any] = {"upid": _whole_upid(message, upid)}
    if not _is_of(extra["upid"], user):
        return Facts(PVE_AUTH, action, "unknown", error="the UPID is damaged: it was cut off, or ran into another line")
    token = split_userid(user)[2]
    channel = "unknown" if ident in DAEMONS else "cli"
    extra["channel"] = "api_token" if token is not None else channel
    if token is not None:
        extra["token"] = token
    if verb == "starting":
        return Facts(PVE_AUTH, action, "unknown", user, extra=extra)
    status = clean(message.partition(extra["upid"])[2].strip())
    state = task_state(status)
    extra |= {"status": status, "state": state} if status else {"state": state}
    error = status if state == "error" else None
    return Facts(PVE_AUTH, action, outcome(state), user, None, error, extra)


def _is_of(upid: str, user: str) -> bool:
    """True for a readable UPID of the user who signed the message."""
    try:
        return parse_upid(upid, strict=False).userid == user
    except InputError:
        return False


def _whole_upid(message: str, short: str) -> str:
    """The UPID ends at its eighth colon; an id with colons or spaces makes it longer, up to a colon before a space."""
    text = message[message.index("UPID:") :]
    match = re.match(r"UPID:(?:[^:\s]*:){7}(?=\s|$)|UPID:\S*:(?=\s|$)", text)
    return match[0] if match else short


def _read_pam(message: str) -> Facts | None:
    match = _PAM.fullmatch(message)
    if match is None:
        return read_session(message) or read_accounts(message)
    user = unix_user(match[2] or "")
    return Facts(LINUX_AUTH, ACTION_AUTHENTICATE, "failure", user, client_ip(match[1]), "PAM refused the password")


_ACCOUNT_TOOLS = """
    useradd usermod userdel newusers groupadd groupmod groupdel groupmems gpasswd passwd chpasswd chgpasswd chage
    chsh chfn
"""
_LOGGERS = "systemd-journald systemd-journal journal rsyslogd rsyslogd-2177 syslog-ng auditd"
_READERS: dict[str, Callable[[str], Facts | None]] = {
    "pvedaemon": _read_daemon,
    "pveproxy": _read_daemon,
    "qm": _read_guest_tool,
    "pct": _read_guest_tool,
    "sshd": read_ssh,
    "sshd-session": read_ssh,
    "sshd-auth": read_ssh,
    "sudo": read_sudo,
    "su": read_su,
    "systemd-logind": read_logind,
    "login": read_login,
    "kernel": read_kernel,
    "systemd": read_systemd,
    "pve-audit-ledger": read_ledger,
    **dict.fromkeys(_ACCOUNT_TOOLS.split(), read_accounts),
    **dict.fromkeys(_LOGGERS.split(), read_logger),
}
# A command or an error may be long. Of the others none writes such messages: sshd ends at 1,024 bytes.
_LONG_WINDED = frozenset({_read_daemon, read_sudo, read_ledger})
_LONGEST = 4096
_MOSTLY_OTHER = frozenset({"kernel", "systemd", "qm", "pct"})
