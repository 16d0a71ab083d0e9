"""Packs for tests: a good one, and the ways in which one of its files can be wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

GOOD = {
    "pack.yaml": """\
name: demo
description: d
version: 1.0.0
author: a
""",
    "config.schema.yaml": """\
url:
  type: string
  default: x
key:
  type: string
  secret: true
""",
    "triggers/evt.yaml": """\
name: evt
payload_schema:
  type: object
  properties:
    id: {type: string, required: true}
""",
    "rules/r.yaml": """\
name: r
trigger: {type: demo.evt}
action: {ref: demo.py, parameters: {x: '{{ trigger.id }}'}}
""",
    "actions/py.yaml": """\
name: py
runner_type: python-script
entry_point: py.py
parameters:
  x:
    type: string
""",
    "actions/py.py": "",
    "actions/wf.yaml": """\
name: wf
runner_type: orquesta
entry_point: workflows/wf.yaml
""",
    "actions/workflows/wf.yaml": """\
version: 1.0
tasks:
  a:
    action: demo.py
    next:
      - do: b
  b:
    action: demo.py
""",
}
DIRECTORY = b"\0directory"
WF = "actions/workflows/wf.yaml"
PACK, EVT, RULE, PY = (GOOD[name] for name in ("pack.yaml", "triggers/evt.yaml", "rules/r.yaml", "actions/py.yaml"))
AMBIGUOUS = """\
tasks:
  a: {next: [{do: [b, c]}]}
  b: {next: [{do: d}]}
  c: {next: [{do: d}]}
  d: {next: [{do: e}]}
  e: {join: all}
  f: {next: [{do: e}]}
"""


def write(folder: Path, changes: dict[str, str | bytes]) -> Path:
    """Write the good pack with some files changed; for DIRECTORY a folder of that name."""
    for name, text in {**GOOD, **changes}.items():
        file = folder / "demo" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        if text == DIRECTORY:
            file.unlink(missing_ok=True)
            file.mkdir()
        else:
            file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return folder / "demo"


BOMB = "bomb:\n  a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"  a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 9)
)
MERGES = "m0: &m0 {x: 1}\n" + "".join(f"m{n}: &m{n} {{<<: [{','.join([f'*m{n - 1}'] * 10)}]}}\n" for n in range(1, 9))
BAD: list[tuple[str, str | bytes, str, str]] = [
    ("pack.yaml", "name: demo\ndescription: d\nauthor: a\n", "file", "expected the key 'version'"),
    ("pack.yaml", PACK.replace("1.0.0", "one"), "version", "semantic version"),
    ("pack.yaml", PACK.replace("demo", "My Pack"), "name", "lower-case letters"),
    ("pack.yaml", PACK + "stackstorm_version: newest\n", "stackstorm_version", "a range"),
    ("pack.yaml", "[]", "file", "expected a mapping"),
    ("config.schema.yaml", "url: {typ: string}\n", "url.typ", "JSON Schema"),
    ("config.schema.yaml", "url: {type: text}\n", "url.type", "one of array"),
    ("triggers/evt.yaml", "payload_schema: {}\n", "file", "expected the key 'name'"),
    ("pack.yaml", PACK + "python_versions: ['4']\n", "python_versions[0]", "expected one of 2, 3"),
    ("pack.yaml", PACK + "ref: My-Pack\n", "ref", "lower-case letters"),
    ("pack.yaml", PACK + "ref: _global\n", "ref", "reserved"),
    ("pack.yaml", PACK + "keywords: celery\n", "keywords", "expected a list, got 'celery'"),
    ("config.schema.yaml", "", "file", "expected a mapping, got nothing"),
    ("config.schema.yaml", "url: string\n", "url", "expected a mapping, got 'string'"),
    ("config.schema.yaml", "a-b: {type: string}\n", "a-b", "letters, digits and underscores"),
    ("aliases/a.yaml", "name: a\nformats: [x]\n", "file", "expected the key 'action_ref'"),
    ("aliases/a.yaml", "name: a\naction_ref: demo.py\nformats: [1]\n", "formats[0]", "expected"),
    ("sensors/s.yaml", "class_name: S\n", "file", "expected the key 'entry_point'"),
    ("sensors/s.yaml", "class_name: S\nentry_point: s.py\npoll_interval: 1\n", "poll_interval", "minimum 4, got 1"),
    ("policies/p.yaml", "name: p\nresource_ref: demo.py\npolicy_type: action.luck\n", "policy_type", "expected one of"),
    (
        "policies/p.yaml",
        "name: p\nresource_ref: demo.py\npolicy_type: action.concurrency\nparameters: {threshold: many}\n",
        "parameters.threshold",
        "expected a whole number",
    ),
    ("rules/r.yaml", RULE + "enabeld: true\n", "enabeld", "expected one of"),
    ("rules/r.yaml", RULE + "enabled: 'yes'\n", "enabled", "expected true or false, got 'yes'"),
    ("rules/r.yaml", RULE + "criteria: {trigger.id: {type: like, pattern: x}}\n", "criteria.trigger.id", "one of"),
    ("rules/r.yaml", RULE.replace("demo.evt", "demo.other"), "trigger.type", "expected a trigger type"),
    ("rules/r.yaml", RULE.replace("demo.py", "demo.nope"), "action.ref", "expected an action"),
    ("rules/r.yaml", RULE.replace("trigger.id }}", "trigger.id | nope }}"), "action.parameters.x", "nope"),
    *(
        ("rules/r.yaml", RULE.replace("{type: demo.evt}", f"{{type: {kind}, parameters: {{{given}}}}}"), key, expected)
        for kind, given, key, expected in (
            ("core.st2.webhook", "uri: x", "trigger.parameters", "'uri' was unexpected"),
            ("core.st2.webhook", "url: 1", "trigger.parameters.url", "not of type 'string'"),
            ("core.st2.webhook", "", "trigger.parameters", "'url' is a required property"),
            ("core.st2.IntervalTimer", "unit: years, delta: 1", "trigger.parameters.unit", "is not one of"),
            ("core.st2.IntervalTimer", "unit: days, delta: x", "trigger.parameters.delta", "not of type 'integer'"),
            ("core.st2.DateTimer", "date: soon", "trigger.parameters.date", "a date and time such as"),
            ("core.st2.CronTimer", "hour: 24", "trigger.parameters.hour", "greater than the maximum"),
            ("core.st2.CronTimer", "hour: 9-x", "trigger.parameters.hour", "expected"),
            ("core.st2.CronTimer", "timezone: Mars/Base", "trigger.parameters.timezone", "a time zone such as"),
            ("core.st2.sensor.process_exit", "", "trigger.type", "runs no sensors"),
            ("core.st2.action.file_written", "", "trigger.type", "writes no action files"),
        )
    ),
    ("rules/r.yaml", RULE + "type: {ref: sometimes}\n", "type.ref", "expected one of standard, backstop"),
    ("rules/r.yaml", RULE + "criteria: {trigger.id: {type: exists}}\n", "criteria.trigger.id", "expected a pattern"),
    ("actions/py.yaml", PY + "output_key: x\n", "output_key", "expected one of"),
    ("actions/py.yaml", PY.replace("runner_type: python-script\n", ""), "file", "expected the key 'runner_type'"),
    ("actions/py.yaml", PY + "pack: other\n", "pack", "expected demo, the pack this file is in"),
    ("actions/py.yaml", PY + "tags: [one]\n", "tags[0]", "expected a mapping, got 'one'"),
    ("actions/py.yaml", PY + "notify: {on-error: {}}\n", "notify.on-error", "expected one of on-complete"),
    ("actions/py.yaml", PY + "    immutable: true\n", "parameters.x.immutable", "expected a default"),
    ("actions/py.yaml", PY + "    pattern: '['\n", "parameters.x.pattern", "expected a regular expression"),
    ("actions/py.yaml", PY + "    enum: []\n", "parameters.x.enum", "minItems 1"),
    ("actions/py.yaml", PY + "    position: 0\n  y: {position: 0}\n", "parameters.y.position", "a position of its own"),
    ("actions/py.yaml", PY + "    position: 0\n  y: {position: 2}\n", "parameters.y.position", "without gaps"),
    ("actions/py.yaml", PY + "  timeout: {type: string}\n", "parameters.timeout.type", "as the runner has it"),
    ("actions/py.yaml", PY + "  bad-name: {type: string}\n", "parameters.bad-name", "letters, digits"),
    ("actions/py.yaml", PY + "  y:\n", "parameters.y", "expected a mapping, got nothing"),
    ("actions/py.yaml", PY.replace("py.py", "./py.py"), "entry_point", "without . and .."),
    ("actions/py.yaml", PY.replace("py.py", "/etc/passwd"), "entry_point", "without . and .."),
    ("actions/py.yaml", PY.replace("py.py", "workflows/wf.yaml"), "entry_point", "expected a .py file"),
    ("actions/py.yaml", PY.replace("python-script", "cobol"), "runner_type", "expected one of"),
    ("actions/py.yaml", PY.replace("py.py", "gone.py"), "entry_point", "expected a file"),
    ("actions/py.yaml", PY.replace("py.py", "../../outside.py"), "entry_point", "without . and .."),
    ("actions/py.yaml", PY.replace("type: string", "kind: string"), "parameters.x.kind", "draft 4"),
    ("actions/py.yaml", PY + "    required: please\n", "parameters.x.required", "true or false"),
    ("actions/py.yaml", PY + "    default: '{{ x | nope }}'\n", "parameters.x.default", "nope"),
]
YAML = [
    (PY + "name: twice\n", "name", "each key once"),
    ("name: [unclosed\n", "file", "expected YAML, got: did not find"),
    ("name: py\n\trunner_type: noop\n", "file", "expected YAML, got: found a tab"),
    ("", "file", "expected a mapping, got nothing"),
    ("- name: py\n", "file", "expected a mapping, got a list"),
    ("just words\n", "file", "expected a mapping, got 'just words"),
    ("---\nname: a\n---\nname: b\n", "file", "expected YAML, got: but found another document"),
    (PY + "description: \0\n", "file", "control characters are not allowed"),
    (PY.encode() + b"description: caf\xe9\n", "file", "expected UTF-8 text, got the byte 0xe9"),
    (PY.encode("utf-16"), "file", "expected UTF-8 text"),
    (DIRECTORY, "file", "expected a file that can be read, got: Is a directory"),
    (PY + "description: " + "x" * 1_000_000 + "\n", "file", "expected at most 1000000 bytes"),
    (PY + "description: !!python/object/apply:os.system [id]\n", "description", "got the tag !!python/object/apply"),
    (PY + "description: !secret x\n", "description", "got the tag !secret"),
    (PY + "description: !!binary aGk=\n", "description", "got the tag !!binary"),
    (PY + "tags: !!set {a, b}\n", "tags", "got the tag !!set"),
    (PY + "description: 2020-01-01\n", "description", "got a date: quote it"),
    (PY + "enabled: !!bool perhaps\n", "file", "expected values that fit the tags"),
    (PY + "on: true\n", "on", "expected text as a key, got bool on: quote it"),
    (PY + "1: true\n", "1", "expected text as a key, got int 1"),
    (PY + "? [a]\n: b\n", "file", "expected text as a key, got a list"),
    (PY + "    default: " + "9" * 5_000 + "\n", "parameters.x.default", "at most 19 digits, got 5000"),
    (PY + "    default: .inf\n", "parameters.x.default", "expected a number that JSON has"),
    (PY + "tags: &t [*t]\n", "tags[0][0]", "an anchor inside itself"),
    (PY + "tags: &t {a: *t}\n", "tags.a.a", "an anchor inside itself"),
    (PY + "<<: nothing\n", "file", "expected a mapping, or a list of them, after <<"),
    ("<<: &m {<<: *m}\n", "<<.<<.<<", "an anchor inside itself"),
    (PY + "tags: " + "[" * 450_000 + "]" * 450_000 + "\n", "file", "at most 60 levels"),
    (PY + "tags:\n" + "- " * 400_000 + "x\n", "file", "at most 60 levels"),
    (PY + "tags: " + "[" * 70 + "]" * 70 + "\n", "tags[0][0]", "at most 60 levels"),
    (BOMB, "bomb.a4[7][8][8][8][8]", "at most 100000 values"),
    (MERGES, "m5.<<.<<.<<.<<.<<", "at most 100000 values"),
]
BAD += [("actions/py.yaml", text, key, expected) for text, key, expected in YAML]
FINDINGS = [
    ("triggers/evt.yaml", EVT + "payload: {}\n", "payload", "which StackStorm leaves out"),
    ("actions/pz.yaml", PY, "name", "expected a name of its own"),
    (
        "aliases/a.yaml",
        "name: a\naction_ref: demo.nope\nformats: [x]\n",
        "action_ref",
        "expected an action of a loaded",
    ),
    (WF, GOOD[WF].replace("do: b", "do: c"), "tasks.a.next[0].do", "is not defined"),
    (WF, GOOD[WF].replace("demo.py\n    next", "demo.nope\n    next"), "tasks.a.action", "expected an action"),
    (WF, GOOD[WF] + "    join: some\n", "tasks.b.join", "expected all or a number"),
    (WF, GOOD[WF] + "    with: x of <% [1] %>\n", "tasks.b.with", "expected an expression that gives a list"),
    (WF, GOOD[WF] + "    with: {concurrency: 2}\n", "tasks.b.with.items", "expected an expression that gives a list"),
    (WF, GOOD[WF] + "    with: {items: '<% [1] %>', concurrency: -1}\n", "tasks.b.with.concurrency", "whole number"),
    (WF, GOOD[WF] + "  c: {}\n", "tasks.c", "expected at least one of"),
    (WF, GOOD[WF] + "  c: {with: '<% [1] %>'}\n", "tasks.c.action", "expected an action"),
    (WF, GOOD[WF] + "    timeout: 5\n", "tasks.b.timeout", "expected one of"),
    (WF, GOOD[WF] + "    retry: {delay: 1}\n", "tasks.b.retry", "expected count"),
    (WF, GOOD[WF] + "    retry: {count: -1}\n", "tasks.b.retry.count", "whole number"),
    (WF, GOOD[WF] + "    delay: soon enough <% ctx( %>\n", "tasks.b.delay", "expected YAQL"),
    (WF, GOOD[WF] + "    input: {x: '{{ nope( }}'}\n", "tasks.b.input", "expected Jinja"),
    (WF, GOOD[WF] + "    input: {x: '{{ ctx(1) }} <% ctx(1) %>'}\n", "tasks.b.input", "one expression language"),
    (WF, GOOD[WF] + "    next: [{when: '<% % %>'}]\n", "tasks.b.next[0].when", "expected YAQL"),
    (WF, GOOD[WF] + "    next: [{publish: [{x: '{{ a | }}'}]}]\n", "tasks.b.next[0].publish[0].x", "expected Jinja"),
    (WF, GOOD[WF] + "    next: [{then: b}]\n", "tasks.b.next[0].then", "expected one of"),
    (WF, GOOD[WF] + "  noop: {action: demo.py}\n", "tasks.noop", "reserved"),
    (WF, GOOD[WF] + "    next: [{do: a}]\n", "tasks", "any tasks to start"),
    (WF, GOOD[WF] + "outputs: []\n", "outputs", "expected one of"),
    (WF, GOOD[WF] + "input: x\n", "input", "a list"),
    (WF, GOOD[WF].replace("1.0", "2.0"), "version", "expected 1.0"),
    (WF, "version: 1.0\ntasks: {}\n", "tasks", "at least one task"),
    (WF, GOOD[WF] + "    input: {x: <% ctx().nope %>}\n", "tasks.b.input", "referenced before assignment"),
    (WF, GOOD[WF] + "    input: {nope: 1}\n", "tasks.b.input.nope", "has unexpected input"),
    (WF, AMBIGUOUS, "tasks.e", "unreachable"),
]


REFUSED = [
    ("actions/py.yaml", PY.replace("python-script", "action-chain"), "runner_type", "action-chain is not supported"),
    ("sensors/s.yaml", "class_name: S\nentry_point: s.py\n", "class_name", "sensors are not supported"),
    (
        "policies/p.yaml",
        "name: p\nresource_ref: demo.py\npolicy_type: action.retry\n",
        "policy_type",
        "policies of the type action.retry are not supported",
    ),
]
