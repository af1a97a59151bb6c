# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The index of the archive: where the lines are that changed something, were refused, or let somebody in.

It is no evidence. It can be made again from the lines at any time, and every answer names the place of its lines.
"""
