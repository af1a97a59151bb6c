# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All sources of evidence. A new one is a file beside this one and a line here."""

from __future__ import annotations

from ansible_collections.pve.audit.plugins.module_utils._evidence.access import ACCESS
from ansible_collections.pve.audit.plugins.module_utils._evidence.archive import ARCHIVE
from ansible_collections.pve.audit.plugins.module_utils._evidence.journal import JOURNAL
from ansible_collections.pve.audit.plugins.module_utils._evidence.source import Source
from ansible_collections.pve.audit.plugins.module_utils._evidence.task import TASK

SOURCES: tuple[Source, ...] = (TASK, ACCESS, ARCHIVE, JOURNAL)
"""In the order in which they are asked whether they recognise an item: the strictest first."""

CHOICES: tuple[str, ...] = ("auto", *(source.name for source in SOURCES))
"""What the filter `events` takes as its option `source`."""

BY_NAME: dict[str, Source] = {source.name: source for source in SOURCES}
BY_DATASET: dict[str, Source] = {dataset: source for source in SOURCES for dataset in source.datasets}
