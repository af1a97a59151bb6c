# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What sshd says about logins, those that it refuses without the word "Failed" among them.

With keys only and `DenyUsers` there is no other line. A name that is no user's holds whatever was typed, and so does
the id of a certificate: where a message can be read in two ways, its address is not believed. Source: OpenSSH 8.4 to
10, auth.c, auth2.c, auth2-pubkeyfile.c, auth-pam.c, auth-shadow.c, sshd.c, packet.c (sshpkt_vfatal,
ssh_packet_disconnect).

Some lines are left out on purpose: PAM's own about a wrong password, which sshd repeats; connections on which nobody
gave a name, but for those that used up their time; and `Postponed`, which is the middle of a login.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import islice
from typing import Any

from ansible_collections.pve.audit.plugins.module_utils._parse.facts import (
    ACTION_LOST,
    ACTION_SSH_CLOSE,
    ACTION_SSH_OPEN,
    LINUX_AUTH,
    LINUX_LOG,
    Facts,
    clean,
    pattern,
    unix_user,
)
from ansible_collections.pve.audit.plugins.module_utils._parse.lines import client_ip

_MOST_READINGS = 16
_OR = " or "
_TWO_READINGS = "the line can be read in two ways, so its address is not believed: "

_METHOD = pattern(r"(Accepted|Failed|Partial) (\S+) for (invalid user )?(.*)")
_AT_END = pattern(r" from (\S+) port \d{1,5}(?: ssh\d)?\Z")
_BEFORE_KEY = pattern(r" from (\S+) port \d{1,5}(?: ssh\d)?(?=: )")
_KEY = pattern(r": (\S+) ((?:SHA\d+|MD5):\S+|\(null\))(?:, .*)?")
_CERTIFICATE = pattern(r": (\S+) ((?:SHA\d+|MD5):\S+|\(null\)) ID (.*) \(serial \d+\) CA \S+ (\S+?)(?:, .*)?")
_WITH_KEY = ("publickey", "hostbased")
_WITH_TAIL = "gssapi"
_OUTCOMES = {"Accepted": "success", "Failed": "failure", "Partial": "unknown"}

_END = pattern(
    r"(?:\w+: )?(Connection closed by|Connection reset by|Connection from|Disconnected from|Disconnecting)"
    r" (authenticating |invalid |)user (.*)"
)
_PEER_AT_END = pattern(r" (\S+) port \d{1,5}\Z")
_PEER_BEFORE_REASON = pattern(r" (\S+) port \d{1,5}(?=: )")
_SPACE = re.compile(r"\s")

# Whole messages that refuse. The groups are called as what they hold; `who` is "invalid " or the like.
_REFUSALS = tuple(
    pattern(text)
    for text in (
        r"(?P<who>Invalid )user (?P<user>.*) from (?P<ip>\S+?)(?: port \d+)?",
        r"User (?P<user>.*?)(?: from (?P<ip>\S+))? not allowed because (?P<reason>.*)",
        r"(?P<root>ROOT) LOGIN REFUSED FROM (?P<ip>\S+)(?: port \d+)?",
        r"(?P<reason>maximum authentication attempts exceeded) for (?P<who>invalid user )?(?P<user>.*) "
        r"from (?P<ip>\S+) port \d+(?: ssh\d)?",
        r"PAM: (?!pam_)(?P<reason>[^:]*?) for (?P<who>illegal user )?(?P<user>.*) from (?P<ip>\S+)",
        r"(?P<reason>Access denied) for user (?P<user>.*) by PAM account configuration",
        r"Account (?P<user>.*) (?P<reason>has expired)",
        r".*?: Authentication tried for (?P<user>.*?) with (?P<reason>correct key but not from a permitted host) "
        r"\(host=.*?, ip=(?P<ip>[^\s,)]+).*",
        r".*?: Authentication tried for (?P<user>.*?) with "
        r"(?P<reason>valid certificate but not from a permitted source address) \((?P<ip>[^\s)]+)\).*",
        r"(?P<reason>Timeout before authentication) for (?:connection from )?(?P<ip>[^\s,]+)(?: .*|, .*)?",
        r"drop connection #\d+ from \[(?P<ip>[^\]]*)\]:\d+ on \[[^\]]*\]:\d+ (?P<reason>.*)",
    )
)
_DROPPED = pattern(r"(.*) logging rate-limited: additional (\d{1,18}) connections dropped")


def read_ssh(message: str) -> Facts | None:
    """What sshd's message says of a login: opened, refused, or ended."""
    text = message.removesuffix(" [preauth]").removesuffix(" [postauth]")
    text = text.removeprefix("error: ").removeprefix("fatal: ")
    if match := _METHOD.fullmatch(text):
        return _read_method(*match.groups())
    if match := _END.fullmatch(text):
        return _read_end(*match.groups())
    for refusal in _REFUSALS:
        if match := refusal.fullmatch(text):
            return _read_refusal(match.groupdict())
    if match := _DROPPED.fullmatch(text):
        return Facts(
            LINUX_LOG, ACTION_LOST, "failure", error=clean(text), extra={"lost": int(match[2]), "log": "journal"}
        )
    return None


def _read_method(verb: str, method: str, invalid: str | None, rest: str) -> Facts | None:
    readings = _readings(_AT_END, rest, lambda tail: not tail)
    if method.startswith((*_WITH_KEY, _WITH_TAIL)):
        readings += _readings(_BEFORE_KEY, rest, bool if method.startswith(_WITH_TAIL) else _has_key)
    found = _choose(readings, plain=not invalid)
    if found is None:
        return None
    user, address, tail = found
    facts = Facts(LINUX_AUTH, ACTION_SSH_OPEN, _OUTCOMES[verb], unix_user(user), client_ip(address))
    facts.extra = {"method": method} | (_key(tail) if method.startswith(_WITH_KEY) else {})
    if verb == "Failed":
        facts.error = f"{method} refused" + (" for a user that does not exist" if invalid else "")
    elif verb == "Partial":
        facts.error = f"{method} was right, and is not enough"
    return _doubt(facts, address)


def _read_end(what: str, kind: str, rest: str) -> Facts | None:
    """The end of a connection; `kind` tells whether its user had not proved who it is, or does not exist."""
    reason = ""
    if what == "Connection from" and rest.endswith(" timed out"):
        readings = _readings(_PEER_AT_END, rest.removesuffix(" timed out"), lambda tail: not tail)
        reason = "timed out"
    elif what in ("Connection from", "Disconnecting"):
        readings = _readings(_PEER_BEFORE_REASON, rest, bool)
    else:
        readings = _readings(_PEER_AT_END, rest, lambda tail: not tail)
    found = _choose(readings, plain=kind != "invalid ")
    if found is None:
        return None
    user, address, tail = found
    if not kind:
        return Facts(LINUX_AUTH, ACTION_SSH_CLOSE, "success", unix_user(user), client_ip(address))
    reason = clean(tail.removeprefix(": ")) or reason or "the connection ended before a login"
    reason += " (a user that does not exist or is not let in)" if kind == "invalid " else ""
    return _doubt(Facts(LINUX_AUTH, ACTION_SSH_OPEN, "failure", unix_user(user), client_ip(address), reason), address)


def _read_refusal(groups: dict[str, Any]) -> Facts:
    user = "root" if groups.get("root") else groups.get("user") or ""
    reason = clean(groups.get("reason") or "refused")
    if groups.get("who"):
        reason += " for a user that does not exist"
    elif groups.get("root"):
        reason = "root may not log in this way"
    host = groups.get("ip") or ""
    address = client_ip(host)
    reason += f" (from {host})" if host and address is None else ""
    return Facts(LINUX_AUTH, ACTION_SSH_OPEN, "failure", unix_user(user), address, reason)


def _doubt(facts: Facts, address: str) -> Facts:
    """Say so where the place of an address holds several."""
    if _OR in address:
        facts.error = _TWO_READINGS + address
    return facts


_Reading = tuple[str, str, str]


def _readings(joint: re.Pattern[str], text: str, good_tail: Callable[[str], object]) -> list[_Reading]:
    """Each way to take `text` apart at `joint`: the user, the address, and what follows.

    Where there are very many, the last one stands for those that are not looked at.
    """
    places = list(islice(joint.finditer(text), _MOST_READINGS + 1))
    found = [(text[: at.start()], at[1], text[at.end() :]) for at in places if good_tail(text[at.end() :])]
    return found if len(places) <= _MOST_READINGS else [*found[:_MOST_READINGS], (text, "others", "")]


def _choose(readings: list[_Reading], *, plain: bool) -> _Reading | None:
    """The one reading that is possible; of several the longest user, and all addresses, which together are none.

    `plain` says that the user exists: its name has no white space, and what comes later is the text of somebody else.
    """
    if plain:
        readings = [one for one in readings if not _SPACE.search(one[0])][:1] or readings
    if not readings:
        return None
    longest = max(readings, key=lambda one: len(one[0]))
    return longest[0], _OR.join(sorted({one[1] for one in readings})), longest[2]


def _has_key(tail: str) -> bool:
    return bool(_CERTIFICATE.fullmatch(tail) or (" ID " not in tail and _KEY.fullmatch(tail)))


def _key(tail: str) -> dict[str, str]:
    """The key that was shown: its fingerprint, and of a certificate its id and the fingerprint of who signed it."""
    if match := _CERTIFICATE.fullmatch(tail):
        return {"key_type": match[1], "key_fingerprint": match[2], "key_id": match[3], "ca_fingerprint": match[4]}
    if match := _KEY.fullmatch(tail):
        return {"key_type": match[1], "key_fingerprint": match[2]}
    return {}
