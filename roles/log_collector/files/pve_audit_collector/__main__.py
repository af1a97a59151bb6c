# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`python3 -I /usr/local/lib/pve-audit/pve_audit_collector COMMAND`: run from the directory it is installed in."""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parent.parent)
    from pve_audit_collector.cli import main

    sys.exit(main(sys.argv[1:]))
