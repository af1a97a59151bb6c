# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands of the collector. Each prints JSON with --json, and sentences without."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import syslog
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import Any

from pve_audit.collector import check, close, disk, gaps, handshakes, questions, refused, retain, room, silence, writer
from pve_audit.collector.clocks import node_clocks
from pve_audit.collector.manifest import ManifestError
from pve_audit.collector.settings import DEFAULT_PATH, Settings, load
from pve_audit.collector.when import parse_moment
from pve_audit.files import exclusive_lock
from pve_audit.settings_file import SettingsError
from pve_audit.wire import format_seconds

Command = Callable[[Settings, argparse.Namespace], tuple[int, dict[str, Any], list[str]]]
# Prefixes by which systemd gives a line its priority in the journal (sd-daemon(3)).
_MOST_ADDRESSES = 20
CRITICAL, ERROR, WARNING = "<2>", "<3>", "<4>"


def main(arguments: list[str]) -> int:
    """Exit status: 0 all is well, 1 something is to be looked at, 2 it could not be looked at, 3 critical."""
    options = _parser().parse_args(arguments)
    try:
        settings = load(options.config)
        if options.command == "write":
            return writer.serve(settings)
        status, data, sentences = _COMMANDS[options.command](settings, options)
    except SettingsError as error:
        print(error, file=sys.stderr)
        if options.command == "write":
            syslog.syslog(syslog.LOG_CRIT, f"pve-audit-collector: {error}")
        return 2
    except (ManifestError, retain.RetainError, OSError) as error:
        print(f"{ERROR if options.journal else ''}{error}", file=sys.stderr)
        return 2 if isinstance(error, OSError) else 1
    _print(options, data, sentences)
    return status


@contextlib.contextmanager
def _one_at_a_time(settings: Settings) -> Iterator[None]:
    """Wait until no other command changes the archive."""
    state = Path(settings.state)
    state.mkdir(mode=0o750, parents=True, exist_ok=True)
    with exclusive_lock(state / "lock"):
        yield


def _print(options: argparse.Namespace, data: dict[str, Any], sentences: Iterable[str]) -> None:
    if options.json:
        print(json.dumps(data, indent=2, sort_keys=True))
        return
    for sentence in sentences:
        plain = sentence[3:] if sentence[:1] == "<" and not options.journal else sentence
        print("".join(one if one.isprintable() else f"\\x{ord(one):02x}" for one in plain))


def _protect(settings: Settings, _options: argparse.Namespace) -> tuple[int, dict[str, Any], list[str]]:
    with _one_at_a_time(settings):
        results = close.protect(settings)
    lacking = [one for one in results if one["attribute"] != one["wanted"]]
    kinds = sorted({one["attribute"] for one in lacking})
    sentences = (
        [f"{WARNING}{len(lacking)} files are not protected by attributes: {', '.join(kinds)}"] if lacking else []
    )
    bad = any(one["attribute"] != "unsupported" for one in lacking)
    return (1 if bad else 0), {"files": results}, sentences or [f"all {len(results)} files are protected"]


def _close_day(settings: Settings, _options: argparse.Namespace) -> tuple[int, dict[str, Any], list[str]]:
    with _one_at_a_time(settings), room.released(settings):
        results = close.close_days(settings, time.time(), close.open_for_writing)
    bad = [one for one in results if one["result"] != "closed"]
    sentences = [f"{one['file']}: closed, {one['lines']} lines" for one in results if one["result"] == "closed"]
    sentences += [f"{ERROR}{one['file']}: {one['message']}" for one in bad]
    soft = [one["file"] for one in results if one.get("immutable") is False]
    sentences += (
        [f"{WARNING}{len(soft)} closed files are not immutable: the file system or a privilege lacks"] if soft else []
    )
    return (1 if bad else 0), {"files": results}, sentences or ["there is nothing to close"]


def _verify(settings: Settings, options: argparse.Namespace) -> tuple[int, dict[str, Any], list[str]]:
    with _one_at_a_time(settings):
        result = check.verify(settings, time.time(), options.quick)
    sentences = [f"{ERROR}{one['file']}: {one['message']}" for one in result["problems"]]
    sentences += [f"{WARNING}{one['file']}: {one['message']}" for one in result["notes"]]
    counts = f"{result['files']} closed files, {result['lines']} lines, {result['entries']} entries"
    sentences.append(f"{counts}, the last one's hash is {result['head'] or 'none'}")
    return (0 if result["ok"] else 1), result, sentences


def _retain(settings: Settings, options: argparse.Namespace) -> tuple[int, dict[str, Any], list[str]]:
    now = time.time()
    with _one_at_a_time(settings), room.released(settings):
        clocks = node_clocks(Path(settings.archive), now)
        found = retain.retain(settings, now, clocks, options.days, options.dry_run)
    word = "would be deleted" if options.dry_run else "deleted"
    sentences = [f"{one['file']} of {one['day']}: {word}" for one in found.files]
    if found.waiting:
        most = f"one run deletes at most {settings.retention_days_per_run} days"
        sentences.append(f"{WARNING}{len(found.waiting)} more days are older than the policy: {most}")
    return 0, asdict(found), sentences or ["nothing is older than the policy"]


def _disk(settings: Settings, _options: argparse.Namespace) -> tuple[int, dict[str, Any], list[str]]:
    with _one_at_a_time(settings):
        result = disk.disk(settings, time.time())
    prefix = {"ok": "", "warn": WARNING, "critical": CRITICAL}[result["state"]]
    left = "" if result["days_left"] is None else f", about {result['days_left']} days at the present rate"
    free = f"{result['bytes_free'] // (1 << 20)} MiB free"
    used = f"{result['percent_used']} % used ({result['percent_inodes_used']} % of the inodes)"
    sentences = [f"{prefix}{settings.archive} is {result['state']}: {used}, {free}{left}"]
    sentences += [
        f"{CRITICAL}{one['node']}: its quota of {one['quota'] >> 20} MiB for {one['day']} is used up,"
        f" {one['lines']} lines of {one['source']} were not kept"
        for one in result["unkept"]
    ]
    if not result["reserve"]:
        sentences.append(f"{CRITICAL}the room for closing and retention is not kept: lines wait with their nodes")
    return {"ok": 0, "warn": 1, "critical": 3}[result["state"]], result, sentences


def _gaps(settings: Settings, options: argparse.Namespace) -> tuple[int, dict[str, Any], list[str]]:
    since = options.since
    if options.days is not None:
        since = (datetime.now(UTC).date() - timedelta(days=options.days)).isoformat()
    archive = Path(options.archive or settings.archive)
    result = gaps.find_gaps(settings, archive, set(options.node), since, options.until)
    sentences = [f"{ERROR}{one['node']} {one['source']}: {one['message']}" for one in result["findings"]]
    if result["findings_count"] > len(result["findings"]):
        sentences.append(f"{ERROR}and {result['findings_count'] - len(result['findings'])} more findings")
    sentences += [] if options.journal else _spans(result)
    level, verdict = ("", "complete") if result["complete"] else (ERROR, "NOT complete")
    sentences.append(f"{level}{result['lines']} lines, {result['unreadable']} unreadable: {verdict}")
    return (0 if result["complete"] else 1), result, sentences


def _spans(result: dict[str, Any]) -> list[str]:
    """For a person: what each journal has, and the files of each source together."""
    sentences = []
    for one in result["journals"]:
        kind = "missing" if not one["filtered"] else "not sent by choice"
        span = f"entries {one['first']:x} to {one['last']:x}, {one['duplicates']} twice, {one['missing_count']} {kind}"
        sentences.append(f"{one['node']} {one['source']} {one['journal']}: {span}")
    for (node, source), rows in groupby(result["files"], key=lambda one: (one["node"], one["source"])):
        files = list(rows)
        lines, twice, lost = (sum(one[name] for one in files) for name in ("lines", "duplicates", "missing_bytes"))
        sentences.append(f"{node} {source}: {len(files)} files, {lines} lines, {twice} twice, {lost} bytes missing")
    return sentences


def _refused(settings: Settings, options: argparse.Namespace) -> tuple[int, dict[str, Any], list[str]]:
    since = format_seconds(options.since)
    pairs = (("", line.decode("utf-8", "replace").rstrip()) for line in sys.stdin.buffer) if options.stdin else None
    found = refused.refusals(pairs or refused.journal_messages(settings.unit, options.since))
    rejected, damaged = refused.rejected_lines(Path(settings.rejected), since)
    result = {**refused.summary(found, rejected, settings.ports), "damaged": damaged}
    sentences = [f"{WARNING}{_connections(one)}: {one['reason']}" for one in result["refused"]]
    sentences += [
        f"{WARNING}{one['lines']} lines of the peer {one['peer'] or '?'} at {one['address']}: {one['reason']}"
        for one in rejected
    ]
    sentences += [f"{ERROR}{text}" for text in damaged]
    return (1 if sentences else 0), result, sentences or ["nobody was refused"]


def _connections(one: dict[str, Any]) -> str:
    names = f" showing a certificate of {', '.join(one['names'])}" if one["names"] else ""
    where = f" port {one['port']}" if one["port"] else ""
    return f"{one['count']} connections ({one['protocol']}{where}) from {one['address'] or 'several'}{names}"


def _silence(settings: Settings, options: argparse.Namespace) -> tuple[int, dict[str, Any], list[str]]:
    result = silence.silence(settings, time.time(), options.accept)
    sentences = [f"{ERROR}{one['node']}: {one['message']}" for one in result["findings"]]
    if not options.journal:
        for one in result["rows"]:
            source = f"{one['node']} {one['source']}".strip()
            when = f"last line {one['received']}, {one['age_seconds']} s ago" if one["received"] else "no line"
            sentences.append(f"{source}: {when}: {one['verdict']}")
    return (0 if result["ok"] else 1), result, sentences or ["no node is silent"]


def _handshakes(settings: Settings, options: argparse.Namespace) -> tuple[int, dict[str, Any], list[str]]:
    closed = handshakes.close_idle(settings.ports, options.seconds)
    counts = Counter(one.address for one in closed)
    sentences = [
        f"{WARNING}{count} connections from {address} were closed: no hello within {options.seconds:g} s"
        for address, count in counts.most_common(_MOST_ADDRESSES)
    ]
    if len(counts) > _MOST_ADDRESSES:
        sentences.append(f"{WARNING}and those from {len(counts) - _MOST_ADDRESSES} more addresses")
    return 0, {"closed": [asdict(one) for one in closed]}, sentences or ["no connection was idle before its hello"]


_COMMANDS: dict[str, Command] = {
    "protect": _protect,
    "close-day": _close_day,
    "verify": _verify,
    "retain": _retain,
    "disk": _disk,
    "gaps": _gaps,
    "holes": _gaps,  # its former name
    "refused": _refused,
    "handshakes": _handshakes,
    "silence": _silence,
    "index": questions.index,
    "find": questions.find,
}


def _shared(config: str, flag: bool | str) -> argparse.ArgumentParser:
    """Options that stand before or after the command. A parser of its own for each place: argparse shares defaults."""
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--config", default=config, metavar="FILE")
    shared.add_argument("--json", action="store_true", default=flag)
    shared.add_argument("--journal", action="store_true", default=flag, help="begin lines with their priority")
    return shared


def _date(text: str) -> str:
    """A day as YYYY-MM-DD, or nothing."""
    try:
        return date.fromisoformat(text).isoformat() if text else ""
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no date (YYYY-MM-DD)") from error


def _moment(text: str) -> float:
    try:
        return parse_moment(text, time.time())
    except (ValueError, OverflowError) as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no moment such as -1h or 2026-11-23") from error


def _parser() -> argparse.ArgumentParser:
    before = _shared(DEFAULT_PATH, False)
    after = _shared(argparse.SUPPRESS, argparse.SUPPRESS)
    parser = argparse.ArgumentParser(prog="pve-audit-archive", description=__doc__, parents=[before])
    commands = parser.add_subparsers(dest="command", required=True)

    def command(name: str, text: str, *aliases: str) -> argparse.ArgumentParser:
        return commands.add_parser(name, help=text, description=text, parents=[after], aliases=aliases)

    command("write", "take lines from rsyslog (omprog)")
    command("protect", "make open files append-only and closed ones immutable")
    command("close-day", "compress past days and enter them in the manifest")
    verify = command("verify", "check the manifest and all files in it")
    verify.add_argument("--quick", action="store_true", help="do not read the files")
    keep = command("retain", "delete what is older than the policy")
    keep.add_argument("--days", type=int, help="another number of days, not less than the minimum of the policy")
    keep.add_argument("--dry-run", action="store_true")
    command("disk", "how full the file system is: exit 1 warns, 3 is critical")
    missing = command("gaps", "which lines never came", "holes")
    missing.add_argument("--archive", help="another directory than that of the settings")
    missing.add_argument("--node", action="append", default=[])
    period = missing.add_mutually_exclusive_group()
    period.add_argument("--since", default="", metavar="DATE", type=_date)
    period.add_argument("--days", type=int, help="so many past days, and today")
    missing.add_argument("--until", default="", metavar="DATE", type=_date)
    quiet = command("silence", "which node has fallen silent, began anew or is behind")
    quiet.add_argument(
        "--accept", action="append", default=[], metavar="NODE", help="a forwarder that began anew is known from now on"
    )
    idle = command("handshakes", "close connections that do not come to their certificate")
    idle.add_argument("--seconds", type=float, default=20.0, help="how long a connection may say nothing")
    tried = command("refused", "who was not let in")
    tried.add_argument(
        "--since", default="-7d", type=_moment, help="for instance --since=-1h, or a date with or without a time"
    )
    tried.add_argument("--stdin", action="store_true", help="read rsyslogd's messages from the standard input")
    keeping = command("index", "keep the index of what changed something, which makes answers quick")
    asking = command("find", "who changed a guest, what an account did: the events, each with the place of its line")
    questions.add_options(keeping, asking, _moment)
    return parser
