# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rsyslog configuration of a node that forwards with `delivery: queued`. Pure: options in, text out.

Journal and files go through a disk-assisted queue to omrelp or omfwd. rsyslog moves its position in the journal before
the collector has the line, and imjournal has no cursor: what that costs is measured in the documentation of the module.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

HEADER = "# Written by the module pve.audit.remote_syslog; changes are overwritten.\n"
SD_ID = "pveaudit@32473"
STATE_PREFIX = "pve_audit"
# A drop-in for the node's rsyslogd: it runs as root and follows a link that www-data puts in place of the access log.
# Not /etc/ssl/private, where a receiver of the administrator's may have its key.
_SECRETS = (
    "/etc/shadow",
    "/etc/shadow-",
    "/etc/gshadow",
    "/etc/gshadow-",
    "/etc/ssh",
    "/etc/corosync",
    "/etc/pve/priv",
    "/var/lib/pve-cluster",
    "/root/.ssh",
)
DROP_IN = HEADER + f"[Service]\nInaccessiblePaths={' '.join(f'-{path}' for path in _SECRETS)}\n"
_MODULE = re.compile(r"^\s*(?:module\s*\(\s*load\s*=\s*\"([^\"]+)\"|\$ModLoad\s+(\S+))", re.MULTILINE | re.IGNORECASE)
_INCLUDE = re.compile(
    r"^(\s*(?:\$IncludeConfig\s+|include\s*\(.*?file\s*=\s*\"))([^\"\s]+)", re.MULTILINE | re.IGNORECASE
)


def loaded_modules(text: str) -> set[str]:
    """The modules that a configuration loads; loading one twice is an error for rsyslog."""
    return {(first or second).removesuffix(".so") for first, second in _MODULE.findall(text)}


def redirect_includes(text: str, directory: str, staged: str) -> tuple[str, int]:
    """The text with the includes of `directory` led to `staged`, and how many there were."""
    hits = 0

    def lead(match: re.Match[str]) -> str:
        nonlocal hits
        prefix, path = match.groups()
        if not path.startswith(directory.rstrip("/") + "/"):
            return match[0]
        hits += 1
        return f"{prefix}{staged}/{path[len(directory.rstrip('/')) + 1 :]}"

    return _INCLUDE.sub(lead, text), hits


def quote(value: str) -> str:
    """A string of RainerScript."""
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$") + '"'


def render(params: Mapping[str, Any], loaded: set[str], certificates: str = "") -> str:
    """The whole file. `loaded` modules are not loaded again; the digest `certificates` makes new ones a change."""
    parts = [HEADER + (f"# certificates: {certificates}\n" if certificates else "")]
    parts += [_modules(params, loaded), _templates(params), _send_ruleset(params)]
    parts += [_file_ruleset(one) for one in params["files"]]
    if params["journal"]:
        parts.append(_journal_rule(params, ours="imjournal" not in loaded))
    return "\n".join(part for part in parts if part)


def _modules(params: Mapping[str, Any], loaded: set[str]) -> str:
    lines = []
    if params["journal"] and "imjournal" not in loaded:
        lines.append(
            f'module(load="imjournal" StateFile="{STATE_PREFIX}_journal.state" PersistStateInterval="100"\n'
            '  Ratelimit.Interval="0" IgnorePreviousMessages="off" FSync="on")'
        )
    if params["files"] and "imfile" not in loaded:
        lines.append('module(load="imfile" mode="inotify")')
    if params["protocol"] == "relp" and "omrelp" not in loaded:
        lines.append('module(load="omrelp" tls.tlslib="openssl")')
    return "\n".join(lines) + "\n" if lines else ""


def _templates(params: Mapping[str, Any]) -> str:
    node = params["node_name"]
    data = f'[{SD_ID} node=\\"{node}\\" source=\\"%$.source%\\"'
    head = f"<%PRI%>1 %TIMESTAMP:::date-rfc3339% {node} %APP-NAME% %PROCID% %$.source%"
    journal = f'{data} pid=\\"%$.pid%\\" comm=\\"%$.comm%\\" loginuid=\\"%$.loginuid%\\"] %msg%'
    file = f'{data} file=\\"%$.file%\\" offset=\\"%$!metadata!fileoffset%\\"] %msg%'
    return (
        f'template(name="{STATE_PREFIX}_journal" type="string" string="{head} {journal}")\n'
        f'template(name="{STATE_PREFIX}_file" type="string" string="{head} {file}")\n'
        f'template(name="{STATE_PREFIX}_ready" type="string" string="%$.line%")\n'
    )


def _send_ruleset(params: Mapping[str, Any]) -> str:
    """Failover: one queue, and targets that are tried in turn. Parallel: a queue for each target."""
    targets: Sequence[Mapping[str, Any]] = params["targets"]
    parallel = params["mode"] == "parallel"
    head = "" if parallel else " " + _queue(params, f"{STATE_PREFIX}_queue")
    actions = []
    for number, target in enumerate(targets, 1):
        extra = "" if parallel or number == 1 else ' action.execOnlyWhenPreviousIsSuspended="on"'
        retries = "-1" if parallel or number == len(targets) else "0"
        queue = f"\n    {_queue(params, f'{STATE_PREFIX}_queue_{number}')}" if parallel else ""
        retry = f'action.resumeRetryCount="{retries}" action.resumeInterval="10"{extra}'
        actions.append(f'  action({_output(target, params)}\n    template="{STATE_PREFIX}_ready" {retry}{queue})')
    body = "\n".join(actions)
    return f'ruleset(name="{STATE_PREFIX}_send"{head}) {{\n{body}\n}}\n'


def _queue(params: Mapping[str, Any], name: str) -> str:
    queue = params["queue"]
    parts = [
        'queue.type="LinkedList"',
        f'queue.filename="{name}"',
        f"queue.spoolDirectory={quote(queue['directory'])}",
        f'queue.size="{queue["size"]}"',
        f'queue.highWatermark="{queue["high_watermark"]}"',
        f'queue.lowWatermark="{queue["low_watermark"]}"',
        f'queue.maxDiskSpace="{queue["max_disk"]}"',
        'queue.saveOnShutdown="on" queue.syncQueueFiles="on" queue.checkpointInterval="100"',
        'queue.discardSeverity="8" queue.timeoutEnqueue="600000"',
    ]
    return " ".join(parts)


def _output(target: Mapping[str, Any], params: Mapping[str, Any]) -> str:
    where = f'target={quote(target["host"])} port="{target["port"]}"'
    peers = list(target["permitted_peers"] or []) or [target["host"]]
    ca, certificate, key = (quote(params[name] or "") for name in ("ca_path", "cert_path", "key_path"))
    if params["protocol"] == "relp":
        text = f'type="omrelp" {where} timeout="{params["ack_timeout"]}"'
        if params["tls"]:
            names = ", ".join(quote(peer) for peer in peers)
            text += f'\n    tls="on" tls.authMode="name" tls.permittedPeer=[{names}]'
            text += f"\n    tls.caCert={ca} tls.myCert={certificate} tls.myPrivKey={key}"
        return text
    text = f'type="omfwd" {where} protocol="tcp" TCP_Framing="octet-counted" keepAlive="on"'
    if params["tls"]:
        names = quote(",".join(peers))
        text += '\n    StreamDriver="ossl" StreamDriverMode="1" StreamDriverAuthMode="x509/name"'
        text += f"\n    StreamDriverPermittedPeers={names}"
        text += f"\n    StreamDriver.CAFile={ca} StreamDriver.CertFile={certificate} StreamDriver.KeyFile={key}"
    return text


def _clean(name: str, value: str) -> str:
    """A variable that can stand in structured data: rsyslog has no escape for `]`, so the three characters go."""
    return f'set $.{name} = replace(replace(replace({value}, "\\\\", "_"), "]", "_"), "\\"", "_");'


def _file_ruleset(one: Mapping[str, Any]) -> str:
    name = re.sub(r"[^A-Za-z0-9]", "_", one["name"])
    return (
        f'ruleset(name="{STATE_PREFIX}_file_{name}") {{\n'
        f"  set $.source = {quote(one['name'])};\n"
        f"  {_clean('file', '$!metadata!filename')}\n"
        f'  set $.line = exec_template("{STATE_PREFIX}_file");\n'
        f"  call {STATE_PREFIX}_send\n}}\n"
        f'input(type="imfile" file={quote(one["path"])} tag={quote(one["tag"] or one["name"])}\n'
        f'  ruleset="{STATE_PREFIX}_file_{name}"'
        ' addMetadata="on" reopenOnTruncate="on" facility="local0" severity="info" escapeLF="on")\n'
    )


def _journal_rule(params: Mapping[str, Any], ours: bool) -> str:
    """Ends with `stop` when only we read the journal: its entries must not appear again in the node's log files."""
    conditions = ['$inputname == "imjournal"', *_conditions(params["journal_matches"])]
    body = [
        'set $.source = "journal";',
        _clean("pid", "$!_PID"),
        _clean("comm", "$!_COMM"),
        _clean("loginuid", "$!_AUDIT_LOGINUID"),
        f'set $.line = exec_template("{STATE_PREFIX}_journal");',
        f"call {STATE_PREFIX}_send",
    ]
    rule = f"if {' and '.join(conditions)} then {{\n  " + "\n  ".join(body) + "\n}\n"
    return rule + (f"if {conditions[0]} then stop\n" if ours else "")


def _conditions(matches: Sequence[str]) -> list[str]:
    """As journalctl: values of one field are alternatives, different fields must all match."""
    fields: dict[str, list[str]] = {}
    for match in matches:
        name, _equals, value = match.partition("=")
        fields.setdefault(name, []).append(f"$!{name} == {quote(value)}")
    return [f"({' or '.join(values)})" for values in fields.values()]
