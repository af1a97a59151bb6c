# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter `spot_answers`: what people answered to the spot check, and the findings that follow."""

from __future__ import annotations

DOCUMENTATION = r"""
name: spot_answers
short_description: Judge the answers to a spot check
version_added: 0.1.0
author:
  - pve.audit contributors (@pve-audit)
description:
  - Takes the questions of P(pve.audit.spot_sample#filter), new answers and the record of earlier answers, and says
    which question is confirmed, denied, overdue or open.
  - A denial becomes a finding of severity CRITICAL. Questions that nobody answered in time become one of severity
    MEDIUM for each person.
  - Answers go into a record that is only added to, one JSON object a line, chained by SHA-256 from the digest of the
    questions on. A line that was changed, and questions that were changed, are refused. An answer may be changed by a
    later one; both stay in the record, and a denial that was taken back is a finding of its own.
positional: _input
options:
  _input:
    description: The questions.
    type: dict
    required: true
  files:
    description:
      - Files with answers, as M(ansible.builtin.slurp) returns them (C(source) and C(content)), or with C(path) and
        C(text). The text is YAML or JSON, a map of question ids to answers.
      - An answer has C(answer) (V(confirmed) or V(denied)), C(by) (who gave it), and may have C(at) (when) and
        C(comment). One whose C(answer) is empty is not an answer yet.
    type: list
    elements: dict
    default: []
  answers:
    description: Answers from elsewhere, such as a survey. As in a file, with the id in C(question), and where they come
      from in C(origin).
    type: list
    elements: dict
    default: []
  record:
    description: The text of the record so far.
    type: str
    default: ""
  anchor:
    description: The C(head) of an earlier result. The record must still hold what it held then.
    type: dict
  now:
    description: The time of the judgement as RFC 3339 text. The controller's clock is used by default.
    type: str
"""

EXAMPLES = r"""
- name: Judge the answers in a file
  ansible.builtin.set_fact:
    result: "{{ questions | pve.audit.spot_answers(files=[file], record=record) }}"
  vars:
    questions: "{{ lookup('ansible.builtin.file', 'questions.json') | from_json }}"
    record: "{{ lookup('ansible.builtin.file', 'answers.jsonl', rstrip=false) }}"
    file: {path: alice.yml, text: "{{ lookup('ansible.builtin.file', 'alice.yml') }}"}
"""

RETURN = r"""
_value:
  description: The result.
  type: dict
  contains:
    rows:
      description: The questions with C(state) (V(confirmed), V(denied), V(overdue) or V(open)), the C(answer) (with
        C(late), and C(by_asked) which is false when somebody else answered), and the C(history) of answers.
      type: list
      elements: dict
    counts:
      description: How many questions have each state.
      type: dict
    asked:
      description: The same for each person who was asked, and how many of the answers came from others.
      type: list
      elements: dict
    record:
      description: The record with the new lines.
      type: str
    appended:
      description: How many lines are new.
      type: int
    head:
      description: Number of lines and hash of the last one. Keep it elsewhere to find out about a record that was cut.
      type: dict
    problems:
      description: One sentence with file and line for each answer that cannot be used.
      type: list
      elements: str
    findings:
      description: Findings in the form of P(pve.audit.anomalies#filter).
      type: list
      elements: dict
"""

import base64
import json
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import yaml
from ansible.errors import AnsibleFilterError

from ansible_collections.pve.audit.plugins.module_utils._model.errors import InputError
from ansible_collections.pve.audit.plugins.module_utils._model.time import rfc3339
from ansible_collections.pve.audit.plugins.plugin_utils._spot_check.answers import Given, judge_answers


def _plain(node: yaml.Node, depth: int = 0) -> Any:
    """Every scalar as the text that was written: no dates, no booleans, no tags."""
    if isinstance(node, yaml.ScalarNode):
        return str(node.value)
    if isinstance(node, yaml.MappingNode) and not depth:
        return {_plain(key, 1): _plain(value, 1) for key, value in node.value}
    return ()


def _read(path: str, text: str) -> Iterator[Given]:
    """The answers of a file; one that stands in it twice is given twice. Raises InputError with the place."""
    if text.lstrip().startswith("{"):
        yield from _read_json(path, text)
        return
    try:
        root = yaml.compose(text, Loader=yaml.BaseLoader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        place = f" line {mark.line + 1}" if mark else ""
        raise InputError(
            f"{path}{place}: this is not YAML: {getattr(error, 'problem', None) or 'it is broken'}"
        ) from None
    if root is None:
        return
    if not isinstance(root, yaml.MappingNode):
        raise InputError(f"{path} line {root.start_mark.line + 1}: a map of question ids and answers is needed")
    for key, value in root.value:
        yield Given(str(_plain(key, 1)), _plain(value), path, f"line {key.start_mark.line + 1}")


def _read_json(path: str, text: str) -> Iterator[Given]:
    pairs: Any = []
    try:
        pairs = json.loads(text, object_pairs_hook=list)
    except json.JSONDecodeError as error:
        raise InputError(f"{path} line {error.lineno}: this is not JSON: {error.msg}") from None
    except RecursionError:
        raise InputError(f"{path}: this is not JSON that holds answers: it is nested too deeply") from None
    for number, (question, fields) in enumerate(pairs, 1):
        flat = isinstance(fields, list) and all(isinstance(one, (list, tuple)) and len(one) == 2 for one in fields)
        yield Given(str(question), dict(fields) if flat else fields, path, f"entry {number}")


def _file(file: Mapping[str, Any]) -> tuple[str, str]:
    """Short path and text. The path is for messages, and the last two parts of it tell the file."""
    path = "/".join(str(file.get("path") or file.get("source") or "a file").split("/")[-2:])
    if "text" in file:
        return path, str(file["text"])
    try:
        return path, base64.b64decode(str(file.get("content", ""))).decode("utf-8-sig")
    except ValueError:
        raise InputError(f"{path}: this is not text in UTF-8") from None


def _all_given(files: Any, answers: Any) -> tuple[list[Given], list[str]]:
    """All answers, and what is wrong with files that cannot be read."""
    given, problems = [], []
    for file in files:
        try:
            given += list(_read(*_file(file)))
        except InputError as error:
            problems.append(str(error))
    for number, answer in enumerate(answers, 1):
        fields = {key: value for key, value in answer.items() if key not in ("question", "origin")}
        given.append(
            Given(str(answer.get("question", "")), fields, str(answer.get("origin") or f"answer {number}"), "")
        )
    return given, problems


def spot_answers_filter(
    sample: Any,
    files: Any = (),
    answers: Any = (),
    record: str = "",
    anchor: Any = None,
    now: str | None = None,
) -> dict[str, Any]:
    """See DOCUMENTATION."""
    for name, value in (("files", files), ("answers", answers)):
        if not isinstance(value, (list, tuple)) or not all(isinstance(row, Mapping) for row in value):
            raise AnsibleFilterError(f"pve.audit.spot_answers: {name} must be a list of maps")
    try:
        given, problems = _all_given(files, answers)
        clock = now or rfc3339(datetime.now(UTC).timestamp())
        result = judge_answers(sample, given, str(record or ""), now=clock, anchor=anchor or None)
    except ValueError as error:
        raise AnsibleFilterError(f"pve.audit.spot_answers: {error}") from error
    return {**result, "problems": [*problems, *result["problems"]]}


class FilterModule:
    """Hands the filter to Ansible."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Names and functions."""
        return {"spot_answers": spot_answers_filter}
