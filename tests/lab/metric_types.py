# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The external metric servers of status.cfg (pve-manager Status/*.pm)."""

from __future__ import annotations

from functools import cache

from tests.lab.schema import load_schema
from tests.lab.sections import SectionFile, options_of

_TYPES = {
    "graphite": "server! port mtu proto timeout path disable",
    "influxdb": (
        "server! port! mtu disable organization bucket token influxdbproto timeout max-body-size api-path-prefix"
        " verify-certificate"
    ),
    "opentelemetry": (
        "server! port disable otel-protocol otel-path otel-timeout otel-headers otel-verify-ssl otel-max-body-size"
        " otel-resource-attributes otel-compression"
    ),
}


@cache
def metric_file() -> SectionFile:
    """The options of each type of server."""
    found = load_schema().find("POST", "/cluster/metrics/server/x")
    return SectionFile(
        {name: options_of(words) for name, words in _TYPES.items()}, found[0].properties if found else {}
    )
