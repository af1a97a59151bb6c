# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role audit_report: options, words, and templates with the worst of input, by the real ansible-playbook."""

from __future__ import annotations

import csv
import html
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.pve.audit.plugins.module_utils._classify.action import ACTIONS
from ansible_collections.pve.audit.plugins.module_utils._identity.rules.findings import RULES as IDENTITY_RULES
from ansible_collections.pve.audit.plugins.module_utils._model.coverage import (
    REASON_CODES,
    SOURCES_OF_EVIDENCE,
    UNEXPLAINED,
)
from ansible_collections.pve.audit.plugins.module_utils._model.event import field_getter
from ansible_collections.pve.audit.plugins.module_utils._model.severity import FINDING_SEVERITIES
from ansible_collections.pve.audit.plugins.plugin_utils._report.coverage import (
    NO_COVERAGE,
    NOT_LOOKED_AT,
    PART_OF_PERIOD,
)
from tests.report_sample import HOSTILE, build, render

ROOT = Path(__file__).resolve().parents[3]
ROLE = ROOT / "roles" / "audit_report"
VERDICTS = {"findings", "no_findings", "no_events", "blind"}


def load(name: str) -> Any:
    """A YAML file of the role."""
    return yaml.safe_load((ROLE / name).read_text(encoding="utf-8"))


def words(language: str) -> dict[str, Any]:
    """The words of one language."""
    text: dict[str, Any] = load(f"vars/lang_{language}.yml")["pve_audit_report_text"]
    return text


# What English takes from the tables of the code.
FROM_TABLES = (".rules", ".remedies", ".identity_rules", ".sources")


def keys(value: Any, path: str = "") -> set[str]:
    """All paths of a nested mapping, except those below FROM_TABLES."""
    if not isinstance(value, dict) or path in FROM_TABLES:
        return {path}
    return {deeper for key, item in value.items() for deeper in keys(item, f"{path}.{key}")}


def test_both_languages_have_the_same_words() -> None:
    english, german = words("en"), words("de")
    assert keys(english) == keys(german)
    for path, text in english.items():
        if isinstance(text, str):
            assert sorted(re.findall(r"%\((\w+)\)s", text)) == sorted(re.findall(r"%\((\w+)\)s", german[path])), path


@pytest.mark.parametrize("language", ["en", "de"])
def test_every_code_has_a_word(language: str) -> None:
    text = words(language)
    assert {name: set(source) for name, source in text["sources"].items()} == dict.fromkeys(
        SOURCES_OF_EVIDENCE, {"name"} if language == "en" else {"name", "shows", "look"}
    )
    assert set(text["verdicts"]) == VERDICTS
    assert set(text["reasons"]) == {
        *REASON_CODES,
        UNEXPLAINED["code"],
        NO_COVERAGE["code"],
        NOT_LOOKED_AT,
        PART_OF_PERIOD,
    }
    assert tuple(text["severities"]) == FINDING_SEVERITIES
    assert {"ok", "warning", "error", "unknown", "running", "success", "failure"} == set(text["states"])
    assert set(text["event_names"]) == {*ACTIONS, "other"}


def test_german_knows_every_shipped_rule() -> None:
    shipped = {"spot-check-denied", "spot-check-overdue", "spot-check-answer-changed"}
    assert set(words("de")["rules"]) == set(words("de")["remedies"]) == shipped
    assert set(words("de")["identity_rules"]) == {rule.id for rule in IDENTITY_RULES}


TABLES: dict[str, Any] = load("vars/tables.yml")["pve_audit_report_tables"]
KINDS = {kind: set(re.findall(r"{% macro (\w+)", (ROLE / f"templates/{kind}/cells.j2").read_text(encoding="utf-8")))
         for kind in ("html", "md")}  # fmt: skip


@pytest.mark.parametrize("name", TABLES)
def test_a_table_is_whole(name: str) -> None:
    table = TABLES[name]
    listed = {kind: table.get(kind, []) for kind in ("html", "md", "csv")}
    assert {column for columns in listed.values() for column in columns} == set(table["columns"])
    assert set(table.get("sortable", [])) <= set(listed["html"])
    for kind, macros in KINDS.items():
        assert {table["columns"][column]["show"] for column in listed[kind]} <= macros
    for language in ("en", "de"):
        text = words(language)
        for column in {*listed["html"], *listed["md"]}:
            heading = table["columns"][column]["heading"]
            assert heading[language] if isinstance(heading, dict) else field_getter(heading)(text)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report of the sample, in English, with more rows than the HTML may list."""
    folder = tmp_path_factory.mktemp("report")
    done = render(
        folder,
        build(),
        pve_audit_report_html_max_rows=50,
        pve_audit_report_log_limit=5,
    )
    assert done.returncode == 0, done.stdout
    assert "Traceback" not in done.stdout
    return folder / "pve-audit-report"


def test_files_are_for_the_owner_and_the_group(report: Path) -> None:
    names = sorted(path.name for path in report.parent.glob("pve-audit-report*"))
    assert names == [
        f"pve-audit-report{end}"
        for end in ("-coverage.csv", "-critical.csv", "-findings.csv", ".csv", ".html", ".json", ".md")
    ]
    assert {path.stat().st_mode & 0o777 for path in report.parent.glob("pve-audit-report*")} == {0o640}


def test_html_holds_no_live_hostile_text(report: Path) -> None:
    page = report.with_suffix(".html").read_text(encoding="utf-8")
    assert page.count("<script") == page.count("</script>") == 1
    assert page.count("<style") == page.count("</style>") == 1
    assert len(re.findall(r"<title[ >]", page)) == page.count("</title>")
    assert "<img" not in page
    assert "{{ 7*7 }}{% raw %}" in page, "shown, and not evaluated"
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069]", page)
    targets = set(re.findall(r' (?:src|href|action|srcset|data)="([^"]*)"', page))
    assert {target for target in targets if not target.startswith("#")} == {"data:,"}, "nothing leads out of the page"
    assert " style=" not in page
    assert "default-src 'none'" in page
    assert "unsafe-inline" not in page


def test_html_says_loudly_what_it_leaves_out(report: Path) -> None:
    page = report.with_suffix(".html").read_text(encoding="utf-8")
    left = len(build()["pve_audit_report_events"]) - 50
    assert f"{left} records are left out here." in page
    assert "the JSON and CSV files hold all" in page
    assert page.count("data-user=") == 50


def test_html_tells_the_gap_before_anything_else(report: Path) -> None:
    main = report.with_suffix(".html").read_text(encoding="utf-8").split("<main>")[1]
    told = ("Not seen whole: task log (pve1, pve3, pve4)", "Not looked at: access", 'id="overview"', 'id="findings"')
    places = [main.index(text) for text in told]
    assert places == sorted(places)


def test_json_holds_everything(report: Path) -> None:
    facts, made = build(), json.loads(report.with_suffix(".json").read_text(encoding="utf-8"))
    assert made["schema"] == "pve.audit.report/1"
    assert made["events"] == facts["pve_audit_report_events"]
    assert made["findings"] == facts["pve_audit_report_findings"]
    assert made["logs"] == facts["pve_audit_report_logs"]
    assert made["coverage"]["complete"] is False


def test_csv_has_a_line_for_each_event_and_no_formula(report: Path) -> None:
    with report.with_suffix(".csv").open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert len(rows) == len(build()["pve_audit_report_events"])
    assert any(row["actor"] == "'=cmd|' /C calc'!A0" for row in rows)
    assert not [value for row in rows for value in row.values() if value.startswith(("=", "+", "-", "@", "\t", "\r"))]
    with report.with_name("pve-audit-report-findings.csv").open(encoding="utf-8", newline="") as lines:
        assert len(list(csv.DictReader(lines))) == len(build()["pve_audit_report_findings"])


def test_markdown_shows_hostile_text_only(report: Path) -> None:
    text = report.with_suffix(".md").read_text(encoding="utf-8")
    assert "<script" not in text
    assert "<b>" not in text
    assert "](javascript" not in text
    assert "{ 7\\*7 \\}" in text
    assert (
        text.index("## Not seen whole: task log")
        < text.index("## Not looked at: access log")
        < text.index("## Findings")
    )
    widths = {
        line.count(" | ")
        for line in text.split("## Grave actions")[1].split("##")[0].splitlines()
        if line.startswith("| ")
    }
    assert widths == {8}, "no text adds a cell"


def test_who_is_who_and_the_controls_are_told(report: Path) -> None:
    html, markdown = (report.with_suffix(f".{kind}").read_text(encoding="utf-8") for kind in ("html", "md"))
    for text in (html, markdown):
        assert "Who is who" in text
        assert "was not checked" in text
        assert "PVA-LOG-02" in text
        assert "It is no certificate" in text.replace("\n", " ")
    told = json.loads(report.with_suffix(".json").read_text(encoding="utf-8"))
    assert [row["state"] for row in told["controls"]] == ["ok", "drift", "off", "not_checked"]
    assert {"direct-grant", "expired-but-enabled"} <= {row["rule"] for row in told["identity"]["findings"]}


@pytest.mark.parametrize(
    ("language", "told"), [("en", "Told in part by"), ("de", "Teils auch gemeldet in")], ids=["English", "German"]
)
def test_a_finding_over_all_names_everybody(tmp_path: Path, language: str, told: str) -> None:
    assert render(tmp_path, build(), pve_audit_report_language=language).returncode == 0
    page = (tmp_path / "pve-audit-report.html").read_text(encoding="utf-8")
    (chapter,) = re.findall(r'<article [^>]*id="mass-guest-deletion-together-.*?</dl>', page, re.DOTALL)
    assert "<dd>dario@pve, lena@pve</dd>" in chapter
    assert f"<dt>{told}</dt>" in chapter


# Format, chapter, heading of the column, and what one of its cells shows.
SHOWN = [
    ("html", "coverage", "What it would show", "every change that leaves no task"),
    ("html", "findings", "Action", "Guest destroyed"),
    ("html", "identity", "What is wrong", "Permission of a user instead of a group"),
    ("html", "critical", "Severity", "Critical"),
    ("html", "critical", "User", "dario@pve Dario"),
    ("html", "critical", "How sure", "likely"),
    ("html", "findings", "Who", "Dario, likely"),
    ("html", "failures", "Reason", "VM 376 is locked (backup)"),
    ("html", "actors", "Mostly", "Backup made"),
    ("html", "actions", "Failures", "2"),
    ("html", "events", "Status", "Running"),
    ("html", "compliance", "ISO/IEC 27001:2022 A", "8.15"),
    ("md", "Not looked at", "Why not more", "The node is offline."),
    ("md", "Grave actions", "Status", "OK"),
    ("md", "Failed tasks and their reasons", "Last", "2026-11-2"),
    ("md", "Who did how much", "Share", " %"),
    ("md", "Controls", "GDPR article", "32"),
    ("csv", "events", "status", "RUNNING"),
    ("csv", "findings", "rule", "mass-guest-deletion"),
    ("md", "Grave actions", "User", "dario@pve (Dario)"),
    ("md", "Grave actions", "How sure", "likely"),
    ("csv", "findings", "actors", "dario@pve"),
    ("csv", "findings", "candidates", "Dario"),
    ("csv", "critical", "confidence", "likely"),
    ("csv", "critical", "person", "Dario"),
    ("csv", "coverage", "state", "not_looked_at"),
]


def cells_of(report: Path, kind: str, chapter: str, heading: str) -> list[str]:
    """The texts below a heading."""
    if kind == "csv":
        name = {"events": ".csv"}.get(chapter, f"-{chapter}.csv")
        with report.with_name(report.name + name).open(encoding="utf-8", newline="") as lines:
            return [row[heading] for row in csv.DictReader(lines)]
    text = report.with_suffix(f".{kind}").read_text(encoding="utf-8")
    if kind == "md":
        part = re.split(r"^## ", text, flags=re.MULTILINE)
        table = next(one for one in part if one.startswith(chapter)).splitlines()
        rows = [line.strip("| ").split(" | ") for line in table if line.startswith("| ")]
    else:
        part = text.split(f'<section id="{chapter}"')[1].split("</section>")
        table = re.findall(r"<tr.*?</tr>", part[0], flags=re.DOTALL)
        rows = [
            [re.sub(r"<[^>]*>", "", cell) for cell in re.findall(r"<t[hd].*?</t[hd]>", row, re.DOTALL)] for row in table
        ]
    place = rows[0].index(heading)
    return [row[place] for row in rows[1:] if len(row) == len(rows[0])]


@pytest.mark.parametrize(("kind", "chapter", "heading", "shown"), SHOWN)
def test_a_column_shows_what_it_is_for(report: Path, kind: str, chapter: str, heading: str, shown: str) -> None:
    assert any(shown in cell for cell in cells_of(report, kind, chapter, heading))


# Sentences that speak of what is not there, or of all that was seen.
BOUNDED = ("head_whole", "head_part", "critical_none", "failures_none", "refused_none", "events_none", "refused_blind")


@pytest.mark.parametrize("language", ["en", "de"])
def test_a_sentence_about_nothing_names_its_sources(language: str) -> None:
    text = words(language)
    sentences = [*(text[name] for name in BOUNDED), *text["verdicts"].values()]
    assert [sentence for sentence in sentences if "%(sources)s" not in sentence] == []
    told = {key for key in text if key.endswith("_none") and "%(sources)s" not in text[key]}
    assert told == {"records_none", "logs_none", "identity_none"}, "what is no statement about a source of evidence"


# The sample, then the codes: sources that were looked at, those that were not with their nodes, the verdict, counts,
# and what else stands in the page and the text.
SITUATIONS: dict[str, tuple[dict[str, Any], list[str], list[tuple[str, str]], str, dict[str, str], list[str]]] = {
    "empty": (
        {"complete": True, "empty": True},
        ["pve.task"],
        [("pve.access", ""), ("pve.auth", ""), ("linux.auth", ""), ("pve.config", "")],
        "no_events",
        {"tasks": "0", "refused": "unknown"},
        [],
    ),
    "blind": (
        {"blind": True},
        ["pve.task"],
        [("pve.access", ""), ("pve.auth", ""), ("linux.auth", ""), ("pve.config", "")],
        "blind",
        {"tasks": "unknown", "refused": "unknown"},
        [],
    ),
    "refused": (
        {"refused": True},
        ["pve.task", "pve.access"],
        [("pve.access", "pve2, pve3"), ("pve.auth", ""), ("linux.auth", ""), ("pve.config", "")],
        "no_findings",
        {"tasks": "0", "refused": "at_least 2"},
        ["mallory@pve", "192.0.2.66", "HTTP 403"],
    ),
}


def plain(kind: str, text: str) -> str:
    """The words of an output, without its markup."""
    if kind == "html":
        return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]*>", "", text)))
    return html.unescape(text.replace("\\", "")) if kind == "md" else text


@pytest.mark.parametrize("language", ["en", "de"])
@pytest.mark.parametrize("situation", SITUATIONS)
def test_a_statement_names_what_it_rests_on_and_what_was_not_looked_at(
    tmp_path: Path, situation: str, language: str
) -> None:
    sample, looked, unlooked, verdict, counts, told = SITUATIONS[situation]
    text = words(language)
    done = render(tmp_path, build(**sample), pve_audit_report_language=language)
    assert done.returncode == 0, done.stdout
    outputs = {kind: (tmp_path / f"pve-audit-report.{kind}").read_text(encoding="utf-8") for kind in ("html", "md")}
    outputs |= {"console": done.stdout.split("CUSTOM STATS")[0], "stats": done.stdout.split("CUSTOM STATS")[1]}
    outputs["json"] = "\n".join(json.loads((tmp_path / "pve-audit-report.json").read_text())["statement"])
    names = [text["sources"][source]["name"] for source in looked]
    others = [f"{text['sources'][source]['name']}{f' ({nodes})' if nodes else ''}" for source, nodes in unlooked]
    said = text["verdicts"][verdict] % {"sources": ", ".join(names), "count": 0}
    beside = text["not_looked_at"] % {"sources": ", ".join(others)}
    for kind, output in outputs.items():
        assert f"{said[:1].upper()}{said[1:]} {beside}." in plain(kind, output), kind
    assert [(kind, word) for kind in ("html", "md") for word in told if word not in plain(kind, outputs[kind])] == []
    lead = text["identity_lead"] % dict.fromkeys(re.findall(r"%\((\w+)\)s", text["identity_lead"]), text["unknown"])
    assert {kind: lead in plain(kind, outputs[kind]) for kind in ("html", "md", "console")} == dict.fromkeys(
        ("html", "md", "console"), situation == "blind"
    )
    grave = re.search(rf'{text["critical"]}: ([^"]*)', outputs["console"])
    assert grave is not None and (grave[1] == text["unknown"]) is (situation != "refused")
    for name, count in counts.items():
        word, _blank, number = count.partition(" ")
        shown = text[word] % {"count": number} if word in text else count
        assert f"- {text['tiles'][name]}: {shown}\n" in outputs["md"]
        assert f"{shown} {text['tiles'][name]}" in plain("html", outputs["html"].replace('<span class="l">', " "))


def test_nodes_that_were_chosen_are_named_wherever_nothing_was_found(tmp_path: Path) -> None:
    facts = build(complete=True, empty=True)
    done = render(tmp_path, facts, pve_audit_report_nodes=["pve1", "pve2", "pve3"], pve_audit_report_formats=["md"])
    assert done.returncode == 0, done.stdout
    text = plain("md", (tmp_path / "pve-audit-report.md").read_text(encoding="utf-8"))
    assert "## Seen whole: task log (pve1, pve2, pve3)\n" in text
    assert (
        "## Task log (pve1, pve2, pve3): no record of the period in what was seen. Not looked at: access log, " in text
    )
    assert text.count("nodes other than pve1, pve2, pve3") >= 2


def test_hostile_sample_is_hostile() -> None:
    users = {event.get("user", {}).get("id") for event in build()["pve_audit_report_events"]}
    assert set(HOSTILE) <= users
