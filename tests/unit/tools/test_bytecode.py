# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kept bytecode is that of the content: what changes is compiled anew, and a broken file harms nobody."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.playbook import TESTS


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    folder = tmp_path / "kept"
    folder.mkdir()
    return folder


def run(archive: Path, text: str, kept: Path) -> str:
    """What a module of an archive prints."""
    archive.parent.mkdir(exist_ok=True)
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("package/__init__.py", "")
        file.writestr("package/module.py", f"print({text!r}, __file__)")
    env = os.environ | {"PYTHONPATH": str(TESTS / "bytecode"), "PVE_AUDIT_BYTECODE": str(kept)}
    code = f"import sys; sys.path.insert(0, {str(archive)!r}); import package.module"
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout.strip()


def test_bytecode_is_kept_by_content(tmp_path: Path, kept: Path) -> None:
    for archive in (tmp_path / "one" / "a.zip", tmp_path / "two" / "b.zip"):
        for text in ("first", "second"):
            assert run(archive, text, kept) == f"{text} {archive}/package/module.py"
    assert len(list(kept.iterdir())) == 3


def test_what_was_kept_is_used_and_a_broken_file_is_not(tmp_path: Path, kept: Path) -> None:
    archive = tmp_path / "a.zip"
    before = run(archive, "text", kept)
    for file in kept.iterdir():
        file.write_bytes(file.read_bytes().replace(b"text", b"used"))
    assert run(archive, "text", kept) == before.replace("text", "used")
    for file in kept.iterdir():
        file.write_bytes(b"broken")
    assert run(archive, "text", kept) == before


def test_without_a_folder_nothing_is_kept(tmp_path: Path) -> None:
    assert run(tmp_path / "a.zip", "text", tmp_path / "none") == f"text {tmp_path}/a.zip/package/module.py"
