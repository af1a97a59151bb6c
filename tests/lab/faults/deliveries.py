# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kinds of delivery that are compared: who sends, who receives, where it is kept, and how it is set up."""

from __future__ import annotations

from dataclasses import dataclass

ARCHIVE = "/var/log/pve-audit-archive"
RECEIVED = "/var/log/journal/remote"
INSTALL = "apt-get -q update >/dev/null && apt-get -q install --yes --no-install-recommends {} >/dev/null"
TLS = "/etc/pve-audit/tls"
READABLE = "/run/journal-tls"  # copies for services that do not run as root
PORT = 19532


@dataclass(frozen=True)
class Delivery:
    """`forwarder` and `receiver` are units; `queue` is the node's directory whose disk fills, and where there is none
    the disk of the archive fills; `role` is the value of the role's option.
    """

    name: str
    forwarder: str
    role: str
    queue: str = ""
    packages: str = ""
    receiver: str = "pve-audit-collector.service"
    archive: str = ARCHIVE
    setup_node: str = ""
    setup_collector: str = ""


# Debian's own unit gives up after five failed attempts within ten seconds, and then sends nothing until somebody
# starts it.
_UPLOAD = f"""
systemctl disable --quiet --now pve-audit-forward.service
cat >/etc/systemd/journal-upload.conf <<END
[Upload]
URL=https://collector:{PORT}
ServerKeyFile={READABLE}/key.pem
ServerCertificateFile={READABLE}/cert.pem
TrustedCertificateFile={READABLE}/ca.pem
END
mkdir -p /etc/systemd/system/systemd-journal-upload.service.d
cat >/etc/systemd/system/systemd-journal-upload.service.d/retry.conf <<END
[Unit]
StartLimitIntervalSec=0
[Service]
ExecStartPre=+install -D -m 0640 -g systemd-journal -t {READABLE} {TLS}/ca.pem {TLS}/cert.pem {TLS}/key.pem
Restart=always
RestartSec=2
END
systemctl daemon-reload
systemctl enable --quiet systemd-journal-upload.service
systemctl restart systemd-journal-upload.service
"""

# Debian builds the receiver without the library that would check the senders' certificates, and it then ignores
# TrustedCertificateFile. A unit in place of Debian's, which needs its socket: the cases stop and kill one unit. The
# archive has a small file system of its own, which can be filled.
_REMOTE = f"""
systemctl disable --quiet --now systemd-journal-remote.socket pve-audit-collector.service
install -D -m 0640 -g systemd-journal-remote -t {READABLE} {TLS}/ca.pem {TLS}/cert.pem {TLS}/key.pem
cat >/etc/systemd/journal-remote.conf <<END
[Remote]
ServerKeyFile={READABLE}/key.pem
ServerCertificateFile={READABLE}/cert.pem
END
cat >/etc/systemd/system/systemd-journal-remote.service <<END
[Service]
ExecStart=/lib/systemd/systemd-journal-remote --listen-https={PORT} --output={RECEIVED}/
User=systemd-journal-remote
LimitNOFILE=524288
END
mkdir -p {RECEIVED}
mountpoint -q {RECEIVED} || mount -t tmpfs -o size=512m archive {RECEIVED}
chown systemd-journal-remote:systemd-journal-remote {RECEIVED}
systemctl daemon-reload
systemctl restart systemd-journal-remote.service
"""

DELIVERIES = {
    one.name: one
    for one in (
        Delivery("acknowledged", "pve-audit-forward.service", "acknowledged", "/var/lib/pve-audit/forward"),
        Delivery(
            "queued",
            "rsyslog.service",
            "queued",
            "/var/lib/pve-audit/queue",
            packages="rsyslog rsyslog-relp rsyslog-openssl",
        ),
        Delivery(
            "upload",
            "systemd-journal-upload.service",
            "acknowledged",  # for the certificates and the settings of journald
            packages="systemd-journal-remote",
            receiver="systemd-journal-remote.service",
            archive=RECEIVED,
            setup_node=_UPLOAD,
            setup_collector=_REMOTE,
        ),
    )
}
