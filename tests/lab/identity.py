# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changing the cluster's configuration files under their locks, as PVE does (pve-cluster Cluster.pm cfs_lock).

Readers need no lock: a change makes a new object and puts it in place at once.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tests.lab.errors import ApiError, no_quorum
from tests.lab.metric_types import metric_file
from tests.lab.model import Cluster
from tests.lab.realms import digest_of, parse_realms, render_realms
from tests.lab.sections import Sections
from tests.lab.tfa import TfaUser
from tests.lab.usercfg import UserConfig, parse_user_config
from tests.lab.usercfg_write import as_stored, reread

_KEPT = ("users", "realms", "realms_digest", "passwords", "secrets", "tfa", "metric_servers", "metric_secrets")


def _prefixed(prefix: str, error: ApiError) -> ApiError:
    """PVE puts a text before an error; an exception with a code or parameters becomes plain text by that."""
    text = error.message if error.status == 500 else f"{error.status} {error.message}"
    text += "".join(f"{name}: {problem}\n" for name, problem in (error.errors or {}).items())
    prefixed = ApiError(500, f"{prefix}: {text}")
    prefixed.waited = error.waited
    return prefixed


@contextmanager
def locked(cluster: Cluster, file: str, prefix: str | None = None) -> Iterator[None]:
    """Hold a file's lock; errors inside get the prefix. Without quorum there is no lock."""
    with cluster.lock:
        try:
            if not cluster.quorate:
                raise no_quorum(file)
            yield
        except ApiError as error:
            if prefix is None:
                raise
            raise _prefixed(prefix, error) from error


def edit_users(cluster: Cluster, prefix: str, change: Callable[[UserConfig], None]) -> None:
    """Change user.cfg; nothing is kept when `change` raises."""
    with locked(cluster, "user.cfg", prefix):
        draft = copy.deepcopy(cluster.users)
        change(draft)
        cluster.users = reread(draft)
        cluster.identity_changed()


def edit_realms(cluster: Cluster, prefix: str, change: Callable[[Sections], None]) -> None:
    """Change domains.cfg; nothing is kept when `change` raises."""
    with locked(cluster, "domains.cfg", prefix):
        draft = copy.deepcopy(cluster.realms)
        change(draft)
        text = render_realms(draft)
        cluster.realms = parse_realms(text)
        cluster.realms_digest = digest_of(text)


def edit_metric_servers(cluster: Cluster, change: Callable[[Sections], None]) -> None:
    """Change status.cfg; nothing is kept when `change` raises."""
    with locked(cluster, "status.cfg"):
        draft = copy.deepcopy(cluster.metric_servers)
        change(draft)
        cluster.metric_servers = metric_file().parse(metric_file().render(draft))


def install(
    cluster: Cluster,
    *,
    user_cfg: str | None,
    domains_cfg: str | None,
    passwords: dict[str, str] | None,
    tfa: dict[str, TfaUser] | None,
    secret: Callable[[str], str],
) -> None:
    """Set the texts of user.cfg and domains.cfg, the passwords and the second factors; None leaves what is there.

    Every token of `user_cfg` gets a secret.
    """
    if user_cfg is not None:
        cluster.users = parse_user_config(as_stored(user_cfg))
        tokens = [f"{user}!{token}" for user, entry in cluster.users.users.items() for token in entry.tokens or {}]
        cluster.secrets = {token: secret(token) for token in tokens}
        cluster.identity_changed()
    if domains_cfg is not None:
        text = as_stored(domains_cfg)
        cluster.realms = parse_realms(text)
        cluster.realms_digest = digest_of(text)
    if passwords is not None:
        cluster.passwords = dict(passwords)
    if tfa is not None:
        cluster.tfa = dict(tfa)


@dataclass(frozen=True, slots=True)
class Saved:
    """The changeable configuration of a cluster at one time."""

    values: dict[str, Any]


def save(cluster: Cluster) -> Saved:
    """A copy of everything these calls can change."""
    with cluster.lock:
        return Saved({name: copy.deepcopy(getattr(cluster, name)) for name in _KEPT})


def restore(cluster: Cluster, saved: Saved) -> None:
    """Put a copy back."""
    with cluster.lock:
        for name, value in saved.values.items():
            setattr(cluster, name, copy.deepcopy(value))
        cluster.identity_changed()
