# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What rsyslogd says about refused connections, as recorded from versions 8.2302 and 8.2504."""

from __future__ import annotations

import pytest

from pve_audit.collector.refused import Refusal, refusals, summary

PEER = "the certificate is of another peer"
INVALID = "the certificate is not valid"
NONE = "there is no certificate"
PLAIN = "there was no TLS handshake"
END = " [v8.2302.0 try https://www.rsyslog.com/e/2353 ]"
OBJECT = f"object  'lstn 20514: conn to clt 198.51.100.7/198.51.100.7' - input may not work as intended{END}"
HANDSHAKE = f"imrelp[20514]: error 'TLS handshake failed [gnutls error -43: Error in the certificate.]', {OBJECT}"
WRITE = f"imrelp[20514]: error 'TLS record write failed [gnutls error -408: Cannot perform this action.]', {OBJECT}"
CLOSED = "netstream session 0x7f988401fcd0 from 198.51.100.7 will be closed due to error [v8.2302.0]"
NAMES = (
    "error: peer name not authorized -  not permitted to talk to it. Names: DNSname: eve; CN: eve;  [v8.2302.0 try x ]"
)
SIGNER = "not permitted to talk to peer, certificate invalid: signer not found [v8.2302.0]"
SIGNER_2504 = "not permitted to talk to peer '198.51.100.7', certificate invalid: signer not found [v8.2504.0]"
CERT_INFO = "invalid cert info: peer provided 1 certificate(s). Certificate 1 info: SAN:DNSname: pve1;  [v8.2302.0]"
NO_CERT = "peer did not provide a certificate, not permitted to talk to it [v8.2302.0]"
NO_CERT_2504 = "peer 198.51.100.7 did not provide a certificate, not permitted to talk to it [v8.2504.0]"
RETRY = "GnuTLS handshake retry returned error: An unexpected TLS packet was received.  [v8.2302.0]"
RELP_PLAIN = f"imrelp[20514]: error 'TLS handshake failed [gnutls error -15: An unexpected TLS packet.]', {OBJECT}"
HUNG_UP = f"imrelp[20514]: error 'TLS record reception failed [gnutls error -110: not properly terminated.]', {OBJECT}"


def auth(text: str, peer: str) -> str:
    return f"imrelp[20514]: authentication error '{text}', peer is '{peer}'{END}"


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        ([auth("no permited name found", "DNSname: eve; DNSname: eve; "), HANDSHAKE, WRITE], ("relp", PEER, ["eve"])),
        ([auth("certificate validation failed", ""), HANDSHAKE, WRITE], ("relp", INVALID, [])),
        ([auth("peer did not provide a certificate", ""), HANDSHAKE, WRITE], ("relp", NONE, [])),
        ([RELP_PLAIN, WRITE], ("relp", PLAIN, [])),
        ([NAMES, CLOSED], ("tcp", PEER, ["eve"])),
        ([SIGNER, CERT_INFO, CLOSED], ("tcp", INVALID, [])),
        ([SIGNER_2504, CERT_INFO, CLOSED], ("tcp", INVALID, [])),
        ([NO_CERT, CLOSED], ("tcp", NONE, [])),
        ([NO_CERT_2504, CLOSED], ("tcp", NONE, [])),
        ([RETRY, CLOSED], ("tcp", PLAIN, [])),
    ],
)
def test_a_refused_connection_is_told_once(messages: list[str], expected: tuple[str, str, list[str]]) -> None:
    (found,) = refusals([("2026-11-23T10:00:00Z", message) for message in messages])
    assert (found.protocol, found.reason, found.names) == expected
    assert found.port == ("20514" if found.protocol == "relp" else "")
    assert found.address == "198.51.100.7"


def test_a_client_without_tls_on_tcp_has_no_address() -> None:
    """rsyslog tells none when the first bytes are wrong at once."""
    (found,) = refusals(
        [
            ("", "gnutls returned error on handshake: An unexpected TLS packet was received.  [v8.2504.0]"),
            ("", "tcpsrv listener (inputname: 'tcp-pve1') failed to process incoming connection with error -2083"),
        ]
    )
    assert (found.address, found.reason) == ("unknown", PLAIN)


def test_a_peer_that_hangs_up_is_not_refused() -> None:
    assert not refusals(
        [
            ("", HUNG_UP),
            ("", f"imrelp[20514]: error 'error when receiving data, session broken', {OBJECT}"),
            ("", "unexpected GnuTLS error -110 in nsd_gtls.c:606: The TLS connection was non-properly terminated."),
            ("", CLOSED),
        ]
    )


def test_the_summary_counts_and_names_the_node_that_was_tried() -> None:
    one = Refusal("1", "relp", "198.51.100.7", "20514", PEER, ["eve"])
    two = Refusal("2", "relp", "198.51.100.7", "20514", PEER, ["eve"])
    (group,) = summary([one, two], [], {"20514": "pve1"})["refused"]
    assert (group["count"], group["node"], group["first"], group["last"]) == (2, "pve1", "1", "2")
