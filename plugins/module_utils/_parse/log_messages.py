# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the loggers say about themselves: messages that were lost, journals that are damaged, stops and starts.

An answer from a log that lost messages is not complete, however many lines it has. Sources: systemd, its
journald-manager.c (formerly journald-server.c), journald-kmsg.c, journald-syslog.c, journald-file.c and
journal-vacuum.c; rsyslog, ratelimit.c, imuxsock.c and rsyslogd.c; Linux, kernel/audit.c; audit, auditd-event.c.
"""

from __future__ import annotations

import re

from ansible_collections.pve.audit.plugins.module_utils._parse.facts import (
    ACTION_DAMAGED,
    ACTION_LOST,
    ACTION_REMOVED,
    ACTION_STARTED,
    ACTION_STOPPED,
    LINUX_LOG,
    Facts,
    clean,
    pattern,
)

# `lost` is how many messages, `what` is whose, or which file; with `syslog` only the copy for syslog lacks them.
_Rows = tuple[tuple[str, re.Pattern[str]], ...]
_LOGGERS: _Rows = tuple(
    (action, pattern(text))
    for action, text in (
        (ACTION_LOST, r"Suppressed (?P<lost>\d+) messages from (?P<what>.*)"),
        (ACTION_LOST, r"Missed (?P<lost>\d+) (?P<what>kernel) messages\.?"),
        (ACTION_LOST, r"Forwarding to (?P<what>\w+) missed(?P<syslog>) (?P<lost>\d+) messages\.?"),
        (ACTION_LOST, r"/dev/(?P<what>kmsg) buffer overrun, some messages lost\.?"),
        (ACTION_LOST, r"Failed to (?:write|append|forward|store) .*(?:ignoring|dropping|discarding).*"),
        (ACTION_LOST, r"Suppressing rotation, as we already rotated .* Giving up\.?.*"),
        (ACTION_LOST, r"Dropp(?:ed|ing) .*(?:message|entr).*"),
        (ACTION_LOST, r"(?P<what>\S+?): (?P<lost>\d+) messages? lost due to rate-limiting(?P<syslog>).*"),
        (
            ACTION_LOST,
            r"(?P<what>[^\s:\[]+)(?:\[[^\]]*\])?:?(?: from <.*>)?:? "
            r"begins? to drop messages (?:from pid \d+ )?due to rate-limiting(?P<syslog>).*",
        ),
        (ACTION_LOST, r"(?P<what>[^\s:]+) lost (?P<lost>\d+) messages from pid \d+ due to rate-limiting(?P<syslog>).*"),
        (
            ACTION_LOST,
            r"action (?P<what>'[^']*') \(module '[^']*'\) message lost, could not be processed(?P<syslog>).*",
        ),
        (ACTION_LOST, r"file (?P<what>'[^']*')(?:\[-?\d+\])? write error(?P<syslog>).*"),
        (ACTION_LOST, r"Audit daemon (?:is suspending logging|has no space left).*"),
        (ACTION_DAMAGED, r"File (?P<what>\S+) corrupted or uncleanly shut down, renaming and replacing\.?"),
        (ACTION_DAMAGED, r"(?P<what>\S+): .*(?:corrupted|IO error|Unclean shutdown|has been deleted), rotating\.?.*"),
        (ACTION_DAMAGED, r"Failed to (?:open|create|rotate|truncate|flush) .*[Jj]ournal.*"),
        (ACTION_DAMAGED, r"Journal file (?P<what>\S+) (?:is )?(?:corrupted|truncated).*"),
        (ACTION_REMOVED, r"Vacuuming done, freed (?!0B )\S+ of archived journals from (?P<what>\S+?)\.?"),
        (ACTION_REMOVED, r"Deleted (?:archived|empty archived|active) journal (?P<what>\S+)(?: \(.*\))?\.?"),
        (ACTION_STOPPED, r"Journal stopped"),
        (ACTION_STARTED, r"Journal started"),
        (ACTION_STOPPED, r"(?:\[origin .*\] )?exiting on signal \d+\.?.*"),
        (ACTION_STARTED, r"\[origin .*\] start"),
    )
)
_KERNEL: _Rows = tuple(
    (ACTION_LOST, pattern(text))
    for text in (
        r"(?P<what>audit): audit_lost=(?P<lost>\d+) .*",
        r"(?P<what>audit): (?:backlog limit exceeded|kauditd hold queue overflow|rate limit exceeded)",
        r"systemd-journald\[\d+\]: /dev/(?P<what>kmsg) buffer overrun, some messages lost\.?",
    )
)
_UNIT = r"(?P<what>(?:systemd-journald|rsyslog|syslog-ng|auditd|systemd-journal-upload|pve-audit-[\w.-]+?)\."
_UNIT += r"(?:service|socket|timer|path))(?: - .*)?\.?"
_UNITS: _Rows = (
    (ACTION_STOPPED, pattern(f"Stopped {_UNIT}")),
    (ACTION_STARTED, pattern(f"Started {_UNIT}")),
)


def read_logger(message: str) -> Facts | None:
    """What journald, rsyslogd, auditd say about the messages that they keep."""
    return _read(_LOGGERS, message)


def read_kernel(message: str) -> Facts | None:
    """Audit records and messages that the kernel could not hand over."""
    return _read(_KERNEL, message) if "audit" in message or "kmsg" in message else None


def read_systemd(message: str) -> Facts | None:
    """The services that log, or hand logs on, and were stopped or started."""
    return _read(_UNITS, message) if message.startswith(("Stopped ", "Started ")) else None


def _read(rows: _Rows, message: str) -> Facts | None:
    text = clean(message)
    for action, known in rows:
        if match := known.fullmatch(text):
            return _facts(action, text, match.groupdict())
    return None


def _facts(action: str, text: str, parts: dict[str, str | None]) -> Facts:
    failed = action in (ACTION_LOST, ACTION_DAMAGED)
    facts = Facts(LINUX_LOG, action, "failure" if failed else "success", error=text if failed else None)
    lost = parts.get("lost")
    if lost and len(lost) <= 18:
        facts.extra["lost"] = int(lost)
    if failed:
        facts.extra["log"] = "audit" if "audit" in text.lower() else "syslog" if "syslog" in parts else "journal"
    if what := parts.get("what"):
        facts.extra["object"] = what
    return facts
