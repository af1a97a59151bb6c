# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a reader does: see what is missing, search, sort, open a log, print; with and without JavaScript."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.report_sample import HOSTILE, build

Open = Callable[..., Any]
Keep = Callable[[Any, str], None]


def visible(page: Any) -> int:
    """How many rows of the big table are shown."""
    return int(page.evaluate("[...document.querySelectorAll('#rows tbody tr')].filter(r => r.offsetParent).length"))


def test_what_was_not_seen_stands_first(open_report: Open, keep: Keep) -> None:
    page = open_report()
    keep(page, "light-top")
    first = page.locator("main > section").first
    assert first.get_attribute("id") == "coverage"
    assert "Not seen whole: task log" in first.inner_text()
    assert "The absence of a record there proves nothing." in first.inner_text()
    sizes = []
    for place in ("h2", ".unlooked"):
        told = first.locator(place)
        box = told.bounding_box()
        assert box["y"] + box["height"] < 700, "the gap and what was not looked at are told on the first screen"
        sizes.append(told.evaluate("it => getComputedStyle(it).fontSize"))
    assert sizes[0] == sizes[1]


def test_search_and_selects(open_report: Open, keep: Keep) -> None:
    page = open_report()
    every = visible(page)
    assert every == len(build()["pve_audit_report_events"])
    page.fill("#q", "DARIO qmdestroy")
    assert 10 <= visible(page) < every
    assert page.inner_text("#shown") == f"{visible(page)} of {every} records"
    page.select_option("#f-node", "pve2")
    rows = page.locator("#rows tbody tr:visible")
    assert rows.count() > 0
    assert {rows.nth(i).get_attribute("data-node") for i in range(rows.count())} == {"pve2"}
    page.locator("#events").scroll_into_view_if_needed()
    keep(page, "light-search")
    page.fill("#q", "no such thing")
    assert visible(page) == 0
    assert page.is_visible("#no-match")
    page.click("#filter button[type=reset]")
    page.locator("#no-match").wait_for(state="hidden")
    assert visible(page) == every
    page.select_option("#f-user", "lena@pve")
    page.select_option("#f-type", "qmigrate")
    page.select_option("#f-state", "Running")
    assert visible(page) == 1


def test_sort_by_keyboard(open_report: Open) -> None:
    page = open_report()
    button = page.locator("#rows th button").nth(1)
    button.focus()
    page.keyboard.press("Enter")
    users = page.eval_on_selector_all(
        "#rows tbody tr", "rows => rows.map(r => r.dataset.user).filter(u => /^[a-z]/.test(u))"
    )
    assert users == sorted(users)
    assert page.locator("#rows th").nth(1).get_attribute("aria-sort") == "ascending"
    page.keyboard.press("Enter")
    assert page.locator("#rows th").nth(1).get_attribute("aria-sort") == "descending"


def test_open_a_log(open_report: Open, keep: Keep) -> None:
    page = open_report()
    link = page.locator("#rows a.open-log").first
    link.focus()
    page.keyboard.press("Enter")
    assert page.is_visible("#logbox")
    text = page.inner_text("#logbox pre")
    assert "<script>alert(1)</script>" in text
    assert "{{ 7*7 }}" in text
    assert "\\u202egnp.exe" in text
    assert text.endswith("TASK OK")
    assert page.inner_text("#logbox-head").startswith("UPID:")
    keep(page, "light-log")
    page.keyboard.press("Escape")
    assert not page.is_visible("#logbox")


def test_hostile_text_is_only_text(open_report: Open) -> None:
    page = open_report()
    assert page.locator("main img, main h1, main script, main textarea").count() == 0
    body = page.inner_text("main")
    for text in HOSTILE[:2]:
        assert text in body
    assert page.evaluate("document.querySelectorAll('script').length") == 1
    assert page.evaluate("document.querySelectorAll('[onerror], [onload], [style]').length") == 0


def test_without_javascript_everything_is_there(open_report: Open, keep: Keep) -> None:
    page = open_report(java_script_enabled=False)
    facts = build()
    assert page.locator("article.finding").count() == len(facts["pve_audit_report_findings"])
    assert page.locator("#rows tbody tr").count() == len(facts["pve_audit_report_events"])
    assert not page.is_visible("#filter")
    page.locator("#logs summary").first.click()
    assert page.is_visible("#log-1")
    keep(page, "no-javascript-log")


@pytest.mark.parametrize(
    ("name", "sample"), [("gaps", {}), ("complete", {"complete": True}), ("empty", {"empty": True})]
)
@pytest.mark.parametrize("language", ["en", "de"])
def test_each_kind_of_report(open_report: Open, keep: Keep, name: str, sample: dict[str, Any], language: str) -> None:
    page = open_report(language, sample, color_scheme="dark")
    keep(page, f"dark-{name}-{language}")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(17, 21, 27)"
    assert page.get_attribute("html", "lang") == language
    verdict = page.inner_text(".verdict")
    if name == "empty":
        expected = {
            "en": "Task log: no record of the period in what was seen. Not looked at: access log, ",
            "de": "Task-Log: im Gesehenen kein Eintrag des Zeitraums. Nicht angesehen: Zugriffs-Log, ",
        }
        assert expected[language] in verdict


@pytest.mark.parametrize("width", [360, 768])
def test_small_screens_do_not_scroll_sideways(open_report: Open, keep: Keep, width: int) -> None:
    page = open_report(viewport={"width": width, "height": 800}, is_mobile=True)
    keep(page, f"mobile-{width}")
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_can_be_read(open_report: Open, scheme: str) -> None:
    """Contrast of at least 4.5 to 1 (WCAG AA) for the colours that carry meaning, on the card."""
    page = open_report(color_scheme=scheme)
    names = ["--ink", "--dim", "--critical", "--high", "--medium", "--low", "--info", "--ok", "--accent"]
    card, *colours = page.evaluate(
        "names => ['--card', ...names].map(n => getComputedStyle(document.documentElement).getPropertyValue(n).trim())",
        names,
    )

    def light(colour: str) -> float:
        digits = colour.lstrip("#")
        parts = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
        red, green, blue = (part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    for name, colour in zip(names, colours, strict=True):
        bright, dark = sorted((light(colour), light(card)), reverse=True)
        assert (bright + 0.05) / (dark + 0.05) >= 4.5, name


def test_pictures_have_words(open_report: Open) -> None:
    page = open_report()
    charts = page.locator("svg[role=img]")
    assert charts.count() == 4
    for number in range(charts.count()):
        ids = (charts.nth(number).get_attribute("aria-labelledby") or "").split()
        assert len(ids) == 2
        assert all(page.locator(f"#{name}").text_content() for name in ids)


def test_print(open_report: Open, keep: Keep) -> None:
    page = open_report(color_scheme="dark")
    page.emulate_media(media="print", color_scheme="dark")
    keep(page, "print")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert not page.is_visible("#filter")
    assert page.is_visible("#findings")
    assert page.pdf(prefer_css_page_size=True)[:4] == b"%PDF"
