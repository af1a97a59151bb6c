# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The shipped rules for logins, refusals, rights and logging, on lines as nodes write them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from ansible_collections.pve.audit.plugins.filter.anomalies import anomalies
from ansible_collections.pve.audit.plugins.filter.events import events

NOON = 1_795_435_200  # 2026-11-23T12:00:00Z, a Monday
NIGHT = NOON + 10 * 3600
HOUR = 3600
HOME, AWAY = "192.0.2.7", "198.51.100.9"
ALICE, BOB = "alice@pve", "bob@pve"
LOGINS = "/api2/extjs/access/ticket"


def journal(at: int, message: str, ident: str = "pvedaemon") -> str:
    """A line of the journal."""
    return f"{datetime.fromtimestamp(at, UTC).isoformat()} pve1 {ident}[4711]: {message}"


def call(at: int, method: str, path: str, user: str = "-", ip: str = HOME, status: int = 200, size: int = 25) -> str:
    """A line of access.log; the length is that of a browser's call that worked."""
    clock = datetime.fromtimestamp(at, UTC).strftime("%d/%m/%Y:%H:%M:%S +0000")
    return f'::ffff:{ip} - {user} [{clock}] "{method} {path} HTTP/1.1" {status} {size}'


def failed(count: int, user: str = ALICE, ip: str = HOME, at: int = NOON, every: int = 10) -> list[str]:
    """Failed logins, as both logs have them."""
    lines = []
    for second in range(at, at + count * every, every):
        lines.append(
            journal(second, f"authentication failure; rhost=::ffff:{ip} user={user} msg=authentication failure")
        )
        lines.append(call(second + 3, "POST", LOGINS, ip=ip, size=77))
    return lines


def login(user: str = ALICE, ip: str = HOME, at: int = NOON) -> list[str]:
    """A login that worked. The renewal of a ticket writes the same two lines."""
    return [
        journal(at, f"<root@pam> successful auth for user '{user}'"),
        call(at, "POST", LOGINS, ip=ip, size=1385),
    ]


def renewals(count: int, user: str = ALICE, ip: str = HOME, at: int = NOON) -> list[str]:
    """A browser tab that renews its ticket every quarter of an hour, and asks for something in between."""
    lines = []
    for second in range(at, at + count * 900, 900):
        lines += [call(second - 5, "GET", "/api2/json/cluster/resources", user, ip), *login(user, ip, second)]
    return lines


def journal_alone(lines: list[str]) -> list[str]:
    """What the journal has of it."""
    return [line for line in lines if "pvedaemon" in line]


def refused(count: int, user: str = ALICE) -> list[str]:
    """Changes that are refused, each another one."""
    path = "/api2/json/access/users/u"
    return [call(NOON + n, "PUT", f"{path}{n}@pve", user, status=403, size=60) for n in range(count)]


def task(at: int, kind: str, what: str, user: str = ALICE) -> str:
    """A line of the task index."""
    return f"UPID:pve1:00001000:00001000:{at:08X}:{kind}:{what}:{user}: {at + 1:08X} OK"


def sudo(command: str, at: int = NOON) -> str:
    """A command of alice behind sudo."""
    return journal(at, f"   alice : TTY=pts/0 ; PWD=/home/alice ; USER=root ; COMMAND={command}", "sudo")


Expected = list[tuple[str, str, dict[str, Any]]]
A, H = {"user.account": ALICE}, {"source.ip": HOME}
BRUTE: tuple[str, str, dict[str, Any]] = ("brute-force-account", "HIGH", A)
CASES: list[tuple[str, list[str], Expected]] = [
    ("four failed logins", failed(4), []),
    ("five, each told by two logs", failed(5), [BRUTE]),
    ("five in a longer time", failed(5, every=200), []),
    ("an attack from many addresses",
     [line for n in range(5) for line in failed(1, ip=f"198.51.100.{n}", at=NOON + 10 * n)], [BRUTE]),
    ("a locked account's open tab is no attack",
     [line for n in range(9) for line in (
         journal(NOON + n, f"authentication failure: user '{ALICE}' is disabled", "pveproxy"),
         call(NOON + n, "GET", "/api2/json/cluster/resources", status=401, size=0))], []),
    ("a name that looks like a refusal hides nothing",
     failed(5, user="x authentication failure: y"),
     [("brute-force-account", "HIGH", {"user.account": "x authentication failure: y"})]),
    ("sshd", [journal(NOON + n, f"Failed password for alice from {HOME} port 4711 ssh2", "sshd") for n in range(5)],
     [("brute-force-account", "HIGH", {"user.account": "alice@pam"})]),
    ("ten failures of ten accounts, from one address",
     [line for n in range(10) for line in failed(1, user=f"u{n}@pve", at=NOON + 10 * n)],
     [("password-spraying", "HIGH", H)]),
    ("four accounts from one address",
     [line for n in range(4) for line in failed(2, f"u{n}@pve", at=NOON + 30 * n)], []),
    ("ten failures of three accounts", [line for n in range(3) for line in failed(4, f"u{n}@pve", at=NOON + 50 * n)],
     [("brute-force-address", "HIGH", H)]),
    ("nine", [line for n in range(3) for line in failed(3, f"u{n}@pve", at=NOON + 50 * n)], []),
    ("access.log alone",
     [call(NOON + 10 * n, "POST", "/api2/json/access/ticket", status=401, size=50) for n in range(10)],
     [("brute-force-address", "HIGH", H)]),
    ("what the account's finding told is not told again", failed(12), [BRUTE]),
    ("a login after five failures", [*failed(5), *login(at=NOON + 60)],
     [("login-after-failures", "CRITICAL", A), BRUTE]),
    ("a login after four", [*failed(4), *login(at=NOON + 60)], []),
    ("a login before them", [*login(at=NOON - 60), *failed(5)], [BRUTE]),
    ("a login much later", [*failed(5), *login(at=NOON + HOUR)], [BRUTE]),
    ("a tab renews its ticket while somebody else guesses",
     [*renewals(8, at=NOON - HOUR), *failed(9, ip=AWAY, at=NOON + 20, every=60)], [BRUTE]),
    ("somebody else guesses right, although a tab is open",
     [*renewals(8, at=NOON - HOUR), *failed(9, ip=AWAY, at=NOON + 20), *login(ip=AWAY, at=NOON + 120)],
     [("login-after-failures", "CRITICAL", A), BRUTE, ("logins-from-two-addresses", "MEDIUM", A),
      ("login-from-new-address", "MEDIUM", {**A, "source.ip": AWAY})]),
    ("the journal alone shows a login after five failures", journal_alone([*failed(5), *login(at=NOON + 60)]),
     [("login-after-failures", "CRITICAL", A), BRUTE]),
    ("the journal alone cannot tell a renewal from a login",
     journal_alone([*renewals(8, at=NOON - HOUR), *failed(9, ip=AWAY, at=NOON + 20, every=60)]), [BRUTE]),
    ("the journal alone begins with a renewal at night", journal_alone(renewals(3, "root@pam", at=NIGHT)), []),
    ("somebody at the same desk guesses right", [*login(at=NOON - HOUR), *failed(5), *login(at=NOON + 60)],
     [("login-after-failures", "CRITICAL", A), BRUTE]),
    ("root at night", login("root@pam", at=NIGHT),
     [("administrator-login-outside-hours", "HIGH", {"user.account": "root@pam"})]),
    ("root at noon", login("root@pam"), []),
    ("root's tab left open", renewals(40, "root@pam"), []),
    ("somebody else at night", login(at=NIGHT), []),
    ("a new address", [*login(), *login(ip=AWAY, at=NOON + HOUR)],
     [("login-from-new-address", "MEDIUM", {**A, "source.ip": AWAY})]),
    ("a new address told once", [*login(), *login(ip=AWAY, at=NOON + HOUR), *login(ip=AWAY, at=NOON + 9 * HOUR)],
     [("login-from-new-address", "MEDIUM", {**A, "source.ip": AWAY})]),
    ("the usual address", [*login(), *login(at=NOON + 3 * HOUR)], []),
    ("two people, each with an address", [*login(), *login(BOB, AWAY, NOON + HOUR)], []),
    ("two addresses at once", [*login(), *login(ip=AWAY, at=NOON + 600)],
     [("logins-from-two-addresses", "MEDIUM", A), ("login-from-new-address", "MEDIUM", {**A, "source.ip": AWAY})]),
    ("five changes refused", refused(5), [("refused-calls", "MEDIUM", A)]),
    ("four", refused(4), []),
    ("ten tokens refused", [call(NOON + n, "GET", f"/api2/json/nodes/{n}", status=401, size=0) for n in range(10)],
     [("refused-credentials", "MEDIUM", H)]),
    ("nine", [call(NOON + n, "GET", f"/api2/json/nodes/{n}", status=401, size=0) for n in range(9)], []),
    ("rights given", [call(NOON, "PUT", "/api2/extjs/access/acl", ALICE)], [("rights-changed", "HIGH", A)]),
    ("rights not given", [call(NOON, "PUT", "/api2/json/access/acl", ALICE, status=403, size=60)], []),
    ("rights read", [call(NOON, "GET", "/api2/json/access/acl", ALICE)], []),
    ("a Unix account added", [journal(NOON, "new user: name=mallory, UID=0, GID=0, home=/, shell=/bin/sh", "useradd")],
     [("unix-account-changed", "HIGH", {"host.name": "pve1"})]),
    ("a Unix account that exists", [journal(NOON, "failed adding user 'alice', exit code: 9", "useradd")], []),
    ("a token made", [call(NOON, "POST", "/api2/json/access/users/bob@pve/token/x1", ALICE)],
     [("new-token", "HIGH", A)]),
    ("a token taken away", [call(NOON, "DELETE", "/api2/json/access/users/bob@pve/token/x1", ALICE)], []),
    ("a second factor removed", [call(NOON, "DELETE", "/api2/json/access/tfa/bob@pve/totp", ALICE)],
     [("second-factor-removed", "HIGH", A)]),
    ("a second factor added", [call(NOON, "POST", "/api2/json/access/tfa/bob@pve", ALICE)], []),
    ("journald stopped", [task(NOON, "srvstop", "systemd-journald")], [("logging-weakened", "HIGH", A)]),
    ("postfix stopped", [task(NOON, "srvstop", "postfix")], []),
    ("the forwarder stopped by command", [sudo("/usr/bin/systemctl stop pve-audit-forward.service")],
     [("logging-weakened", "HIGH", {"user.account": "alice@pam"})]),
    ("the forwarder's state", [sudo("/usr/bin/systemctl status pve-audit-forward.service")], []),
    ("the journal thrown away", [sudo("/usr/bin/journalctl --vacuum-time=1s")],
     [("logging-weakened", "HIGH", {"user.account": "alice@pam"})]),
    ("the journal read", [sudo("/usr/bin/journalctl --since yesterday")], []),
    ("a metric server deleted", [call(NOON, "DELETE", "/api2/json/cluster/metrics/server/influx", ALICE)],
     [("logging-weakened", "HIGH", A)]),
    ("a backup job changed", [call(NOON, "PUT", "/api2/extjs/cluster/backup/backup-1", ALICE)],
     [("backup-weakened", "HIGH", A)]),
    ("a backup job added", [call(NOON, "POST", "/api2/extjs/cluster/backup", ALICE)], []),
    ("a firewall rule deleted", [call(NOON, "DELETE", "/api2/extjs/nodes/pve1/qemu/100/firewall/rules/0", ALICE)],
     [("firewall-weakened", "HIGH", A)]),
    ("the firewall stopped", [task(NOON, "srvstop", "pve-firewall")], [("firewall-weakened", "HIGH", A)]),
    ("firewall rules read", [call(NOON, "GET", "/api2/json/nodes/pve1/qemu/100/firewall/rules", ALICE)], []),
    ("messages lost", [journal(NOON, "Suppressed 4711 messages from pvedaemon.service", "systemd-journald")],
     [("messages-lost", "MEDIUM", {"host.name": "pve1"})]),
    ("a logger stopped", [journal(NOON, "Stopped rsyslog.service - System Logging Service.", "systemd")],
     [("logger-stopped", "MEDIUM", {"host.name": "pve1"})]),
    ("a logger started", [journal(NOON, "Started rsyslog.service - System Logging Service.", "systemd")], []),
    *[(f"sudo {command}", [sudo(f"/usr/sbin/{command}")], [(rule, "HIGH", {"user.account": "alice@pam"})])
      for rule, command in (
          ("rights-changed", "pveum acl modify / --users mallory@pve --roles Administrator"),
          ("rights-changed", "pvesh create /access/users --userid mallory@pve"),
          ("new-token", "pveum user token add root@pam x1 --privsep 0"),
          ("new-token", "pvesh create /access/users/root@pam/token/x1"),
          ("second-factor-removed", "pveum user tfa delete bob@pve"),
          ("backup-weakened", "pvesh set /cluster/backup/nightly --enabled 0"),
          ("firewall-weakened", "pvesh set /cluster/firewall/options --enable 0"),
          ("firewall-weakened", "pve-firewall stop"))],
    *[(f"sudo {command}", [sudo(f"/usr/sbin/{command}")], [])
      for command in ("pveum user list", "pveum acl list", "pvesh get /access/users", "pve-firewall status")],
    ("rights given at night", [call(NIGHT, "PUT", "/api2/extjs/access/acl", ALICE)],
     [("action-outside-hours", "HIGH", A), ("rights-changed", "HIGH", A)]),
]  # fmt: skip


def found(lines: list[str], **options: Any) -> Expected:
    """The findings on these lines, as a user gets them."""
    seen = anomalies(events(lines, node="pve1"), **options)
    return sorted(((item["rule"], item["severity"], item["group"]) for item in seen), key=str)


@pytest.mark.parametrize(("lines", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_shipped_rules(lines: list[str], expected: Expected) -> None:
    assert found(lines) == sorted(expected, key=str)


def test_the_administrators_are_those_that_are_named() -> None:
    lines = [*login(at=NIGHT), *login("root@pam", at=NIGHT + 60)]
    assert found(lines, administrators=[ALICE]) == [("administrator-login-outside-hours", "HIGH", A)]


@pytest.mark.parametrize(
    ("known", "lines", "new"),
    [
        ({ALICE: HOME}, login(ip=AWAY), [AWAY]),
        ({ALICE: [HOME, "198.51.100.0/24"]}, login(ip=AWAY), []),
        ({"*": ["198.51.100.0/24"]}, [*login(), *login(ip=AWAY, at=NOON + HOUR)], []),
        ({"*": ["198.51.100.0/24"]}, login(), []),
        ({BOB: ["198.51.100.0/24"]}, [*login(), *login(ip=AWAY, at=NOON + HOUR)], [AWAY]),
        ({ALICE: []}, login(), [HOME]),
    ],
)
def test_known_addresses(known: Any, lines: list[str], new: list[str]) -> None:
    (rule,) = ["login-from-new-address"]
    groups = [group for name, _severity, group in found(lines, known_addresses=known) if name == rule]
    assert groups == [{**A, "source.ip": address} for address in new]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"administrators": "root@pam"}, "administrators must be a list of accounts"),
        ({"known_addresses": [HOME]}, "known_addresses must be a map of accounts"),
        ({"known_addresses": {ALICE: 7}}, "alice@pve must have a list of addresses"),
        ({"known_addresses": {ALICE: ["home"]}}, "'home' is no address or network"),
    ],
)
def test_wrong_options_are_one_clear_sentence(options: dict[str, Any], message: str) -> None:
    with pytest.raises(Exception, match=f"^pve.audit.anomalies: [^\n]*{message}[^\n]*$"):
        anomalies([], **options)
