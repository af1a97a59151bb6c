# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What programs of the system say about commands, sessions, and the accounts of a node.

Sources: sudo eventlog.c, util-linux login.c and su-common.c, systemd logind-session.c, Linux-PAM pam_unix_sess.c and
pam_unix_passwd.c, shadow 4.13 to 4.17 (useradd.c and its kin, passwd.c, gpasswd.c, chage.c).

Who runs `usermod` is not in its message: the event has no user. Root's name in one that has it (`changed by 'root'`) is
left out as well, since root is whoever called sudo.
"""

from __future__ import annotations

import re
from typing import Any

from ansible_collections.pve.audit.plugins.module_utils._parse.facts import (
    ACTION_CONSOLE,
    ACTION_PASSWORD,
    ACTION_SESSION_OPEN,
    ACTION_SUDO,
    LINUX_AUTH,
    Facts,
    clean,
    pattern,
    unix_user,
)
from ansible_collections.pve.audit.plugins.module_utils._parse.lines import client_ip

# sudo cuts a long command, and goes on in a message of its own.
_CONTINUED = "(command continued) "
_SETTING = pattern(r"([A-Z]+)=(.*)")
_SU = pattern(r"(FAILED SU )?\(to (.*?)\) (.*) on (\S+)")
_SU_SHADOW = pattern(r"(Successful|FAILED) su for (.*) by (.*)")
# Since systemd 256 the user's service manager and cron have sessions of their own.
_LOGIND = pattern(r"New session '?([^\s']+)'? of user '?(.*?)'?(?: with class .*)?\.?")
_OF_NOBODY = pattern(r".* with class '?(?:manager|background).*")
_LOGIN_ROOT = pattern(r"ROOT LOGIN\s+(?:ON|on) '?([^\s']+)'?(?: (?:FROM|from) '?([^\s']+)'?)?")
_LOGIN = pattern(r"(?:DIALUP AT \S+ BY|LOGIN ON (\S+) BY) (.*?)(?: FROM (\S+))?")
_LOGIN_FAILED = pattern(
    r"(?:FAILED LOGIN|TOO MANY LOGIN TRIES)(?: SESSION)? \(?\d+\)?"
    r"(?: on '?([^\s']+)'?)?(?: (?:FROM|from) '?([^\s']+)'?)? FOR '?(.*?)'?, .*"
)
_LOGIN_PAM = pattern(r"pam_unix\(login:session\): session opened for user ([^\s(]+)(?:\(uid=(\d+)\))? by .*")
# The sessions that a person opens; those of cron and of systemd are everyday noise, and login has a line of its own.
_SESSION = pattern(
    r"pam_unix\((sshd|sudo|sudo-i|su|su-l):session\): session opened for user ([^(]{0,256}?)(?:\(uid=(\d{1,10})\))?"
    r" by ([^(]{0,256}?)\(uid=(\d{1,10})\)"
)
_PASSWORD = pattern(r"pam_unix\([^\s:()]+:chauthtok\): password changed for (.*)")

# What is done to an account (`user`) or a group (`group`) of the node; `by` is whoever did it, where that is said.
_ACCOUNTS = tuple(
    (action, pattern(text))
    for action, text in (
        ("node.account.create", r"new user: name=(?P<user>[^,]*), UID=(?P<uid>\d+), .*"),
        ("node.account.create", r"failed adding user '(?P<user>[^']*)',(?: exit code:)? .*(?P<failed>)"),
        ("node.account.delete", r"delete user '(?P<user>[^']*)'"),
        ("node.account.modify", r"change user name '(?P<user>[^']*)' to '[^']*'"),
        (ACTION_PASSWORD, r"(?:change|lock|unlock) user '(?P<user>[^']*)' password"),
        ("node.account.modify", r"changed? user '(?P<user>[^']*)' (?:\S+ (?:from '[^']*' )?to '[^']*'|information)"),
        (ACTION_PASSWORD, r"password for '(?P<user>[^']*)' changed by '(?P<by>[^']*)'"),
        (ACTION_PASSWORD, r"password (?:locked|unlocked) for '(?P<user>[^']*)'"),
        ("node.account.modify", r"changed password expiry for (?P<user>.*)"),
        ("node.group.create", r"new group: name=(?P<group>[^,]*), GID=\d+"),
        ("node.group.create", r"group added to [^\s:]+: name=(?P<group>[^,]*)(?:, GID=\d+)?"),
        ("node.group.delete", r"group '(?P<group>[^']*)' removed(?: from \S+)?"),
        ("node.group.delete", r"removed (?:shadow )?group '(?P<group>[^']*)' owned by '[^']*'"),
        ("node.group.modify", r"group changed in \S+ \(group (?P<group>[^\s,)/]+).*\)"),
        ("node.group.modify", r"(?:add|delete) '(?P<user>[^']*)' (?:to|from) (?:shadow )?group '(?P<group>[^']*)'"),
        ("node.group.modify", r"user (?P<user>\S+) (?:added|removed) by (?P<by>\S+) (?:to|from) group (?P<group>\S+)"),
        ("node.group.modify", r"(?:members|administrators) of group (?P<group>\S+) set by (?P<by>\S+) to .*"),
        ("node.group.modify", r"password of group (?P<group>\S+) (?:changed|removed) by (?P<by>\S+)"),
    )
)


def read_sudo(message: str) -> Facts | None:
    """`USER : [REASON ; ]TTY=... ; PWD=... ; USER=... ; COMMAND=...`; a reason is there when sudo refused."""
    user, colon, rest = message.lstrip().partition(" : ")
    if colon and rest.startswith(_CONTINUED):
        extra = {"channel": "cli", "continued": True}
        process = {"command_line": rest.removeprefix(_CONTINUED)}
        return Facts(LINUX_AUTH, ACTION_SUDO, "unknown", unix_user(user), extra=extra, process=process)
    settings, found, command = f" ; {rest}".partition(" ; COMMAND=")
    if not (colon and found and user):
        return read_session(message)
    parts: dict[str, str] = {}
    reason = None
    for place, segment in enumerate(settings.split(" ; ")[1:]):
        match = _SETTING.fullmatch(segment)
        if match:
            parts.setdefault(match[1], match[2])
        elif place == 0:
            reason = segment
    facts = Facts(LINUX_AUTH, ACTION_SUDO, "failure" if reason else "success", unix_user(user), error=reason)
    facts.extra = {key: parts[name] for key, name in (("tty", "TTY"), ("target_user", "USER")) if name in parts}
    facts.extra["channel"] = "cli"
    facts.process = {"command_line": command}
    if "PWD" in parts:
        facts.process["working_directory"] = parts["PWD"]
    return facts


def read_su(message: str) -> Facts | None:
    """su's own line, or that of the session which it opened."""
    if match := _SU.fullmatch(message):
        failed, target, user, tty = bool(match[1]), match[2], match[3], match[4]
        extra = {"target_user": target, "tty": tty}
    elif match := _SU_SHADOW.fullmatch(message):
        failed, target, user = match[1] == "FAILED", match[2], match[3]
        extra = {"target_user": target}
    else:
        return read_session(message)
    error = "su refused" if failed else None
    return Facts(
        LINUX_AUTH, ACTION_SESSION_OPEN, "failure" if failed else "success", unix_user(user), None, error, extra
    )


def read_logind(message: str) -> Facts | None:
    """A new session, whatever opened it."""
    match = _LOGIND.fullmatch(message)
    if match is None or _OF_NOBODY.fullmatch(message):
        return None
    return Facts(LINUX_AUTH, ACTION_SESSION_OPEN, "success", unix_user(match[2]), extra={"session": match[1]})


def read_login(message: str) -> Facts | None:
    """A login on a console, let in or refused."""
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
    facts = Facts(LINUX_AUTH, ACTION_CONSOLE, "failure" if failed else "success", unix_user(user))
    facts.ip = client_ip(address) if address else None
    facts.error = "login refused" if failed else None
    if tty:
        facts.extra["tty"] = tty.removeprefix("/dev/")
    return facts


def read_session(message: str) -> Facts | None:
    """PAM's line of a session: of SSH whose it is, of sudo and su who opened it and as whom; with the numeric ids.

    One that neither names a person nor an id says nothing.
    """
    match = _SESSION.fullmatch(message)
    if match is None:
        return None
    service, owner, uid, caller, caller_uid = match.groups()
    extra: dict[str, Any] = {"service": service}
    if service == "sshd":
        extra |= _uid(uid)
        return Facts(LINUX_AUTH, ACTION_SESSION_OPEN, "success", unix_user(owner), extra=extra) if uid else None
    if not caller and caller_uid == "0":
        return None
    extra |= {"channel": "cli", "target_user": owner} | _uid(caller_uid)
    return Facts(LINUX_AUTH, ACTION_SESSION_OPEN, "success", unix_user(caller), extra=extra)


def read_accounts(message: str) -> Facts | None:
    """What useradd, usermod, userdel, groupadd, gpasswd, passwd, chpasswd, chage and the like did."""
    text = clean(message)
    if match := _PASSWORD.fullmatch(text):
        return Facts(LINUX_AUTH, ACTION_PASSWORD, "success", extra={"object": unix_user(match[1]) or ""})
    for action, known in _ACCOUNTS:
        if match := known.fullmatch(text):
            return _account(action, match, text)
    return None


def _account(action: str, match: re.Match[str], text: str) -> Facts:
    parts = match.groupdict()
    failed = "failed" in parts
    facts = Facts(LINUX_AUTH, action, "failure" if failed else "success", error=text if failed else None)
    member = unix_user(parts.get("user") or "")
    facts.extra = {"object": parts.get("group") or member or "", "change": text, "channel": "cli"}
    if "group" in parts and member:
        facts.extra["member"] = member
    facts.extra |= _uid(parts.get("uid"))
    if parts.get("by") not in (None, "", "root"):
        facts.user = unix_user(parts["by"])
    return facts


def _uid(text: str | None) -> dict[str, int]:
    return {"uid": int(text)} if text and len(text) <= 10 else {}
