# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the messages of logins, sessions and commands say, whoever carried them: journal, syslog or the API.

The text of a failed login holds whatever was typed, so messages are read from both ends. Sources: pve-access-control
PVE/API2/AccessControl.pm and OpenId.pm, pve-manager PVE/HTTPServer.pm, pve-common PVE/RESTEnvironment.pm, OpenSSH
auth.c, sudo eventlog.c, util-linux login.c and su-common.c, shadow login.c, systemd logind-session.c.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.pve.audit.plugins.module_utils._model.names import split_userid
from ansible_collections.pve.audit.plugins.module_utils._parse.lines import client_ip
from ansible_collections.pve.audit.plugins.module_utils._parse.status import outcome, task_state

ACTION_AUTHENTICATE = "access.authenticate"
ACTION_SSH_OPEN = "session.ssh.open"
ACTION_SSH_CLOSE = "session.ssh.close"
ACTION_SUDO = "session.sudo.command"
ACTION_SESSION_OPEN = "session.open"
ACTION_CONSOLE = "session.console.login"
ACTION_TASK_START = "session.task.start"
ACTION_TASK_END = "session.task.end"
ACTIONS = (
    ACTION_AUTHENTICATE,
    ACTION_SSH_OPEN,
    ACTION_SSH_CLOSE,
    ACTION_SUDO,
    ACTION_SESSION_OPEN,
    ACTION_CONSOLE,
    ACTION_TASK_START,
    ACTION_TASK_END,
)

PVE_AUTH = "pve.auth"
LINUX_AUTH = "linux.auth"
DAEMONS = frozenset({"pvedaemon", "pveproxy", "spiceproxy", "pvescheduler", "pvestatd", "pve-ha-lrm", "pve-ha-crm"})


@dataclass(slots=True)
class Facts:
    """What one message says. `user` is a user id, `extra` goes to `pve.*` and `process` to `process.*` of the event."""

    dataset: str
    action: str
    outcome: str
    user: str | None = None
    ip: str | None = None
    error: str | None = None
    extra: dict[str, Any] = field(default_factory=dict)
    process: dict[str, Any] = field(default_factory=dict)


def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(text, re.ASCII | re.DOTALL)


_SUCCESS = _pattern(r"(?:<.*?> )?successful (?:openid )?auth for user '(.*)'")
_FAILURE = _pattern(r"(?:openid )?authentication failure; rhost=(\S*)(?: .*)?")
_REFUSAL = _pattern(r"authentication failure: (.*)")
_REFUSED_USERS = tuple(
    _pattern(text)
    for text in (
        r"user '(.*)' (?:is disabled|access expired)",
        r"no such user \('(.*)'\)",
        r"no such token '.*' for user '(.*)'",
        r"value '(.*)' does not look like a valid (?:user name|token ID)",
    )
)
_TASK = _pattern(r"<(.*?)> (starting|end) task (UPID:.*?:)(?:\s(.*))?")
_PAM = _pattern(r"pam_unix\(proxmox-ve-auth:auth\): authentication failure;.*? rhost=(\S*)\s+user=(.*)")
_SSH = _pattern(r"(Accepted|Failed) (\S+) for (invalid user )?(.*) from (\S+) port \d+(?: ssh\d)?(?:: .*)?")
_SSH_CLOSE = _pattern(r"Disconnected from user (.*) (\S+) port \d+")
_SETTING = _pattern(r"([A-Z]+)=(.*)")
_SU = _pattern(r"(FAILED SU )?\(to (.*?)\) (.*) on (\S+)")
_SU_SHADOW = _pattern(r"(Successful|FAILED) su for (.*) by (.*)")
_LOGIND = _pattern(r"New session '?([^\s']+)'? of user '?(.*?)'?(?: with class .*)?\.?")
_LOGIN_ROOT = _pattern(r"ROOT LOGIN\s+(?:ON|on) '?([^\s']+)'?(?: (?:FROM|from) '?([^\s']+)'?)?")
_LOGIN = _pattern(r"(?:DIALUP AT \S+ BY|LOGIN ON (\S+) BY) (.*?)(?: FROM (\S+))?")
_LOGIN_FAILED = _pattern(
    r"(?:FAILED LOGIN|TOO MANY LOGIN TRIES)(?: SESSION)? \(?\d+\)?"
    r"(?: on '?([^\s']+)'?)?(?: (?:FROM|from) '?([^\s']+)'?)? FOR '?(.*?)'?, .*"
)
_LOGIN_PAM = _pattern(r"pam_unix\(login:session\): session opened for user ([^\s(]+)(?:\(uid=(\d+)\))? by .*")


def read_message(ident: str, message: str) -> Facts | None:
    """What `message`, written by the program `ident`, says about logins, sessions and commands; None when nothing."""
    reader = _READERS.get(ident)
    facts = reader(message) if reader else None
    if facts is None and message.startswith("<") and " task UPID:" in message:
        facts = _read_task(ident, message)
    if facts is None and message.startswith("pam_unix(proxmox-ve-auth"):
        facts = _read_pam(message)
    return facts


def is_audit_program(ident: str) -> bool:
    """True for programs whose messages are evidence: one that cannot be read must not vanish."""
    return ident in _READERS


def _read_daemon(message: str) -> Facts | None:
    if "auth" not in message:
        return None
    if match := _SUCCESS.fullmatch(message):
        return Facts(PVE_AUTH, ACTION_AUTHENTICATE, "success", match[1])
    if match := _FAILURE.fullmatch(message):
        user, text = _typed_user(message)
        return Facts(PVE_AUTH, ACTION_AUTHENTICATE, "failure", user, client_ip(match[1]), text)
    if match := _REFUSAL.fullmatch(message):
        text = _clean(match[1])
        return Facts(PVE_AUTH, ACTION_AUTHENTICATE, "failure", _refused_user(text), None, text)
    return None


def _typed_user(message: str) -> tuple[str | None, str | None]:
    """User and reason of a failed login.

    The user may hold ` msg=` itself. The reason quotes a malformed user in full: that decides, else the last ` msg=`
    does.
    """
    _head, marker, rest = message.partition(" user=")
    if not marker:
        _head, marker, text = message.partition(" msg=")
        return None, _clean(text) if marker else None
    pieces = rest.split(" msg=")
    cut = len(pieces) - 1
    for place in range(1, len(pieces)):
        user = " msg=".join(pieces[:place])
        if f"'{user}'" in " msg=".join(pieces[place:]):
            cut = place
            break
    if cut == 0:
        return _clean(rest) or None, None
    return " msg=".join(pieces[:cut]) or None, _clean(" msg=".join(pieces[cut:])) or None


def _refused_user(text: str) -> str | None:
    for pattern in _REFUSED_USERS:
        if match := pattern.fullmatch(text):
            return match[1] or None
    return None


def _read_task(ident: str, message: str) -> Facts | None:
    match = _TASK.fullmatch(message)
    if match is None:
        return None
    user, verb, upid, status = match.groups()
    extra: dict[str, Any] = {"upid": _whole_upid(message, upid)}
    token = split_userid(user)[2]
    channel = "unknown" if ident in DAEMONS else "cli"
    extra["channel"] = "api_token" if token is not None else channel
    if token is not None:
        extra["token"] = token
    if verb == "starting":
        return Facts(PVE_AUTH, ACTION_TASK_START, "unknown", user, extra=extra)
    status = _clean(message.partition(extra["upid"])[2].strip())
    state = task_state(status)
    extra |= {"status": status, "state": state} if status else {"state": state}
    error = status if state == "error" else None
    return Facts(PVE_AUTH, ACTION_TASK_END, outcome(state), user, None, error, extra)


def _whole_upid(message: str, short: str) -> str:
    """The UPID ends at its eighth colon; an id with colons or spaces makes it longer, up to a colon before a space."""
    text = message[message.index("UPID:") :]
    match = re.match(r"UPID:(?:[^:\s]*:){7}(?=\s|$)|UPID:\S*:(?=\s|$)", text)
    return match[0] if match else short


def _read_pam(message: str) -> Facts | None:
    match = _PAM.fullmatch(message)
    if match is None:
        return None
    user = _unix_user(match[2])
    return Facts(LINUX_AUTH, ACTION_AUTHENTICATE, "failure", user, client_ip(match[1]), "PAM refused the password")


def _read_ssh(message: str) -> Facts | None:
    if match := _SSH.fullmatch(message):
        accepted = match[1] == "Accepted"
        facts = Facts(LINUX_AUTH, ACTION_SSH_OPEN, "success" if accepted else "failure", _unix_user(match[4]))
        facts.ip = client_ip(match[5])
        facts.extra["method"] = match[2]
        if not accepted:
            facts.error = f"{match[2]} refused" + (" for a user that does not exist" if match[3] else "")
        return facts
    if match := _SSH_CLOSE.fullmatch(message):
        return Facts(LINUX_AUTH, ACTION_SSH_CLOSE, "success", _unix_user(match[1]), client_ip(match[2]))
    return None


def _read_sudo(message: str) -> Facts | None:
    """`USER : [REASON ; ]TTY=... ; PWD=... ; USER=... ; COMMAND=...`; a reason is there when sudo refused."""
    user, colon, rest = message.lstrip().partition(" : ")
    settings, found, command = f" ; {rest}".partition(" ; COMMAND=")
    if not (colon and found and user):
        return None
    parts: dict[str, str] = {}
    reason = None
    for place, segment in enumerate(settings.split(" ; ")[1:]):
        match = _SETTING.fullmatch(segment)
        if match:
            parts.setdefault(match[1], match[2])
        elif place == 0:
            reason = segment
    facts = Facts(LINUX_AUTH, ACTION_SUDO, "failure" if reason else "success", _unix_user(user), error=reason)
    facts.extra = {key: parts[name] for key, name in (("tty", "TTY"), ("target_user", "USER")) if name in parts}
    facts.extra["channel"] = "cli"
    facts.process = {"command_line": command}
    if "PWD" in parts:
        facts.process["working_directory"] = parts["PWD"]
    return facts


def _read_su(message: str) -> Facts | None:
    if match := _SU.fullmatch(message):
        failed, target, user, tty = bool(match[1]), match[2], match[3], match[4]
        extra = {"target_user": target, "tty": tty}
    elif match := _SU_SHADOW.fullmatch(message):
        failed, target, user = match[1] == "FAILED", match[2], match[3]
        extra = {"target_user": target}
    else:
        return None
    error = "su refused" if failed else None
    return Facts(
        LINUX_AUTH, ACTION_SESSION_OPEN, "failure" if failed else "success", _unix_user(user), None, error, extra
    )


def _read_logind(message: str) -> Facts | None:
    match = _LOGIND.fullmatch(message)
    if match is None:
        return None
    return Facts(LINUX_AUTH, ACTION_SESSION_OPEN, "success", _unix_user(match[2]), extra={"session": match[1]})


def _read_login(message: str) -> Facts | None:
    if match := _LOGIN_ROOT.fullmatch(message):
        tty, address, user = match[1], match[2], "root"
    elif match := _LOGIN_FAILED.fullmatch(message):
        tty, address, user = match[1], match[2], match[3]
    elif match := _LOGIN.fullmatch(message):
        tty, address, user = match[1], match[3], match[2]
    elif (match := _LOGIN_PAM.fullmatch(message)) and match[1] != "root":
        tty, address, user = None, None, match[1]
    else:
        return None
    failed = message.startswith(("FAILED", "TOO MANY"))
    facts = Facts(LINUX_AUTH, ACTION_CONSOLE, "failure" if failed else "success", _unix_user(user))
    facts.ip = client_ip(address) if address else None
    facts.error = "login refused" if failed else None
    if tty:
        facts.extra["tty"] = tty.removeprefix("/dev/")
    return facts


def _unix_user(name: str) -> str | None:
    """Unix users are the users of realm pam; the text of an attacker stays as it is."""
    name = _clean(name)
    return f"{name}@pam" if name else None


def _clean(text: str) -> str:
    """Without the line end, which rsyslog writes as #012."""
    return text.removesuffix("#012").strip()


_READERS: dict[str, Callable[[str], Facts | None]] = {
    "pvedaemon": _read_daemon,
    "pveproxy": _read_daemon,
    "sshd": _read_ssh,
    "sshd-session": _read_ssh,
    "sudo": _read_sudo,
    "su": _read_su,
    "systemd-logind": _read_logind,
    "login": _read_login,
}
