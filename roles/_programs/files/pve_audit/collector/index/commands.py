# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands `index` and `find`: options to questions, answers to JSON and sentences."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import Any

from ansible_collections.pve.audit.plugins.module_utils._model.event import get_field
from ansible_collections.pve.audit.plugins.module_utils._parse.lines import client_ip
from pve_audit.collector.index.find import Answer, Found, name_of, scan, verify
from pve_audit.collector.index.find import find as answer_question
from pve_audit.collector.index.keep import keep
from pve_audit.collector.index.table import Question
from pve_audit.collector.settings import Settings
from pve_audit.settings_file import SettingsError

_ERROR, _WARNING = "<3>", "<4>"
Told = tuple[int, dict[str, Any], list[str]]


def index(settings: Settings, options: argparse.Namespace) -> Told:
    """Exit status 1 when a file cannot be read to its end."""
    kept = keep(settings, rebuild=options.rebuild)
    sentences = [f"{_ERROR}{one['file']} cannot be read to its end: {one['message']}" for one in kept.damaged]
    sentences += [f"{_WARNING}{name} was moved meanwhile: the next run reads it" for name in kept.behind]
    sentences.append(f"{kept.lines} new lines were read, {kept.files} files are in the index, {kept.gone} are gone")
    return (1 if kept.damaged else 0), asdict(kept), sentences


def find(settings: Settings, options: argparse.Namespace) -> Told:
    """Exit status 1 when not all was looked at, or a line is not what it was. Raises SettingsError, OSError."""
    question = question_of(options)
    answer = scan(settings, question) if options.scan else answer_question(settings, question)
    if options.verify:
        verify(answer)
    changed = [one for one in answer.found if one.verified is False]
    sentences = [_sentence(one) for one in answer.found]
    sentences += [f"{_ERROR}{text}" for text in answer.incomplete]
    sentences += [
        f"{_WARNING}{name}: {count} lines cannot be read, the first is line {first}: nobody knows what they say"
        for name, (count, first) in sorted(answer.unreadable.items())
    ]
    sentences.append(f"{len(answer.found)} events, {'NOT complete' if answer.incomplete else 'complete'}")
    return (1 if answer.incomplete or changed else 0), _data(answer), sentences


def question_of(options: argparse.Namespace) -> Question:
    """Raises SettingsError: one sentence on the option that cannot be used."""
    address = client_ip(options.address) if options.address else ""
    if address is None:
        raise SettingsError(f"--address: {options.address!r} is no IP address: give one such as 192.0.2.7")
    if options.user and "@" not in options.user:
        raise SettingsError(f"--user: {options.user!r} has no realm: write it as {options.user}@pve or @pam")
    times = (None if one is None else round(one * 1_000_000) for one in (options.since, options.until))
    return Question(options.vmid, options.user, options.object, address, *times)


def _data(answer: Answer) -> dict[str, Any]:
    events = [one.told() for one in answer.found]
    unreadable = [
        {"file": name, "lines": count, "first": first} for name, (count, first) in sorted(answer.unreadable.items())
    ]
    about = {"complete": not answer.incomplete, "incomplete": answer.incomplete, "unreadable": unreadable}
    return {"events": events, **about}


def _sentence(found: Found) -> str:
    event = found.event
    what = [get_field(event, path) for path in ("user.id", "event.action", "pve.object", "event.outcome")]
    known = " ".join(str(one) for one in what if one)
    address = f" from {ip}" if (ip := get_field(event, "source.ip")) else ""
    place = f"{name_of(found.file)}:{found.line.number}"
    changed = ", but that line is another one now" if found.verified is False else ""
    return f"{_ERROR if changed else ''}{event.get('@timestamp', '')} {known}{address} ({place}{changed})"
