# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The archive of the programs: the same bytes each time, and Python runs it."""

from __future__ import annotations

import hashlib
import io
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from ansible import constants
from ansible.errors import AnsibleLookupError

from ansible_collections.pve.audit.plugins.lookup import zipapp

FILES = {
    "__main__.py": b"from inner.tool import say\nsay()\n",
    "inner/__init__.py": b"",
    "inner/tool.py": b"def say():\n    print('said')\n",
}


def lay_down(folder: Path) -> Path:
    """The files, and what Python leaves beside them."""
    for name, content in {**FILES, "inner/__pycache__/tool.pyc": b"x"}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def test_the_same_files_give_the_same_bytes(tmp_path: Path) -> None:
    whole = zipapp.make_archive(FILES)
    assert zipapp.make_archive(dict(reversed(FILES.items()))) == whole
    assert zipapp.make_archive(zipapp.read_folder(lay_down(tmp_path))) == whole
    # Other bytes on another controller would be a change on every node.
    assert hashlib.sha256(whole).hexdigest() == "2335c2f9f824df57e5e39341d4bac77f60bcd166ea59d549dca823d80cdb2053"


def test_python_runs_it_and_people_can_read_it(tmp_path: Path) -> None:
    found = zipapp.keep_archive(zipapp.make_archive(FILES), tmp_path)
    assert zipapp.keep_archive(zipapp.make_archive(FILES), tmp_path) == found
    assert [path.name for path in tmp_path.iterdir()] == [f"{found['sha256']}.pyz"]
    command = [sys.executable, "-I", "-B", found["path"]]
    assert subprocess.run(command, capture_output=True, check=True, cwd="/").stdout == b"said\n"
    content = Path(found["path"]).read_bytes()
    assert FILES["inner/tool.py"] in content
    assert zipfile.ZipFile(io.BytesIO(content)).testzip() is None


def test_lookup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "DEFAULT_LOCAL_TMP", str(tmp_path))
    (found,) = zipapp.LookupModule().run([str(lay_down(tmp_path / "program"))])
    assert Path(found["path"]).read_bytes() == zipapp.make_archive(FILES)


def test_packages_that_lie_elsewhere_are_found_by_name(tmp_path: Path) -> None:
    program, shared = lay_down(tmp_path / "program"), tmp_path / "rooms" / "shared" / "deep"
    shared.mkdir(parents=True)
    (shared / "word.py").write_text("WORD = 'shared'\n")
    (program / "inner/tool.py").write_text("from far.away.shared.deep.word import WORD\ndef say():\n    print(WORD)\n")
    (program / "packages.json").write_text('{"far.away.shared": "../rooms/shared"}')
    found = zipapp.keep_archive(zipapp.make_archive(zipapp.read_folder(program)), tmp_path)
    command = [sys.executable, "-I", "-B", found["path"]]
    assert subprocess.run(command, capture_output=True, check=True, cwd="/").stdout == b"shared\n"


@pytest.mark.parametrize("text", ["", "[]", "{", '{"far": "nowhere"}'])
def test_packages_that_are_not_there_are_refused(tmp_path: Path, text: str) -> None:
    (lay_down(tmp_path) / "packages.json").write_text(text)
    with pytest.raises(AnsibleLookupError, match=r"packages\.json does not map|has no Python file"):
        zipapp.read_folder(tmp_path)


@pytest.mark.parametrize("name", ["empty", "missing"])
def test_nothing_to_run_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(AnsibleLookupError, match=r"no __main__\.py"):
        zipapp.read_folder(tmp_path / name)
