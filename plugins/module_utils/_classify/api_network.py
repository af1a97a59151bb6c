# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Writing calls for software-defined networks and the firewall of the cluster.

Data only. A row is ``(method, path template, action, leaves a task)``; the last is None where it depends on the
body of the request.
"""

from __future__ import annotations

from ansible_collections.pve.audit.plugins.module_utils._classify.call import Call

CALLS: tuple[Call, ...] = (
    ("POST", "/cluster/firewall/aliases", "firewall.alias.create", False),
    ("DELETE", "/cluster/firewall/aliases/{name}", "firewall.alias.delete", False),
    ("PUT", "/cluster/firewall/aliases/{name}", "firewall.alias.modify", False),
    ("POST", "/cluster/firewall/groups", "firewall.group.create", False),
    ("DELETE", "/cluster/firewall/groups/{group}", "firewall.group.delete", False),
    ("POST", "/cluster/firewall/groups/{group}", "firewall.rule.create", False),
    ("DELETE", "/cluster/firewall/groups/{group}/{pos}", "firewall.rule.delete", False),
    ("PUT", "/cluster/firewall/groups/{group}/{pos}", "firewall.rule.modify", False),
    ("POST", "/cluster/firewall/ipset", "firewall.ipset.create", False),
    ("DELETE", "/cluster/firewall/ipset/{name}", "firewall.ipset.delete", False),
    ("POST", "/cluster/firewall/ipset/{name}", "firewall.ipset.entry.create", False),
    ("DELETE", "/cluster/firewall/ipset/{name}/{cidr}", "firewall.ipset.entry.delete", False),
    ("PUT", "/cluster/firewall/ipset/{name}/{cidr}", "firewall.ipset.entry.modify", False),
    ("PUT", "/cluster/firewall/options", "firewall.options.modify", False),
    ("POST", "/cluster/firewall/rules", "firewall.rule.create", False),
    ("DELETE", "/cluster/firewall/rules/{pos}", "firewall.rule.delete", False),
    ("PUT", "/cluster/firewall/rules/{pos}", "firewall.rule.modify", False),
    ("PUT", "/cluster/sdn", "sdn.apply", True),
    ("POST", "/cluster/sdn/controllers", "sdn.controller.create", False),
    ("DELETE", "/cluster/sdn/controllers/{controller}", "sdn.controller.delete", False),
    ("PUT", "/cluster/sdn/controllers/{controller}", "sdn.controller.modify", False),
    ("POST", "/cluster/sdn/dns", "sdn.dns.create", False),
    ("DELETE", "/cluster/sdn/dns/{dns}", "sdn.dns.delete", False),
    ("PUT", "/cluster/sdn/dns/{dns}", "sdn.dns.modify", False),
    ("POST", "/cluster/sdn/fabrics/fabric", "sdn.fabric.create", False),
    ("DELETE", "/cluster/sdn/fabrics/fabric/{id}", "sdn.fabric.delete", False),
    ("PUT", "/cluster/sdn/fabrics/fabric/{id}", "sdn.fabric.modify", False),
    ("POST", "/cluster/sdn/fabrics/node/{fabric_id}", "sdn.fabric.node.create", False),
    ("DELETE", "/cluster/sdn/fabrics/node/{fabric_id}/{node_id}", "sdn.fabric.node.delete", False),
    ("PUT", "/cluster/sdn/fabrics/node/{fabric_id}/{node_id}", "sdn.fabric.node.modify", False),
    ("POST", "/cluster/sdn/ipams", "sdn.ipam.create", False),
    ("DELETE", "/cluster/sdn/ipams/{ipam}", "sdn.ipam.delete", False),
    ("PUT", "/cluster/sdn/ipams/{ipam}", "sdn.ipam.modify", False),
    ("DELETE", "/cluster/sdn/lock", "sdn.lock.release", False),
    ("POST", "/cluster/sdn/lock", "sdn.lock.acquire", False),
    ("POST", "/cluster/sdn/prefix-lists", "sdn.prefix_list.create", False),
    ("DELETE", "/cluster/sdn/prefix-lists/{id}", "sdn.prefix_list.delete", False),
    ("PUT", "/cluster/sdn/prefix-lists/{id}", "sdn.prefix_list.modify", False),
    ("POST", "/cluster/sdn/prefix-lists/{id}/entries", "sdn.prefix_list.entry.create", False),
    ("DELETE", "/cluster/sdn/prefix-lists/{id}/entries/{url_seq}", "sdn.prefix_list.entry.delete", False),
    ("PUT", "/cluster/sdn/prefix-lists/{id}/entries/{url_seq}", "sdn.prefix_list.entry.modify", False),
    ("POST", "/cluster/sdn/rollback", "sdn.rollback", False),
    ("POST", "/cluster/sdn/route-maps/entries", "sdn.route_map.entry.create", False),
    ("DELETE", "/cluster/sdn/route-maps/entries/{route-map-id}/entry/{order}", "sdn.route_map.entry.delete", False),
    ("PUT", "/cluster/sdn/route-maps/entries/{route-map-id}/entry/{order}", "sdn.route_map.entry.modify", False),
    ("POST", "/cluster/sdn/vnets", "sdn.vnet.create", False),
    ("DELETE", "/cluster/sdn/vnets/{vnet}", "sdn.vnet.delete", False),
    ("PUT", "/cluster/sdn/vnets/{vnet}", "sdn.vnet.modify", False),
    ("PUT", "/cluster/sdn/vnets/{vnet}/firewall/options", "firewall.options.modify", False),
    ("POST", "/cluster/sdn/vnets/{vnet}/firewall/rules", "firewall.rule.create", False),
    ("DELETE", "/cluster/sdn/vnets/{vnet}/firewall/rules/{pos}", "firewall.rule.delete", False),
    ("PUT", "/cluster/sdn/vnets/{vnet}/firewall/rules/{pos}", "firewall.rule.modify", False),
    ("DELETE", "/cluster/sdn/vnets/{vnet}/ips", "sdn.ip.delete", False),
    ("POST", "/cluster/sdn/vnets/{vnet}/ips", "sdn.ip.create", False),
    ("PUT", "/cluster/sdn/vnets/{vnet}/ips", "sdn.ip.modify", False),
    ("POST", "/cluster/sdn/vnets/{vnet}/subnets", "sdn.subnet.create", False),
    ("DELETE", "/cluster/sdn/vnets/{vnet}/subnets/{subnet}", "sdn.subnet.delete", False),
    ("PUT", "/cluster/sdn/vnets/{vnet}/subnets/{subnet}", "sdn.subnet.modify", False),
    ("POST", "/cluster/sdn/zones", "sdn.zone.create", False),
    ("DELETE", "/cluster/sdn/zones/{zone}", "sdn.zone.delete", False),
    ("PUT", "/cluster/sdn/zones/{zone}", "sdn.zone.modify", False),
)
