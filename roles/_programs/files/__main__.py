# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`python3 -I -B /usr/local/lib/pve-audit/pve_audit.pyz COMMAND ...`: where Python starts in the archive."""

from __future__ import annotations

import sys

if __name__ == "__main__":
    from pve_audit.cli import main

    sys.exit(main(sys.argv[1:]))
