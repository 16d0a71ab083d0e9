"""Webhooks, rules by request, timers and internal triggers of a running server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import requests

from tests import stackstorm_server
from tests.unit.stackstorm.asking import until, write

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FILES = {
    "pack.yaml": "{name: demo, description: d, version: 0.1.0, author: a}",
    "triggers/evt.yaml": """\
name: evt
description: An event.
payload_schema: {type: object, properties: {n: {type: integer, required: true}}}
""",
    "triggers/free.yaml": "name: free\n",
    "actions/note.yaml": """\
name: note
runner_type: noop
description: Notes.
parameters: {n: {type: string}, token: {type: string, secret: true}}
""",
    "actions/disabled.yaml": "{name: disabled, runner_type: noop, enabled: false}",
    "actions/told.yaml": """\
{name: told, runner_type: noop, notify: {on-success: {message: 'told {{ action_context.pack }}', routes: [here]}}}
""",
    "actions/ask.yaml": "{name: ask, runner_type: inquirer, parameters: {route: {default: people}}}",
    "rules/after.yaml": """\
name: after
enabled: true
trigger: {type: core.st2.generic.actiontrigger}
criteria:
  trigger.action_ref: {type: eq, pattern: demo.told}
  trigger.status: {type: eq, pattern: succeeded}
action: {ref: demo.note, parameters: {n: '{{ trigger.execution_id }}'}}
""",
    "rules/noticed.yaml": """\
name: noticed
enabled: true
trigger: {type: core.st2.generic.notifytrigger}
criteria: {trigger.route: {type: eq, pattern: here}}
action: {ref: demo.note, parameters: {n: '{{ trigger.message }}'}}
""",
    "rules/asked.yaml": """\
name: asked
enabled: true
trigger: {type: core.st2.generic.inquiry}
action: {ref: demo.note, parameters: {n: '{{ trigger.route }}'}}
""",
    "rules/hook.yaml": """\
name: hook
enabled: true
trigger: {type: core.st2.webhook, parameters: {url: /demo/Hook/}}
action: {ref: demo.note, parameters: {n: '{{ trigger.body.n }} {{ trigger.headers_lower["x-from"] }}'}}
""",
    "rules/silent.yaml": (
        "{name: silent, trigger: {type: core.st2.webhook, parameters: {url: silent}}, action: {ref: demo.note}}"
    ),
    "rules/every_second.yaml": """\
name: every_second
enabled: true
trigger: {type: core.st2.IntervalTimer, parameters: {unit: seconds, delta: 1}}
criteria: {trigger.executed_at: {type: td_lt, pattern: 5}}
action: {ref: demo.note, parameters: {n: '{{ trigger.executed_at }}'}}
""",
    "rules/cron.yaml": """\
name: cron
enabled: true
trigger: {type: core.st2.CronTimer, parameters: {timezone: Europe/Berlin, hour: 3, minute: 0}}
action: {ref: demo.note}
""",
    "rules/key.yaml": """\
name: key
enabled: true
trigger: {type: core.st2.key_value_pair.value_change}
action: {ref: demo.note, parameters: {n: '{{ trigger.old_object.value }}>{{ trigger.new_object.value }}'}}
""",
}


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The API's URL of a server with the pack."""
    folder = tmp_path_factory.mktemp("triggers")
    with stackstorm_server.embedded(folder, write(folder / "demo", FILES)) as found:
        yield f"{found}/v1"


def get(url: str, path: str, **query: str) -> Any:  # noqa: ANN401 whatever the API answers
    """Get a document or a list."""
    answer = requests.get(f"{url}/{path}", params=query, timeout=5)
    assert answer.status_code == 200, answer.text
    return answer.json()


def emit(url: str, trigger: object, payload: object, tag: str | None = None) -> requests.Response:
    """Emit a trigger."""
    headers, body = {"St2-Trace-Tag": tag} if tag else {}, {"trigger": trigger, "payload": payload}
    return requests.post(f"{url}/webhooks/st2", json=body, headers=headers, timeout=5)


def rule(name: str, action: str = "demo.note", **more: object) -> dict[str, object]:
    """Describe an enabled rule on demo.evt."""
    does = {"ref": action, "parameters": more.pop("parameters", {})}
    return {"name": name, "pack": "demo", "trigger": {"type": "demo.evt"}, "action": does, "enabled": True, **more}


@pytest.fixture
def added(url: str) -> Iterator[Callable[..., dict[str, Any]]]:
    """Adds rules, and removes them afterwards."""
    known: list[str] = []

    def add(name: str, action: str = "demo.note", **more: object) -> dict[str, Any]:
        answer = requests.post(f"{url}/rules", json=rule(name, action, **more), timeout=5)
        assert answer.status_code == 201, answer.text
        document: dict[str, Any] = answer.json()
        known.append(document["id"])
        return document

    yield add
    for id_ in known:
        requests.delete(f"{url}/rules/{id_}", timeout=5)


def enforcements(url: str, name: str) -> list[dict[str, Any]]:
    """Wait for enforcements of a rule of the pack, and give them."""
    found: list[dict[str, Any]] = until(lambda: get(url, "ruleenforcements", rule_ref=f"demo.{name}"))
    return found


def test_a_webhook_fires_its_rule(url: str) -> None:
    """Slashes around the URL of the rule do not count; headers come in both forms, without what authenticates."""
    headers = {"X-From": "here", "X-Auth-Token": "no", "St2-Trace-Tag": "hook-1", "st2-api-key": "secret"}
    answer = requests.post(f"{url}/webhooks/demo/Hook/", json={"n": 7}, headers=headers, timeout=5)
    assert (answer.status_code, answer.json()) == (202, {"n": 7})
    (found,) = enforcements(url, "hook")
    assert get(url, f"executions/{found['execution_id']}")["parameters"] == {"n": "7 here"}
    payload = get(url, f"triggerinstances/{found['trigger_instance_id']}")["payload"]
    assert payload["headers"]["X-From"] == payload["headers_lower"]["x-from"] == "here"
    assert not {"x-auth-token", "st2-api-key", "st2-trace-tag"} & set(payload["headers_lower"])
    (trace,) = get(url, "traces", trace_tag="hook-1")
    assert [part["object_id"] for part in trace["rules"]] == [found["rule"]["id"]]


def test_a_webhook_takes_forms_and_lists(url: str) -> None:
    """A form comes as lists of values; what is neither JSON nor a form is refused, and what is no object or list."""
    hook = f"{url}/webhooks/silent"
    assert requests.post(hook, data={"a": ["1", "2"]}, timeout=5).json() == {"a": ["1", "2"]}
    assert requests.post(hook, json=[1], timeout=5).json() == [1]
    assert requests.post(hook, data='{"b": 1}', headers={"Content-Type": "text/plain"}, timeout=5).json() == {"b": 1}
    assert requests.post(hook, timeout=5).json() == {}
    for data, kind in ((b"<a/>", "application/xml"), (b"{", "application/json"), (b"3", "application/json")):
        answer = requests.post(hook, data=data, headers={"Content-Type": kind}, timeout=5)
        assert answer.status_code == 400, answer.text
        assert answer.json()["faultstring"]


def test_webhooks_are_listed_and_an_unknown_one_is_not_found(url: str) -> None:
    """The URL counts in its case; a disabled rule's webhook answers too, as in StackStorm."""
    assert [hook["parameters"]["url"] for hook in get(url, "webhooks")] == ["/demo/Hook/", "silent"]
    assert get(url, "webhooks/silent")["type"] == "core.st2.webhook"
    for path in ("demo/hook", "demo", "nope"):
        answer = requests.post(f"{url}/webhooks/{path}", json={}, timeout=5)
        assert (answer.status_code, answer.json()["faultstring"]) == (404, f"Webhook {path} not registered with st2")
    assert requests.get(f"{url}/webhooks/nope", timeout=5).status_code == 404


@pytest.mark.parametrize(
    ("trigger", "payload", "told"),
    [
        ("demo.nope", {}, 'Trigger type with reference "demo.nope" doesn\'t exist in the database'),
        ("demo.evt", {"n": "x"}, "'x' is not of type 'integer'"),
        ("demo.evt", None, "None is not of type 'object'"),
        ("demo.free", [1], "expected an object, got list"),
        ("core.st2.webhook", {}, "with the parameters of a rule"),
        ({"type": "core.st2.webhook", "parameters": {"url": "other"}}, {}, "with the parameters of a rule"),
    ],
)
def test_a_trigger_that_does_not_fit_is_refused(url: str, trigger: object, payload: object, told: str) -> None:
    """400, and what is wrong; nothing is stored."""
    answer = emit(url, trigger, payload, "refused")
    assert answer.status_code == 400
    assert told in answer.json()["faultstring"]
    assert get(url, "traces", trace_tag="refused") == []


def test_a_trigger_with_parameters_is_emitted_by_its_ref_or_by_both(url: str) -> None:
    """The ref that the API shows, or type and parameters, reach the same rules."""
    (silent,) = [hook for hook in get(url, "webhooks") if hook["parameters"]["url"] == "silent"]
    both = {"type": "core.st2.webhook", "parameters": {"url": "silent"}}
    for trigger in (silent["ref"], both):
        assert emit(url, trigger, {"body": {"by": str(trigger)}}).status_code == 202
        found = get(url, "triggerinstances", trigger=silent["ref"])
        assert found[0]["payload"]["body"]["by"] == str(trigger)


def test_rules_are_made_changed_and_removed(url: str, added: Callable[..., dict[str, Any]]) -> None:
    """201 with the whole rule; the same name again is 409; PUT and DELETE go by id or ref."""
    made = added("made", criteria={"trigger.n": {"type": "gt", "pattern": 5}}, tags=[{"name": "a", "value": "b"}])
    assert made["context"] == {"user": "stanley"}
    assert made["trigger"] == {"type": "demo.evt", "parameters": {}, "ref": "demo.evt"}
    assert requests.post(f"{url}/rules", json=rule("made"), timeout=5).status_code == 409
    changed = requests.put(f"{url}/rules/{made['id']}", json={**made, "enabled": False}, timeout=5)
    assert (changed.status_code, changed.json()["id"], changed.json()["enabled"]) == (200, made["id"], False)
    assert made["id"] not in {one["id"] for one in get(url, "rules", enabled="true")}
    removed = requests.delete(f"{url}/rules/demo.made", timeout=5)
    assert (removed.status_code, removed.text) == (204, "")
    assert requests.get(f"{url}/rules/demo.made", timeout=5).status_code == 404


def test_a_rule_without_a_pack_is_in_the_default_one(url: str) -> None:
    """Such a rule works though no pack of that name is loaded."""
    described = {name: value for name, value in rule("homeless").items() if name != "pack"}
    answer = requests.post(f"{url}/rules", json=described, timeout=5)
    assert (answer.status_code, answer.json()["ref"]) == (201, "default.homeless")
    assert requests.delete(f"{url}/rules/default.homeless", timeout=5).status_code == 204


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (
            {"criteria": {"trigger.n": {"type": "nonsense", "pattern": 1}}},
            "For field: trigger.n, operator nonsense not in list of allowed operators: ['matchwildcard', 'matchregex',",
        ),
        ({"criteria": {"trigger.n": {"pattern": 1}}}, "Operator not specified for field: trigger.n"),
        (
            {"criteria": {"trigger.n": {"type": "exists"}}},
            "For field: trigger.n, no pattern specified for operator exists",
        ),
        ({"trigger": {"type": "demo.nope"}}, "trigger.type: expected a trigger type of a loaded pack"),
        ({"trigger": {"type": "core.st2.webhook"}}, "trigger.parameters: 'url' is a required property"),
        ({"trigger": {"type": "core.st2.sensor.process_spawn"}}, "runs no sensors"),
        ({"unknown": 1}, "unknown: expected one of"),
    ],
)
def test_a_rule_that_cannot_be_is_refused(url: str, more: dict[str, object], told: str) -> None:
    """400, with StackStorm's words where they are known and the key otherwise."""
    answer = requests.post(f"{url}/rules", json=rule("bad", **more), timeout=5)
    assert answer.status_code == 400
    assert told in answer.json()["faultstring"]


def test_a_masked_secret_is_not_stored_over_the_real_one(url: str, added: Callable[..., dict[str, Any]]) -> None:
    """What a list shows of a rule can be sent back, as the command line does to enable it."""
    made = added("secretive", parameters={"token": "very-secret", "n": "1"})
    shown = get(url, f"rules/{made['id']}")
    assert shown["action"]["parameters"] == {"token": "********", "n": "1"}
    changed = requests.put(f"{url}/rules/{made['id']}", json=shown, timeout=5).json()
    assert changed["action"]["parameters"]["token"] == "very-secret"


def test_a_backstop_applies_only_where_no_other_rule_matches(url: str, added: Callable[..., dict[str, Any]]) -> None:
    """It is matched last, whatever its name."""
    added("a_backstop", type={"ref": "backstop"})
    added("b_standard", criteria={"trigger.n": {"type": "eq", "pattern": 1}})
    assert emit(url, "demo.evt", {"n": 1}).status_code == 202
    assert emit(url, "demo.evt", {"n": 2}).status_code == 202
    (backstop,) = enforcements(url, "a_backstop")
    (standard,) = enforcements(url, "b_standard")
    payloads = [get(url, f"triggerinstances/{e['trigger_instance_id']}")["payload"] for e in (standard, backstop)]
    assert payloads == [{"n": 1}, {"n": 2}]


@pytest.mark.parametrize(
    ("name", "action", "told"),
    [
        ("lost", "demo.gone", 'Action "demo.gone" cannot be found.'),
        ("off", "demo.disabled", 'Unable to execute. Action "demo.disabled" is disabled.'),
    ],
)
def test_a_rule_whose_action_cannot_start_says_so(
    url: str, added: Callable[..., dict[str, Any]], name: str, action: str, told: str
) -> None:
    """The enforcement has failed, with the reason and without an execution."""
    added(name, action)
    emit(url, "demo.evt", {"n": 3})
    (found,) = enforcements(url, name)
    assert (found["status"], found["failure_reason"]) == ("failed", told)
    assert "execution_id" not in found


def test_a_comparison_that_fails_is_a_failed_enforcement(url: str, added: Callable[..., dict[str, Any]]) -> None:
    """The rule does not match, and its enforcement names rule, instance and cause."""
    added("unlike", criteria={"trigger.n": {"type": "contains", "pattern": "x"}})
    emit(url, "demo.evt", {"n": 3})
    (found,) = enforcements(url, "unlike")
    assert found["status"] == "failed"
    assert found["failure_reason"] == (
        f'Failed to match rule "demo.unlike" against trigger instance "{found["trigger_instance_id"]}": There might be '
        "a problem with the criteria in rule demo.unlike: argument of type 'int' is not iterable"
    )


def test_an_interval_timer_fires(url: str) -> None:
    """Its payload says when; the time counts as one that can be compared."""
    found = enforcements(url, "every_second")[-1]
    instance = get(url, f"triggerinstances/{found['trigger_instance_id']}")
    assert set(instance["payload"]) == {"executed_at", "schedule"}
    assert {timer["type"] for timer in get(url, "timers")} == {"core.st2.IntervalTimer", "core.st2.CronTimer"}
    (timer,) = get(url, "timers", timer_type="core.st2.IntervalTimer")
    assert get(url, f"timers/{timer['ref']}") == timer
    assert instance["trigger"] == timer["ref"]


def test_a_changed_key_fires(url: str) -> None:
    """Created, it does not; set to another value, it does."""
    for value in ("a", "b"):
        requests.put(f"{url}/keys/k", json={"name": "k", "value": value}, timeout=5)
    (found,) = enforcements(url, "key")
    assert get(url, f"executions/{found['execution_id']}")["parameters"] == {"n": "a>b"}


def test_an_ended_execution_fires_in_its_own_trace(url: str) -> None:
    """Rules hear of its end, and of the notice that its action asks for; what they start is in the same trace."""
    told = requests.post(f"{url}/executions", json={"action": "demo.told"}, timeout=5).json()["id"]
    (after,) = enforcements(url, "after")
    (noticed,) = enforcements(url, "noticed")
    assert get(url, f"executions/{after['execution_id']}")["parameters"] == {"n": told}
    assert get(url, f"executions/{noticed['execution_id']}")["parameters"] == {"n": "told demo"}
    (trace,) = get(url, "traces", execution=told)
    started = {told, after["execution_id"], noticed["execution_id"]}
    assert started <= {part["object_id"] for part in trace["action_executions"]}
    causes = {part["object_id"]: part["caused_by"] for part in trace["trigger_instances"]}
    assert causes[after["trigger_instance_id"]] == {"type": "action_execution", "id": told}


def test_an_inquiry_fires(url: str) -> None:
    """Rules hear of it while it waits."""
    asked = requests.post(f"{url}/executions", json={"action": "demo.ask"}, timeout=5).json()["id"]
    (found,) = enforcements(url, "asked")
    assert get(url, f"executions/{found['execution_id']}")["parameters"] == {"n": "people"}
    instance = get(url, f"triggerinstances/{found['trigger_instance_id']}")
    assert instance["payload"] == {"id": asked, "route": "people"}


def test_what_happened_is_filtered(url: str, added: Callable[..., dict[str, Any]]) -> None:
    """Instances by trigger, type, status and time; enforcements by what they join; traces by their parts."""
    made = added("filtered")
    emit(url, "demo.evt", {"n": 41}, "tag-41")
    (found,) = enforcements(url, "filtered")
    instance = until(
        lambda: (
            get(url, "triggerinstances", trigger_type="demo.evt", status="processed")[0]["payload"] == {"n": 41}
            and get(url, f"triggerinstances/{found['trigger_instance_id']}")
        )
    )
    at = instance["occurrence_time"]
    assert instance not in get(url, "triggerinstances", timestamp_gt=at)
    assert instance not in get(url, "triggerinstances", timestamp_lt=at)
    assert instance in get(url, "triggerinstances", timestamp_gt="2020-01-01T00:00:00Z", trigger="demo.evt")
    assert requests.get(f"{url}/triggerinstances?timestamp_gt=soon", timeout=5).status_code == 400
    for query in ({"rule_id": made["id"]}, {"execution": found["execution_id"]}, {"trigger_instance": instance["id"]}):
        assert get(url, "ruleenforcements", **query) == [found]
    (view,) = get(url, "ruleenforcements/views", rule_ref="demo.filtered")
    assert view == get(url, f"ruleenforcements/views/{found['id']}")
    assert (view["trigger_instance"], view["execution"]["action"]["ref"]) == (instance, "demo.note")
    parts = {"rule": made["id"], "execution": found["execution_id"], "trigger_instance": instance["id"]}
    for name, id_ in parts.items():
        (trace,) = get(url, "traces", **{name: id_})
        assert trace["trace_tag"] == "tag-41"


def test_an_instance_is_emitted_again(url: str, added: Callable[..., dict[str, Any]]) -> None:
    """The new instance has the old payload, and names the old one."""
    added("again")
    emit(url, "demo.evt", {"n": 5})
    (first,) = enforcements(url, "again")
    answer = requests.post(f"{url}/triggerinstances/{first['trigger_instance_id']}/re_emit", timeout=5)
    assert answer.status_code == 200
    second, _ = until(lambda: len(found := get(url, "ruleenforcements", rule_ref="demo.again")) == 2 and found)
    payload = get(url, f"triggerinstances/{second['trigger_instance_id']}")["payload"]
    assert payload == {"n": 5, "__context": {"original_id": first["trigger_instance_id"]}}


def test_trigger_types_and_triggers_are_shown(url: str) -> None:
    """Every core type is there; a trigger is a type without parameters, or one with a rule's."""
    types = {kind["ref"] for kind in get(url, "triggertypes")}
    assert {"demo.evt", "core.st2.webhook", "core.st2.CronTimer", "core.st2.generic.inquiry"} <= types
    triggers = get(url, "triggers")
    assert {"demo.evt", "core.st2.key_value_pair.create"} <= {trigger["ref"] for trigger in triggers}
    assert not {"core.st2.webhook", "core.st2.CronTimer"} & {trigger["ref"] for trigger in triggers}
    assert get(url, f"triggers/{triggers[0]['id']}") == triggers[0]


def test_rules_are_shown_with_the_descriptions_of_what_they_join(url: str) -> None:
    """The views add the action's and the trigger type's description; the types of rules are two."""
    view = get(url, "rules/views/demo.key")
    assert view["action"]["description"] == "Notes."
    assert view["trigger"]["description"]
    assert view in get(url, "rules/views", pack="demo")
    assert [kind["name"] for kind in get(url, "ruletypes")] == ["standard", "backstop"]
