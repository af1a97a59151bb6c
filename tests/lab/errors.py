# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes wrong in an API call, as PVE says it (pve-common Exception.pm, pve-access-control RPCEnvironment.pm)."""

from __future__ import annotations

import re

PARAM_MESSAGE = "Parameter verification failed.\n"


class ApiError(Exception):
    """An API call that ends with an error.

    `message` stands in the reason line (its first line) and in the body. `errors` maps parameters to texts.
    `empty_body` is the form of a refused ticket or token and of a failed proxy request: no body at all.
    `waited`: it comes only after PVE has tried for a lock as long as it does.
    """

    waited = False

    def __init__(
        self, status: int, message: str, errors: dict[str, str] | None = None, *, empty_body: bool = False
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.errors = errors
        self.empty_body = empty_body


class Unanswered(Exception):
    """The server closes the connection without an answer."""


def server_error(text: str) -> ApiError:
    """A `die` in PVE's code: 500 with its text."""
    return ApiError(500, f"{text}\n")


def no_quorum(file: str) -> ApiError:
    """No lock on a file of /etc/pve without quorum (pve-cluster Cluster.pm cfs_lock_file)."""
    error = server_error(f"cfs-lock 'file-{re.sub('[./]', '_', file)}' error: no quorum!")
    error.waited = True
    return error


def param_error(errors: dict[str, str]) -> ApiError:
    """`raise_param_exc`: 400 with one text for each parameter."""
    return ApiError(400, PARAM_MESSAGE, dict(errors))


def perm_error(what: str | None = None) -> ApiError:
    """`raise_perm_exc`: 403 that names the path and the privileges, or nothing."""
    return ApiError(403, f"Permission check failed ({what})\n" if what else "Permission check failed\n")


def not_implemented(method: str, path: str) -> ApiError:
    """No such method on this path."""
    return ApiError(501, f"Method '{method} {path}' not implemented")
