# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the modules share: options, the connection made of them, and errors as one clear sentence."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, TypeVar

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ansible_collections.pve.audit.plugins.module_utils._model.errors import ApiError, AuditError, InputError
from ansible_collections.pve.audit.plugins.module_utils._module import api_options
from ansible_collections.pve.audit.plugins.module_utils._pve import session, transport
from ansible_collections.pve.audit.plugins.module_utils._pve.change import Change
from ansible_collections.pve.audit.plugins.module_utils._pve.credentials import Credentials

Result = dict[str, Any]
Answer = TypeVar("Answer")

api_spec = api_options.api_spec

STATE: dict[str, Any] = {"type": "str", "choices": ["present", "absent"], "default": "present"}


def check_limits(params: dict[str, Any]) -> None:
    """Raises InputError for a limit that would forbid any answer."""
    for option in ("total_timeout", "concurrency"):
        if params[option] < 1:
            raise InputError(f"{option} must be at least 1, not {params[option]}")


def connect(params: dict[str, Any]) -> session.Session:
    """Connect as the options say. Raises AuditError."""
    return session.Session(
        Credentials(
            host=params["api_host"],
            port=params["api_port"],
            user=params["api_user"],
            password=params["api_password"],
            token_id=params["api_token_id"],
            token_secret=params["api_token_secret"],
            validate_certs=params["validate_certs"],
            ca_path=params["ca_path"],
            timeout=float(params["request_timeout"]),
        )
    )


def run_api_module(module: AnsibleModule, call: Callable[[session.Session, dict[str, Any]], Result]) -> None:
    """Connect, call, and exit with the result; a failure is one sentence, with `error_code` and `http_status`.

    What the result holds in `warnings` is shown as such.
    """
    result = dict(_answer(module, call))
    for warning in result.pop("warnings", []):
        module.warn(warning)
    module.exit_json(changed=False, **result)


def run_changing_module(
    module: AnsibleModule, call: Callable[[session.Session, dict[str, Any], bool], tuple[Change, Result]]
) -> None:
    """The same for a module that changes something: `call` gets the check mode and gives the change and the result."""

    def change(connection: session.Session, params: dict[str, Any]) -> tuple[Change, Result]:
        return call(connection, params, module.check_mode)

    made, result = _answer(module, change)
    for warning in made.warnings:
        module.warn(warning)
    module.exit_json(changed=made.changed, diff=made.diff(), **result)


def _answer(module: AnsibleModule, call: Callable[[session.Session, dict[str, Any]], Answer]) -> Answer:
    """Connect and call, or fail."""
    if transport.MISSING is not None:
        module.fail_json(msg=missing_required_lib("proxmoxer and requests"), exception=str(transport.MISSING))
    if transport.TOO_OLD is not None:
        module.fail_json(
            msg=f"proxmoxer {transport.TOO_OLD} is too old, 2.0 or newer is needed: install it for {sys.executable}, "
            "for example in a virtual environment with python3 -m pip install 'proxmoxer>=2.0'",
            error_code="input",
        )
    # A secret that was written behind the name of the token is none of the log's business either.
    module.no_log_values.update(filter(None, [(module.params["api_token_id"] or "").partition("=")[2]]))
    try:
        check_limits(module.params)
        return call(connect(module.params), module.params)
    except ApiError as error:
        module.fail_json(msg=str(error), error_code=error.code, http_status=error.status)
    except AuditError as error:
        module.fail_json(msg=str(error), error_code="input")
    raise AssertionError("fail_json does not return")
