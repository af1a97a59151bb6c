# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose address is it: a client's, or that of a node which passed a call on?

A call for another node is logged twice, on the node that took it with the client's address, and on the node that its
path names with the address of the first node. A call that a node passes on always names the other node.
[pve-http-server PVE/APIServer/AnyEvent.pm proxy_request]
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from ansible_collections.pve.audit.plugins.module_utils._evidence.acts.lines import Line
from ansible_collections.pve.audit.plugins.module_utils._model.act import NodeAddresses
from ansible_collections.pve.audit.plugins.module_utils._model.errors import InputError
from ansible_collections.pve.audit.plugins.module_utils._parse.lines import client_ip

# The entry node writes its line when the answer of the other node came back: in the same second or the next. Where the
# address is known, clocks may differ by a little more, but then the pair proves nothing.
LAG = 1
_FAR = (2, -1, 3, -2)
_ENOUGH = 2  # calls that show the address of a node
_STAY = frozenset({401, 403})  # refused before they are passed on
_KEPT = "/firewall"  # those of guests are not passed on
_NO_NODE = frozenset({401, 500, 501, 595, 596})  # answers where the path may name no node at all
_COMPRESSED = 1024  # bytes from which an answer may be [PVE::APIServer::AnyEvent response]
_LOOPBACK = ("127.", "::1")


@dataclass(slots=True)
class Addresses:
    """What is known of addresses.

    `given`: address to node, as somebody said. `learned`: the same, as at least two calls show; `guessed`: as one call
    shows. `clients`: users and addresses from which they sent what no node passes on. `complete`: the IP versions of
    which an address of each node is given, when all nodes are named. `names`: the names of nodes.
    """

    given: dict[str, str] = field(default_factory=dict)
    learned: dict[str, str] = field(default_factory=dict)
    guessed: dict[str, str] = field(default_factory=dict)
    clients: set[tuple[str | None, str]] = field(default_factory=set)
    complete: frozenset[int] = frozenset()
    names: set[str] = field(default_factory=set)

    def node_of(self, ip: str | None, here: str) -> str | None:
        """The node that has this address; `here` is the node whose log it stands in."""
        if ip is None:
            return None
        if ip.startswith(_LOOPBACK):
            return here
        return self.given.get(ip) or self.learned.get(ip) or self.guessed.get(ip)

    def is_client(self, user: str | None, ip: str) -> bool:
        """True when the user was at the address for sure, and no node passed the call on."""
        return (user, ip) in self.clients or _version(ip) in self.complete


def read_nodes(value: object) -> dict[str, list[str]]:
    """`{"pve1": "192.0.2.1"}` or `{"pve1": ["192.0.2.1", "2001:db8::1"]}` as the addresses of nodes in one form.

    Raises InputError for anything else.
    """
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise InputError(f"nodes must be a map of nodes and addresses such as {{'pve1': ['192.0.2.1']}}, not {value!r}")
    return {
        str(node): [_address(node, one) for one in ([listed] if isinstance(listed, str) else _addresses(node, listed))]
        for node, listed in value.items()
    }


def read_people(value: object) -> dict[str, str]:
    """`{"alice@pve": "Alice"}`, the names of persons. Raises InputError for anything else."""
    if value is None:
        return {}
    if not isinstance(value, Mapping) or not all(isinstance(name, str) and name for name in value.values()):
        raise InputError(f"people must be a map of user ids and names such as {{'alice@pve': 'Alice'}}, not {value!r}")
    return {str(user): str(name) for user, name in value.items()}


def _addresses(node: object, listed: object) -> list[object]:
    if isinstance(listed, (list, tuple)) and listed:
        return list(listed)
    raise InputError(f"nodes: {node} needs an address or a list of addresses, not {listed!r}")


def _address(node: object, text: object) -> str:
    address = client_ip(text) if isinstance(text, str) else None
    if address is None:
        raise InputError(f"nodes: {text!r} of {node} is no IP address: give all addresses of each node, not names")
    return address


def came_in(line: Line, names: set[str]) -> bool:
    """True for a call that its node did not get from another one: those name the node that they are passed on to.

    A name that no path, task or message knows is no node's, but what somebody calls the host: then it says nothing.
    """
    return line.target is None or (line.target != line.node and line.node in names)


def _version(ip: str) -> int:
    return 6 if ":" in ip else 4


def _complete(nodes: NodeAddresses) -> frozenset[int]:
    versions = [frozenset(map(_version, listed)) for listed in nodes.values()]
    return frozenset.intersection(*versions) if versions else frozenset()


def learn(lines: list[Line], nodes: NodeAddresses | None, ran: set[str], hosts: set[str]) -> Addresses:
    """What the given addresses and the lines tell, those of reads among them.

    `ran` are the nodes that ran tasks, `hosts` those whose journals have messages of Proxmox VE.
    """
    named = ran | {line.target for line in lines if line.target is not None and line.status not in _NO_NODE}
    known = Addresses(names={*named, *hosts, *(nodes or {})})
    known.clients = {(line.user, line.ip) for line in lines if line.ip is not None and came_in(line, known.names)}
    if nodes and named <= {*nodes, "localhost"}:
        known.complete = _complete(nodes)
    known.given = {address: node for node, listed in (nodes or {}).items() for address in listed}
    _guess(lines, known)
    return known


def _guess(lines: Iterable[Line], known: Addresses) -> None:
    """Addresses that are a node's by how often its calls came from there."""
    met = {ip for _user, ip in known.clients}
    for address, (nodes_seen, calls) in _nodes_behind(lines).items():
        always = [node for node, number in nodes_seen.items() if number == calls]
        if address in known.given or len(always) != 1:
            continue
        if calls >= _ENOUGH:
            known.learned[address] = always[0]
        elif address not in met:
            known.guessed[address] = always[0]


def _nodes_behind(lines: Iterable[Line]) -> dict[str, tuple[Counter[str], int]]:
    """For each address that stands in lines of passed calls: how often each node had the same call just then, of all.

    Only calls of which each line on an entry node has one on the other node are looked at: beside a client that sends
    the same to the second node there would be one more. Lines of the client itself do not count.
    """
    behind: dict[str, tuple[Counter[str], int]] = {}
    passable = (line for line in lines if line.status not in _STAY and _KEPT not in line.path)
    for entries, passed in _calls(passable).values():
        for some, others in _moments(entries, passed):
            clients = {entry.ip for entry in some}
            fair = [line for line in others if line.ip not in clients]
            if len(some) == len(fair):
                _count_nodes(some, fair, behind)
    return behind


def _count_nodes(entries: list[Line], passed: list[Line], behind: dict[str, tuple[Counter[str], int]]) -> None:
    nodes: dict[int, set[str]] = defaultdict(set)
    for entry in entries:
        nodes[entry.second].add(entry.node)
    for line in passed:
        if line.ip is not None:
            counted, number = behind.get(line.ip, (Counter(), 0))
            counted.update({node for add in range(LAG + 1) for node in nodes[line.second + add]})
            behind[line.ip] = (counted, number + 1)


def _moments(entries: list[Line], passed: list[Line]) -> Iterator[tuple[list[Line], list[Line]]]:
    """Both kinds of lines, parted where nothing happens for longer than a call takes to be passed on."""
    some: list[Line] = []
    others: list[Line] = []
    last = None
    for line in sorted([*entries, *passed], key=lambda line: line.second):
        if last is not None and line.second - last > LAG + 1:
            yield some, others
            some, others = [], []
        (others if line.node == line.target else some).append(line)
        last = line.second
    yield some, others


def pair_twins(lines: list[Line], known: Addresses) -> list[Line]:
    """The lines without those that are the twin of another, which then has them in `twins`; addresses are decided."""
    twins: set[int] = set()
    for entries, passed in _calls(lines).values():
        free: dict[int, list[Line]] = defaultdict(list)
        for line in reversed(entries):
            free[line.second].append(line)
        left = sorted(passed, key=lambda line: line.second)
        for offset in (*range(LAG + 1), *_FAR):  # the nearest first, so that a missing line shifts none
            left = [line for line in left if not _pair(free, line, offset, known, twins)]
    kept = [line for line in lines if id(line) not in twins]
    for line in kept:
        _decide(line, known)
    return kept


def _pair(free: dict[int, list[Line]], line: Line, offset: int, known: Addresses, twins: set[int]) -> bool:
    """Give `line` to the line on an entry node, so many seconds later, that may have been passed on as it, if any."""
    if offset in _FAR and line.ip not in known.given and line.ip not in known.learned:
        return False
    waiting = free.get(line.second + offset, [])
    for place in range(len(waiting) - 1, -1, -1):
        if _same_answer(waiting[place], line) and _passed_on(waiting[place], line, known):
            waiting.pop(place).twins.append(line)
            twins.add(id(line))
            return True
    return False


def _calls(lines: Iterable[Line]) -> dict[tuple[object, ...], tuple[list[Line], list[Line]]]:
    """For each call its lines on other nodes than the one it names, and its lines on that one."""
    calls: dict[tuple[object, ...], tuple[list[Line], list[Line]]] = {}
    for line in _with_target(lines):
        key = (line.user, line.method, line.path, line.query, line.status)
        calls.setdefault(key, ([], []))[line.node == line.target].append(line)
    return {key: both for key, both in calls.items() if both[0] and both[1]}


def _with_target(lines: Iterable[Line]) -> Iterator[Line]:
    return (line for line in lines if line.target is not None)


def _same_answer(entry: Line, line: Line) -> bool:
    """True when both lengths may be those of one answer. Each node may compress a long one."""
    if entry.size is None or line.size is None or entry.size == line.size:
        return True
    return max(entry.size, line.size) > _COMPRESSED


def _passed_on(entry: Line, line: Line, known: Addresses) -> bool:
    """True when the second line is the first one's, passed on. Without any knowledge of the address it is taken so."""
    if entry.ip == line.ip:
        return False
    node = known.node_of(line.ip, line.node)
    if node is not None:
        return node == entry.node
    return line.ip is not None and not known.is_client(line.user, line.ip)


def _decide(line: Line, known: Addresses) -> None:
    """What address the person had: none when it is a node's, several when a twin may be a call of its own."""
    node = known.node_of(line.ip, line.node)
    if node is not None:
        line.entry_node = node if node != line.node else None
        line.internal = node == line.node or line.node != line.target
        line.ip = None
        return
    line.proven = came_in(line, known.names) or (line.ip is not None and known.is_client(line.user, line.ip))
    for twin in line.twins:
        if twin.ip is not None and known.node_of(twin.ip, twin.node) is None:
            line.others.append(twin.ip)
        elif twin.ip in known.guessed or not 0 <= line.second - twin.second <= LAG:
            line.proven = False
