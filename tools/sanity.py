# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run `ansible-test sanity` on a copy of the collection, also where only a package index can be reached.

ansible-test makes its own virtual environments and wants to download a script that puts pip into them. It looks for
that script in its cache first, so we lay one there that uses the pip that comes with Python.
ansible-test writes to its home: it gets its own.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from ansible.release import __version__

from tools.export import export_collection
from tools.paths import BUILD

# What is shipped is tested; ruff and mypy hold the rest of the tree to a stricter rule.
# A file of extensions/sigma is a rule of several documents, which ansible-test allows nowhere.
OUT_OF_SCOPE = [
    word for folder in ("bench", "docs", "extensions/sigma", "tests", "tools") for word in ("--exclude", f"{folder}/")
]

_GET_PIP = """\
import ensurepip
import subprocess
import sys

ensurepip.bootstrap(default_pip=True)
wanted = [word for word in sys.argv[1:] if word not in ("--no-setuptools", "--no-wheel")]
sys.exit(subprocess.call([sys.executable, "-m", "pip", "install", *{options!r}, *wanted]))
"""

_ASK_PIP_VERSION = """
import sys, types
from ansible_test._internal.python_requirements import get_venv_packages
print(get_venv_packages(types.SimpleNamespace(version="%d.%d" % sys.version_info[:2]))["pip"])
"""


def pip_options() -> list[str]:
    """Where this machine has its own certificates, the old pip that comes with Python must be told."""
    certificates = os.environ.get("PIP_CERT") or os.environ.get("SSL_CERT_FILE") or os.environ.get("REQUESTS_CA_BUNDLE")
    return ["--cert", certificates] if certificates else []


def prepare_home(home: Path) -> None:
    """Lay the bootstrap script where the installed ansible-test looks for it; the name has the pip version it wants."""
    answer = subprocess.run([sys.executable, "-c", _ASK_PIP_VERSION], capture_output=True, check=True, text=True)
    version = answer.stdout.strip().replace(".", "_")
    cache = home / ".ansible" / "test" / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    (cache / f"get_pip_{version}.py").write_text(_GET_PIP.format(options=pip_options()))


def keep_ignores(folder: Path) -> None:
    """An ansible-core that is newer than our newest list of exceptions gets that list."""
    version = ".".join(__version__.split(".")[:2])
    wanted = folder / f"ignore-{version}.txt"
    if not wanted.exists():
        known = sorted(folder.glob("ignore-*.txt"), key=lambda file: [int(part) for part in file.stem[7:].split(".")])
        wanted.write_bytes(known[-1].read_bytes() if known else b"")


def main(name: str) -> int:
    """Run all sanity tests with the ansible-test of the Python that runs this; returns its exit status."""
    home = BUILD / "sanity" / name
    prepare_home(home)
    collection = export_collection(f"sanity-{name}")
    keep_ignores(collection / "tests" / "sanity")
    python = "{}.{}".format(*sys.version_info)
    bin_folder = Path(sys.executable).parent
    # A short PATH: ansible-test starts every python3.N that it finds, and some are only shims.
    env = {"HOME": str(home), "LC_ALL": "C.UTF-8", "PATH": f"{bin_folder}:/usr/bin:/bin"}
    options = ["--color", "no", "--truncate", "0", "--python", python, *OUT_OF_SCOPE]
    command = [str(bin_folder / "ansible-test"), "sanity", *options]
    return subprocess.run(command, cwd=collection, env=env, stdin=subprocess.DEVNULL, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
