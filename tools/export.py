# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A clean copy of the collection where Ansible's own tools expect it, as a git checkout."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from tools.paths import BUILD, ROOT
from tools.venvs import SetupError


def export_collection(name: str) -> Path:
    """Copy all files that git knows or would add, as they are on disk, to `.build/export/NAME`; returns the new root.

    :raises SetupError: this is no git checkout.
    """
    target = BUILD / "export" / name / "ansible_collections" / "pve" / "audit"
    shutil.rmtree(target, ignore_errors=True)
    for file in _files():
        source = ROOT / file
        if source.is_file() or source.is_symlink():
            (target / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target / file, follow_symlinks=False)
    subprocess.run(["git", "init", "--quiet", str(target)], check=True, stdin=subprocess.DEVNULL)
    return target


def _files() -> list[str]:
    # safe.directory: a continuous integration's checkout often belongs to another user.
    git = ["git", "-c", f"safe.directory={ROOT}", "-C", str(ROOT)]
    listing = subprocess.run(
        [*git, "ls-files", "-co", "--exclude-standard", "-z"],
        capture_output=True,
        check=False,
        stdin=subprocess.DEVNULL,
        text=True,
    )
    if listing.returncode:
        raise SetupError(f"git cannot list the files of {ROOT}: {listing.stderr.strip()}")
    return sorted(set(filter(None, listing.stdout.split("\0"))))
