# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The bare parallel fetch: the rings of all nodes with eight threads, and nothing done with them.

Reads the PROXMOX_ variables; the names of the nodes are the arguments. Prints how many seconds the fetch alone took.
"""

from __future__ import annotations

import gzip
import http.client
import json
import os
import ssl
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

_own = threading.local()


def fetch(node: str, context: ssl.SSLContext) -> list[Any]:
    """The ring of one node, on the connection of this thread."""
    env = os.environ
    if not hasattr(_own, "connection"):
        _own.connection = http.client.HTTPSConnection(
            env["PROXMOX_HOST"], int(env["PROXMOX_PORT"]), context=context, timeout=30
        )
    token = f"{env['PROXMOX_USER']}!{env['PROXMOX_TOKEN_ID']}={env['PROXMOX_TOKEN_SECRET']}"
    headers = {"Authorization": f"PVEAPIToken={token}", "Accept-Encoding": "gzip"}
    _own.connection.request("GET", f"/api2/json/nodes/{node}/tasks?source=all&limit=5000", headers=headers)
    answer = _own.connection.getresponse()
    body = answer.read()
    if answer.status != 200:
        raise SystemExit(f"{node} answered {answer.status}")
    if answer.getheader("Content-Encoding") == "gzip":
        body = gzip.decompress(body)
    tasks: list[Any] = json.loads(body)["data"]
    return tasks


def main(nodes: list[str]) -> None:
    """Fetch all rings."""
    started = time.perf_counter()
    context = ssl.create_default_context(cafile=os.environ["PROXMOX_CA_PATH"])
    with ThreadPoolExecutor(8) as pool:
        tasks = sum(map(len, pool.map(lambda node: fetch(node, context), nodes)))
    print(json.dumps({"tasks": tasks, "seconds": time.perf_counter() - started}))


if __name__ == "__main__":
    main(sys.argv[1:])
