# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The act: what somebody did, joined from all events that saw it.

What is not known is null, so that every act has the same keys. `attribution` says who may have done it: `candidates`
are all who could have, `confidence` how sure their list is, `witnesses` the lines it rests on.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NotRequired, Optional, TypedDict

CERTAIN, LIKELY, AMBIGUOUS, UNKNOWN = "certain", "likely", "ambiguous", "unknown"
CONFIDENCES = (CERTAIN, LIKELY, AMBIGUOUS, UNKNOWN)
"""`certain`: one candidate, and the lines leave no other. `likely`: one, but a line that would prove it is missing.
`ambiguous`: several could have done it. `unknown`: no line says who."""

CHANNELS = ("gui", "api_token", "cli_sudo", "cli_root", "ssh_root", "ha", "scheduler", "cluster_internal", "unknown")
"""`gui` is any call with a ticket, a browser's or a program's; `cluster_internal` what a node calls itself."""


class Candidate(TypedDict):
    """Somebody who could have done it. `user` has realm and token; `person` is null where only an account is known."""

    user: str | None
    person: str | None
    ip: str | None
    channel: str


class Witness(TypedDict):
    """A line that supports the act: its place is a cursor, a UPID, a line number or the id of its event.

    `line` is its text without secrets, and `loginuid` what
    the journal adds to it, where lines were asked for. `strength` is `strong` where the line names the act
    itself (UPID, login uid), `weak` where second, address, user and path agree.
    """

    node: str
    file: str
    place: str
    strength: str
    line: NotRequired[str]
    loginuid: NotRequired[int]


class Attribution(TypedDict):
    """Who did it, how sure that is, and the lines that say so."""

    confidence: str
    candidates: list[Candidate]
    witnesses: list[Witness]


_Text = Optional[str]  # noqa: UP045 - an alias is evaluated, and sanity asks for this form

Act = TypedDict(
    "Act",
    {
        "@timestamp": _Text,
        "event": dict[str, Any],
        "user": dict[str, _Text],
        "person": _Text,
        "source": dict[str, _Text],
        "host": dict[str, _Text],
        "pve": dict[str, Any],
        "attribution": Attribution,
    },
)

NodeAddresses = Mapping[str, list[str]]
"""The addresses of each node of the cluster, by its name."""
