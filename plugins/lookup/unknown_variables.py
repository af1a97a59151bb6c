# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lookup `unknown_variables`: variables that look like those of this collection, and that nothing in it reads."""

from __future__ import annotations

DOCUMENTATION = r"""
name: unknown_variables
short_description: Find misspelt variables of this collection
version_added: 0.3.0
author:
  - pve.audit contributors (@pve-audit)
description:
  - A misspelt variable is silently ignored by Ansible, and the default holds. This lookup returns one sentence for each
    variable that begins like those of a role of this collection and is read nowhere in it, and for each other variable
    that begins with C(pve_audit_) and is spelt almost like an option.
  - The roles ask it before they do anything. What counts as known is read from the files of the roles and playbooks.
options:
  _terms:
    description: The root of the collection, as a role sees it.
    type: list
    elements: path
    required: true
"""

EXAMPLES = r"""
- name: Refuse variables that nothing reads
  ansible.builtin.assert:
    that: q('pve.audit.unknown_variables', role_path ~ '/../..') | length == 0
    fail_msg: "{{ q('pve.audit.unknown_variables', role_path ~ '/../..') | join(' ') }}"
"""

RETURN = r"""
_list:
  description: One sentence for each variable that is not known, with the option that may be meant.
  type: list
  elements: str
  sample: ["pve_audit_report_sinc is no variable of pve.audit, did you mean pve_audit_report_since?"]
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase

from ansible_collections.pve.audit.plugins.module_utils._model.texts import meant

PREFIX = "pve_audit_"
_NAME = re.compile(rf"\b{PREFIX}[a-z0-9_]+", re.ASCII)
_OPTION = re.compile(rf"^      ({PREFIX}[a-z0-9_]+):", re.ASCII | re.MULTILINE)


class Names(NamedTuple):
    """What the roles and playbooks read or set, the options of the roles, and how those of a role begin."""

    known: set[str]
    options: set[str]
    prefixes: tuple[str, ...]


def unknown_variables(names: Iterable[str], collection: Names) -> Iterator[str]:
    """A sentence for each of these names that nothing reads."""
    for name in sorted(set(names) - collection.known):
        suggestion = meant(name, collection.options)
        if name.startswith(PREFIX) and (suggestion or name.startswith(collection.prefixes)):
            yield f"{name} is no variable of pve.audit{suggestion or '.'}"


def read_names(root: Path) -> Names:
    """The names in the files below `root`. Raises AnsibleLookupError when there is no role."""
    known = {name for path in _files(root) for name in _NAME.findall(path.read_text(encoding="utf-8"))}
    specs = list(root.glob("roles/*/meta/argument_specs.yml"))
    if not specs:
        raise AnsibleLookupError(f"pve.audit.unknown_variables: there are no roles below {root}")
    options = {name for path in specs for name in _OPTION.findall(path.read_text(encoding="utf-8"))}
    roles = (path.parents[1].name.removeprefix("audit_").strip("_") for path in specs)
    return Names(known, options, tuple(f"{PREFIX}{role}_" for role in roles))


def _files(root: Path) -> Iterator[Path]:
    for pattern in ("roles/*/**/*.yml", "roles/*/templates/**/*.j2", "playbooks/**/*.yml"):
        yield from root.glob(pattern)


class LookupModule(LookupBase):  # type: ignore[misc]
    """See DOCUMENTATION."""

    def run(self, terms: list[Any], variables: Mapping[str, Any] | None = None, **kwargs: Any) -> list[str]:
        """One sentence for each variable that is not known."""
        names = [name for name in variables or {} if isinstance(name, str) and name.startswith(PREFIX)]
        found: list[str] = []
        for term in terms:
            found += unknown_variables(names, read_names(Path(str(term))))
        return found
