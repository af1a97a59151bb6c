# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The nine cases. Each sends numbered messages from both nodes, breaks something meanwhile, and repairs it.

Half of a case's messages are written before the fault lasts, the other half while it does.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.lab.faults.rig import Counts, Rig

PATIENCE = (
    100.0  # seconds without news after which what is missing counts as lost; longer than the forwarder's back-off
)
RATE = 2500.0


@dataclass
class Outcome:
    """What became of one case. `seconds`: from the end of the fault until the last line was there."""

    case: str
    wanted: int
    counts: Counts
    journal: dict[str, int]
    seconds: float
    note: str = ""
    wrong: tuple[str, ...] = ()

    @property
    def lost(self) -> dict[str, int]:
        """For each node: messages that its journal holds and the archive does not."""
        return {node: self.journal[node] - one["distinct"] for node, one in self.counts.items()}


@dataclass
class Run:
    """One case at work."""

    rig: Rig
    mark: str
    messages: int
    notes: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    @property
    def halves(self) -> tuple[range, range]:
        middle = self.messages // 2
        return range(1, middle + 1), range(middle + 1, self.messages + 1)

    def send(self, numbers: range) -> None:
        """Write messages and wait until they are written."""
        self.rig.wait(self.rig.send(self.mark, numbers, RATE))

    @contextmanager
    def sending(self) -> Iterator[None]:
        """All messages are written while the block runs, at a rate that gives it time."""
        senders = self.rig.send(self.mark, range(1, self.messages + 1), min(RATE, self.messages / 6))
        time.sleep(2)
        yield
        self.rig.wait(senders)


def burst(run: Run) -> None:
    """Nothing goes wrong, as fast as syslog(3) takes them."""
    run.rig.wait(run.rig.send(run.mark, range(1, run.messages + 1), 0))


def collector_stopped(run: Run) -> None:
    with run.sending():
        run.rig.stop_receiver()
    run.rig.start_receiver()


def collector_killed(run: Run) -> None:
    with run.sending():
        # With all its processes, twice: whatever it had acknowledged and not written is gone.
        unit = run.rig.receiver
        for seconds in (2, 1):
            kill = f"systemctl kill --signal=KILL {unit}; sleep {seconds}; systemctl start {unit}"
            run.rig.run(run.rig.collector, kill)


def forwarder_killed(run: Run) -> None:
    with run.sending():
        run.rig.on_nodes(
            f"systemctl kill --signal=KILL {run.rig.forwarder}; sleep 1; systemctl start {run.rig.forwarder}"
        )


def forwarder_restarted_in_an_outage(run: Run) -> None:
    with run.sending():
        run.rig.stop_receiver()
        run.rig.on_nodes(f"systemctl restart {run.rig.forwarder}")
    run.rig.start_receiver()


def node_rebooted_in_an_outage(run: Run) -> None:
    first, second = run.halves
    run.rig.stop_receiver()
    run.send(first)
    for node in run.rig.nodes:
        run.rig.reboot(node)
    run.send(second)
    run.rig.start_receiver()


def link_down(run: Run) -> None:
    with run.sending():
        for node in run.rig.nodes:
            run.rig.link(node, "down")
        time.sleep(20)
        for node in run.rig.nodes:
            run.rig.link(node, "up")


def disk_full(run: Run) -> None:
    """Where nothing is queued, the disk of the archive is full instead."""
    if run.rig.delivery.queue:
        queue_full(run)
    else:
        archive_full(run)


def queue_full(run: Run) -> None:
    """The disk with the forwarder's state (or rsyslog's queue) is full through an outage and a kill -9."""
    rig = run.rig
    where = rig.delivery.queue
    small = (
        f"systemctl stop {rig.forwarder}; mkdir -p {where}; cp -a {where} /var/tmp/state-copy;"
        f" mount -t tmpfs -o size=1m,mode=0700 small {where}; cp -a /var/tmp/state-copy/. {where}/;"
        f" systemctl start {rig.forwarder}; sleep 1; head -c 2M /dev/zero >{where}/filler 2>/dev/null || true"
    )
    rig.on_nodes(small)
    rig.on_nodes(f"! head -c 65536 /dev/zero >{where}/probe 2>/dev/null; rm -f {where}/probe")  # it really is full
    first, second = run.halves
    run.send(first)
    rig.stop_receiver()
    rig.on_nodes(f"systemctl kill --signal=KILL {rig.forwarder}; sleep 1; systemctl start {rig.forwarder}")
    run.send(second)
    rig.start_receiver()
    run.rig.settle(run.mark, run.messages, 45)
    # Somebody makes room.
    rig.on_nodes(
        f"systemctl stop {rig.forwarder}; rm -f {where}/filler; rm -rf /var/tmp/state-copy;"
        f" cp -a {where} /var/tmp/state-copy; umount {where}; cp -a /var/tmp/state-copy/. {where}/;"
        f" rm -rf /var/tmp/state-copy; systemctl start {rig.forwarder}"
    )


def archive_full(run: Run) -> None:
    """The disk of the archive is full for a while."""
    rig = run.rig
    filler = f"{rig.delivery.archive}/filler"
    rig.run(rig.collector, f"head -c 1G /dev/zero >{filler} 2>/dev/null || true")
    first, second = run.halves
    run.send(first)
    rig.on_nodes(f"systemctl kill --signal=KILL {rig.forwarder}; sleep 1; systemctl start {rig.forwarder}")
    run.send(second)
    rig.settle(run.mark, run.messages, 45)
    arrived = sum(one["distinct"] for one in rig.count(run.mark).values())
    run.notes.append(f"there is no queue: the disk of the archive instead; {arrived:,} arrived meanwhile")
    rig.run(rig.collector, f"rm -f {filler}")


def certificate_expired(run: Run) -> None:
    """Both nodes' certificates are replaced by expired ones of the same authority, and later put back."""
    rig = run.rig
    first, second = run.halves
    for node in rig.nodes:
        request = rig.run(node, f"openssl req -new -key /etc/pve-audit/tls/key.pem -subj /CN={node.name}")
        rig.put(rig.collector, "/root/request.pem", request)
        sign = (
            "cd /etc/pve-audit/ca"
            f" && printf 'subjectAltName=DNS:{node.name}\\nextendedKeyUsage=clientAuth\\n' >/root/ext"
            " && openssl x509 -req -in /root/request.pem -CA ca.pem -CAkey ca.key -extfile /root/ext"
            " -not_before 20250101000000Z -not_after 20250201000000Z 2>/dev/null"
        )
        rig.run(node, "cp -p /etc/pve-audit/tls/cert.pem /root/cert.good")
        rig.put(node, "/etc/pve-audit/tls/cert.pem", rig.run(rig.collector, sign))
    # A connection that is up stays up: the certificate counts from the next one on.
    since = rig.run(rig.collector, "date -u +'%Y-%m-%d %H:%M:%S'").strip()
    rig.run(rig.collector, f"systemctl restart {rig.receiver}")
    rig.on_nodes(f"systemctl restart {rig.forwarder}")
    run.send(first)
    time.sleep(3)
    early = rig.count(run.mark)
    arrived = sum(one["distinct"] for one in early.values())
    told = rig.reasons(since)
    run.notes.append(f"{arrived} arrived meanwhile; the collector reports: {', '.join(told) or 'nothing'}")
    if arrived or not told:
        run.wrong.append("an expired certificate was let in, or turned away without a word")
    run.send(second)
    rig.on_nodes("cat /root/cert.good >/etc/pve-audit/tls/cert.pem; rm /root/cert.good")
    if "rsyslog" in rig.forwarder:
        rig.on_nodes(f"systemctl restart {rig.forwarder}")


CASES: dict[str, Callable[[Run], None]] = {
    "a burst, nothing wrong": burst,
    "collector stopped and started": collector_stopped,
    "collector kill -9 (twice)": collector_killed,
    "forwarder kill -9": forwarder_killed,
    "forwarder restarted in an outage": forwarder_restarted_in_an_outage,
    "node rebooted in an outage": node_rebooted_in_an_outage,
    "link down 20 s": link_down,
    "disk of the queue full": disk_full,
    "certificate expired": certificate_expired,
}


def play(rig: Rig, case: str, messages: int) -> Outcome:
    """Run one case and count."""
    run = Run(rig, f"f{int(time.time())}", messages)
    CASES[case](run)
    end = time.monotonic()
    counts = rig.settle(run.mark, messages, PATIENCE)
    complete = all(one["distinct"] >= messages for one in counts.values())
    seconds = time.monotonic() - end - (0 if complete else PATIENCE)
    journal = rig.in_journal(run.mark)
    return Outcome(case, messages, counts, journal, seconds, "; ".join(run.notes), tuple(run.wrong))
