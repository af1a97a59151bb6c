# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What people write into the options of the connection, and the sentence they get before anything is sent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.pve.audit.plugins.module_utils._model.errors import InputError
from ansible_collections.pve.audit.plugins.module_utils._pve.credentials import Credentials

SECRET = "11111111-2222-3333-4444-555555555555"
GIVEN: dict[str, Any] = {"host": "pve1", "user": "audit@pve", "token_id": "report", "token_secret": SECRET}
PASSWORD: dict[str, Any] = {"token_id": None, "token_secret": None, "password": "hunter2"}

REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"host": "127.0.0.1:8006"}, "has a port in it: write api_host: 127.0.0.1, and the port as api_port: 8006"),
    ({"host": "pve.example.org:443"}, "write api_host: pve.example.org, and the port as api_port: 443"),
    ({"host": "[::1]:8006"}, "write api_host: ::1, and the port as api_port: 8006"),
    ({"host": "[::1"}, "is not an address"),
    ({"host": "::1]"}, "is not an address"),
    ({"host": "1:2:3"}, "is not an address"),
    ({"host": "https://pve.example.org"}, "give it without https://"),
    ({"host": "proxy.example.org/pve"}, "give it without https:// and path"),
    ({"host": "root@pve1"}, "is not a host name"),
    (
        {"user": "audit@pve!report"},
        "a token: write audit@pve as api_user and report as api_token_id",
    ),
    ({"user": "audit"}, "has no realm"),
    ({"token_secret": f"audit@pve!report={SECRET}"}, "holds a whole header value: write only what stands behind the ="),
    ({"token_id": f"report={SECRET}"}, "has an = in it"),
    ({"token_id": f"audit@pve!report={SECRET}"}, "has an = in it"),
    ({"token_id": " report"}, "is not the name of a token"),
    ({"token_id": "r\u0435port"}, "is not the name of a token"),
    ({"token_secret": f"{SECRET}\r\n"}, "copy it again"),
    ({"token_id": "other@pve!report"}, "belongs to other@pve, but api_user is audit@pve"),
]


@pytest.mark.parametrize(("change", "sentence"), REFUSED)
def test_refused(change: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError) as caught:
        Credentials(**{**GIVEN, **change})
    text = str(caught.value)
    assert sentence in text
    assert SECRET not in text and "\n" not in text


@pytest.mark.parametrize(
    ("change", "url"),
    [
        ({}, "https://pve1:8006/api2/json"),
        ({"host": "::1", "port": 443}, "https://[::1]:443/api2/json"),
        ({"host": "[2001:db8::1]"}, "https://[2001:db8::1]:8006/api2/json"),
        ({"host": "fe80::1%eth0"}, "https://[fe80::1%25eth0]:8006/api2/json"),
        ({"token_id": "audit@pve!report"}, "https://pve1:8006/api2/json"),
        ({"user": "odd!name@pve", **PASSWORD}, "https://pve1:8006/api2/json"),
    ],
)
def test_taken(change: dict[str, Any], url: str) -> None:
    assert Credentials(**{**GIVEN, **change}).url == url


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "is a directory without hashed certificates"),
        ("", "holds no certificate"),
        ("not a certificate\n", "holds no certificate"),
        ("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "holds no certificate"),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "holds no certificate"),
    ],
)
def test_what_is_no_authority(tmp_path: Path, content: str | None, sentence: str) -> None:
    place = tmp_path / "ca.pem"
    place.mkdir() if content is None else place.write_text(content)
    with pytest.raises(InputError, match=sentence):
        Credentials(**GIVEN, ca_path=str(place))
    assert Credentials(**GIVEN, ca_path=str(place), validate_certs=False).address == "pve1:8006"
