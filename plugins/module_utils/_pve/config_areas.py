# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which parts of the configuration the API shows, by which calls, and to whom it shows them whole.

Many lists are answered with 200 and only the entries that the caller may see. `Right` is what shows all of them.
Sources: pve-manager PVE/API2/{Cluster,Pool,Backup}.pm and Cluster/, pve-access-control PVE/API2/, pve-storage
PVE/API2/Storage/Config.pm, pve-network PVE/API2/Network/SDN/, pve-firewall PVE/API2/Firewall/, pve-ha-manager
PVE/API2/HA/.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from ansible_collections.pve.audit.plugins.module_utils._model.errors import ApiError, NotAnApiError
from ansible_collections.pve.audit.plugins.module_utils._parse import config_rows as rows
from ansible_collections.pve.audit.plugins.module_utils._parse.config_rows import Items, Objects, Rows
from ansible_collections.pve.audit.plugins.module_utils._pve.session import Api

Read = Callable[[Api], Objects]
Privileges = Mapping[str, Mapping[str, bool]]
NOT_IMPLEMENTED = 501  # a path that this version does not have


@dataclass(frozen=True, slots=True)
class Right:
    """One of these privileges on a path; `below` when everything below the path needs it too."""

    path: str
    names: tuple[str, ...]
    below: bool = True

    def granted(self, privileges: Privileges, acl_paths: Collection[str] | None) -> bool:
        """Whether the credential has it. `acl_paths` are all paths with a rule of their own; None: they are not known.

        The own privileges have an entry for these, and for the top of each area, where any is granted there. A path
        without an entry has what its parent hands down. [PVE::RPCEnvironment get_effective_permissions]
        """
        place = self.path
        while place not in privileges and place not in _ALWAYS_TOLD:
            place = place.rpartition("/")[0] or "/"
        flags = [propagates for name, propagates in privileges.get(place, {}).items() if name in self.names]
        if not flags or not (any(flags) or (place == self.path and not self.below)):
            return False
        if not self.below:
            return True
        if acl_paths is None:
            return False
        inside = [path for path in acl_paths if path.startswith(f"{self.path.rstrip('/')}/")]
        return all(any(name in self.names for name in privileges.get(path, {})) for path in inside)

    def sentence(self) -> str:
        """What is missing."""
        extent = " and all below it (or no Sys.Audit on /access to tell)" if self.below else ""
        return f"the credential has no {' or '.join(self.names)} on {self.path}{extent}: it may not see all there is"


_ALWAYS_TOLD = frozenset({"/", "/access", "/access/groups", "/nodes", "/pool", "/sdn", "/storage", "/vms"})


@dataclass(frozen=True, slots=True)
class Area:
    """A part of the configuration that one call for the whole cluster lists.

    `first` and `last` are major versions. `shortened`: without the right entries lack keys, instead of being left out.
    """

    name: str
    read: Read
    right: Right | None = None
    first: int = 0
    last: int = 99
    shortened: bool = False


def ask_rows(api: Api, *path: str, **params: Any) -> list[Mapping[str, Any]]:
    """The rows of a list. Raises ApiError."""
    answer = api.get(*path, **params)
    if not isinstance(answer, list) or not all(isinstance(row, Mapping) for row in answer):
        raise NotAnApiError(f"GET /{'/'.join(path)} did not answer with a list of entries")
    return answer


def ask_one(api: Api, *path: str, **params: Any) -> Mapping[str, Any]:
    """One object. Raises ApiError."""
    answer = api.get(*path, **params)
    if not isinstance(answer, Mapping):
        raise NotAnApiError(f"GET /{'/'.join(path)} did not answer with an object")
    return answer


def _list(path: str, shape: Callable[[Rows], Objects], api: Api, **params: Any) -> Objects:
    return shape(ask_rows(api, *path.split("/"), **params))


def _listed(path: str, shape: Callable[[Rows], Objects], **params: Any) -> Read:
    return partial(_list, path, shape, **params)


def _details(path: str, key: str, api: Api) -> Objects:
    """A list of names, and each one by itself, as the list shows a part of it."""
    names = [rows.identity(row, key) for row in ask_rows(api, *path.split("/"))]
    return {name: rows.items_of(ask_one(api, *path.split("/"), name), (key,)) for name in names}


def _pools(api: Api) -> Objects:
    """Pools with their members. The name of one that lies in another holds a slash, which only the list takes."""
    found: Objects = {}
    for name in [rows.identity(row, "poolid") for row in ask_rows(api, "pools")]:
        if "/" in name:
            details = ask_rows(api, "pools", poolid=name)
            found[name] = rows.members(details[0] if details else {})
        else:
            found[name] = rows.members(ask_one(api, "pools", name))
    return found


def _subnets(api: Api) -> Objects:
    found: Objects = {}
    for row in ask_rows(api, "cluster", "sdn", "vnets"):
        vnet = rows.identity(row, "vnet")
        found |= rows.keyed("subnet", "id")(ask_rows(api, "cluster", "sdn", "vnets", vnet, "subnets"))
    return found


def _endpoints(api: Api) -> Objects:
    """Endpoints of all kinds; the newer kinds are not offered by older versions."""
    found: Objects = {}
    for kind in ("sendmail", "gotify", "smtp", "webhook"):
        try:
            listed = ask_rows(api, "cluster", "notifications", "endpoints", kind)
        except ApiError as error:
            if error.status != NOT_IMPLEMENTED or kind == "sendmail":
                raise
            continue
        found |= rows.endpoints([{**row, "type": kind} for row in listed])
    return found


def _options(api: Api) -> Objects:
    return {"datacenter.cfg": rows.items_of(ask_one(api, "cluster", "options"))}


def _firewall_of_cluster(api: Api) -> Objects:
    base = ("cluster", "firewall")
    found = firewall(base, "cluster", True, api)
    for row in ask_rows(api, *base, "groups"):
        name = rows.identity(row, "group")
        found[f"cluster group {name}"] = rows.rules(ask_rows(api, *base, "groups", name))
    return found


def _firewall_of_vnets(api: Api) -> Objects:
    found: Objects = {}
    for row in ask_rows(api, "cluster", "sdn", "vnets"):
        name = rows.identity(row, "vnet")
        found |= firewall(("cluster", "sdn", "vnets", name, "firewall"), f"vnet/{name}", False, api)
    return found


def firewall(base: tuple[str, ...], scope: str, with_sets: bool, api: Api) -> Objects:
    """The firewall of the cluster, a guest, a node or a network; the last two have no aliases and sets of their own."""
    found: Objects = {
        f"{scope} options": rows.items_of(ask_one(api, *base, "options")),
        f"{scope} rules": rows.rules(ask_rows(api, *base, "rules")),
    }
    if not with_sets:
        return found
    for row in ask_rows(api, *base, "aliases"):
        found[f"{scope} alias {rows.identity(row, 'name')}"] = rows.items_of(row, ("name",))
    for row in ask_rows(api, *base, "ipset"):
        name = rows.identity(row, "name")
        found[f"{scope} ipset {name}"] = rows.entries(ask_rows(api, *base, "ipset", name))
    return found


def guest_config(node: str, kind: str, vmid: str, api: Api) -> Objects:
    """The configuration of one guest, with what will hold after its next start."""
    items: Items = rows.items_of(ask_one(api, "nodes", node, kind, vmid, "config"))
    return {vmid: items}


def node_config(node: str, api: Api) -> Objects:
    """The configuration of one node."""
    return {node: rows.items_of(ask_one(api, "nodes", node, "config"))}


ACL_RIGHT = Right("/access", ("Sys.Audit",), below=False)
_USERS = Right("/access/groups", ("User.Modify", "Sys.Audit"), below=False)
_SDN = Right("/sdn", ("SDN.Audit", "SDN.Allocate"))
_GUESTS = Right("/vms", ("VM.Audit",))
_JOB = rows.keyed("id", "guest", "jobnum")


def _mapped(kind: str) -> Right:
    return Right(f"/mapping/{kind}", ("Mapping.Audit", "Mapping.Use", "Mapping.Modify"))


AREAS: tuple[Area, ...] = (
    Area("users", _listed("access/users", rows.users, full=1), _USERS),
    Area("tokens", _listed("access/users", rows.tokens, full=1), _USERS),
    Area("tfa", _listed("access/tfa", rows.factors), _USERS),
    Area(
        "groups",
        _listed("access/groups", rows.groups),
        Right("/access/groups", ("User.Modify", "Sys.Audit", "Group.Allocate")),
    ),
    Area("roles", _listed("access/roles", rows.roles)),
    Area("acl", _listed("access/acl", rows.acl), ACL_RIGHT),
    Area("realms", partial(_details, "access/domains", "realm")),
    Area("pools", _pools, Right("/pool", ("Pool.Audit",))),
    Area(
        "storage",
        _listed("storage", rows.keyed("storage")),
        Right("/storage", ("Datastore.Audit", "Datastore.AllocateSpace")),
    ),
    Area("options", _options, Right("/", ("Sys.Audit",), below=False), shortened=True),
    Area("backup_jobs", _listed("cluster/backup", _JOB)),
    Area("realm_sync_jobs", _listed("cluster/jobs/realm-sync", _JOB), first=8),
    Area("ha_resources", _listed("cluster/ha/resources", rows.keyed("sid"))),
    Area("ha_rules", _listed("cluster/ha/rules", rows.keyed("rule", "order")), first=9),
    Area("ha_groups", _listed("cluster/ha/groups", rows.keyed("group")), last=8),
    Area("replication", _listed("cluster/replication", _JOB), _GUESTS),
    Area("sdn_zones", _listed("cluster/sdn/zones", rows.keyed("zone")), _SDN),
    Area("sdn_vnets", _listed("cluster/sdn/vnets", rows.keyed("vnet")), _SDN),
    Area("sdn_subnets", _subnets, _SDN),
    Area("sdn_controllers", _listed("cluster/sdn/controllers", rows.keyed("controller")), _SDN),
    Area("sdn_ipams", _listed("cluster/sdn/ipams", rows.keyed("ipam")), _SDN),
    Area("sdn_dns", _listed("cluster/sdn/dns", rows.keyed("dns")), _SDN),
    Area("sdn_fabrics", _listed("cluster/sdn/fabrics/fabric", rows.keyed("id")), _SDN, first=9),
    Area("mappings_pci", _listed("cluster/mapping/pci", rows.keyed("id")), _mapped("pci"), first=8),
    Area("mappings_usb", _listed("cluster/mapping/usb", rows.keyed("id")), _mapped("usb"), first=8),
    Area("mappings_dir", _listed("cluster/mapping/dir", rows.keyed("id")), _mapped("dir"), first=8),
    Area("notification_endpoints", _endpoints, first=8),
    Area("notification_matchers", _listed("cluster/notifications/matchers", rows.keyed("name")), first=8),
    Area("metric_servers", partial(_details, "cluster/metrics/server", "id")),
    Area("cpu_models", _listed("cluster/qemu/custom-cpu-models", rows.keyed("cputype")), _mapped("cpu"), first=9),
    Area("firewall", _firewall_of_cluster),
    Area("vnet_firewall", _firewall_of_vnets, _SDN, first=9),
    Area("guests", _listed("cluster/resources", rows.guests, type="vm"), _GUESTS),
)
# Read node by node, or guest by guest.
BY_NODE = ("nodes", "node_configs", "node_firewall")
BY_GUEST = ("guest_configs", "guest_firewall")
NAMES = (*(area.name for area in AREAS), *BY_NODE, *BY_GUEST)
