# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The error tree: everything this collection raises on purpose.

Every message is one sentence a tired administrator can act on: what is wrong, where, and what to do.
Decisions are made on classes and status codes, never on English words.
"""

from __future__ import annotations

from collections.abc import Mapping


class AuditError(Exception):
    """Root of all errors raised on purpose."""


class InputError(AuditError, ValueError):
    """An option, file or line that cannot be used as it is.

    It is also a ValueError, so that filters translate it without knowing this tree.
    """


class ApiError(AuditError):
    """A call to the Proxmox VE API did not give an answer.

    `status` is the HTTP status, or None when there was no HTTP answer at all; `code` is the coverage reason it stands
    for."""

    code = "server_error"

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class RefusedError(ApiError):
    """A change was asked for and not made.

    `fields` holds Proxmox VE's complaint for each parameter of a 400.
    """

    code = "refused"

    def __init__(self, message: str, status: int | None = None, fields: Mapping[str, str] | None = None) -> None:
        super().__init__(message, status)
        self.fields = dict(fields or {})


class ConnectError(ApiError):
    """The API host could not be reached: wrong name, port, firewall, or nothing listens."""

    code = "unreachable"


class TlsError(ApiError):
    """The server's certificate was not accepted."""

    code = "certificate"


class AuthError(ApiError):
    """401: the credential was refused."""

    code = "authentication"


class ForbiddenError(ApiError):
    """403: the credential is good, the privilege is missing."""

    code = "not_permitted"


class NodeUnreachableError(ApiError):
    """595 to 599: the entry node could not reach the node that was asked for.

    Source: pve-http-server AnyEvent.pm hands on the status codes of AnyEvent::HTTP.
    """

    code = "node_unreachable"


class TimeoutReachedError(ApiError):
    """No answer within the time allowed."""

    code = "timed_out"


class NotAnApiError(ApiError):
    """Something answered that is not the Proxmox VE API."""

    code = "not_an_api"


class NoQuorumError(ApiError):
    """The node that answers has no quorum, so that what it says may be old and nothing can be written there."""

    code = "no_quorum"
