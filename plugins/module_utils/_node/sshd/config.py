# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The text of sshd's configuration: our drop-in, what is read before it, and what `sshd -T` says. Pure.

Sources: sshd_config(5); OpenSSH servconf.c (the first value wins, values in Match blocks win over those outside, the
lists DenyUsers and AllowUsers add up, an included file's Match ends with it), match.c and addrmatch.c (patterns).
"""

from __future__ import annotations

import fnmatch
import ipaddress
import itertools
import os
import re
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from ansible_collections.pve.audit.plugins.module_utils._model.errors import InputError

Network: TypeAlias = "ipaddress.IPv4Network | ipaddress.IPv6Network"
# Keyword in lower case -> its values, one for each line of `sshd -T`.
Effective = Mapping[str, Sequence[str]]

MARKER = "# Managed by pve.audit.sshd_config"
BASE = "/etc/ssh"
OURS = {"permitrootlogin", "denyusers", "match", "include"}
_RENAMED = {
    "challengeresponseauthentication": "kbdinteractiveauthentication",
    "pubkeyacceptedkeytypes": "pubkeyacceptedalgorithms",
}
_USER_LISTS = ("denyusers", "allowusers")
_GROUP_LISTS = ("denygroups", "allowgroups")
_DIRECTIVE = re.compile(r'\s*"?([A-Za-z][A-Za-z0-9]*)"?(?:\s*=\s*|\s+|$)(.*)$')
_KEYWORD = re.compile(r"[A-Za-z][A-Za-z0-9]*")
# Not in anybody's cluster, unless it was given: of each family the first that is in no network is asked about.
_FAR = (
    ("203.0.113.113", "198.18.77.77", "192.88.99.7"),
    ("2001:db8:ffff::113", "3fff:fff::113", "2001:2::113"),
)


@dataclass(frozen=True)
class ConfigLine:
    """A directive, and where it stands. `keyword` is in lower case."""

    file: str
    number: int
    keyword: str
    arguments: tuple[str, ...] = ()

    @property
    def place(self) -> str:
        """`/etc/ssh/sshd_config line 33`."""
        return f"{self.file} line {self.number}"

    @property
    def text(self) -> str:
        """The directive without its indentation."""
        return " ".join([self.keyword, *self.arguments])


def parse_networks(addresses: Sequence[str]) -> list[Network]:
    """Addresses and networks as sshd takes them, each once, in order.

    Raises InputError for what sshd would refuse (a network with host bits, a name), and for a network of everybody.
    """
    found: dict[Network, None] = {}
    for text in addresses:
        try:
            network: Network = ipaddress.ip_network(text.strip(), strict=True)
        except ValueError as error:
            raise InputError(f"{text!r} is neither an address nor a network that sshd understands: {error}") from error
        if "%" in text:
            raise InputError(f"{text!r} has a scope, which sshd cannot compare; name an address without it")
        if network.prefixlen == 0:
            raise InputError(f"{text!r} is everybody; name the addresses from which root may log in")
        found[_unmapped(network)] = None
    return list(found)


def _unmapped(network: Network) -> Network:
    """sshd turns ::ffff:192.0.2.1 of a client into 192.0.2.1 before it compares."""
    if isinstance(network, ipaddress.IPv6Network) and network.network_address.ipv4_mapped and network.prefixlen > 96:
        return ipaddress.ip_network(f"{network.network_address.ipv4_mapped}/{network.prefixlen - 96}")
    return network


def contains(networks: Sequence[Network], address: str) -> bool:
    """Whether an address is in one of the networks."""
    host = next(iter(_unmapped(ipaddress.ip_network(address.split("%")[0]))))
    return any(host.version == network.version and host in network for network in networks)


def render(networks: Sequence[Network], settings: Mapping[str, Any], superusers: Sequence[str] = ("root",)) -> str:
    """Our drop-in; `superusers` are all accounts with uid 0.

    Raises InputError for a setting that is not one line, or that is ours to set.
    """
    nobody = ",".join(["*", *(f"!{_short(network)}" for network in networks)])
    lines = [f"{MARKER}; changes by hand are undone.", "PermitRootLogin prohibit-password"]
    lines += [f"{keyword} {_value(keyword, value)}" for keyword, value in settings.items()]
    lines += ["", "# Migration, replication and consoles between nodes need root, with a key, and from nowhere else."]
    # The first rule is also for a peer that has no address (vsock), which no Address matches. The second one holds
    # where the DenyUsers of a later Match takes the place of the first.
    lines += ["DenyUsers " + " ".join(f"{name}@{nobody}" for name in superusers)]
    lines += [f"Match User {','.join(superusers)} Address {nobody}", f"    DenyUsers {' '.join(superusers)}"]
    # In a block of its own, because a Match of a later file would win over the value above.
    lines += [f"Match User {','.join(superusers)}", "    PermitRootLogin prohibit-password", "Match All"]
    return "\n".join(lines) + "\n"


def _short(network: Network) -> str:
    return str(network.network_address) if network.prefixlen == network.max_prefixlen else str(network)


def _value(keyword: str, value: Any) -> str:
    if not _KEYWORD.fullmatch(keyword):
        raise InputError(f"settings: {keyword!r} is no keyword of sshd_config")
    if keyword.lower() in OURS:
        raise InputError(f"settings: {keyword} cannot be given, this module sees to it")
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = " ".join(str(one) for one in value) if isinstance(value, (list, tuple)) else str(value)
    if not text.strip() or not text.isprintable():
        raise InputError(f"settings: the value of {keyword} must be one line of text, not {text!r}")
    return text


def _lines(text: str) -> list[str]:
    """As sshd cuts them: at line feeds, and at none of the other characters that end a line for Python."""
    return text.removesuffix("\n").split("\n")


def directives(file: str, text: str) -> Iterator[ConfigLine]:
    """Each directive of a file; comments and empty lines are passed over."""
    for number, line in enumerate(_lines(text), 1):
        found = _DIRECTIVE.match(line)
        if found:
            yield ConfigLine(file, number, found[1].lower(), _arguments(found[2]))


def _arguments(text: str) -> tuple[str, ...]:
    try:
        return tuple(shlex.split(text, comments=True))
    except ValueError:
        return tuple(text.split())


def includes(pattern: str, path: str) -> bool:
    """Whether the pattern of an Include would read this file."""
    absolute = absolute_pattern(pattern)
    return absolute.count("/") == path.count("/") and fnmatch.fnmatchcase(path, absolute)


def absolute_pattern(pattern: str) -> str:
    """sshd looks for a relative name in /etc/ssh."""
    return pattern if pattern.startswith("/") else os.path.join(BASE, pattern)


def find_rival(
    main: str,
    ours: str,
    settings: Mapping[str, Any],
    read: Callable[[str], str],
    expand: Callable[[str], Sequence[str]],
) -> ConfigLine | None:
    """The first directive read before our file that would win over one of ours; sshd itself never names it.

    For a configuration that `sshd -t` takes: no include is a circle.
    """

    def walk(file: str) -> Iterator[ConfigLine]:
        for line in directives(file, read(file)):
            yield line
            for pattern in line.arguments if line.keyword == "include" else ():
                for found in _expanded(pattern, ours, expand):
                    yield from walk(found) if found != ours else [ConfigLine(ours, 0, "")]

    rivals = {"permitrootlogin", "match"} | {keyword.lower() for keyword in settings}
    before = itertools.takewhile(lambda line: line.file != ours, walk(main))
    return next((line for line in before if line.keyword in rivals), None)


def _expanded(pattern: str, ours: str, expand: Callable[[str], Sequence[str]]) -> list[str]:
    """The files of a pattern in the order in which sshd reads them, with ours whether it is there or not."""
    found = set(expand(absolute_pattern(pattern)))
    return sorted(found | {ours} if includes(pattern, ours) else found)


def stage_main(text: str, ours: str, candidate: str, expand: Callable[[str], Sequence[str]]) -> str:
    """The main file, reading `candidate` where it reads our file. The lines keep their numbers.

    Raises InputError when it does not include our file itself.
    """
    lines, found = _lines(text), False
    for line in directives("", text):
        if line.keyword == "include" and any(includes(pattern, ours) for pattern in line.arguments):
            files = [file for pattern in line.arguments for file in _expanded(pattern, ours, expand)]
            named = " ".join(f'"{candidate if file == ours else file}"' for file in files)
            lines[line.number - 1] = f"Include {named}"
            found = True
    if not found:
        raise InputError(not_included(ours))
    return "\n".join(lines) + "\n"


def not_included(ours: str) -> str:
    """The sentence for a main file without our directory."""
    return (
        f"{BASE}/sshd_config does not include {os.path.dirname(ours)}: a file there would never be used; add"
        f" `Include {os.path.dirname(ours)}/*.conf` as its first line, nothing was changed"
    )


def login(user: str, address: str, server: str = "127.0.0.1", port: str = "22") -> str:
    """The login that `sshd -T -C` is asked about."""
    return f"user={user},host={address},addr={address},laddr={server},lport={port},rdomain="


def parse_effective(text: str) -> dict[str, list[str]]:
    """The output of `sshd -T`."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        keyword, _blank, value = line.strip().partition(" ")
        if keyword:
            found.setdefault(keyword.lower(), []).append(value.strip())
    return found


@dataclass(frozen=True)
class Account:
    """A Unix account: its groups by name, and whether a file of authorized keys holds a key for it."""

    name: str
    groups: tuple[str, ...]
    has_key: bool
    superuser: bool = False


def refusal(effective: Effective, account: Account, address: str) -> str | None:
    """Which setting keeps an account out that comes from this address, or None."""
    users = {key: [_matches_user(one, account.name, address) for one in words(effective, key)] for key in _USER_LISTS}
    groups = {key: [_matches_group(one, account.groups) for one in words(effective, key)] for key in _GROUP_LISTS}
    permit = _one(effective, "permitrootlogin")
    reasons = {
        "DenyUsers names it": any(users["denyusers"]),
        "AllowUsers does not name it": bool(users["allowusers"]) and not any(users["allowusers"]),
        "DenyGroups names a group of it": any(groups["denygroups"]),
        "AllowGroups names no group of it": bool(groups["allowgroups"]) and not any(groups["allowgroups"]),
        f"PermitRootLogin is {permit}": account.superuser and permit in ("no", "forced-commands-only"),
    }
    return next((reason for reason, holds in reasons.items() if holds), None)


def key_refusal(effective: Effective, account: Account) -> str | None:
    """What keeps a key of this account from being enough, or None."""
    if _one(effective, "pubkeyauthentication") != "yes":
        return "PubkeyAuthentication is no"
    methods = words(effective, "authenticationmethods") or ["any"]
    if not any(method in ("any", "publickey") for method in methods):
        return f"AuthenticationMethods asks for {' '.join(methods)}"
    others = (_one(effective, "authorizedkeyscommand"), _one(effective, "trustedusercakeys"))
    if not account.has_key and not any(other not in ("", "none") for other in others):
        return f"it has no key in {_one(effective, 'authorizedkeysfile') or 'authorized_keys'}"
    return None


def password_allowed(effective: Effective, account: Account) -> bool:
    """Whether the account could log in without a key."""
    if account.superuser and _one(effective, "permitrootlogin") != "yes":
        return False
    return "yes" in (_one(effective, "passwordauthentication"), _one(effective, "kbdinteractiveauthentication"))


def _one(effective: Effective, key: str) -> str:
    return next(iter(effective.get(key, [])), "")


def words(effective: Effective, key: str) -> list[str]:
    """All words of a list, whatever lines they stand on."""
    return [word for value in effective.get(key, []) for word in value.split()]


def _wild(pattern: str, text: str) -> bool:
    """match_pattern() of match.c: only * and ? mean something."""
    return fnmatch.fnmatchcase(text, pattern.replace("[", "[[]"))


def _matches_group(pattern: str, groups: Sequence[str]) -> bool:
    return any(_wild(pattern, group) for group in groups)


def _matches_user(pattern: str, name: str, address: str) -> bool:
    """USER or USER@HOST; HOST is a list of patterns and networks, where ! excludes."""
    user, at, hosts = pattern.rpartition("@")
    if not at:
        return _wild(pattern, name)
    return _wild(user, name) and match_addresses(hosts, address)


def match_addresses(patterns: str, address: str) -> bool:
    """addr_match_list() of addrmatch.c: one pattern matches, and none with ! does."""
    found = False
    for pattern in patterns.split(","):
        inner = pattern.removeprefix("!")
        try:
            hit = contains([ipaddress.ip_network(inner)], address)
        except ValueError:
            hit = _wild(inner.lower(), address.lower())
        if hit and pattern.startswith("!"):
            return False
        found = found or hit
    return found


def find_override(settings: Iterable[str], wanted: Effective, found: Effective) -> tuple[str, str, str] | None:
    """The first setting that counts for nothing: its keyword, its value, and the one that a Match block gives it."""
    for keyword in settings:
        key = _RENAMED.get(keyword.lower(), keyword.lower())
        # Lists outside of Match blocks add up.
        if any(value not in found.get(key, []) for value in wanted.get(key, [])):
            return keyword, " ".join(wanted[key]), " ".join(found.get(key, []))
    return None


def probes(networks: Sequence[Network]) -> list[str]:
    """One or two addresses of each network: its first and its last."""
    ends = [(network[0], network[-1]) for network in networks]
    return list(dict.fromkeys(str(end) for pair in ends for end in pair))


def outside_addresses(networks: Sequence[Network]) -> list[str]:
    """Addresses from which root must be refused: far ones of both families, and the neighbours of each network.

    Raises InputError when the networks leave nobody outside.
    """
    far = [next((one for one in family if not contains(networks, one)), "") for family in _FAR]
    if not all(far):
        raise InputError("the addresses from which root may log in leave hardly anybody out; name fewer of them")
    # The one after the last address of the family is the first again, as far off as any.
    near = [str(type(network[0])((int(network[-1]) + 1) % 2**network.max_prefixlen)) for network in networks]
    return [*far, *(one for one in near if not contains(networks, one))]
