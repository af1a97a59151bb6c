# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PVE's section files with their types and options: check, write, read (pve-common SectionConfig.pm)."""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass
from typing import Any

from tests.lab.errors import ApiError, server_error
from tests.lab.propstrings import PROPERTY_FORMATS, parse_property_string
from tests.lab.usercfg_write import as_stored

Section = dict[str, Any]
Sections = dict[str, Section]


@dataclass(frozen=True, slots=True)
class Option:
    """How a type takes an option; `fixed` ones are set at creation only."""

    required: bool = False
    fixed: bool = False


def options_of(words: str) -> dict[str, Option]:
    """`name!` is required, `name=` is fixed, the others are optional."""
    return {word.rstrip("!="): Option(word.endswith("!"), word.endswith("=")) for word in words.split()}


@dataclass(frozen=True, slots=True)
class SectionFile:
    """One section file: the options of each type, and the schema of each property."""

    types: dict[str, dict[str, Option]]
    properties: dict[str, dict[str, Any]]

    def _value(self, kind: str, name: str, value: Any) -> Any:
        if name == "type" and value == kind:
            return value
        if name not in self.types[kind]:
            raise server_error(f"unexpected property '{name}'")
        if re.search(r"[\n\r]", str(value)):
            raise server_error("property contains a line feed")
        if self.properties[name].get("type") in ("boolean", "integer"):
            return int(value)
        return value

    def check(self, kind: str, values: Section, *, create: bool) -> Section:
        """The settings as they are kept: `check_config` with its texts."""
        known = self.types[kind]
        settings: Section = {"type": kind}
        for name, value in values.items():
            if not create and name in known and known[name].fixed:
                raise server_error(f"can't change value of fixed parameter '{name}'")
            if value is None:
                raise server_error(f"got undefined value for option '{name}'")
            settings[name] = self._value(kind, name, value)
        for name, option in known.items():
            if create and option.required and values.get(name) is None:
                raise server_error(f"missing value for required option '{name}'")
        return settings

    def _line(self, name: str, value: Any) -> str:
        if self.properties[name].get("type") == "boolean":
            return f"\t{name} {1 if value else 0}\n"
        return f"\t{name} {value}\n" if str(value) != "" else ""

    def _section(self, name: str, section: Section) -> str:
        kind = str(section.get("type") or "")
        known = self.types.get(kind)
        if known is None:
            raise server_error(f"unknown section type '{kind}'")
        text = f"{kind}: {name}\n"
        if section.get("comment"):
            text += self._line("comment", section["comment"])
        if section.get("disable"):
            text += "\tdisable\n"
        names = [key for key in sorted(known) if key not in ("comment", "disable")]
        for key in sorted(names, key=lambda key: not known[key].required):
            if section.get(key) is not None:
                text += self._line(key, section[key])
            elif known[key].required:
                raise server_error(f"section '{name}' - missing value for required option '{key}'")
        return text

    def render(self, sections: Sections) -> str:
        """The file; a section that lacks a required option is a 500."""
        return as_stored("".join(f"{self._section(name, section)}\n" for name, section in sections.items()))

    def parse(self, text: str) -> Sections:
        """The sections; those PVE would leave out with a warning are left out."""
        raw: list[tuple[str, str, Section]] = []
        current: Section | None = None
        for line in text.split("\n"):
            head = re.match(r"(\S+):[ \t]*(\S+)?[ \t]*$", line)
            found = re.match(r"[ \t]+(\S+)(?:[ \t]+(.*\S))?[ \t]*$", line)
            if head:
                current = {}
                raw.append((head[1].lower(), head[2] or head[1].lower(), current))
            elif found and current is not None:
                current.setdefault(found[1], found[2])
        result: Sections = {}
        for kind, name, values in raw:
            if kind in self.types:
                known = {key: value for key, value in values.items() if key in self.types[kind]}
                filled = {key: 1 if value is None and self._is_flag(key) else value for key, value in known.items()}
                good = {key: value for key, value in filled.items() if self._is_readable(key, value)}
                with contextlib.suppress(ApiError):
                    result[name] = self.check(kind, good, create=True)
        return result

    def _is_flag(self, name: str) -> bool:
        return self.properties[name].get("type") == "boolean"

    def _is_readable(self, name: str, value: Any) -> bool:
        """PVE leaves a value that is not of its type or form out, with a warning."""
        schema = self.properties[name]
        form = PROPERTY_FORMATS.get(str(schema.get("format")))
        try:
            if form is not None:
                parse_property_string(form, str(value or ""))
            return schema.get("type") not in ("boolean", "integer") or int(value) is not None
        except (ValueError, TypeError):
            return False
