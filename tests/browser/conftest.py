# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report in a real Chromium, driven by Playwright. Without a browser: NOT TESTED, which fails where CI=true."""

from __future__ import annotations

import importlib
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.report_sample import build, render

ROOT = Path(__file__).resolve().parents[2]
SCREENSHOTS = ROOT / ".build" / "screenshots"
FLAGS = [
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def not_tested(reason: str) -> None:
    """Skip, or fail where CI=true."""
    sys.stderr.write(f"\nNOT TESTED: the report in a browser: {reason}\n")
    (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(f"NOT TESTED: {reason}")


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Chromium, headless."""
    program = os.environ.get("PVE_AUDIT_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if not program:
        not_tested("there is no Chromium; on Debian: apt-get install chromium")
    try:
        playwright_api = importlib.import_module("playwright.sync_api")
    except ImportError:
        not_tested("the Python package playwright is missing")
    flags = [*FLAGS, "--no-sandbox"] if os.geteuid() == 0 else FLAGS
    with playwright_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=program, args=flags)
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def reports(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Render a report once for each set of choices, and return the HTML file."""
    made: dict[str, Path] = {}

    def report(language: str = "en", **choices: Any) -> Path:
        key = f"{language}{sorted(choices.items())}"
        if key not in made:
            folder = tmp_path_factory.mktemp("report")
            done = render(
                folder,
                build(**choices),
                pve_audit_report_language=language,
                pve_audit_report_formats=["html"],
            )
            assert done.returncode == 0, done.stdout
            made[key] = folder / "pve-audit-report.html"
        return made[key]

    return report


class Watched:
    """A page, with everything it did that it must not do."""

    def __init__(self, page: Any, url: str) -> None:
        self.page = page
        self.trouble: list[str] = []
        page.on("console", lambda message: self.trouble.append(f"console {message.type}: {message.text}"))
        page.on("pageerror", lambda error: self.trouble.append(f"error: {error}"))
        page.on("dialog", lambda dialog: self.trouble.append(f"dialog: {dialog.message}"))
        page.on(
            "request",
            lambda request: None if request.url in (url, "data:,") else self.trouble.append(f"request: {request.url}"),
        )
        page.add_init_script(
            "document.addEventListener('securitypolicyviolation', (e) => console.error('CSP ' + e.violatedDirective))"
        )
        page.goto(url)


@pytest.fixture
def open_report(browser: Any, reports: Callable[..., Path]) -> Iterator[Callable[..., Any]]:
    """Open a report in a fresh context; in the end the page must have done nothing wrong."""
    opened: list[tuple[Any, Watched]] = []

    def show(language: str = "en", sample: dict[str, Any] | None = None, **context: Any) -> Any:
        place = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **context})
        watched = Watched(place.new_page(), reports(language, **(sample or {})).as_uri())
        opened.append((place, watched))
        return watched.page

    yield show
    for place, watched in opened:
        place.close()
        assert watched.trouble == []


@pytest.fixture
def keep() -> Callable[[Any, str], None]:
    """Keep a screenshot in .build/screenshots."""

    def shoot(page: Any, name: str) -> None:
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=SCREENSHOTS / f"{name}.png")

    return shoot
