# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The finder of gaps against a plain oracle, and against nodes that would rather not have theirs found."""

from __future__ import annotations

import gzip
import itertools
import json
import resource
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pve_audit.collector import cli, streams, tally
from pve_audit.collector.gaps import find_gaps, report
from pve_audit.collector.settings import Settings, parse
from pve_audit.collector.streams import Stream
from pve_audit.collector.tally import Tally
from pve_audit.forward.file_source import FileSource
from pve_audit.forward.settings import FileSpec
from pve_audit.settings_file import SettingsError
from pve_audit.wire import encode
from tests.forward.harness import PROGRAM
from tests.unit.roles._programs.collector.conftest import LINE, entry, span


def stream_of(places: list[tuple[int, int]]) -> Stream:
    stream = Stream()
    for place, length in places:
        stream.add(place, length, 1)
    return stream


@given(st.lists(st.integers(0, 300), min_size=1, max_size=200))
def test_missing_numbers_are_those_of_the_oracle(numbers: list[int]) -> None:
    runs = stream_of([(number, 1) for number in numbers]).examine()
    found = {number for start, end in runs.missing for number in range(start, end + 1)}
    assert found == set(range(min(numbers), max(numbers) + 1)) - set(numbers)
    assert runs.missing_count == len(found)
    assert runs.duplicates == len(numbers) - len(set(numbers))
    assert all(end + 1 < start for (_, end), (start, _) in itertools.pairwise(runs.missing))


@given(st.lists(st.integers(1, 40), min_size=1, max_size=60), st.data())
def test_missing_bytes_are_those_of_the_lost_lines(lengths: list[int], data: st.DataObject) -> None:
    offsets = [sum(lengths[:number]) for number in range(len(lengths))]
    kept = data.draw(st.sets(st.integers(0, len(lengths) - 1), min_size=1))
    again = data.draw(st.lists(st.sampled_from(sorted(kept))))
    order = data.draw(st.permutations([*kept, *again]))
    runs = stream_of([(offsets[one], lengths[one]) for one in order]).examine()
    found = {byte for start, end in runs.missing for byte in range(start, end + 1)}
    lost = [one for one in range(min(kept), max(kept)) if one not in kept]
    assert found == {byte for one in lost for byte in range(offsets[one], offsets[one] + lengths[one])}
    assert runs.duplicates == len(again)


def tally_of(*lines: bytes, source: str = "journal", partial: bool = False) -> dict[str, Any]:
    one = Tally("pve1", source, partial)
    for number, line in enumerate(lines, 1):
        one.add(line + b"\n", "day", number)
    one.finish()
    return report([one])


def kinds(result: dict[str, Any]) -> list[str]:
    assert result["complete"] == (not result["findings"]) == (result["findings_count"] == 0)
    return [one["kind"] for one in result["findings"]]


def test_a_journal_with_a_gap_and_a_duplicate() -> None:
    result = tally_of(*(entry(number) for number in (1, 2, 2, 5, 7)), entry(1, journal="bb"))
    first, second = result["journals"]
    assert kinds(result) == ["missing", "new"]
    assert (first["first"], first["last"], first["duplicates"], first["missing"]) == (1, 7, 1, [[3, 4], [6, 6]])
    assert (second["journal"], second["missing"], second["lines"]) == ("bb", [], 1)


FILTERED = ' filtered="true"'
SPAN = {"a": span(0, "one"), "b": span(5, "two"), "c": span(10, "three")}
QUEUED = '[pveaudit@32473 node="pve1" source="x" file="/f" offset="{offset}"] {text}'


def queued(offset: int, text: str) -> bytes:
    """A line of a file as rsyslog on the node sends it."""
    data = QUEUED.format(offset=offset, text=text)
    return f"<30>1 2026-11-20T10:00:00Z pve1 app 1 x {data}".encode()


def moved(line: bytes, inode: int) -> bytes:
    return line.replace(b'inode="7"', f'inode="{inode}"'.encode())


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        # What the node says of itself hides nothing.
        ([entry(1), entry(9, more=FILTERED)], ["filtered", "missing"]),
        ([SPAN["a"], span(50, "x", ' length="1000000000000"'), span(900, "y")], ["missing"]),
        ([span(0, "x", ' length="1000000000000"'), span(900, "y")], ["missing"]),
        ([span(0, "x", ' part="1/1"'), span(900, "y")], ["broken", "missing"]),
        ([span(0, "x", ' part="1/2"'), span(900, "y")], ["missing", "parts"]),
        ([span(0, "x", ' part="1/2"'), span(0, "y", ' part="2/2"'), span(900, "y")], ["missing"]),
        ([span(0, "x", ' part="1/2"'), span(0, "y", ' part="2/2"'), span(4, "y")], []),
        # Escapes take more room here than in the file: the forwarder says how much it was, and can only say less.
        ([span(0, "#011" * 9, ' length="10"'), span(10, "x")], []),
        ([span(0, "#011" * 9, ' length="10"'), span(20, "x")], ["missing"]),
        ([span(0, "#011" * 9, ' length="99"'), span(40, "x")], ["missing"]),
        ([span(0, "#011" * 9, ' length="²"'), span(38, "x")], []),
        ([*(span(0, "#011", f' length="3" part="{one}/2"') for one in (1, 2)), span(8, "x")], ["missing"]),
        ([*(span(0, "#011", f' length="3" part="{one}/2"') for one in (1, 2)), span(3, "x")], []),
        # A beginning that nobody has seen before.
        ([entry(2)], ["begin"]),
        ([entry(1), entry(1, journal="bb")], ["new"]),
        ([SPAN["b"], SPAN["c"]], ["missing"]),
        # The node says honestly that something was lost.
        (
            [entry(1), LINE.format(node="pve1", source="forward", more=' note="journal_hole"', text="x").encode()],
            ["note"],
        ),
        # Numbers that are none.
        ([entry(1), entry(2, more=' part="1/²"')], ["broken"]),
        ([entry(1), entry(2, more=f' part="1/{"9" * 5000}"')], ["broken"]),
        ([entry(1), entry(2, more=' part="1/100000"')], ["broken"]),
        ([entry(1), entry(2, more=' part="3/2"')], ["broken"]),
        ([entry(1), entry(2, more=' part=""')], ["broken"]),
        ([SPAN["a"], SPAN["b"].replace(b'"5"', f'"{"5" * 5000}"'.encode())], ["broken"]),
        ([SPAN["a"], SPAN["b"].replace(b'"5"', '"٥"'.encode())], ["broken"]),
        ([SPAN["a"], SPAN["b"].replace(b'"5"', b'"-5"')], ["broken"]),
        ([SPAN["a"], SPAN["b"].replace(b'"5"', b'"99999999999999999999"')], ["broken"]),
        ([entry(1), entry(2).replace(b"i=2", b"i=" + b"f" * 5000)], ["broken"]),
        ([entry(1), entry(2).replace(b"i=2", b"i=ffffffffffffffff")], ["missing"]),
        ([entry(1), entry(2).replace(b"s=aa", b"xs=aa")], ["broken"]),
        ([entry(1), b"torn li", b"", b"\xff" * 100], ["broken"]),
        # The same place with another text, in one piece or in several.
        ([entry(1), entry(1), entry(2)], []),
        ([entry(1), entry(1, text="other"), entry(2)], ["altered"]),
        ([entry(1, more=' loginuid="1000"'), entry(1, more=' loginuid="0"')], ["altered"]),
        ([SPAN["a"], SPAN["a"], SPAN["b"], span(0, "two")], ["altered"]),
        (
            [entry(1, more=' part="1/2"'), entry(1, text="x", more=' part="1/2"'), entry(1, more=' part="2/2"')],
            ["broken"],
        ),
        ([entry(1, more=f' part="{one}/2"') for one in (1, 2, 1, 2)], []),
        ([*(entry(1, more=f' part="{one}/2"') for one in (1, 2)), entry(1, text="x")], ["altered"]),
        ([entry(1, more=f' part="{one}/3"') for one in (1, 2, 3, 1, 2)], []),
        ([entry(1, more=' part="1/2"'), entry(1, more=' part="2/3"')], ["broken", "parts"]),
        # A file that was moved, packed or replaced.
        ([SPAN["a"], moved(SPAN["b"], 8), moved(SPAN["c"], 8)], []),
        ([SPAN["a"], moved(SPAN["c"], 8)], ["missing"]),
        ([SPAN["a"], SPAN["b"], moved(SPAN["a"], 8), moved(SPAN["b"], 8)], []),
        ([SPAN["a"], SPAN["b"], moved(span(0, "new"), 8), moved(span(9, "x"), 8)], ["missing"]),
        # As rsyslog sends it: a file that begins anew shows by its offsets alone.
        ([queued(0, "one"), queued(4, "two"), queued(0, "other"), queued(6, "x")], []),
        ([queued(0, "one"), queued(40, "two")], ["missing"]),
        ([queued(0, "one"), queued(4, "two"), queued(0, "one"), queued(4, "two"), queued(8, "three")], []),
        ([queued(0, "one"), queued(4, "two"), queued(3, "other")], ["missing"]),
        ([LINE.format(node="pve1", source="journal", more="", text="x").encode()], ["unnumbered"]),
    ],
)
def test_what_is_found(lines: list[bytes], expected: list[str]) -> None:
    assert sorted(kinds(tally_of(*lines))) == expected


def test_a_source_that_may_be_sent_in_part_proves_nothing() -> None:
    nameless = LINE.format(node="pve1", source="journal", more="", text="x").encode()
    result = tally_of(entry(5), entry(9, more=FILTERED), nameless, partial=True)
    assert kinds(result) == []
    assert (result["journals"][0]["filtered"], result["journals"][0]["missing"]) == (True, [[6, 8]])
    assert kinds(tally_of(entry(5), entry(5, text="other"), b"torn", partial=True)) == ["broken", "altered"]


def test_the_places_of_an_example_are_named() -> None:
    result = tally_of(entry(1), *[b"torn li"] * 100)
    assert (result["unreadable"], len(result["broken"])) == (100, streams.EXAMPLES)
    assert result["broken"][0] == {"file": "day", "line": 2, "why": "it is not a line of the forwarder"}
    assert "100 lines cannot be used; the first is line 2 of day" in result["findings"][0]["message"]


def test_a_lost_part_is_named() -> None:
    lost = tally_of(entry(1), *(entry(2, more=f' part="{one}/4"') for one in (1, 3)), entry(3))
    assert lost["journals"][0]["missing_parts"] == {"2": ["2/4", "4/4"]}


def test_an_escaped_character_is_no_gap() -> None:
    """rsyslog and the forwarder write a control character as four."""
    assert tally_of(span(0, "tab#011here"), span(9, "next"), source="access.log")["complete"]


def test_a_gap_of_the_task_log_is_a_finding() -> None:
    text = '{"kind": "turned"}'
    assert kinds(tally_of(span(0, text), source="task-gaps")) == ["note"]


def test_what_the_collector_itself_did_not_keep_is_a_finding() -> None:
    told = LINE.format(node="pve1", source="collector", more=' event="quota" lines="7"', text="not kept").encode()
    assert kinds(tally_of(told, source="collector")) == ["note"]


def test_a_flood_of_parts_journals_and_notes_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counts instead of a memory that the node chooses."""
    monkeypatch.setattr(tally, "MOST_STREAMS", 50)
    many = [entry(1, journal=f"{number:x}") for number in range(1, 101)]
    result = tally_of(*many)
    assert len(result["journals"]) == 50 and "many" in kinds(result)
    note = LINE.format(node="pve1", source="forward", more=' note="x"', text="y" * 60_000).encode()
    assert len(json.dumps(tally_of(*[note] * 200))) < 50_000
    splits = streams.Splits()
    key = streams.Key("journal", "aa")
    for number in range(500):
        splits.take(key, number, (1, 99_999), (0, 1))
        assert len(list(splits.spare(100))) == (number >= 100)
    assert splits.count == len(splits.waiting) == 100
    parts = [entry(number, more=f' part="{1 + number % 2}/99999"') for number in range(1, 1501)]
    assert len(json.dumps(tally_of(*parts))) < 100_000


NASTY = [
    b"\t" * 50,
    b"\r\r",
    b"\xff" * 70,
    b"#011#011",
    b"\\xff",
    "gr\u00fcn".encode(),
    b"a\rb" * 2000,
    b"",
    b"plain",
    b"\x00" * 3000,
]


def sent(path: Path, frame: int = 2048) -> list[list[bytes]]:
    """The lines of a file as the forwarder sends them, in pieces."""
    source = FileSource(FileSpec("a", str(path)), "pve1", 0.0, path.with_name("a.done"))
    source.open({}, {})
    found = []
    for _try in range(3 * len(NASTY)):
        line = source.next(0.0)
        found += [encode(line.message, frame)] if line is not None else []
    source.close()
    return found


def test_a_line_that_is_lost_behind_escapes_is_seen(tmp_path: Path) -> None:
    """The forwarder and the finder together, with each line left out once."""
    path = tmp_path / "a.log"
    path.write_bytes(b"first\n" + b"".join(line + b"\n" for line in NASTY) + b"last\r\nthe end\n")
    lines = sent(path)
    assert len(lines) == len(NASTY) + 3 and max(map(len, lines)) > 3
    assert kinds(tally_of(*itertools.chain(*lines), source="a")) == []
    for lost in range(1, len(lines) - 1):
        rest = itertools.chain(*lines[:lost], *lines[lost + 1 :])
        assert kinds(tally_of(*rest, source="a")) == ["missing"], lines[lost][0]


def lay(settings: Settings, name: str, lines: list[bytes], source: str = "journal", node: str = "pve1") -> Path:
    path = Path(settings.archive, node, source, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    content = b"".join(line + b"\n" for line in lines)
    path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    return path


def gaps(settings: Settings, since: str = "", until: str = "", nodes: set[str] | None = None) -> dict[str, Any]:
    return find_gaps(settings, Path(settings.archive), nodes or {"pve1"}, since, until)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-9])


def damage(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:12] + b"\xff" * 50)


def no_gzip(path: Path) -> None:
    path.write_bytes(b"hello\n")


def pipe(path: Path) -> None:
    path.unlink()
    subprocess.run(["mkfifo", str(path)], check=True)


@pytest.mark.parametrize("harm", [truncate, damage, no_gzip, pipe])
def test_a_file_that_cannot_be_read_is_a_finding_and_the_rest_is_read(
    settings: Settings, harm: Callable[[Path], None]
) -> None:
    lay(settings, "2026-11-20.log.gz", [entry(1), entry(2)])
    harm(lay(settings, "2026-11-21.log.gz", [entry(3), entry(4)]))
    lay(settings, "2026-11-22.log.gz", [entry(5), entry(7)])
    result = gaps(settings)
    assert {"damaged", "missing"} <= set(kinds(result))
    assert "pve1/journal/2026-11-21.log.gz cannot be read" in result["findings"][0]["message"]
    assert result["journals"][0]["last"] == 7


def test_what_is_being_written_is_no_finding(settings: Settings) -> None:
    path = lay(settings, "2026-11-23.log", [entry(1), entry(2, more=' part="1/2"')])
    assert kinds(gaps(settings)) == []
    with path.open("ab") as stream:
        stream.write(b"<30>1 2026-11-20")
    assert kinds(gaps(settings)) == []
    with path.open("ab") as stream:
        stream.write(b"\n" + entry(3) + b"\n")
    assert sorted(kinds(gaps(settings))) == ["broken", "parts"]


@pytest.mark.parametrize(
    ("before", "today", "source", "expected"),
    [
        ([entry(1), entry(2)], [entry(3)], "journal", []),
        ([entry(1), entry(3)], [entry(4)], "journal", []),  # the gap is one of another day
        ([entry(1), entry(2)], [entry(5)], "journal", ["missing"]),
        ([entry(1), entry(2)], [entry(2), entry(3)], "journal", []),
        ([entry(1), entry(2)], [entry(1, journal="bb")], "journal", ["new"]),
        ([], [entry(5)], "journal", ["begin"]),
        ([entry(1), entry(2, more=FILTERED)], [entry(3)], "journal", []),
        ([SPAN["a"], SPAN["b"]], [SPAN["c"]], "access.log", []),
        ([SPAN["a"]], [SPAN["c"]], "access.log", ["missing"]),
        ([SPAN["a"]], [moved(SPAN["c"], 8)], "access.log", ["missing"]),
        ([SPAN["a"], SPAN["b"]], [moved(span(0, "new"), 8)], "access.log", []),
        ([], [SPAN["c"]], "access.log", ["missing"]),
        ([queued(0, "one")], [queued(5, "two")], "x", []),
        ([queued(0, "one")], [queued(9, "two")], "x", ["missing"]),
        ([queued(0, "one"), queued(5, "two")], [queued(0, "new")], "x", []),
        ([queued(0, "one"), queued(5, "two")], [queued(4, "new")], "x", ["missing"]),
        ([b"torn"], [entry(1)], "journal", []),
    ],
)
def test_since_looks_back_and_tells_only_of_its_days(
    settings: Settings, before: list[bytes], today: list[bytes], source: str, expected: list[str]
) -> None:
    lay(settings, "2026-11-19.log.gz", before, source)
    lay(settings, "2026-11-22.log.gz", today, source)
    lay(settings, "2026-11-23.log", [entry(40), entry(90)], source)
    result = gaps(settings, "2026-11-21", "2026-11-22")
    assert kinds(result) == expected
    assert result["lines"] == len(today)


def test_a_node_that_sent_nothing_is_not_complete(settings: Settings) -> None:
    lay(settings, "2026-11-22.log", [entry(1)])
    result = find_gaps(settings, Path(settings.archive), set(), "", "")
    assert [(one["kind"], one["node"]) for one in result["findings"]] == [("silent", "pve2")]
    assert kinds(gaps(settings, since="2026-11-23")) == ["silent"]


def test_only_the_settings_say_what_may_be_filtered(settings: Settings) -> None:
    lay(settings, "2026-11-22.log", [entry(1), entry(9, more=FILTERED)])
    assert sorted(kinds(gaps(settings))) == ["filtered", "missing"]
    assert kinds(gaps(replace(settings, partial={"pve1": ["journal"]}))) == []
    assert kinds(gaps(replace(settings, partial={"pve2": ["journal"]}))) != []


@pytest.mark.parametrize("partial", [[], {"pve1": "journal"}, {"pve1": [1]}, "pve1"])
def test_settings_of_another_shape_are_refused(partial: Any) -> None:
    with pytest.raises(SettingsError, match="partial"):
        parse({"archive": "/a", "state": "/s", "rejected": "/r", "partial": partial})


HOSTILE = [
    entry(1),
    entry(2, more=' part="1/²"'),
    entry(3, more=f' part="1/{"9" * 5000}"'),
    *(entry(number, more=f' part="{number}/99999"') for number in range(4, 1500)),
    *(entry(number, more=' part="1/100000"') for number in range(1500, 3000)),
    span(1, "x", ' length="1000000000000"'),
]


@pytest.mark.parametrize("form", [[], ["--json"], ["--journal"]])
def test_the_program_ends_with_a_verdict_in_little_memory(settings: Settings, form: list[str]) -> None:
    lay(settings, "2026-11-22.log", HOSTILE)
    damage(lay(settings, "2026-11-21.log.gz", [entry(1)]))
    file = Path(settings.state) / "collector.json"
    file.write_text(json.dumps({name: getattr(settings, name) for name in ("archive", "state", "rejected")}))
    done = subprocess.run(
        [sys.executable, "-I", "-B", PROGRAM, "collector", "--config", file, *form, "gaps"],
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (400 << 20, 400 << 20)),
        check=False,
    )
    assert (done.returncode, done.stderr) == (1, "")
    assert '"complete": false' in done.stdout if "--json" in form else "NOT complete" in done.stdout
    assert len(done.stdout) < 100_000


@pytest.mark.parametrize("words", [["--since", "yesterday"], ["--until", "2026-13-01"]])
def test_a_date_that_is_none_is_refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["gaps", *words])
    assert "is no date" in capsys.readouterr().err
