# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What calls answer with, against the schema of the API."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from ansible_collections.pve.audit.plugins.module_utils._classify.api import API_CALLS
from ansible_collections.pve.audit.plugins.module_utils._classify.call import Call
from ansible_collections.pve.audit.plugins.module_utils._classify.returns import (
    BODY,
    FLAG,
    NOTHING,
    WITH_BODY,
    WITH_FLAG,
    answer_of,
)

SCHEMA = json.loads(
    gzip.decompress((Path(__file__).resolve().parents[3] / "data" / "schema" / "api-9.2.json.gz").read_bytes())
)
# The schema says null and a task is started all the same.
STARTS_UNSAID = {("POST", "/nodes/{node}/lxc/{vmid}/template")}


@pytest.mark.parametrize("call", API_CALLS, ids=lambda call: f"{call[0]} {call[1]}")
def test_the_schema_says_so(call: Call) -> None:
    method, path, _action, leaves_task = call
    returns = SCHEMA.get(path, {}).get(method, {}).get("returns", {}).get("type")
    found = answer_of(method, path, leaves_task)
    if (method, path) in STARTS_UNSAID:
        assert (found, returns) == ("task", "null")
    elif found == NOTHING:
        assert returns == "null"
    elif found == FLAG:
        assert returns == "boolean"
    elif found == BODY:
        assert returns != "null"
        assert returns != "string" or not leaves_task
    else:
        assert returns == "string"


def test_no_row_is_stale() -> None:
    assert {(method, path) for method, path, _action, _task in API_CALLS} >= WITH_BODY | WITH_FLAG
