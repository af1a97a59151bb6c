# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command that lists what the catalogue lacks of a newer Proxmox VE."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools import catalogue

NULL = '{"returns": {"type": "null"}}'
STRING = '{"returns": {"type": "string"}}'
NEW = "POST /cluster/multipath (returns null)"
SCHEMAS = {
    "flat": (f'{{"/cluster/multipath": {{"GET": {STRING}, "POST": {NULL}}}}}', [NEW]),
    "tree": (
        f'[{{"path": "/cluster", "info": {{"GET": {STRING}}}, "children":'
        f' [{{"path": "/cluster/multipath", "leaf": 1, "info": {{"POST": {NULL}}}}}]}}]',
        [NEW],
    ),
    "a page": (f'const apiSchema = [{{"path": "/cluster/multipath", "info": {{"POST": {NULL}}}}}]\n;\nlet x = [];',
               [NEW]),
    "known": (f'{{"/nodes/{{node}}/vzdump": {{"POST": {STRING}}}, "/access/acl": {{"PUT": {NULL}}}}}', []),
    "no type": ('{"/cluster/multipath": {"POST": {"returns": {}}}}',
                ["POST /cluster/multipath (returns what it does not declare)"]),
    "a task now": (f'{{"/access/acl": {{"PUT": {STRING}}}}}',
                   ["PUT /access/acl returns string: does it leave a task?"]),
    "as every other now": (f'{{"/cluster/sdn/lock": {{"POST": {NULL}}}}}',
                           ["POST /cluster/sdn/lock returns null: does it leave a task?"]),
}  # fmt: skip


@pytest.mark.parametrize(("text", "gaps"), SCHEMAS.values(), ids=SCHEMAS)
def test_calls(text: str, gaps: list[str]) -> None:
    assert list(catalogue.lacking(catalogue.writing_calls(text))) == gaps


LABELS = """
        Proxmox.Utils.override_task_descriptions({
            acmenewcert: ['SRV', gettext('Order Certificate')],
            'bulk-migrate': ['', gettext('Bulk migrate')],
            qmteleport: ['VM', gettext('Teleport')],
            vzdump: (type, id) => format('a', id),
        });
"""


def test_task_types(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert catalogue.task_types(LABELS) == ["acmenewcert", "bulk-migrate", "qmteleport", "vzdump"]
    page, schema = tmp_path / "pvemanagerlib.js", tmp_path / "apidoc.js"
    page.write_text(LABELS, encoding="utf-8")
    schema.write_text(SCHEMAS["known"][0], encoding="utf-8")
    assert catalogue.main([str(schema)]) == 0
    assert catalogue.main([str(page), str(schema)]) == 1
    assert "lacks task type qmteleport\n" in capsys.readouterr().out


def test_no_schema() -> None:
    with pytest.raises(ValueError, match="no JSON"):
        catalogue.writing_calls("nothing")
