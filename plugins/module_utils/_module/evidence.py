# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module evidence_info: which place is read, and what is asked of it.

What the API alone needs is imported when it is asked: on a node and on a collector there is Python and nothing else.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from datetime import tzinfo
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.pve.audit.plugins.module_utils._evidence.acts.addresses import read_nodes
from ansible_collections.pve.audit.plugins.module_utils._evidence.found import Found
from ansible_collections.pve.audit.plugins.module_utils._evidence.question.answer import answer
from ansible_collections.pve.audit.plugins.module_utils._evidence.question.question import Question
from ansible_collections.pve.audit.plugins.module_utils._model.errors import AuditError, InputError
from ansible_collections.pve.audit.plugins.module_utils._model.severity import SEVERITIES
from ansible_collections.pve.audit.plugins.module_utils._model.time import parse_instant, rfc3339, zone
from ansible_collections.pve.audit.plugins.module_utils._module.api_options import api_spec
from ansible_collections.pve.audit.plugins.module_utils._places.archive import read_archive
from ansible_collections.pve.audit.plugins.module_utils._places.copy import read_copy
from ansible_collections.pve.audit.plugins.module_utils._places.reading import Interval
from ansible_collections.pve.audit.plugins.module_utils._query.expression import search

Params = dict[str, Any]
_TEXT = {"type": "str"}
_TEXTS = {"type": "list", "elements": "str", "default": []}
OPTIONS: dict[str, dict[str, Any]] = {
    **{name: {**option, "required": False} for name, option in api_spec().items()},
    "from": {"type": "str", "choices": ["archive", "nodes", "copy", "api"], "required": True},
    "path": {"type": "path"},
    "nodes": {"type": "dict", "default": {}},
    "people": {"type": "dict", "default": {}},
    "since": _TEXT,
    "until": _TEXT,
    "timezone": {"type": "str", "default": "UTC"},
    "account": {**_TEXT, "aliases": ["user"]},
    "person": _TEXT,
    "vmid": {"type": "int", "aliases": ["guest"]},
    "object": _TEXT,
    "address": {**_TEXT, "aliases": ["ip"]},
    "actions": {**_TEXTS, "aliases": ["action"]},
    "severities": {**_TEXTS, "choices": list(SEVERITIES), "aliases": ["severity"]},
    "query": _TEXT,
    "as": {"type": "str", "choices": ["acts", "found"], "default": "acts"},
}
REQUIRED_IF = [("from", "archive", ["path"]), ("from", "copy", ["path"]), ("from", "api", ["api_host", "api_user"])]


class Asked:
    """The options, checked. Raises InputError that names the option."""

    def __init__(self, params: Params, now: float) -> None:
        self.now = now
        self.params = params
        self.tz: tzinfo = zone(params["timezone"])
        self.since = self._moment("since")
        self.until = self._moment("until")
        if self.since is not None and self.since > (now if self.until is None else self.until):
            raise InputError(f"since ({rfc3339(self.since)}) lies after the end of the interval: exchange them")
        if self.until is None and params["from"] != "copy":
            self.until = now
        self.question = Question.read(params, self.since, self.until)
        self.nodes = read_nodes(params["nodes"])
        self.compiled: Callable[[Any], Any] | None = None if params["query"] is None else search(params["query"])

    def _moment(self, option: str) -> float | None:
        text = self.params[option]
        try:
            return None if text is None else parse_instant(text, now=self.now, tz=self.tz, latest=option == "until")
        except InputError as error:
            raise InputError(f"{option}: {error}") from None

    @property
    def interval(self) -> Interval:
        """What is asked for."""
        return Interval(self.since, self.until)

    def result(self, found: Found) -> Params:
        """What the module returns."""
        times = {
            "since": None if self.since is None else rfc3339(self.since),
            "until": None if self.until is None else rfc3339(self.until),
        }
        if self.params["as"] == "found":
            return {"found": found.as_dict(), **times}
        people = {str(user): str(name) for user, name in self.params["people"].items()}
        result = {**answer(found, self.question, self.nodes, people), **times}
        if self.compiled is None:
            return result
        query_result = self.compiled(result)
        return {"query_result": query_result, **{key: value for key, value in result.items() if key != "acts"}}


def answer_question(module: AnsibleModule) -> None:
    """Read the place, and exit with the answer; a failure is one sentence."""
    try:
        asked = Asked(module.params, time.time())
        if module.params["from"] == "api":
            _ask_api(module, asked)
        else:
            module.exit_json(changed=False, **asked.result(_read(asked)))
    except AuditError as error:
        module.fail_json(msg=str(error), error_code="input")


def _read(asked: Asked) -> Found:
    """What lies in files."""
    path, place = asked.params["path"], asked.params["from"]
    if place == "archive":
        return read_archive(path, asked.interval, asked.tz, now=asked.now)
    live = os.uname().nodename.partition(".")[0] if place == "nodes" else ""
    return read_copy(path or "/", asked.interval, asked.tz, now=asked.now, live=live)


def _ask_api(module: AnsibleModule, asked: Asked) -> None:
    from ansible_collections.pve.audit.plugins.module_utils._module.wiring import run_api_module
    from ansible_collections.pve.audit.plugins.module_utils._places.api import read_api

    run_api_module(module, lambda session, params: asked.result(read_api(session, params, asked.interval)))
