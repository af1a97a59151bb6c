# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which lines of a large access log are parsed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.pve.audit.plugins.module_utils._places.sieve import AccessSieve

ALICE = '192.0.2.1 - alice@pve [23/11/2026:{}:05 +0100] "GET /api2/json/version HTTP/1.1" 200 83'
TOKEN = ALICE.replace("alice@pve", "mon@pve!prom")
LOGIN = '192.0.2.1 - - [23/11/2026:{}:05 +0100] "POST /api2/extjs/access/ticket HTTP/1.1" 200 900'
WRITE = '192.0.2.1 - alice@pve [23/11/2026:{}:05 +0100] "PUT /api2/extjs/cluster/options HTTP/1.1" 200 25'
ARCHIVED = '<30>1 2026-11-23T02:13:06Z pve1 pveproxy - - [pveaudit@32473 node="pve1" offset="9"] '


@pytest.mark.parametrize("head", ["", ARCHIVED], ids=["file", "archive"])
@pytest.mark.parametrize(
    ("lines", "wanted"),
    [
        ([(ALICE, "02:11"), (ALICE, "02:19"), (ALICE, "02:20")], [True, False, True]),
        ([(TOKEN, "02:11"), (TOKEN, "14:20")], [True, False]),
        ([(ALICE, "02:11"), (ALICE.replace(".1 ", ".2 ", 1), "02:12")], [True, True]),
        ([(ALICE, "02:11"), (LOGIN, "02:12"), (ALICE, "02:12"), (ALICE, "02:13")], [True, True, True, False]),
        ([(WRITE, "02:11"), (WRITE, "02:11")], [True, True]),
        ([(ALICE.replace("alice@pve", "-"), "02:11")], [False]),
        ([(ALICE.replace("200", "401"), "02:11"), (ALICE.replace("200", "401"), "02:11")], [True, True]),
        ([(ALICE, "02:11"), (ALICE.replace("/version", "/version\0"), "02:12")], [True, True]),
        # Another line ran into the read: it is looked at whole.
        ([(ALICE, "02:11"), (ALICE[:70] + WRITE, "02:12")], [True, True]),
        ([("", ""), ("no line at all", "")], [True, True]),
    ],
)
def test_what_is_parsed(head: str, lines: list[tuple[str, str]], wanted: list[bool]) -> None:
    sieve = AccessSieve(thin=True)
    assert [sieve.wants((head + line.replace("{}", clock)).encode()) for line, clock in lines] == wanted


def test_days_that_do_not_matter_are_left_out_of_any_log() -> None:
    sieve = AccessSieve(thin=False, days=[b"23/11/2026"])
    assert sieve.wants(WRITE.replace("{}", "02:11").encode())
    assert not sieve.wants(WRITE.replace("{}", "02:11").replace("23/11", "24/11").encode())


@given(request=st.text(st.characters(exclude_characters="\n\r"), max_size=40), read=st.booleans())
def test_nothing_in_a_request_hides_a_change(request: str, read: bool) -> None:
    """Whatever a client writes behind its method, a change is parsed."""
    sieve = AccessSieve(thin=True)
    if read:
        sieve.wants(ALICE.replace("{}", "02:11").encode())
    line = f'192.0.2.1 - alice@pve [23/11/2026:02:11:05 +0100] "DELETE {request} HTTP/1.1" 200 25'
    assert sieve.wants(line.encode("utf-8", "surrogatepass"))
