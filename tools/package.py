# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Build the collection as a release would, install it as a user would, and read its documentation from there."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

from tools.export import export_collection
from tools.paths import BUILD

# All that a release holds. What is new at the top or in tests needs a decision: here, or in build_ignore of galaxy.yml.
FILES = "CHANGELOG.rst CONTRIBUTING.md COPYING FILES.json MANIFEST.json README.md requirements.txt tests/config.yml"
FOLDERS = "changelogs docs extensions meta playbooks plugins roles"


def main() -> int:
    """Returns the exit status; all programs are those of the Python that runs this."""
    dist, installed = BUILD / "dist", BUILD / "package"
    for folder in (dist, installed):
        shutil.rmtree(folder, ignore_errors=True)
    build = ["collection", "build", "--output-path", str(dist)]
    _run("ansible-galaxy", *build, cwd=export_collection("package"), collections=installed)
    archive = next(dist.glob("pve-audit-*.tar.gz"))
    with tarfile.open(archive) as tar:
        names = tar.getnames()
    known = {*FILES.split(), "tests"}
    unwanted = [name for name in names if name not in known and name.split("/")[0] not in FOLDERS.split()]
    if unwanted:
        print(f"{archive.name} holds what no user needs: {unwanted}; see build_ignore in galaxy.yml")
        return 1
    install = ["collection", "install", "--offline", "-p", str(installed), str(archive)]
    _run("ansible-galaxy", *install, cwd=BUILD, collections=installed)
    _read_documentation(installed)
    print(f"{archive.name}: {len(names)} entries, {archive.stat().st_size // 1024} KiB")
    return 0


def _read_documentation(installed: Path) -> None:
    plugins = installed / "ansible_collections" / "pve" / "audit" / "plugins"
    for kind, folder in (("module", "modules"), ("filter", "filter"), ("lookup", "lookup")):
        found = {file.stem for file in (plugins / folder).glob("*.*") if not file.name.startswith("_")}
        names = [f"pve.audit.{name}" for name in sorted(found)]
        if not names:
            continue
        entries = json.loads(_run("ansible-doc", "--json", "-t", kind, *names, cwd=BUILD, collections=installed))
        missing = [name for name in names if not entries.get(name, {}).get("doc")]
        if missing:
            sys.exit(f"no documentation: {missing}")


def _run(program: str, *arguments: str, cwd: Path, collections: Path) -> str:
    """Returns the standard output; ends the program when the command fails."""
    # Nothing but this folder, or the checkout itself would count as already installed.
    env = os.environ | {"ANSIBLE_COLLECTIONS_PATH": str(collections)}
    command = [str(Path(sys.executable).parent / program), *arguments]
    done = subprocess.run(
        command, cwd=cwd, env=env, capture_output=True, check=False, stdin=subprocess.DEVNULL, text=True
    )
    if done.returncode:
        print(done.stdout[-3000:], done.stderr[-3000:])
        sys.exit(done.returncode)
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
