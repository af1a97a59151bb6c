# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lookup `zipapp`: a folder of Python files becomes one file that Python runs."""

from __future__ import annotations

DOCUMENTATION = r"""
name: zipapp
short_description: Make one executable archive of a folder of Python files
version_added: 0.2.0
author:
  - pve.audit contributors (@pve-audit)
description:
  - Puts all C(*.py) files below a folder into one archive as Python's C(zipapp) makes it, on the controller, and
    returns its path. C(python3 ARCHIVE) runs the C(__main__.py) of the folder.
  - The same files give the same bytes, whoever makes the archive and with which Python. They are not compressed, so
    that they can be read in it.
  - A file C(packages.json) in the folder names packages that lie elsewhere, and that the programs import - the dotted
    name of each, and its folder, from here. Their files are put in too, each package with an C(__init__.py).
  - Made for the roles of this collection, which install their programs with it.
options:
  _terms:
    description: The folders, each with a C(__main__.py).
    type: list
    elements: path
    required: true
"""

EXAMPLES = r"""
- name: Install a program of several files as one
  ansible.builtin.copy:
    src: "{{ lookup('pve.audit.zipapp', role_path ~ '/files/program').path }}"
    dest: /usr/local/lib/program.pyz
    mode: "0644"
"""

RETURN = r"""
_list:
  description: One archive for each folder. It lies in Ansible's temporary directory and goes when Ansible ends.
  type: list
  elements: dict
  contains:
    path:
      description: Where it lies on the controller.
      type: str
      sample: /home/admin/.ansible/tmp/ansible-local-1/6f1c1f4f.pyz
    sha256:
      description: SHA-256 of its bytes.
      type: str
"""

import contextlib
import hashlib
import io
import json
import os
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from ansible import constants
from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase


def make_archive(files: Mapping[str, bytes]) -> bytes:
    """The archive of these files. The same files give the same bytes."""
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name)  # of the year 1980
            entry.create_system = 3
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, files[name])
    return whole.getvalue()


def read_folder(folder: Path) -> dict[str, bytes]:
    """The Python files below a folder, and those of its packages. Raises AnsibleLookupError unless one is to be run."""
    try:
        files = _python_files(folder, "")
        for name, place in _packages(folder).items():
            files |= _package_files(name, folder / place)
    except OSError as error:
        raise AnsibleLookupError(f"pve.audit.zipapp: {error.filename} cannot be read: {error.strerror}") from error
    if "__main__.py" not in files:
        raise AnsibleLookupError(f"pve.audit.zipapp: {folder} has no __main__.py")
    return files


def _packages(folder: Path) -> dict[str, str]:
    """The packages that lie elsewhere: dotted name and folder. Raises OSError, AnsibleLookupError."""
    path = folder / "packages.json"
    if not path.exists():
        return {}
    try:
        return {str(name): str(place) for name, place in json.loads(path.read_bytes()).items()}
    except (ValueError, AttributeError) as error:
        raise AnsibleLookupError(f"pve.audit.zipapp: {path} does not map names of packages to folders") from error


def _package_files(name: str, folder: Path) -> dict[str, bytes]:
    """Without an `__init__.py` on each step Python finds no package in an archive. [zipimport, before Python 3.13]"""
    found = _python_files(folder, name.replace(".", "/") + "/")
    if not found:
        raise AnsibleLookupError(f"pve.audit.zipapp: {folder} has no Python file of the package {name}")
    steps = {parent for file in found for parent in PurePosixPath(file).parents if parent.name}
    return {f"{step}/__init__.py": b"" for step in steps} | found


def _python_files(folder: Path, prefix: str) -> dict[str, bytes]:
    """Raises OSError."""
    return {prefix + path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.py")}


def keep_archive(content: bytes, folder: Path) -> dict[str, str]:
    """Put the archive into the folder, under the name of its digest; several processes may do so at once."""
    digest = hashlib.sha256(content).hexdigest()
    path = folder / f"{digest}.pyz"
    if not path.exists():
        handle, candidate = tempfile.mkstemp(dir=folder)
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(content)
            os.rename(candidate, path)
        except OSError:
            with contextlib.suppress(OSError):
                os.unlink(candidate)
            raise
    return {"path": str(path), "sha256": digest}


class LookupModule(LookupBase):  # type: ignore[misc]
    """See DOCUMENTATION."""

    def run(self, terms: list[Any], variables: Any = None, **kwargs: Any) -> list[dict[str, str]]:
        """One archive for each folder."""
        target = Path(constants.DEFAULT_LOCAL_TMP)
        return [keep_archive(make_archive(read_folder(Path(str(term)))), target) for term in terms]
