# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keep the bytecode of what is imported from Ansible's module archives, as Python does of what is not in an archive.

Python compiles each file of a zip archive twice in every process, half of the time of a short module. With this folder
in PYTHONPATH the result is kept below the folder PVE_AUDIT_BYTECODE, by version of Python, path and content.
"""

import hashlib
import marshal
import os
import sys
import zipimport
from pathlib import Path
from types import CodeType
from typing import Any

_FOLDER = Path(os.environ.get("PVE_AUDIT_BYTECODE", os.devnull))
_compile: Any = getattr(zipimport, "_compile_source", None)


def _kept(pathname: str, source: bytes, *more: Any) -> CodeType:
    """What `zipimport` compiles, compiled once."""
    inside = pathname.rpartition(".zip")[2]
    name = hashlib.sha256(f"{sys.version}\0{inside}\0".encode() + source).hexdigest()
    file = _FOLDER / name
    try:
        code: CodeType = marshal.loads(file.read_bytes())
    except (OSError, ValueError, EOFError, TypeError):
        code = _compile(pathname, source, *more)
        draft = file.with_suffix(f".{os.getpid()}")
        try:
            draft.write_bytes(marshal.dumps(code))
            draft.replace(file)
        except OSError:
            return code  # a folder that cannot be written is no mistake of the module
    return code


if _compile is not None and _FOLDER.is_dir():
    vars(zipimport)["_compile_source"] = _kept
