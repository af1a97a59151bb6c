# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a line of access.log says about how a call ended.

The web interface (`extjs`) gets each answer with status 200, refusals too, so only the length tells them apart: a
success is `{"data":null,"success":1}` or holds the UPID of the task, and a refusal holds a message. Where neither is
certain the outcome stays unknown. Source: pve-http-server PVE/APIServer/Formatter/Standard.pm.
"""

from __future__ import annotations

from typing import NamedTuple

from ansible_collections.pve.audit.plugins.module_utils._classify.api import KnownCall
from ansible_collections.pve.audit.plugins.module_utils._classify.returns import (
    FLAG,
    ID_LENGTHS,
    NOTHING,
    TASK,
    type_lengths,
)

EMPTY = len('{"data":null,"success":1}')
AROUND_UPID = len('{"data":"","success":1}')
# `{"data":null,"message":"x","status":500,"success":0}`: the message is never empty.
SHORTEST_REFUSAL = len('{"data":null,"message":"x","status":500,"success":0}')
# A client that goes away before the answer leaves 500 without a length; each refusal with 500 has a message.
ABORTED = 500
# The node that was asked broke off after the request, or while it was sent; with 595 it was never reached.
# [AnyEvent::HTTP]
BROKEN_OFF = range(596, 600)
# A ticket carries a signature of 344 characters; the refusal of a login has 77.
SHORTEST_LOGIN = 400
MARGIN = 4
LOGINS = ("access.login_or_renewal", "access.login")


class Verdict(NamedTuple):
    """How a call ended: `success`, `failure` or `unknown`, and whether a task was started that has the last word."""

    outcome: str
    accepted: bool = False


class Answer(NamedTuple):
    """What a line says: status, the format of the answer (`extjs`, `json`, ...), its length in bytes, and the user."""

    status: int
    form: str
    length: int | None
    userid: str | None


UNKNOWN = Verdict("unknown")
_SUCCESS = Verdict("success")
_FAILURE = Verdict("failure")
_STARTED = Verdict("unknown", accepted=True)


def judge_answer(call: KnownCall, answer: Answer) -> Verdict | None:
    """How a writing call ended; None when the status alone tells it.

    That a call was accepted is no success of the task that it starts. That nobody waited for the answer, or that it did
    not come, is no refusal: what was asked for may have been done.
    """
    if answer.status in BROKEN_OFF or (answer.status == ABORTED and answer.length is None):
        return UNKNOWN
    if not 200 <= answer.status < 300:
        return None
    if answer.form == "extjs":
        return _judge_browser(call, answer)
    if answer.form == "htmljs":
        return UNKNOWN
    return _STARTED if call.leaves_task else None


def _judge_browser(call: KnownCall, answer: Answer) -> Verdict:
    length = answer.length
    if length is None:
        return UNKNOWN
    refused = _FAILURE if length >= SHORTEST_REFUSAL else UNKNOWN
    if call.action.name in LOGINS:
        return _SUCCESS if length >= SHORTEST_LOGIN else refused
    if call.answer == NOTHING:
        return _SUCCESS if length == EMPTY else refused
    if call.answer == FLAG:
        return _SUCCESS if length <= EMPTY else refused
    if call.answer == TASK:
        return _STARTED if length == EMPTY else _judge_task(call, answer, length)
    return UNKNOWN


def _judge_task(call: KnownCall, answer: Answer, length: int) -> Verdict:
    """A UPID has a length that is nearly known: the start has 8 digits, or 9 on a node that is up for long.

    An answer of nearly that length may be the UPID of a task whose type the catalogue does not expect here.
    """
    rest = _without_type(call, answer)
    if rest is None:
        return UNKNOWN
    (shortest, longest), types = rest, type_lengths(call.action.name)
    if any(shortest <= length - one <= longest + 1 for one in types):
        return _STARTED
    possible = min(types) - MARGIN <= length - longest and length - shortest <= max(types) + MARGIN
    return UNKNOWN if possible or length < SHORTEST_REFUSAL else _FAILURE


def _without_type(call: KnownCall, answer: Answer) -> tuple[int, int] | None:
    """How long the answer is at least and at most without the type of the task, where that is known."""
    node, vmid, userid = call.params.get("node"), call.params.get("vmid", ""), answer.userid
    if node in (None, "localhost") or userid is None or not userid.isascii() or call.action.name not in ID_LENGTHS:
        return None
    shortest, longest = ID_LENGTHS[call.action.name] or (len(vmid), len(vmid))
    escapes = sum(userid.count(letter) for letter in '"\\')
    around = AROUND_UPID + len(f"UPID:{node}:00000000:00000000:00000000:::{userid}:") + escapes
    return around + shortest, around + longest
