# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write user.cfg as PVE does (pve-access-control AccessControl.pm write_user_config)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tests.lab.roles import BUILTIN_ROLES
from tests.lab.usercfg import AclNode, Group, Pool, User, UserConfig, parse_user_config

_SAFE = frozenset(range(0x20, 0x7F)) - {ord("%"), ord(":")}


def truthy(value: object) -> bool:
    """Perl's idea of true for a scalar."""
    return value not in (None, "", "0", 0)


def encode_text(text: str | None) -> str:
    """PVE's encode_text; empty for what Perl takes as false."""
    if not truthy(text):
        return ""
    data = str(text).encode("utf-8", "surrogatepass")
    return "".join(chr(byte) if byte in _SAFE else f"%{byte:02X}" for byte in data)


def as_stored(text: str) -> str:
    """What is read back after PVE wrote the text: wide characters make Perl write all of it as UTF-8."""
    try:
        return text.encode("latin-1").decode("latin-1")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass").decode("latin-1")


def _user_lines(name: str, user: User) -> Iterator[str]:
    texts = user.texts
    first, last, comment = (encode_text(texts.get(key)) for key in ("firstname", "lastname", "comment"))
    email, keys = (texts.get(key, "") if truthy(texts.get(key)) else "" for key in ("email", "keys"))
    yield f"user:{name}:{1 if user.enable else 0}:{user.expire or 0}:{first}:{last}:{email}:{comment}:{keys}:"
    for token, entry in sorted((user.tokens or {}).items()):
        flag = 1 if entry.privsep else 0
        yield f"token:{name}!{token}:{entry.expire or 0}:{flag}:{encode_text(entry.comment)}:"


def _group_line(name: str, group: Group) -> str:
    return f"group:{name}:{','.join(sorted(group.users))}:{encode_text(group.comment)}:"


def _pool_line(name: str, pool: Pool) -> str:
    return f"pool:{name}:{encode_text(pool.comment)}:{','.join(sorted(pool.vms))}:{','.join(sorted(pool.storage))}:"


def _acl_lines(path: str, node: AclNode) -> Iterator[str]:
    """Members with the same roles share a line; root@pam needs none."""
    lines: dict[tuple[int, str], set[str]] = {}
    for kind, prefix in (("group", "@"), ("user", ""), ("token", "")):
        for member, roles in node.entries.get(kind, {}).items():
            if kind == "user" and member == "root@pam":
                continue
            for flag in (0, 1):
                wanted = ",".join(sorted(role for role, propagate in roles.items() if bool(propagate) == bool(flag)))
                if wanted:
                    lines.setdefault((flag, wanted), set()).add(f"{prefix}{member}")
    for (flag, wanted), members in sorted(lines.items()):
        yield f"acl:{flag}:{path}:{','.join(sorted(members))}:{wanted}:"


def _blocks(config: UserConfig) -> Iterator[Iterable[str]]:
    yield (line for name, user in sorted(config.users.items()) for line in _user_lines(name, user))
    yield (_group_line(name, group) for name, group in sorted(config.groups.items()))
    yield (_pool_line(name, pool) for name, pool in sorted(config.pools.items()))
    own = sorted((name, privs) for name, privs in config.roles.items() if name not in BUILTIN_ROLES)
    yield (f"role:{name}:{','.join(sorted(privs))}:" for name, privs in own)
    yield (line for path, node in config.walk() for line in _acl_lines(path, node))


def render_user_config(config: UserConfig) -> str:
    """The text of user.cfg, latin-1 decoded as everywhere here."""
    blocks = ("".join(f"{line}\n" for line in block) for block in _blocks(config))
    return as_stored("\n".join(blocks))


def reread(config: UserConfig) -> UserConfig:
    """The users after PVE wrote and read them: what does not hold together is gone."""
    return parse_user_config(render_user_config(config))
