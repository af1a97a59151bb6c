# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stages of `make test`: what each runs, in which virtual environment."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from tests.lab.hosts.machine import why_not
from tools.chromium import NoBrowser, find_chromium
from tools.environment import clean_env
from tools.export import export_collection
from tools.paths import BUILD, link_collection
from tools.pythons import find_pythons, running_python
from tools.runner import Job, NotTested, Stage
from tools.system import missing_programs
from tools.venvs import SetupError, Venv, make_venv

CONTROLLER = "requirements.txt"
NEWEST = "tests/requirements-newest.txt"
OLDEST = "tests/requirements-oldest.txt"
TEST = "tests/requirements-test.txt"
LINT = "tests/requirements-lint.txt"
BROWSER = "tests/requirements-browser.txt"
LAB = "tests/requirements-lab.txt"
MATRIX = ("oldest", "newest")
CODE = ("bench", "playbooks", "plugins", "roles", "tests", "tools")
PROGRAMS = (
    "auditd",
    "logrotate",
    "nftables",
    "openssh-server",
    "openssl",
    "rsyslog",
    "rsyslog-gnutls",
    "rsyslog-openssl",
    "rsyslog-relp",
    "sudo",
)


def environment(name: str) -> Venv:
    """The virtual environment `oldest`, `newest` or `lint`, made if it is not there.

    :raises SetupError: no Python can, or an installation failed.
    """
    pythons = find_pythons()
    if not pythons:
        running_python()
        raise SetupError("no usable Python between 3.11 and 3.14 found")
    if name == "oldest":
        return make_venv(name, pythons[0], [OLDEST, CONTROLLER, TEST])
    if name == "newest":
        return make_venv(name, pythons[-1], [NEWEST, CONTROLLER, TEST, BROWSER, LAB])
    return make_venv(name, pythons[-1], [NEWEST, CONTROLLER, TEST, LINT])


def stages_of(group: str) -> list[Stage]:
    """The stages of `lint`, `sanity`, `unit`, `e2e`, `browser`, `programs`, `lab`, `package`, `docs` or `format`."""
    return _GROUPS[group]()


def environments_of(groups: list[str]) -> list[str]:
    """The environments that the stages of these groups need."""
    needed = {name for group in groups for name in _ENVIRONMENTS[group]}
    return [name for name in ("lint", *MATRIX) if name in needed]


def _job(*command: str, env: str = "lint") -> Job:
    venv = environment(env)
    link_collection()
    return Job(venv.run(*command), clean_env(venv))


def _in_copy(name: str, *command: str) -> Job:
    """A command that is run in a clean copy of the collection."""
    job = _job(*command)
    copy = export_collection(name)
    env = job.env | {"ANSIBLE_COLLECTIONS_PATH": str(copy.parents[2])}
    return Job(["env", "-C", str(copy), *job.command], env)


def _lint() -> list[Stage]:
    commands: dict[str, Callable[[], Job]] = {
        "ruff": partial(_job, "ruff", "check", *CODE),
        "format": partial(_job, "ruff", "format", "--check", *CODE),
        "mypy": partial(_job, "mypy"),
        "yamllint": partial(_job, "yamllint", "--strict", "."),
        "ansible-lint": partial(_in_copy, "ansible-lint", "ansible-lint", "--strict", "--nocolor", "-q"),
        "changelog": partial(_job, "antsibull-changelog", "lint"),
        "plugin-docs": partial(_in_copy, "plugin-docs", "antsibull-docs", "lint-collection-docs", "--plugin-docs", "."),
    }
    return [Stage(f"lint-{name}", prepare) for name, prepare in commands.items()]


def _sanity_job(name: str) -> Job:
    # `tools` has no place in the environment's path: it is run from the root as a module.
    return _job("python", "-m", "tools.sanity", name, env=name)


def _pytest_job(suite: str, name: str, *arguments: str, **extra: str) -> Job:
    junit = BUILD / "junit" / f"{suite}-{name}.xml"
    venv = environment(name)
    link_collection()
    cache = f"cache_dir={BUILD / 'pytest' / f'{suite}-{name}'}"
    command = venv.run("python", "-m", "pytest", "-q", "-o", cache, f"--junitxml={junit}", f"tests/{suite}", *arguments)
    return Job(command, clean_env(venv, **extra), junit)


def _browser_job() -> Job:
    try:
        chromium = find_chromium()
    except NoBrowser as reason:
        raise NotTested(str(reason)) from reason
    return _pytest_job("browser", "newest", PVE_AUDIT_CHROMIUM=chromium)


def _unit_job(name: str) -> Job:
    missing_programs(PROGRAMS)  # what cannot be installed, the tests that need it say
    # In full on the oldest Python: what is missing there, plain Python code finds out there.
    return _pytest_job("unit", name, "--pure=full" if name == "oldest" else "--pure=tables")


def _programs_job(suite: str) -> Job:
    """Tests that run Debian's own rsyslogd and logrotate."""
    if problem := missing_programs(PROGRAMS):
        raise NotTested(problem)
    return _pytest_job(suite, "newest")


def _lab_job(*command: str) -> Job:
    """What boots hosts: only on Linux, as root, and where the kernel lets them have their own control groups."""
    if reason := why_not():
        raise NotTested(reason)
    return _job(*command, env="newest")


def _hosts_job() -> Job:
    if reason := why_not():
        raise NotTested(reason)
    return _pytest_job("hosts", "newest")


def _matrix(group: str, prepare: Callable[[str], Job], minutes: float) -> list[Stage]:
    return [Stage(f"{group}-{name}", partial(prepare, name), minutes) for name in MATRIX]


def _documentation() -> Job:
    target = BUILD / "docs"
    target.mkdir(parents=True, exist_ok=True)
    return _in_copy(
        "docs",
        "antsibull-docs",
        "collection",
        "--use-current",
        "--squash-hierarchy",
        "--output-format=simplified-rst",
        f"--dest-dir={target}",
        "pve.audit",
    )


def _package_job() -> Job:
    return _job("python", "-m", "tools.package", env="newest")


_GROUPS: dict[str, Callable[[], list[Stage]]] = {
    "lint": _lint,
    "sanity": lambda: _matrix("sanity", _sanity_job, 3),
    "unit": lambda: _matrix("unit", _unit_job, 4),
    "e2e": lambda: _matrix("e2e", partial(_pytest_job, "e2e"), 5),
    "browser": lambda: [Stage("browser", _browser_job)],
    "programs": lambda: [
        Stage(f"programs-{suite}", partial(_programs_job, suite), waits=True) for suite in ("collector", "forward")
    ],
    "lab": lambda: [
        Stage("lab-hosts", _hosts_job, 3, waits=True),
        Stage("lab", partial(_lab_job, "python", "-m", "tools.lab"), 7, waits=True),
    ],
    "package": lambda: [Stage("package", _package_job)],
    "docs": lambda: [Stage("docs", _documentation)],
    "format": lambda: [Stage("format", partial(_job, "ruff", "format", *CODE))],
}

_ENVIRONMENTS: dict[str, tuple[str, ...]] = {
    "lint": ("lint",),
    "sanity": MATRIX,
    "unit": MATRIX,
    "e2e": MATRIX,
    "browser": ("newest",),
    "lab": ("newest",),
    "package": ("newest",),
    "programs": ("newest",),
    "docs": ("lint",),
    "format": ("lint",),
}
