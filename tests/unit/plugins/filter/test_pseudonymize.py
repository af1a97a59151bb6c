# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pseudonyms: no name remains, the key brings every byte back, and no other key does."""

from __future__ import annotations

import importlib
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.errors import AnsibleFilterError
from cryptography.exceptions import UnsupportedAlgorithm
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.pve.audit.plugins.filter import pseudonymize as hiding
from ansible_collections.pve.audit.plugins.filter import reveal as revealing
from ansible_collections.pve.audit.plugins.module_utils._evidence.read import read_events
from ansible_collections.pve.audit.plugins.module_utils._evidence.source import Context
from ansible_collections.pve.audit.plugins.module_utils._model.errors import InputError
from ansible_collections.pve.audit.plugins.plugin_utils._pseudonyms import pseudonym
from ansible_collections.pve.audit.plugins.plugin_utils._pseudonyms import pseudonymize as rules
from ansible_collections.pve.audit.plugins.plugin_utils._pseudonyms.pseudonym import LOOKALIKE, Cipher
from ansible_collections.pve.audit.plugins.plugin_utils._pseudonyms.pseudonymize import pseudonymize, reveal
from tests.report_sample import HOSTILE, build

KEY = "correct horse battery staple"
CIPHER = Cipher(KEY, rounds=1)
OTHER = Cipher(KEY + "!", rounds=1)
HIDE = hiding.FilterModule().filters()["pseudonymize"]
REVEAL = revealing.FilterModule().filters()["reveal"]
SHAPE = re.compile(r"psn-[a-z2-7]{52,}")


def show(value: Any) -> str:
    """Data as text, with each pseudonym as `#`."""
    return SHAPE.sub("#", json.dumps(pseudonymize(value, CIPHER, keep=["root@pam"]), ensure_ascii=False))


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ({"user": {"id": "alice@pve!ci", "account": "alice@pve", "name": "alice", "domain": "pve"}},
         '{"user": {"id": "#@pve!#", "account": "#@pve", "name": "#", "domain": "pve"}}'),
        ({"user": {"id": "root@pam!ops", "name": "root", "domain": "pam"}},
         '{"user": {"id": "root@pam!#", "name": "root", "domain": "pam"}}'),
        ({"source": {"ip": "192.0.2.7"}, "text": "from 192.0.2.7:8006, [2001:db8::1]:22 and ::ffff:192.0.2.7: no"},
         '{"source": {"ip": "#"}, "text": "from #:8006, [#]:22 and #: no"}'),
        ("UPID:pve1:000005D0:0007AF88:6B047A91:qmdestroy:501:dario@pve:",
         '"UPID:pve1:000005D0:0007AF88:6B047A91:qmdestroy:501:#@pve:"'),
        ("192.0.2.7 - alice@pve!ci [23/11/2026:02:13:05 +0100] \"DELETE /api2/json/access/users/alice@pve HTTP/1.1\"",
         '"# - #@pve!# [23/11/2026:02:13:05 +0100] \\"DELETE /api2/json/access/users/#@pve HTTP/1.1\\""'),
        ({"user.id": "alice@pve", "url": {"path": "/api2/json/access/users/alice%40pve/token/ci?u=%20alice&x=malice"}},
         '{"user.id": "#@pve", "url": {"path": "/api2/json/access/users/#%40pve/token/ci?u=%20#&x=malice"}}'),
        ({"user": {"name": "müller"}, "p": "/users/m%C3%BCller%40ad and Müller's"},
         '{"user": {"name": "#"}, "p": "/users/#%40ad and #\'s"}'),
        ({"user": "bob@pve", "tokenid": "nightly", "text": "token nightly of Bob, bob_2, bobby; alice_bob.log"},
         '{"user": "#@pve", "tokenid": "#", "text": "token # of #, #_2, bobby; alice_#.log"}'),
        ("Mail to lena.meyer@example.com.", '"Mail to #."'),
        ({"user": "lena@corp.example", "text": "lena@corp.example did"},
         '{"user": "#@corp.example", "text": "#@corp.example did"}'),
        ({"user": "backup@pve", "event": {"action": "backup.create", "dataset": "pve.task"}, "s": "a backup"},
         '{"user": "#@pve", "event": {"action": "backup.create", "dataset": "pve.task"}, "s": "a #"}'),
        ({"user": "2026@pve", "@timestamp": "2026-11-23T17:40:33Z"},
         '{"user": "#@pve", "@timestamp": "2026-11-23T17:40:33Z"}'),
        ({"id": "mass-guest-deletion-3a5f0c9be112", "event_ids": ["access:0123456789abcdef0123456789abcdef"]},
         '{"id": "mass-guest-deletion-#", "event_ids": ["access:#"]}'),
        ({"alice@pve": 1, "severity": {"192.0.2.7": [2]}, "user": "source@pve", "source": 3},
         '{"#@pve": 1, "severity": {"#": [2]}, "user": "#@pve", "source": 3}'),
        ({"group": {"user.id": "dario@pve"}, "values": [501, "dario"], "sentence": "dario@pve: deleted."},
         '{"group": {"user.id": "#@pve"}, "values": [501, "#"], "sentence": "#@pve: deleted."}'),
        ([1, None, True, 2.5, "", "-", {"user": "-"}], '[1, null, true, 2.5, "", "-", {"user": "-"}]'),
        ("at 17:40:33 version 9.0.11 by PVE::Auth", '"at 17:40:33 version 9.0.11 by PVE::Auth"'),
        ({"user": "odd,na=me@pve", "text": "UPID:p:1:1:1:x::odd,na=me@pve:"},
         '{"user": "#@pve", "text": "UPID:p:1:1:1:x::#@pve:"}'),
        ("UPID:p:1:1:1:x::odd,na=me@pve:", '"UPID:p:1:1:1:x::#@pve:"'),
        ({"firstname": "Lena", "email": "l@example.com", "comment": "lena is l@example.com"},
         '{"firstname": "#", "email": "#", "comment": "# is #"}'),
        # Names that no field holds, in the lines of sshd, PAM, sudo and others.
        ("Invalid user mallory from 192.0.2.7 port 22", '"Invalid user # from # port 22"'),
        ("Accepted publickey for erin from 192.0.2.7 port 22 ssh2", '"Accepted publickey for # from # port 22 ssh2"'),
        ("User frank from 192.0.2.7 not allowed because listed in DenyUsers",
         '"User # from # not allowed because listed in DenyUsers"'),
        ("Connection closed by authenticating user grace 192.0.2.7 port 9",
         '"Connection closed by authenticating user # # port 9"'),
        ("pam_unix(sshd:session): session opened for user heidi(uid=1000) by ivan(uid=0)",
         '"pam_unix(sshd:session): session opened for user #(uid=1000) by #(uid=0)"'),
        ("sudo:  judy : TTY=pts/0 ; PWD=/home/judy ; USER=root ; COMMAND=/usr/sbin/qm destroy 100",
         '"sudo:  # : TTY=pts/0 ; PWD=/home/# ; USER=root ; COMMAND=/usr/sbin/qm destroy 100"'),
        ("logname= uid=0 ruser=ken rhost=192.0.2.7 user=lea", '"logname= uid=0 ruser=# rhost=# user=#"'),
        ("login of CORP\\olivia and CORP\\\\pat", '"login of CORP\\\\# and CORP\\\\\\\\#"'),
        ({"user": "CORP\\quinn@ad", "text": "quinn did"}, '{"user": "#@ad", "text": "# did"}'),
        # The same name in another normal form or case, or with something invisible in it.
        ({"user": "mu\u0308ller@pve", "text": "M\u00fcller"}, '{"user": "#@pve", "text": "#"}'),
        ({"user": "strau\u00df@pve", "text": "STRAUSS strauss"}, '{"user": "#@pve", "text": "# #"}'),
        ({"user": "alice@pve", "text": "a\u200blic\ufeffe went, malice stays"},
         '{"user": "#@pve", "text": "# went, malice stays"}'),
        # A user may be called like a key.
        ({"user": "template@pve", "template": 1, "note": "template"}, '{"user": "#@pve", "template": 1, "note": "#"}'),
    ],
)  # fmt: skip
def test_what_is_hidden(value: Any, shown: str) -> None:
    assert show(value) == shown
    assert reveal(pseudonymize(value, CIPHER), CIPHER) == value


def test_a_whole_report_comes_back_and_holds_no_name() -> None:
    facts = build()
    names = [event["user"]["id"].partition("@")[0] for event in facts["pve_audit_report_events"] if "user" in event]
    hidden = pseudonymize(facts, CIPHER, keep=["root@pam"])
    assert reveal(hidden, CIPHER) == facts
    text = json.dumps(hidden, ensure_ascii=False)
    for name in {*names} - {"root", *HOSTILE}:
        assert not re.search(rf"(?<![^\W_]){re.escape(name)}@", text), name
        assert f'"{name}"' not in text, name
    assert hidden["pve_audit_report_summary"].keys() == facts["pve_audit_report_summary"].keys()


def test_more_names_and_realms() -> None:
    value = {"user": "alice@corp", "domain": "corp", "comment": "Alice Meyer left"}
    hidden = pseudonymize(value, CIPHER, keep_realm=False, names=["Meyer"])
    assert SHAPE.sub("#", json.dumps(hidden)) == '{"user": "#@#", "domain": "#", "comment": "# # left"}'
    assert reveal(hidden, CIPHER) == value


NAMES = st.from_regex(r"[a-zA-Z0-9äß.+_\-!]{0,20}[a-zA-Zäß]{2}[a-zA-Z0-9äß.+_\-]{0,30}", fullmatch=True)
REALM = st.sampled_from(["pve", "pam", "corp.example", "ldap-1"])
LIKE = st.sampled_from(["", CIPHER.hide("x"), CIPHER.hide("alice"), OTHER.hide("x"), "psn-" + "a" * 52, "psn-"])


@st.composite
def people(draw: st.DrawFn) -> tuple[list[str], Any]:
    """Names, and data that hold them in many ways."""
    names = draw(st.lists(NAMES, min_size=1, max_size=3))
    rows = []
    for name in names:
        user = f"{name}@{draw(REALM)}"
        before, after = draw(st.sampled_from(["", "x ", "(", "/", '"', "=", "%3D", "\\n", "\n"])), draw(LIKE)
        rows.append({
            "user": {"id": f"{user}!ci-{name}", "name": name},
            "event": {"id": f"UPID:pve1:0000:0000:0000:qmstart:100:{user}:", "original": f"{before}{name} did {after}"},
            "url": {"path": f"/access/users/{user}/{before}{name}?{after}"},
            "sentence": f"{user}: {name} and {name.upper()}, {name}@example.org {after}",
            name: [user, (name, after)],
        })  # fmt: skip
    return names, rows


@given(people())
def test_no_name_remains_and_every_byte_comes_back(case: tuple[list[str], Any]) -> None:
    names, value = case
    hidden = pseudonymize(value, CIPHER)
    assert reveal(hidden, CIPHER) == value
    assert pseudonymize(value, CIPHER) == hidden, "stable"
    text = SHAPE.sub("#", repr(hidden))
    for name in names:
        assert not re.search(rf"(?<![^\W_]){re.escape(name)}(?![^\W_])", text.replace(f"'{name}': [", "")), (name, text)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | NAMES | LIKE,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["user", "tokenid", "ip", "text", "id"]) | st.text() | LIKE, inner, max_size=4
        )
    ),
    max_leaves=12,
)


@given(JSON)
def test_any_data_come_back(value: Any) -> None:
    hidden = pseudonymize(value, CIPHER)
    assert reveal(hidden, CIPHER) == value
    assert reveal(pseudonymize(hidden, CIPHER), CIPHER) == hidden, "twice hidden is once revealed"


@pytest.mark.parametrize("text", ["1.1.1.", "a-", "x!@", "ab:", "UPID:a", "%4", "a@", "psn-a"])
def test_long_text_that_looks_like_names_comes_back(text: str) -> None:
    value = {"user": "al@pve", "text": text * 20_000}
    assert reveal(pseudonymize(value, CIPHER), CIPHER) == value


def test_no_text_takes_more_than_linear_time() -> None:
    """What is searched for has a longest length, or each place of a text would be compared with all that follows it."""
    rewriter = rules.Pseudonymizer(CIPHER, rules.Names([], ["alice"]))
    loose = rewriter._patterns_for("a\u200b")
    searched = [value for one in (rewriter._strict, loose) for value in vars(one).values()]
    assert len(searched) == 6
    searched += [*rules._IN_LINES, rules._WINDOWS, rules._UPID]
    parser: Any = importlib.import_module("re._parser")
    for pattern in [*searched, rules._FOUND, rules._UPID_USER]:
        # A pseudonym has none, but a run of its letters begins only after its mark, which holds a hyphen.
        shown = pattern.pattern.replace(LOOKALIKE, "psn-")
        assert parser.parse(shown).getwidth()[1] < 2_000, shown


@given(st.text(), st.text())
def test_pseudonyms_are_stable_distinct_and_bound_to_key_and_scope(one: str, two: str) -> None:
    first, second = CIPHER.hide(one), CIPHER.hide(two)
    assert SHAPE.fullmatch(first)
    assert (first == second) is (one == two)
    assert CIPHER.name_of(first) == one
    assert Cipher(KEY, rounds=1).hide(one) == first
    for other in (OTHER, Cipher(KEY, "2026-12", rounds=1)):
        assert other.hide(one) != first
        assert other.name_of(first) is None
        with pytest.raises(InputError, match="was not made with this key and scope"):
            other.reveal(f"by {first}.")


def test_the_form_is_fixed() -> None:
    """Pseudonyms that people have kept turn back with every later version."""
    assert CIPHER.hide("alice") == "psn-cnkhmrtvwmqdpx5dahbn4uynn3ry2vprtuvi3iahqux74sk273mq"


def _refuse(_key: bytes) -> None:
    raise UnsupportedAlgorithm("no")


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("MISSING", ImportError("no"), "cryptography is missing where this runs, or older than 37"),
        ("AESSIV", _refuse, "has no AES-SIV here: it needs OpenSSL 3"),
    ],
)
def test_no_cipher_is_one_sentence(name: str, value: Any, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pseudonym, name, value)
    with pytest.raises(AnsibleFilterError, match=message):
        HIDE("x", KEY)


def test_names_of_one_length_class_look_alike() -> None:
    assert {len(CIPHER.hide(name)) for name in ("", "bo", "alexander", "x" * 9)} == {4 + 52}
    assert len(CIPHER.hide("x" * 10)) == 4 + 77


def test_who_writes_a_name_into_a_text_does_not_learn_its_pseudonym() -> None:
    """Mallory names the others in all that she may write: a comment, a path, an object, a guest's name."""
    guesses = "alice bob alice@pve 192.0.2.7"
    value = [
        {"user": {"id": "alice@pve", "name": "alice"}, "source": {"ip": "192.0.2.7"},
         "event": {"id": "UPID:pve1:0:0:0:qmdestroy:100:alice@pve:", "original": "alice@pve destroyed 100"}},
        {"user": {"id": "bob@pve!ci", "name": "bob"}, "group": {"user.id": "alice@pve"}, "sentence": "alice@pve: x"},
        {"user": {"id": "mallory@pve"}, "event": {"original": guesses}, "url": {"path": "/access/users/alice@pve"},
         "pve": {"object": "alice@pve"}, "comment": guesses, "values": ["alice@pve", guesses], "x alice y": "alice"},
    ]  # fmt: skip
    hidden = pseudonymize(value, CIPHER)
    assert reveal(hidden, CIPHER) == value
    written = set(SHAPE.findall(json.dumps(hidden[2]["event"]["original"])))
    for key in ("url", "pve", "comment", "values", "x alice y"):
        written |= set(SHAPE.findall(json.dumps(hidden[2][key])))
    assert len(written) >= 12
    assert not written & set(SHAPE.findall(json.dumps(hidden[:2])))
    assert hidden[0]["user"]["id"] == hidden[1]["group"]["user.id"], "the same person is the same"
    assert hidden[0]["event"]["id"].endswith(f":{hidden[0]['user']['id']}:")


def test_adjacent_pseudonyms_come_back() -> None:
    text = CIPHER.hide("alice") + CIPHER.hide("a name of more bytes") + CIPHER.hide("bob")
    assert CIPHER.reveal(text) == "alicea name of more bytesbob"


@pytest.mark.parametrize(
    "key",
    ["a" * 32, "0123456789abcdef", "abcdefghijklmnopqrstuvwxyz", "abcabcabcabcabcabc", "password12password12",
     "changemechangeme1", "Proxmox-Admin-123", "aaaaaaaabbbbbbbbcccc", "9876543210987654", "secretsecretkey1"],
)  # fmt: skip
def test_a_weak_key_is_refused(key: str) -> None:
    with pytest.raises(InputError, match="the key can be guessed"):
        Cipher(key, rounds=1)


@pytest.mark.parametrize(
    "changed", [CIPHER.hide("alice")[:-1] + letter for letter in "abcdefghijklmnopqrstuvwxyz234567"]
)
def test_a_pseudonym_has_one_spelling(changed: str) -> None:
    assert CIPHER.name_of(changed) == ("alice" if changed == CIPHER.hide("alice") else None)


@pytest.mark.parametrize(
    "text", ["", "alice", "psn-", "psn-!!!", "psn-" + "a" * 53, "psn-" + "a" * 52, "PSN-" + "A" * 52]
)
def test_what_is_no_pseudonym(text: str) -> None:
    assert CIPHER.name_of(text) is None


def test_what_the_ledger_tells_of_people_is_hidden() -> None:
    rows = [
        ["user alice@pve firstname", "Alice"],
        ["user alice@pve lastname", "Smith"],
        ["user alice@pve email", "as@x.org"],
    ]
    event = {"pve": {"keys_changed": rows, "file": "user.cfg"}, "original": json.dumps({"changed": rows})}
    text = show(event)
    assert not [name for name in ("alice", "Alice", "Smith", "as@x.org") if name in text], text
    assert '"file": "user.cfg"' in text
    assert reveal(pseudonymize(event, CIPHER), CIPHER) == event


def test_filters() -> None:
    hidden = HIDE({"user": "alice@pve"}, KEY, scope="2026-11")
    assert hidden != HIDE({"user": "alice@pve"}, KEY)
    assert REVEAL(hidden, KEY, scope="2026-11") == {"user": "alice@pve"}
    assert HIDE("root@pam", KEY) == "root@pam"
    assert "root@" not in HIDE("root@pam", KEY, keep=[])
    assert KEY not in json.dumps(hidden)


@pytest.mark.parametrize(
    ("call", "value", "key", "options", "message"),
    [
        (HIDE, "x", "short", {}, "pve.audit.pseudonymize: the key must be a text of at least 16 characters"),
        (HIDE, "x", None, {}, "pve.audit.pseudonymize: the key must be a text"),
        (HIDE, "x", KEY, {"names": "bob"}, "pve.audit.pseudonymize: names must be a list of names, not str"),
        (HIDE, "x", KEY, {"keep": 1}, "pve.audit.pseudonymize: keep must be a list of names, not int"),
        (REVEAL, CIPHER.hide("x"), KEY, {}, "pve.audit.reveal: the pseudonym psn-"),
        (REVEAL, "x", "", {}, "pve.audit.reveal: the key must be a text"),
    ],
)
def test_errors_are_one_sentence_without_the_key(
    call: Any, value: Any, key: Any, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(AnsibleFilterError) as caught:
        call(value, key, **options)
    text = str(caught.value)
    assert text.startswith(message) and "\n" not in text
    assert KEY not in text and "short" not in text


@pytest.mark.parametrize("module", [hiding, revealing])
def test_documentation(module: Any) -> None:
    assert yaml.safe_load(module.DOCUMENTATION)["name"] == module.__name__.rpartition(".")[2]
    assert yaml.safe_load(module.EXAMPLES)
    assert yaml.safe_load(module.RETURN)["_value"]["description"]


MESSAGES = Path(__file__).resolve().parents[2] / "data" / "messages"
# Those who do something in the tables of messages, or to whom it is done.
PEOPLE = re.compile(r"(?<!\w)(?:al|alice|bob|mallory|carl|bert|oracle|hugo|dario|SHA256:(?:abc|def))(?!\w)")


@pytest.mark.parametrize("table", sorted(MESSAGES.glob("*.yml")), ids=lambda table: table.stem)
def test_no_message_of_a_log_leaves_a_name(table: Path) -> None:
    for row in yaml.safe_load(table.read_text(encoding="utf-8")):
        line = f"2026-11-23T18:39:20.000002+01:00 pve1 {row.get('ident', table.stem)}[77]: {row['message']}"
        for event in read_events([line], context=Context("", 1795456000.0)):
            left = json.dumps(pseudonymize(event, CIPHER, keep=["root@pam"]))
            assert not PEOPLE.search(left), left
