# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sends the journal and log files of a node to a collector, and forgets a line only when it was acknowledged.

The journal and the files are the queue: there is no other. One thread for each pipeline, see pipeline.py, and one for
each of its sources, see worker.py.
"""
