# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What `make` calls: virtual environments, the stages of `make test`, the demo. Standard library only."""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - whoever runs an older Python reads this line and no traceback
    running = "{}.{}".format(*sys.version_info)
    sys.exit(f"pve.audit needs Python 3.11 or newer, this is {running}; run: make PYTHON=python3.11 ...")
