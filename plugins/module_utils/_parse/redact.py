# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets out of text: tickets, passwords, tokens, keys. What is not secret stays as it is.

Every function is idempotent and raises nothing: a line that cannot be understood must still be safe to show.
"""

from __future__ import annotations

import re
from urllib.parse import unquote_plus

MARK = "REDACTED"

_NAMES = (
    "password|passwd|passphrase|secret|ticket|token|cookie|credentials?|otp|challenge"
    "|(?:api|access|private|encryption|master)[-_]?key|keyring"
)
_SHORT_NAMES = "key|pass|pw|recovery"
_FLAGS = re.IGNORECASE | re.ASCII
_SECRET_KEY = re.compile(rf"[\w.\-]*(?:{_NAMES})|{_SHORT_NAMES}", _FLAGS)
_UUID = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
# A cheap look first: most lines hold none of these.
_HINT = re.compile(
    rf"{_NAMES}|key|pass|pw=|recovery|authorization:|\bP(?:VE|BS|MG)[a-z]*(?::|%3A)|{_UUID}"
    r"|:[^\s:@/]{1,256}@|\s-[upP]|--(?:proxy-)?user\b",
    _FLAGS,
)

# A word starts here; without it a long word would be scanned once for each of its letters.
# What PAM calls a program and its own part (`chpasswd:chauthtok`) is no secret.
_START = r"(?<![\w.\-])(?!P(?:VE|BS|MG)APIToken)(?!\w{1,32}:(?:auth|account|session|chauthtok)\):)"
# A quoted value ends at its quote when a delimiter follows, every other one at white space or `&`.
_VALUE = r"""(?:(?P<quote>["'])[^"']*(?P=quote)(?=[\s,;&}\])]|$)|[^\s&]+)"""
_RULES = (
    # Authorization: PVEAPIToken=user@realm!token=UUID; the name of the token is no secret.
    rf"(P(?:VE|BS|MG)APIToken(?:=|%3D|:|\s){{1,3}}[^\s=:%&]*(?:%(?!3D|3A)[^\s=:%&]*)*(?:=|:|%3D|%3A)){_VALUE}",
    rf"(![\w.\-]+[\"']?(?:\s?[=:]\s?|%3D|%3A|\s)[\"']?){_UUID}",
    rf"({_START}(?:[\w.\-]*?(?:{_NAMES})|{_SHORT_NAMES})[\"']?(?:\s?=\s?|%3D)){_VALUE}",
    rf"({_START}[\w.\-]*?(?:{_NAMES})[\"']?:\s?){_VALUE}",
    rf"(authorization:\s?(?:bearer|basic)\s){_VALUE}",
    # Options of a command line: --password hunter2
    rf"((?<![\w.\-])--?(?:[\w.\-]*?(?:{_NAMES})|{_SHORT_NAMES})\s+)(?!-){_VALUE}",
    # A user with a password before a host: https://alice:hunter2@pve1/, alice:hunter2@pve1. In a ticket, a UPID or an
    # entry of user.cfg another name stands before the first colon.
    r"([a-z][a-z0-9+.\-]{0,31}://[^\s:@/]{0,256}:)[^\s/]{1,256}(?=@[\w\[])",
    r"((?<![^\s\"'=])(?!(?:P(?:VE|BS|MG)\w*|UPID|user|token|group|role|pool|realm|acl):)[a-z][\w.\-]{0,64}:)"
    r"[^\s:@/]{1,256}(?=@[\w\[])",
    # curl -u alice:hunter2, --user=alice:hunter2; smbclient -U alice%hunter2
    r"((?<!\S)(?:-u\s*|--(?:proxy-)?user[\s=])(?P<open>[\"'])[\w.@\\!\-]{1,128}[:%])[^\"']{1,256}(?=(?P=open))",
    rf"((?<!\S)(?:-u\s*|--(?:proxy-)?user[\s=])[\w.@\\!\-]{{1,128}}[:%]){_VALUE}",
    # Programs whose -p or -P is a password, with or without a blank behind it.
    rf"(\b(?:sshpass|mysql\w*|mariadb\w*|useradd|usermod|mkpasswd)\b[^|;&]{{0,256}}?\s-p\s?)(?!\s){_VALUE}",
    rf"(\bipmitool\b[^|;&]{{0,256}}?\s-P\s?)(?!\s){_VALUE}",
    # echo root:hunter2 | chpasswd
    r"([\w.\-]{1,64}:)[^\s\"']{1,256}(?=[\"']?\s{0,8}\|\s{0,8}(?:[\w/]{0,64}/)?chpasswd)",
)
_PATTERNS = tuple(re.compile(rule, _FLAGS) for rule in _RULES)
# Tickets: PVE:user@realm:TIME::SIGNATURE, also percent-encoded, and their kin such as PVEVNC.
# Never a UPID of a node called PVE.
_TICKET = re.compile(
    r"((?<!UPID:)(?<!UPID%3A)\bP(?:VE|BS|MG)[A-Z]*(?::|%3A)[^\s\"'&;,]{0,300}?(?:::|%3A%3A))[\w+/=%.\-]{20,}", re.ASCII
)
_ROUNDS = 4


def redact(text: str) -> str:
    """`text` (a log line, a command line, a header, a URL) with the secrets in it replaced by REDACTED."""
    if not _HINT.search(text):
        return text
    for _round in range(_ROUNDS):
        before = text
        text = _TICKET.sub(rf"\1{MARK}", text)
        for pattern in _PATTERNS:
            text = pattern.sub(_mark, text)
        if text == before:
            break
    return text


def redact_query(query: str) -> str:
    """A query string (`a=1&vncticket=...`) with the values of secret parameters replaced by REDACTED.

    Parameters end at `&` alone, so that quotes and semicolons in a secret hide nothing. Encoded names count too.
    """
    if "=" not in query:
        return redact(query)
    return redact("&".join(_redact_parameter(part) for part in query.split("&")))


def _redact_parameter(part: str) -> str:
    key, equals, _value = part.partition("=")
    name = unquote_plus(key) if "%" in key or "+" in key else key
    return f"{key}={MARK}" if equals and _SECRET_KEY.fullmatch(name.strip()) else part


def _mark(match: re.Match[str]) -> str:
    quote = match.groupdict().get("quote") or ""
    return f"{match[1]}{quote}{MARK}{quote}"
