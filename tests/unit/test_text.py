# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every file of the repository must and must not say."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HEADER = (
    "# Copyright: (c) ",
    "# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)",
    "# SPDX-License-Identifier: GPL-3.0-or-later",
)
# Paths of one machine, and hosts that a user may have replaced with a mirror. Split, so as not to find themselves.
BANNED = re.compile(
    "|".join(
        [
            r"(?<![\w.])/work/" + r"(main|shared|\.)",
            r"/tmp/" + r"plan",
            r"/opt/" + r"(pypi|wheels)",
            r"\bpypi\." + r"org",
            r"pythonhosted\." + r"org",
            r"npmjs\." + r"(org|com)",
            r"(deb|security|ftp)\.debian\." + r"org",
        ]
    )
)


def repository_files() -> list[Path]:
    """The files that git knows or would add."""
    git = ["git", "-c", f"safe.directory={ROOT}", "-C", str(ROOT), "ls-files", "-co", "--exclude-standard", "-z"]
    listing = subprocess.run(git, capture_output=True, check=True, text=True).stdout
    files = (ROOT / name for name in sorted(set(listing.split("\0"))) if name)
    return [file for file in files if file.is_file()]


def name_of(path: object) -> str:
    """The name of a test case."""
    return str(path.relative_to(ROOT)) if isinstance(path, Path) else repr(path)


def test_no_file_names_a_machine() -> None:
    found = []
    for file in repository_files():
        text = file.read_bytes().decode("utf-8", errors="replace")
        found += [f"{name_of(file)}: {match.group()}" for match in BANNED.finditer(text)]
    assert not found


@pytest.mark.parametrize(
    "file", [file for file in repository_files() if file.suffix == ".py" and file.stat().st_size], ids=name_of
)
def test_python_file_has_the_licence_header(file: Path) -> None:
    lines = file.read_text(encoding="utf-8").splitlines()
    if lines[0].startswith("#!"):
        del lines[0]
    assert [line.startswith(start) for line, start in zip(lines, HEADER, strict=False)] == [True, True, True]
