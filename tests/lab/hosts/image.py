# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One base file system for each Debian suite, kept in the cache under a hash of its recipe."""

from __future__ import annotations

import fcntl
import hashlib
import os
import platform
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from tests.lab.hosts.layout import ADMIN, SUITES, Lab
from tests.lab.hosts.mirror import apt_options, sources
from tests.lab.hosts.run import run

# What a node has before anybody hardens it.
PACKAGES = (
    "apt-utils ca-certificates chrony dbus e2fsprogs init iproute2 iputils-ping less libpam-systemd logrotate "
    "openssh-server procps python3 python3-apt sudo systemd systemd-sysv tzdata"
).split()
# What roles may install, from a repository inside the image: the hosts have no way out.
REPOSITORY = (
    "acl auditd gnutls-bin netcat-openbsd openssl python3-cryptography rsyslog rsyslog-gnutls rsyslog-openssl "
    "rsyslog-relp systemd-journal-remote xz-utils zstd"
).split()
HOOK = Path(__file__).parent / "image.sh"


def name(suite: str) -> str:
    """The name of a suite's image in the cache."""
    recipe = [suite, platform.machine(), *PACKAGES, *REPOSITORY, ADMIN, HOOK.read_text(encoding="utf-8")]
    return f"{suite}-{hashlib.sha256(chr(0).join(recipe).encode()).hexdigest()[:12]}"


def ensure(lab: Lab) -> dict[str, Path]:
    """The root directory of each suite's image, built where it is missing.

    :raises LabError: a build failed.
    """
    lab.cache.mkdir(parents=True, exist_ok=True, mode=0o700)
    with ThreadPoolExecutor(len(SUITES)) as pool:
        return dict(zip(SUITES, pool.map(lambda suite: _ensure_one(lab, suite), SUITES), strict=True))


def _ensure_one(lab: Lab, suite: str) -> Path:
    target = lab.cache / name(suite)
    with _locked(lab.cache / f"{suite}.lock"):
        if not target.exists():
            print(f"building the {suite} image, about a minute", flush=True)
            _build(suite, target)
    return target


def _build(suite: str, target: Path) -> None:
    work = target.with_name(f"{target.name}.part")
    if work.exists():
        shutil.rmtree(work)
    env = os.environ | {"LAB_ADMIN": ADMIN, "LAB_REPOSITORY": " ".join(REPOSITORY), "LC_ALL": "C.UTF-8"}
    run(
        "mmdebstrap",
        "--mode=root",
        "--variant=minbase",
        "--format=directory",
        # The hook leaves the lists of the image's own repository, which `apt` with `cache_valid_time` looks for.
        "--skip=cleanup/apt/lists",
        "--skip=output/dev",
        "--dpkgopt=force-unsafe-io",
        *(f"--aptopt={option}" for option in apt_options()),
        f"--include={','.join(PACKAGES)}",
        f"--customize-hook={HOOK}",
        suite,
        work,
        *sources(suite),
        env=env,
        log=target.with_name(f"{suite}.log"),
    )
    work.rename(target)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
