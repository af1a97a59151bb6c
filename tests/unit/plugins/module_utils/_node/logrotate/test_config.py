# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The grammar of logrotate: which paths a file rotates, which patterns meet, and the text of a policy."""

from __future__ import annotations

import fnmatch
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.pve.audit.plugins.module_utils._model.errors import InputError
from ansible_collections.pve.audit.plugins.module_utils._node.logrotate import config as logrotate

DATA = Path(__file__).parent / "data"

# Debian's and Proxmox VE's own files, as shipped: pattern, line of the pattern, two of the options.
SHIPPED: list[tuple[str, list[tuple[str, int]], dict[str, str]]] = [
    ("alternatives", [("/var/log/alternatives.log", 1)], {"frequency": "monthly", "rotate": "12"}),
    ("apt", [("/var/log/apt/term.log", 1), ("/var/log/apt/history.log", 9)], {"frequency": "monthly", "compress": ""}),
    ("btmp", [("/var/log/btmp", 2)], {"create": "0660 root utmp", "rotate": "1"}),
    ("dpkg", [("/var/log/dpkg.log", 1)], {"create": "644 root root"}),
    ("postgresql-common", [("/var/log/postgresql/*.log", 1)], {"copytruncate": "", "su": "root root"}),
    (
        "pve",
        [("/var/log/pveproxy/access.log", 1)],
        {"rotate": "7", "create": "640 www-data www-data", "frequency": "daily"},
    ),
    ("pve-firewall", [("/var/log/pve-firewall.log", 1)], {"create": "640 root adm", "delaycompress": ""}),
    (
        "rsyslog",
        [(f"/var/log/{name}", 1) for name in ("syslog", "mail.log", "kern.log", "auth.log", "user.log", "cron.log")],
        {"postrotate": "/usr/lib/rsyslog/rsyslog-rotate"},
    ),
    ("wtmp", [("/var/log/wtmp", 2)], {"minsize": "1M"}),
]

# Text, then (line, patterns) of each block.
ODD: list[tuple[str, list[tuple[int, tuple[str, ...]]]]] = [
    ('"/var/log/a b.log" /var/log/c.log {\n}', [(1, ("/var/log/a b.log", "/var/log/c.log"))]),
    ("'/var/log/a b.log' {\n}", [(1, ("/var/log/a b.log",))]),
    ("/a.log\n# a comment\n/b.log\n{\n daily\n}\n", [(1, ("/a.log", "/b.log"))]),
    ("/a.log {\n postrotate\n  kill }\n /b.log {\n endscript\n}\n/c.log {\n}", [(1, ("/a.log",)), (7, ("/c.log",))]),
    ("/a.log { missingok }\n/b.log {\n}", [(1, ("/a.log",)), (2, ("/b.log",))]),
    ("/a.log {\n daily", [(1, ("/a.log",))]),
    ("# /a.log {\n\n\n  /b.log {\n  }\n", [(4, ("/b.log",))]),
    ("~/a.log {\n}", [(1, ("~/a.log",))]),
    ("/a.log", []),
    ("}", []),
    ('"/a.log {\n}', [(1, ("/a.log",))]),
    ("/a.log {\n prerotate\n echo", [(1, ("/a.log",))]),
]

OVERLAPS: list[tuple[str, str, bool]] = [
    ("/var/log/pveproxy/access.log", "/var/log/pveproxy/access.log", True),
    ("/var/log//pveproxy/./access.log", "/var/log/pveproxy/access.log", True),
    ("/var/log/pveproxy/*.log", "/var/log/pveproxy/access.log", True),
    ("/var/log/*/access.log", "/var/log/pveproxy/*.log", True),
    ("/var/log/*.log", "/var/log/pveproxy/access.log", False),
    ("/var/log/*", "/var/log/pveproxy/access.log", False),
    ("/var/log/a*b", "/var/log/ac*", True),
    ("/var/log/a*b", "/var/log/b*", False),
    ("/var/log/a?c", "/var/log/abc", True),
    ("/var/log/a?c", "/var/log/ac", False),
    ("/var/log/[ab].log", "/var/log/b.log", True),
    ("/var/log/[!ab].log", "/var/log/b.log", False),
    ("/var/log/[^ab].log", "/var/log/c.log", True),
    ("/var/log/[ab].log", "/var/log/[bc].log", True),
    ("/var/log/*.log", "/var/log/*.txt", False),
    ("/var/log/\\*.log", "/var/log/a.log", False),
]

GOOD: dict[str, Any] = {"paths": ["/var/log/x.log"], "rotate": 7}
CREATE = {"mode": "0640", "owner": "root", "group": "adm"}
# Change to GOOD, and a word of the message.
REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"paths": []}, "at least one"),
    ({"paths": ["x.log"]}, "absolute"),
    ({"paths": ["/x.log {\n}\n/etc/shadow"]}, "absolute"),
    ({"paths": ['/x" .log']}, "quotes"),
    ({"rotate": -2}, "rotate"),
    ({"maxage": 0}, "maxage"),
    ({"size": "ten"}, "size"),
    ({"maxsize": "1T"}, "maxsize"),
    ({"size": "1M", "frequency": "daily"}, "exclude"),
    ({"dateformat": "-%Y\ncompress"}, "dateformat"),
    ({"compresscmd": "/bin/sh -c x"}, "compresscmd"),
    ({"create": {**CREATE, "mode": "rw"}}, "create.mode"),
    ({"create": {**CREATE, "owner": "root\nsu root"}}, "create.owner"),
    ({"su": {"user": "a b", "group": "root"}}, "su.user"),
    ({"olddir": "/a\n/b"}, "olddir"),
    ({"postrotate": ["true", " endscript", "}"]}, "endscript"),
    ({"prerotate": ["true\nendscript"]}, "one line"),
]

TABOO_NAMES = [
    ("pve", False),
    ("pve.dpkg-old", True),
    ("pve.dpkg-tmp", True),
    (".pve.dpkg-tmp", False),  # FNM_PERIOD: read by logrotate!
    ("pve.pve-audit-disabled", False),
    ("pve.pve-audit.disabled", True),
    ("pve~", True),
]


@pytest.mark.parametrize(("name", "patterns", "options"), SHIPPED, ids=[row[0] for row in SHIPPED])
def test_shipped_file_is_read(name: str, patterns: list[tuple[str, int]], options: dict[str, str]) -> None:
    parsed = logrotate.parse_config((DATA / "logrotate.d" / name).read_text())
    blocks = [item for item in parsed.items if isinstance(item, logrotate.Block)]
    assert [(pattern, block.line) for block in blocks for pattern in block.patterns] == patterns
    assert {key: blocks[-1].options.get(key) for key in options} == options


@pytest.mark.parametrize(("text", "blocks"), ODD)
def test_odd_grammar(text: str, blocks: list[tuple[int, tuple[str, ...]]]) -> None:
    parsed = logrotate.parse_config(text)
    assert [(item.line, item.patterns) for item in parsed.items if isinstance(item, logrotate.Block)] == blocks


def test_global_directives() -> None:
    parsed = logrotate.parse_config(
        "weekly\ntabooext + .x, .y\ntaboopat a*\ninclude /d\nnocompress\n/a {\n rotate=3\n}\n"
    )
    assert parsed.items == [
        logrotate.Taboo(("*.x", "*.y"), True),
        logrotate.Taboo(("a*",), False),
        logrotate.Include("/d"),
        logrotate.Block(6, ("/a",), {"frequency": "weekly", "rotate": "3"}),
    ]


@pytest.mark.parametrize(("left", "right", "overlap"), OVERLAPS)
def test_overlap(left: str, right: str, overlap: bool) -> None:
    assert logrotate.patterns_overlap(left, right) is overlap
    assert logrotate.patterns_overlap(right, left) is overlap


@given(st.text("ab*?", max_size=6), st.text("ab*?", max_size=6), st.text("ab", max_size=5))
def test_two_patterns_that_match_one_name_overlap(left: str, right: str, name: str) -> None:
    if fnmatch.fnmatchcase(name, left) and fnmatch.fnmatchcase(name, right):
        assert logrotate.patterns_overlap(f"/x{left}", f"/x{right}")


@given(st.text("ab*?", max_size=5), st.text("ab", max_size=6))
def test_overlap_with_a_name_is_a_match(pattern: str, name: str) -> None:
    assert logrotate.patterns_overlap(f"/x{pattern}", f"/x{name}") is fnmatch.fnmatchcase(name, pattern)


@given(st.text())
def test_any_text_is_read_without_a_crash(text: str) -> None:
    logrotate.parse_config(text)


@pytest.mark.parametrize(("change", "word"), REFUSED)
def test_policy_refused(change: dict[str, Any], word: str) -> None:
    with pytest.raises(InputError, match=word):
        logrotate.render_policy("x", {**GOOD, **change})


@pytest.mark.parametrize("name", ["", "../x", "a.b", "-x", "a b", "a\n", "x" * 65])
def test_name_refused(name: str) -> None:
    with pytest.raises(InputError, match="name"):
        logrotate.render_policy(name, GOOD)


def test_policy_text_is_read_back() -> None:
    policy = {
        "paths": ["/var/log/a b.log", "/var/log/c/*.log"],
        "rotate": -1,
        "maxage": 365,
        "maxsize": "10M",
        "frequency": "weekly",
        "dateext": True,
        "dateformat": "-%Y%m%d",
        "compress": True,
        "delaycompress": True,
        "create": CREATE,
        "su": {"user": "root", "group": "adm"},
        "missingok": True,
        "notifempty": True,
        "sharedscripts": True,
        "postrotate": ["/bin/true", "if true; then :; fi"],
    }
    parsed = logrotate.parse_config(logrotate.render_policy("x", policy), {"compress": "", "olddir": "/old"})
    (block,) = [item for item in parsed.items if isinstance(item, logrotate.Block)]
    assert block.patterns == ("/var/log/a b.log", "/var/log/c/*.log")
    assert block.options == {
        "frequency": "weekly",
        "rotate": "-1",
        "maxage": "365",
        "maxsize": "10M",
        "missingok": "",
        "notifempty": "",
        "dateext": "",
        "dateformat": "-%Y%m%d",
        "compress": "",
        "delaycompress": "",
        "create": "0640 root adm",
        "su": "root adm",
        "sharedscripts": "",
        "postrotate": "/bin/true\nif true; then :; fi",
    }


@pytest.mark.parametrize(("name", "taboo"), TABOO_NAMES)
def test_taboo_names(name: str, taboo: bool) -> None:
    assert logrotate.is_taboo(name, logrotate.TABOO) is taboo
