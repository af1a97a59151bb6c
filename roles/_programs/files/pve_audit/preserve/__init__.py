# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keep Proxmox VE's task log beyond its ring: new index lines and task texts are copied, PVE's files are only read.

PVE appends a line to `index` when a task has ended; when that makes the file larger than 50,000 bytes it is renamed to
`index.1`, and the old `index.1` is gone (pve-common PVE/RESTEnvironment.pm, active_workers). pveupdate deletes texts.

A file of the ring is recognised by what was read of it (length and SHA-256), not by name or inode. What a run is about
to write is first written to the state, with the place where it goes, so that a run that was cut off is finished by the
next one: each line of the ring is in the archive once, byte by byte. Days are days of the harvest in UTC.
"""
