# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an event is in the light of those before it: a renewed ticket, a new address, the end of a young guest."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from ansible_collections.pve.audit.plugins.module_utils._model.errors import InputError
from ansible_collections.pve.audit.plugins.module_utils._model.event import Event, event_time, field_getter
from ansible_collections.pve.audit.plugins.plugin_utils._detect.match import ACCOUNT

# A ticket is valid for two hours [PVE/AccessControl.pm, ticket_lifetime], and the web interface renews it every quarter
# of an hour with the call of a login [pve-manager, Workspace.js].
TICKET_LIFETIME = 2 * 3600
LOGINS = frozenset({"access.authenticate", "access.login", "access.login_or_renewal"})
MAYBE_RENEWAL = "access.login_or_renewal"
EVERYBODY = "*"

_account_of = field_getter(ACCOUNT)
_address_of = field_getter("source.ip")
_login_of = field_getter("pve.login")
_guest_of = field_getter("pve.vmid")


def in_time(events: Iterable[Event]) -> list[tuple[float, Event]]:
    """The events that have a time, each with it, in order."""
    timed = [(time, event) for event in events if (time := event_time(event)) is not None]
    return sorted(timed, key=lambda pair: pair[0])


def without_renewals(kept: list[Event], events: Sequence[Event]) -> list[Event]:
    """Leave out of `kept` the successful logins that may only have renewed a ticket; `events` are all there are.

    Such a login has one of the same account and address at most two hours before it, or its browser had a ticket
    already (`pve.login`, as the acts say), and since then no login failed there. Where the address is not known, it may
    be any: then a login that failed is only a reason to call the next one a login when no other came before it.
    """
    renewals = set()
    last: dict[tuple[object, object], float] = {}
    failed: set[tuple[object, object]] = set()
    for time, event in in_time(event for event in events if event["event"].get("action") in LOGINS):
        account, address, known = _account_of(event), _address_of(event), _login_of(event)
        pair, anywhere = (account, address), (account, None)
        if event["event"].get("outcome") == "failure":
            failed |= {pair, anywhere}
            continue
        recent = time - last.get(pair, float("-inf")) <= TICKET_LIFETIME
        had_ticket = known == MAYBE_RENEWAL or (known is None and recent)
        if (had_ticket and pair not in failed) or (recent and address is None):
            renewals.add(id(event))
        last[pair] = last[anywhere] = time
        failed -= {pair, anywhere}
    return [event for event in kept if id(event) not in renewals]


@dataclass(frozen=True)
class KnownAddresses:
    """The addresses and networks from which an account is known to come; those of `*` are everybody's."""

    networks: Mapping[str, tuple[IPv4Network | IPv6Network, ...]] = field(default_factory=dict)

    def names(self, account: object) -> bool:
        """Whether something is known of this account itself."""
        return account in self.networks

    def holds(self, account: object, address: object) -> bool:
        """Whether the address is known for the account or for everybody."""
        try:
            parsed = ip_address(str(address))
        except ValueError:
            return False
        both = (*self.networks.get(str(account), ()), *self.networks.get(EVERYBODY, ()))
        return any(parsed in network for network in both)


def known_addresses(data: object) -> KnownAddresses:
    """`{"alice@pve": ["192.0.2.7"], "*": ["192.0.2.0/24"]}`, checked. Raises InputError for what is no address."""
    if data is None:
        return KnownAddresses()
    if not isinstance(data, Mapping):
        raise InputError(f"known_addresses must be a map of accounts and lists of addresses, not {data!r}")
    found = {}
    for account, listed in data.items():
        texts = [listed] if isinstance(listed, str) else listed
        if not isinstance(texts, Sequence):
            raise InputError(f"known_addresses: {account} must have a list of addresses or networks, not {listed!r}")
        found[str(account)] = tuple(_network(str(account), text) for text in texts)
    return KnownAddresses(found)


def _network(account: str, text: object) -> IPv4Network | IPv6Network:
    try:
        return ip_network(str(text), strict=False)
    except ValueError:
        raise InputError(
            f"known_addresses: {account}: {text!r} is no address or network such as 192.0.2.7 or 192.0.2.0/24"
        ) from None


def first_seen(kept: list[Event], path: str, known: KnownAddresses) -> list[Event]:
    """The events with a value of `path` that no earlier one of the same account has, and that is not known.

    With nothing to compare, the first value of an account is taken for the usual one: nobody can say that it is new.
    """
    value_of = field_getter(path)
    seen: dict[object, set[str]] = {}
    new = []
    for _time, event in in_time(kept):
        account, value = _account_of(event), value_of(event)
        if account is None or value is None:
            continue
        values = seen.setdefault(account, set())
        usual = known.holds(account, value) or str(value) in values
        if not usual and (values or known.names(account)):
            new.append(event)
        values.add(str(value))
    return new


class Creations:
    """Who made which guest when, as far as the events tell: the tasks of clones name the original only."""

    def __init__(self, events: Iterable[Event]) -> None:
        made = (event for event in events if event["event"].get("action") == "guest.create")
        self._made: dict[object, tuple[list[float], list[object]]] = {}
        for time, event in in_time(event for event in made if event["event"].get("outcome") == "success"):
            times, accounts = self._made.setdefault(_guest_of(event), ([], []))
            times.append(time)
            accounts.append(_account_of(event))

    def is_young(self, event: Event, within: int) -> bool:
        """Whether the same account made the guest of the event at most `within` seconds before it."""
        guest, account, time = _guest_of(event), _account_of(event), event_time(event)
        if guest is None or account is None or time is None or guest not in self._made:
            return False
        times, accounts = self._made[guest]
        place = bisect_left(times, time) - 1
        return place >= 0 and accounts[place] == account and time - times[place] <= within
