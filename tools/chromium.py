# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find Debian's Chromium for the browser test, or install it where that is possible."""

from __future__ import annotations

import shutil

from tools.system import apt_install

NAMES = ("chromium", "chromium-browser", "google-chrome")


class NoBrowser(Exception):
    """There is none and none can be installed here; the text says why."""


def find_chromium() -> str:
    """The path of a Chromium.

    :raises NoBrowser: none here, and none can be installed.
    """
    found = _search()
    if found:
        return found
    problem = apt_install("chromium")
    if problem:
        raise NoBrowser(f"no Chromium found; {problem}")
    found = _search()
    if not found:
        raise NoBrowser("the package chromium brings no program chromium")
    return found


def _search() -> str | None:
    return next(filter(None, map(shutil.which, NAMES)), None)
