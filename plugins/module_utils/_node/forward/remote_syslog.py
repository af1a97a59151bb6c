# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bring the forwarding of a node into the wanted state: plan, validate, replace, restart, verify; undo on failure."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.pve.audit.plugins.module_utils._model.errors import AuditError, InputError
from ansible_collections.pve.audit.plugins.module_utils._node import managed_file
from ansible_collections.pve.audit.plugins.module_utils._node.command import Runner, find_program
from ansible_collections.pve.audit.plugins.module_utils._node.forward import certificate, rsyslog
from ansible_collections.pve.audit.plugins.module_utils._node.forward import config as forward_config
from ansible_collections.pve.audit.plugins.module_utils._node.forward.rsyslog_check import (
    RsyslogPaths,
    modules_of_others,
    read_others,
    refusals,
)
from ansible_collections.pve.audit.plugins.module_utils._node.managed_file import FileState, Wanted

SERVICE = "pve-audit-forward.service"
RSYSLOG = "rsyslog.service"
# In Debian's work directory of rsyslog.
JOURNAL_STATE = f"/var/spool/rsyslog/{rsyslog.STATE_PREFIX}_journal.state"


@dataclass(frozen=True)
class ForwardingPaths:
    """Everything this module may write."""

    forward: forward_config.ForwarderPaths = field(default_factory=forward_config.ForwarderPaths)
    unit: str = f"/etc/systemd/system/{SERVICE}"
    rsyslog: RsyslogPaths = field(default_factory=RsyslogPaths)
    journal_state: str = JOURNAL_STATE
    rsyslog_drop_in: str = "/etc/systemd/system/rsyslog.service.d/60-pve-audit.conf"

    @property
    def all(self) -> tuple[str, ...]:
        """Those that lie there, or do not."""
        return self.forward.config, self.unit, self.rsyslog_drop_in, self.rsyslog.path

    @property
    def units(self) -> set[str]:
        """Those that systemd reads."""
        return {self.unit, self.rsyslog_drop_in}


@dataclass(frozen=True)
class System:
    """The outside world, so that tests can have their own."""

    run: Runner
    paths: ForwardingPaths = field(default_factory=ForwardingPaths)
    sleep: Callable[[float], None] = time.sleep
    now: Callable[[], float] = time.time


@dataclass
class ForwardingPlan:
    """`files`: what should lie at each path, None for nothing. `service`: whether the forwarder should run."""

    files: dict[str, Wanted | None]
    service: bool
    warnings: list[str] = field(default_factory=list)
    changes: dict[str, FileState | None] = field(default_factory=dict)
    start: bool = False

    @property
    def changed(self) -> bool:
        """Whether there is anything to do."""
        return bool(self.changes) or self.start

    def diff(self) -> list[dict[str, str]]:
        """For Ansible. The files name keys by path and hold none."""
        shown = []
        for path, before in self.changes.items():
            wanted = self.files[path]
            old, new = (None if one is None else one.content for one in (before, wanted))
            shown.append(managed_file.show_diff(path, old, new))
        if self.start:
            shown.append({"header": SERVICE, "before": "stopped or not enabled\n", "after": "running and enabled\n"})
        return shown


def ensure(params: Mapping[str, Any], node: System, check_mode: bool, backup: Callable[[str], str]) -> dict[str, Any]:
    """The module's result, after doing what it says unless in check mode. Raises AuditError."""
    params = {**params, "node_name": params["node_name"] or socket.gethostname().partition(".")[0]}
    plan = make_plan(params, node, check_mode)
    backups = apply_plan(plan, params, node, backup) if plan.changed and not check_mode else []
    service = (SERVICE if plan.service else RSYSLOG) if params["state"] == "present" else None
    return {
        "changed": plan.changed,
        "diff": plan.diff(),
        "files": list(plan.changes),
        "backup_files": backups,
        "service": service,
        "forwarder": forwarder_status(node) if plan.service else None,
        "warnings": plan.warnings,
    }


def make_plan(params: Mapping[str, Any], node: System, check_mode: bool) -> ForwardingPlan:
    """Validate the options, render and compare. Changes nothing. Raises AuditError."""
    paths = node.paths
    files: dict[str, Wanted | None] = dict.fromkeys(paths.all)
    plan = ForwardingPlan(files, service=False)
    if params["state"] == "present":
        _check_options(params)
        _check_settings(params, node, plan, check_mode)
        ready = _check_present(params, node, plan, check_mode)
        if params["delivery"] == "acknowledged":
            _plan_forwarder(params, node, plan)
        else:
            _plan_rsyslog(params, node, plan, check_mode, ready)
    for path, wanted in plan.files.items():
        found = managed_file.read_state(path)
        if (found is not None) if wanted is None else bool(managed_file.differences(wanted, found)):
            plan.changes[path] = found
    if plan.service:
        plan.start = not (_says(node, "is-active") and _says(node, "is-enabled"))
    return plan


def _check_present(params: Mapping[str, Any], node: System, plan: ForwardingPlan, check_mode: bool) -> bool:
    """Whether the certificates are there; in check mode an earlier task may only have promised them."""
    if not params["tls"]:
        plan.warnings.append("tls is off: everybody on the way can read and forge the log lines")
        return True
    missing = [path for path in _certificates(params) if not os.path.exists(path)]
    if missing and check_mode:
        plan.warnings.append(f"{missing[0]} is not there yet, so that the certificates were not validated")
        return False
    certificate.check_certificates(params["ca_path"], params["cert_path"], params["key_path"])
    for path in (params["cert_path"], params["ca_path"]):
        warning = certificate.expiry_warning(path, node.now(), params["expiry_warning_days"])
        if warning:
            plan.warnings.append(warning)
    return True


def _check_options(params: Mapping[str, Any]) -> None:
    """What only the module can know: options that contradict each other. Raises InputError."""
    if params["protocol"] == "tcp" and params["delivery"] != "queued":
        raise InputError("protocol tcp has no acknowledgements: use delivery queued with it, or protocol relp")
    for option in ("ca_path", "cert_path", "key_path") if params["tls"] else ():
        if not params[option]:
            raise InputError(f"{option} is needed for TLS")


def _check_settings(params: Mapping[str, Any], node: System, plan: ForwardingPlan, check_mode: bool) -> None:
    """Let the forwarder itself read the candidate. Raises InputError with its words.

    rsyslog gets the same settings, and so the same check where the programs are there; rsyslogd reads its own later.
    """
    program = params["program"]
    if not os.path.isfile(program):
        if params["delivery"] == "acknowledged":
            if not check_mode:
                raise InputError(f"the forwarder is not installed, there is no {program}: run the role node_logging")
            plan.warnings.append(f"there is no {program} yet, so that the settings were not validated")
        return
    with tempfile.TemporaryDirectory(prefix="pve-audit-forward-") as directory:
        candidate = os.path.join(directory, "forward.json")
        with open(candidate, "w", encoding="utf-8") as stream:
            stream.write(forward_config.render_config(params, node.paths.forward))
        outcome = node.run(["/usr/bin/python3", "-I", "-B", program, "forward", "--check", "--config", candidate])
    if not outcome.ok:
        raise InputError(f"the forwarder refuses these settings: {outcome.stderr.strip() or outcome.code}")


def _certificates(params: Mapping[str, Any]) -> list[str]:
    return [params[name] for name in ("ca_path", "cert_path", "key_path")] if params["tls"] else []


def _plan_forwarder(params: Mapping[str, Any], node: System, plan: ForwardingPlan) -> None:
    paths, program = node.paths, params["program"]
    text = forward_config.render_config(params, paths.forward)
    digest = certificate.digest_of(program)[:32] if os.path.isfile(program) else "unknown"
    needed = [*_certificates(params), *(one["path"] for one in params["files"])]
    unit = forward_config.render_unit(program, paths.forward.config, digest, needed)
    plan.files[paths.forward.config] = Wanted(paths.forward.config, text.encode(), 0o600, "0", "0")
    plan.files[paths.unit] = Wanted(paths.unit, unit.encode(), 0o644, "0", "0")
    plan.service = True


def _plan_rsyslog(params: Mapping[str, Any], node: System, plan: ForwardingPlan, check_mode: bool, ready: bool) -> None:
    paths = node.paths.rsyslog
    if find_program("rsyslogd") is None and check_mode:
        plan.warnings.append("rsyslog is not installed yet, so that its configuration was not validated")
        others: dict[str, str] = {}
    else:
        others = read_others(paths)
    files = _certificates(params)
    digest = (certificate.digest_of(*files)[:32] if ready else "unknown") if files else ""
    text = rsyslog.render(params, modules_of_others(others), digest)
    if others and ready:
        refused = refusals(text, others, paths, node.run)
        if refused:
            raise InputError("rsyslogd refuses this configuration, nothing was changed: " + "; ".join(refused))
    plan.files[paths.path] = Wanted(paths.path, text.encode(), 0o644, "0", "0")
    drop_in = node.paths.rsyslog_drop_in
    plan.files[drop_in] = Wanted(drop_in, rsyslog.DROP_IN.encode(), 0o644, "0", "0")


def apply_plan(
    plan: ForwardingPlan, params: Mapping[str, Any], node: System, backup: Callable[[str], str]
) -> list[str]:
    """Do it, verify it, and undo it when the result does not run. Returns the backup files. Raises AuditError."""
    backups = []
    if params["backup"]:
        backups = [backup(path) for path, before in plan.changes.items() if before is not None]
    try:
        _replace(plan, params, node)
        _restart(plan, params, node)
    except (AuditError, OSError) as error:
        _undo(plan, node)
        raise InputError(f"{error}; the former configuration is in force again") from error
    if params["state"] == "absent":
        _clean_up(plan, params, node)
    return backups


def _replace(plan: ForwardingPlan, params: Mapping[str, Any], node: System) -> None:
    """Write new files first, then take old ones away: at no moment nobody forwards because of us."""
    for path in plan.changes:
        wanted = plan.files[path]
        if wanted is not None:
            os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
            managed_file.write_file(wanted)
    if params["state"] == "present" and params["delivery"] == "queued":
        os.makedirs(params["queue"]["directory"], mode=0o700, exist_ok=True)


def _restart(plan: ForwardingPlan, params: Mapping[str, Any], node: System) -> None:
    """Restart what changed, start the new way before the old one ends. Raises InputError when it does not run."""
    paths = node.paths
    seconds = params["verify_seconds"]
    written = {path for path in plan.changes if plan.files[path] is not None}
    if written & paths.units:
        _systemctl(node, "daemon-reload")
    if plan.service and plan.changed:
        _systemctl(node, "enable", SERVICE)
        if plan.start or {paths.unit, paths.forward.config} & set(plan.changes):
            _systemctl(node, "restart", SERVICE)
            _verify(node, SERVICE, seconds)
    if written & {paths.rsyslog.path, paths.rsyslog_drop_in}:
        _systemctl(node, "restart", RSYSLOG)
        _verify(node, RSYSLOG, seconds)
    _retire(plan, node)


def _retire(plan: ForwardingPlan, node: System) -> None:
    """Take away what is no longer wanted."""
    paths = node.paths
    gone = [path for path in plan.changes if plan.files[path] is None]
    if paths.unit in gone:
        _systemctl(node, "disable", "--now", SERVICE)
    for path in gone:
        managed_file.remove_file(path)
    if paths.units & set(gone):
        _systemctl(node, "daemon-reload")
    if {paths.rsyslog.path, paths.rsyslog_drop_in} & set(gone) and node.run(["systemctl", "is-active", RSYSLOG]).ok:
        _systemctl(node, "restart", RSYSLOG)


def _undo(plan: ForwardingPlan, node: System) -> None:
    """Put back what was there, and run it again; what fails here cannot be helped and must not hide the reason."""
    for path, before in plan.changes.items():
        with contextlib.suppress(OSError):
            managed_file.restore_file(path, before)
    node.run(["systemctl", "daemon-reload"])
    if node.paths.unit in plan.changes or node.paths.forward.config in plan.changes:
        if plan.changes.get(node.paths.unit, True) is None:
            node.run(["systemctl", "disable", "--now", SERVICE])
        else:
            node.run(["systemctl", "enable", "--now", SERVICE])
            node.run(["systemctl", "restart", SERVICE])
    if {node.paths.rsyslog.path, node.paths.rsyslog_drop_in} & set(plan.changes):
        node.run(["systemctl", "restart", RSYSLOG])


def _clean_up(plan: ForwardingPlan, params: Mapping[str, Any], node: System) -> None:
    """Positions of the forwarder go; a queue of rsyslog with unsent lines in it stays, with a warning."""
    shutil.rmtree(node.paths.forward.state_dir, ignore_errors=True)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(node.paths.journal_state)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(node.paths.forward.status_file)
    directory = params["queue"]["directory"]
    try:
        os.rmdir(directory)
    except FileNotFoundError:
        return
    except OSError:
        plan.warnings.append(f"{directory} still holds lines that were not sent; it was left as it is")


def _systemctl(node: System, *words: str) -> None:
    outcome = node.run(["systemctl", *words])
    if not outcome.ok:
        raise InputError(f"systemctl {' '.join(words)} failed: {outcome.stderr.strip() or outcome.code}")


def _says(node: System, question: str) -> bool:
    return node.run(["systemctl", question, SERVICE]).ok


def _verify(node: System, service: str, seconds: int) -> None:
    """It has to run now and still after `seconds`, without having been started again meanwhile."""
    first = _main_pid(node, service)
    for _second in range(seconds):
        node.sleep(1.0)
        if _main_pid(node, service) != first:
            break
    if first in ("", "0") or _main_pid(node, service) != first:
        words = node.run(["journalctl", "-u", service, "-n", "5", "-o", "cat", "--no-pager"]).stdout.strip()
        raise InputError(f"{service} does not stay up: {words}")


def _main_pid(node: System, service: str) -> str:
    return node.run(["systemctl", "show", "--property=MainPID", "--value", service]).stdout.strip()


def forwarder_status(node: System) -> dict[str, Any] | None:
    """What the running forwarder says of itself, or None."""
    try:
        with open(node.paths.forward.status_file, encoding="utf-8") as stream:
            found = json.load(stream)
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None
