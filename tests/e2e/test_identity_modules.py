# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The identity modules as users run them: twice, in check mode, and with every detail shown, which tells no secret."""

from __future__ import annotations

import re

import pytest

from tests.e2e.conftest import Ansible, connection
from tests.lab.identity import restore, save
from tests.lab.simulator import Simulator

PASSWORD, INFLUX, HEADER = "pw-S3CRET-word", "influx-S3CRET", "header-S3CRET"
TASKS = 10

PLAY = """
- hosts: localhost
  gather_facts: false
  module_defaults:
    group/pve.audit.api:
      request_timeout: 10
  tasks:
    - pve.audit.role:
        roleid: Operator
        privs: [VM.Audit, VM.PowerMgmt]
    - pve.audit.group:
        groupid: operators
        comment: "operate {{ '{{ guests }}' }}"
    - pve.audit.user:
        userid: carol@pve
        email: carol@example.com
        groups: [operators]
        expire: 2037-06-30
        password: "{{ password }}"
        update_password: "{{ update_password | default('on_create') }}"
    - pve.audit.user:
        userid: dave@pve
        comment: left in May
    - pve.audit.acl:
        path: /vms
        type: group
        ugid: operators
        roleid: Operator
    - pve.audit.token:
        userid: carol@pve
        name: nightly
        expire: 2037-06-30
      register: nightly
      no_log: true
    - pve.audit.realm:
        realm: pve
        tfa: oath
        allow_lockout: true
    - pve.audit.metric_server:
        id: graphite
        type: graphite
        server: 192.0.2.1
    - pve.audit.metric_server:
        id: influx
        type: influxdb
        server: 192.0.2.1
        port: 8086
        influxdbproto: https
        token: "{{ influx }}"
    - pve.audit.metric_server:
        id: otel
        type: opentelemetry
        server: 192.0.2.1
        otel_headers:
          Authorization: "{{ header }}"
    - ansible.builtin.assert:
        that: (nightly.token.value is defined) == (nightly is changed and not ansible_check_mode)
"""

REFUSED = """
- hosts: localhost
  gather_facts: false
  tasks:
    - pve.audit.user:
        userid: root@pam
        state: absent
      register: root
      ignore_errors: true
    - pve.audit.user:
        userid: new@pve
        password: "{{ password }}"
        groups: [nosuch]
      register: group
      ignore_errors: true
    - ansible.builtin.assert:
        that:
          - root is failed and group is failed
          - root.error_code == 'input' and 'cannot be deleted' in root.msg
          - group.error_code == 'refused' and group.http_status == 500
          - group.msg is match('cannot create the user new@pve')
"""


def changed(output: str) -> int:
    """How many tasks changed something."""
    found = re.search(r"localhost\s*:.*\bchanged=(\d+)", output)
    assert found, output
    return int(found[1])


@pytest.fixture
def as_root(lab: Simulator) -> dict[str, str]:
    """A login as root@pam."""
    found = connection(lab)
    del found["PROXMOX_TOKEN_ID"], found["PROXMOX_TOKEN_SECRET"]
    return {**found, "PROXMOX_USER": "root@pam", "PROXMOX_PASSWORD": "lab-password"}


def test_tried_made_and_made_again_with_every_detail(ansible: Ansible, lab: Simulator, as_root: dict[str, str]) -> None:
    saved = save(lab.cluster)
    secrets = {"password": PASSWORD, "influx": INFLUX, "header": HEADER}
    try:
        tried = ansible.play(PLAY, as_root, "--check", "--diff", "-vvv", **secrets)
        assert tried.status == 0 and changed(tried.output) == TASKS, tried.output
        assert save(lab.cluster) == saved
        made = ansible.play(PLAY, as_root, "--diff", "-vvv", **secrets)
        again = ansible.play(PLAY, as_root, "--diff", "-vvv", **secrets)
        assert made.status == 0 and changed(made.output) == TASKS, made.output
        assert again.status == 0 and changed(again.output) == 0, again.output
        assert lab.cluster.users.users["dave@pve"].enable == 0
        token = lab.cluster.secrets["carol@pve!nightly"]
        for output in (tried.output, made.output, again.output):
            # The command line of this test holds the secrets of `secrets` and is not printed by Ansible.
            assert not [secret for secret in (PASSWORD, INFLUX, HEADER, token, "lab-password") if secret in output]
        assert "(new value, not shown)" in made.output
    finally:
        restore(lab.cluster, saved)


def test_refusals_are_sentences(ansible: Ansible, lab: Simulator, as_root: dict[str, str]) -> None:
    played = ansible.play(REFUSED, as_root, password=PASSWORD)
    assert played.status == 0, played.output
    assert PASSWORD not in played.output and "Traceback" not in played.output
