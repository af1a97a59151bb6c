# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Writing calls for storage definitions and what lies on a storage.

Data only. A row is ``(method, path template, action, leaves a task)``; the last is None where it depends on the
body of the request.
"""

from __future__ import annotations

from ansible_collections.pve.audit.plugins.module_utils._classify.call import Call

CALLS: tuple[Call, ...] = (
    ("POST", "/nodes/{node}/aplinfo", "storage.volume.download", True),
    ("POST", "/nodes/{node}/storage/{storage}/content", "storage.volume.create", False),
    ("DELETE", "/nodes/{node}/storage/{storage}/content/{volume}", "storage.volume.delete", True),
    ("POST", "/nodes/{node}/storage/{storage}/content/{volume}", "storage.volume.copy", True),
    ("PUT", "/nodes/{node}/storage/{storage}/content/{volume}", "storage.volume.modify", False),
    ("POST", "/nodes/{node}/storage/{storage}/download-url", "storage.volume.download", True),
    ("POST", "/nodes/{node}/storage/{storage}/oci-registry-pull", "storage.volume.download", True),
    ("DELETE", "/nodes/{node}/storage/{storage}/prunebackups", "backup.prune", True),
    ("POST", "/nodes/{node}/storage/{storage}/upload", "storage.volume.upload", True),
    ("POST", "/storage", "storage.definition.create", False),
    ("DELETE", "/storage/{storage}", "storage.definition.delete", False),
    ("PUT", "/storage/{storage}", "storage.definition.modify", False),
)

READS: tuple[Call, ...] = (
    ("GET", "/nodes/{node}/storage/{storage}/file-restore/download", "backup.file.download", True),
)
"""Reads that take data out of a backup, so that they are no plain ``api.read``."""
