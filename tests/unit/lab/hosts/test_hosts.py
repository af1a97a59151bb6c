# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the booted hosts' tools compute without booting anything."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.lab.hosts import mirror
from tests.lab.hosts.errors import LabError
from tests.lab.hosts.layout import find_lab
from tests.lab.hosts.machine import KEYRING, cgroup_root
from tests.lab.hosts.node.pveproxy import AccessLog, make_line, write_lines
from tests.lab.hosts.node.ring import ACTIVE_ENTRIES, INDEX_BYTES, Ring

HYBRID = (
    "30 22 0:26 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw\n"
    "31 30 0:27 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n"
    "32 30 0:28 / /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory\n"
)
UNIFIED = "31 30 0:27 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"


@pytest.mark.parametrize(
    ("mounts", "root"),
    [
        (HYBRID, "/sys/fs/cgroup/unified"),
        (UNIFIED, "/sys/fs/cgroup"),
        (UNIFIED.replace(" rw,nosuid", " ro,nosuid"), None),
        ("", None),
    ],
)
def test_cgroup2_is_found(tmp_path: Path, mounts: str, root: str | None) -> None:
    file = tmp_path / "mountinfo"
    file.write_text(mounts)
    assert cgroup_root(file) == (Path(root) if root else None)


def test_two_checkouts_never_share_a_name(tmp_path: Path) -> None:
    one, two = find_lab(str(tmp_path / "one")), find_lab(str(tmp_path / "two"))
    assert one.tag != two.tag
    assert find_lab(str(tmp_path / "x" / ".." / "one")).tag == one.tag


URIS = (
    "'http://mirror.example/debian/dists/bookworm/InRelease' x 0 \n"
    "'http://mirror.example/debian/dists/bookworm-updates/InRelease' x 0 \n"
    "'http://mirror.example/debian-security/dists/bookworm-security/InRelease' x 0 \n"
    "'http://other.example/node/dists/nodistro/InRelease' x 0 \n"
)


def test_the_machines_own_mirror_serves_another_suite() -> None:
    assert mirror.sources("trixie", URIS) == [
        f"deb [signed-by={KEYRING}] http://mirror.example/debian trixie main",
        f"deb [signed-by={KEYRING}] http://mirror.example/debian-security trixie-security main",
        f"deb [signed-by={KEYRING}] http://mirror.example/debian trixie-updates main",
    ]


def test_without_a_mirror_there_is_one_sentence() -> None:
    with pytest.raises(LabError, match="name no Debian mirror"):
        mirror.sources("trixie", "'http://other.example/node/dists/nodistro/InRelease' x 0 \n")


def test_a_line_is_as_pve_writes_it() -> None:
    line = make_line(1, "mark", "node1", 0)
    assert line.endswith('"POST /api2/extjs/nodes/node1/qemu/101/status/start?lab=mark-000001 HTTP/1.1" 200 93')
    assert "[01/01/1970:" in line


def test_no_line_is_lost_when_the_log_is_opened_anew(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    log = AccessLog(path)
    write_lines(log, 2, 1, 0, "m")
    path.rename(tmp_path / "access.log.1")
    write_lines(log, 2, 3, 0, "m")
    log.reopen()
    write_lines(log, 2, 5, 0, "m")
    assert (tmp_path / "access.log.1").read_text().count("\n") == 4
    assert path.read_text().count("\n") == 2


def test_the_ring_turns_after_its_size(tmp_path: Path) -> None:
    ring = Ring(tmp_path, "node1")
    upids = [ring.upid("qmstart", "100", "alice@pve", pid=number) for number in range(1, 901)]
    for upid in upids:
        ring.start(upid)
        ring.log(upid, ["line"], "OK")
        ring.finish(upid, "OK")
    turned = (tmp_path / "index.1").read_text()
    assert INDEX_BYTES < len(turned) < INDEX_BYTES + 100
    lines = (turned + (tmp_path / "index").read_text()).splitlines()
    assert [line.split(" ")[0] for line in lines] == upids
    active = (tmp_path / "active").read_text().splitlines()
    assert len(active) == ACTIVE_ENTRIES
    assert active[0].split(" ")[:2] == [upids[-1], "1"]
    assert len(list(tmp_path.glob("[0-9A-F]/UPID:*"))) == 900


@pytest.mark.parametrize(
    ("status", "last"),
    [("OK", "TASK OK"), ("WARNINGS: 2", "TASK WARNINGS: 2"), ("no such disk", "TASK ERROR: no such disk")],
)
def test_a_task_text_ends_as_pve_ends_it(tmp_path: Path, status: str, last: str) -> None:
    ring = Ring(tmp_path, "node1")
    upid = ring.upid("qmstart", "100", "alice@pve")
    ring.log(upid, ["starting"], status)
    assert (tmp_path / upid.split(":")[4][-1] / upid).read_text() == f"starting\n{last}\n"
