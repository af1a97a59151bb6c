# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Try a candidate with the real rsyslogd, in a complete copy of the node's configuration."""

from __future__ import annotations

import os
import re
import tempfile
from dataclasses import dataclass

from ansible_collections.pve.audit.plugins.module_utils._model.errors import InputError
from ansible_collections.pve.audit.plugins.module_utils._node.command import Runner
from ansible_collections.pve.audit.plugins.module_utils._node.forward.rsyslog import loaded_modules, redirect_includes

_LAST_WORDS = re.compile(r"^rsyslogd: (?:version .*|End of config validation run.*)$")


@dataclass(frozen=True)
class RsyslogPaths:
    """Where rsyslog looks."""

    main: str = "/etc/rsyslog.conf"
    directory: str = "/etc/rsyslog.d"
    name: str = "60-pve-audit.conf"

    @property
    def path(self) -> str:
        """Our file."""
        return f"{self.directory}/{self.name}"


def read_others(paths: RsyslogPaths) -> dict[str, str]:
    """All files of the configuration but ours, by path. Raises InputError when rsyslog has no configuration."""
    files = [paths.main]
    if os.path.isdir(paths.directory):
        names = sorted(name for name in os.listdir(paths.directory) if name.endswith(".conf") and name != paths.name)
        files += [f"{paths.directory}/{name}" for name in names]
    found = {}
    for path in files:
        try:
            with open(path, encoding="utf-8", errors="surrogateescape") as stream:
                found[path] = stream.read()
        except OSError as error:
            raise InputError(f"{path} cannot be read ({error.strerror}): is rsyslog installed?") from error
    return found


def modules_of_others(others: dict[str, str]) -> set[str]:
    """What the rest of the configuration loads."""
    return {name for text in others.values() for name in loaded_modules(text)}


def refusals(candidate: str, others: dict[str, str], paths: RsyslogPaths, run: Runner) -> list[str]:
    """What `rsyslogd -N1` says about the configuration with the candidate and does not say about it without.

    Raises InputError when rsyslogd cannot be asked, or would never read the candidate.
    """
    good, after = _ask(candidate, others, paths, run)
    if good:
        return []
    was_good, before = _ask(None, others, paths, run)
    news = [line for line in after if line not in before]
    if news or not was_good:
        return news
    return ["rsyslogd refuses the configuration without a reason"]


def _ask(candidate: str | None, others: dict[str, str], paths: RsyslogPaths, run: Runner) -> tuple[bool, list[str]]:
    """Whether it is accepted, and the messages, with the real names of the files."""
    with tempfile.TemporaryDirectory(prefix="pve-audit-rsyslog-") as root:
        staged = os.path.join(root, "rsyslog.d")
        os.mkdir(staged)
        main, hits = redirect_includes(others[paths.main], paths.directory, staged)
        if not hits:
            raise InputError(f"{paths.main} does not include {paths.directory}: a file there would never be used")
        texts = {
            os.path.join(staged, os.path.basename(path)): text for path, text in others.items() if path != paths.main
        }
        texts[os.path.join(root, "rsyslog.conf")] = main
        if candidate is not None:
            texts[os.path.join(staged, paths.name)] = candidate
        for path, text in texts.items():
            with open(path, "w", encoding="utf-8", errors="surrogateescape") as stream:
                stream.write(text)
        outcome = run(["rsyslogd", "-N1", "-f", os.path.join(root, "rsyslog.conf")])
        if outcome.missing or outcome.timed_out:
            raise InputError(f"the configuration cannot be validated: {outcome.stderr}")
        text = (
            (outcome.stderr + outcome.stdout)
            .replace(staged, paths.directory)
            .replace(root, os.path.dirname(paths.main))
        )
    lines = [line.strip() for line in text.splitlines() if line.strip() and not _LAST_WORDS.match(line.strip())]
    return outcome.code == 0, [line.removeprefix("rsyslogd: ") for line in lines]
