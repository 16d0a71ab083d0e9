"""The packs that are built in, and what an action may ask of the server that runs it; with an API key set."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import requests

from tests.stackstorm_server import embedded
from tests.unit.stackstorm.test_process import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

KEY = "a-key"
HEADERS = {"St2-Api-Key": KEY}
FILES = {
    "pack.yaml": "{name: demo, description: d, version: 0.1.0, author: a}",
    "triggers/evt.yaml": "{name: evt}",
    "rules/on_evt.yaml": """\
name: on_evt
enabled: true
trigger: {type: demo.evt}
action: {ref: core.echo, parameters: {message: 'got {{ trigger.x }}'}}
""",
    "actions/keep.yaml": """\
name: keep
runner_type: python-script
entry_point: keep.py
parameters: {what: {type: string, required: true}}
""",
    "actions/keep.py": """\
import os
import urllib.error
import urllib.request
from st2common.runners.base_action import Action


class Keep(Action):
    def run(self, what):
        service = self.action_service
        if what == "all":
            set_ = service.set_value("one", {"a": 1}), service.set_value("two", "t", ttl=60, local=False)
            got = service.get_value("one"), service.get_value("demo.Keep:one", local=False), service.get_value("gone")
            listed = sorted(pair.name for pair in service.list_values())
            deleted = service.delete_value("one"), service.delete_value("one"), service.get_value("one")
            return [set_, got, listed, deleted]
        if what == "secret":
            service.set_value("hidden", "pa55", encrypt=True)
            return [service.get_value("hidden") == "pa55", service.get_value("hidden", decrypt=True)]
        if what == "scope":
            return service.get_value("one", scope="user")
        if what == "client":
            client = service.datastore_service.get_api_client()
            return client.actions.get_by_ref_or_id("core.noop").ref
        return os.environ["ST2_ACTION_AUTH_TOKEN"]
""",
}


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The API's URL of an embedded StackStorm with a key."""
    folder = tmp_path_factory.mktemp("builtin")
    for name, text in FILES.items():
        (folder / "demo" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "demo" / name).write_text(text)
    (folder / "key").write_text(KEY)
    with embedded(folder, folder / "demo", options=("--api-key-file", str(folder / "key"))) as found:
        yield f"{found}/v1"


@pytest.fixture
def run(url: str) -> Callable[..., dict[str, Any]]:
    """Run an action to its end, and give the execution."""

    def run(action: str, **parameters: Any) -> dict[str, Any]:
        asked = {"action": action, "parameters": parameters}
        answer = requests.post(f"{url}/executions", json=asked, headers=HEADERS, timeout=5)
        assert answer.status_code == 201, answer.text
        place = f"{url}/executions/{answer.json()['id']}"

        def ended() -> Any:  # noqa: ANN401 the execution, once it has ended
            found = requests.get(place, headers=HEADERS, timeout=5).json()
            return found if "end_timestamp" in found else None

        found: dict[str, Any] = until(ended)
        return found

    return run


def test_the_core_actions_are_listed(url: str) -> None:
    """As any pack's; the pack is there too."""
    listed = requests.get(f"{url}/actions", {"pack": "core"}, headers=HEADERS, timeout=5).json()
    names = {action["name"] for action in listed}
    assert {"noop", "local", "echo", "error", "http", "ask", "pause", "uuid", "inject_trigger", "sendmail"} <= names
    assert requests.get(f"{url}/packs/core", headers=HEADERS, timeout=5).json()["ref"] == "core"


def test_noop_gives_what_the_real_one_gives(run: Callable[..., dict[str, Any]]) -> None:
    """Three members, and success."""
    ended = run("core.noop")
    assert (ended["status"], ended["result"]) == ("succeeded", {"failed": False, "succeeded": True, "return_code": 0})


@pytest.mark.parametrize(
    ("action", "parameters", "status", "shown"),
    [
        ("core.local", {"cmd": "echo $ST2_ACTION_PACK_NAME"}, "succeeded", ("stdout", "core")),
        ("core.echo", {"message": "a $((1 + 1))"}, "succeeded", ("stdout", "a 2")),
        ("core.error", {"message": "e"}, "succeeded", ("stderr", "e")),
        ("core.sendmail", {"to": "t", "subject": "s", "body": "b"}, "failed", ("stderr", "core.sendmail is not")),
        ("core.local_sudo", {"cmd": "id"}, "failed", ("error", "sudo is not supported")),
    ],
)
def test_core_runs_commands(
    run: Callable[..., dict[str, Any]], action: str, parameters: dict[str, Any], status: str, shown: tuple[str, str]
) -> None:
    """With the parameters of the real ones; what is refused says so."""
    ended = run(action, **parameters)
    assert ended["status"] == status
    stream, text = shown
    assert ended["result"][stream].startswith(text)


def test_core_makes_uuids_and_waits(run: Callable[..., dict[str, Any]]) -> None:
    """Of both kinds; the wait gives its seconds."""
    assert len(run("core.uuid")["result"]["result"]) == 36
    assert run("core.uuid", uuid_type="uuid1")["result"]["result"][14] == "1"
    assert run("core.pause", max_pause=0)["result"]["result"] == 0


def test_a_trigger_can_be_injected(url: str, run: Callable[..., dict[str, Any]]) -> None:
    """The rule that waits for it runs, under the tag that was given."""
    ended = run("core.inject_trigger", trigger_name="demo.evt", payload={"x": 7}, trace_tag="mine")
    assert ended["status"] == "succeeded", ended
    assert "trigger_name" in run("core.inject_trigger")["result"]["stderr"]

    def fired() -> Any:  # noqa: ANN401 the executions of the rule
        query = {"rule": "on_evt", "status": "succeeded"}
        return requests.get(f"{url}/executions", query, headers=HEADERS, timeout=5).json()

    assert until(fired)[0]["result"]["stdout"] == "got 7"
    assert requests.get(f"{url}/traces", {"trace_tag": "mine"}, headers=HEADERS, timeout=5).json()


def test_an_action_keeps_values(run: Callable[..., dict[str, Any]]) -> None:
    """Local names carry pack and class; what is not there is None, and deleting it is no error."""
    ended = run("demo.keep", what="all")
    text = "{'a': 1}"
    expected = [[True, True], [text, text, None], ["demo.Keep:one"], [True, True, None]]
    assert ended["result"]["result"] == expected, ended["result"]


def test_an_action_keeps_secrets(run: Callable[..., dict[str, Any]]) -> None:
    """Encrypted unless it asks for the value in the clear."""
    assert run("demo.keep", what="secret")["result"]["result"] == [False, "pa55"]


def test_other_scopes_are_refused(run: Callable[..., dict[str, Any]]) -> None:
    """With the ValueError of the real service."""
    assert "ValueError: Scope user is unsupported." in run("demo.keep", what="scope")["result"]["stderr"]


def test_an_action_may_use_the_whole_client(run: Callable[..., dict[str, Any]]) -> None:
    """st2client, where the interpreter has it, with the execution's token."""
    ended = run("demo.keep", what="client")
    assert ended["result"]["result"] == "core.noop", ended["result"]


def test_a_token_is_good_while_its_action_runs(url: str, run: Callable[..., dict[str, Any]]) -> None:
    """Afterwards it is refused as a wrong key is."""
    token = run("demo.keep", what="token")["result"]["result"]
    assert requests.get(f"{url}/actions", headers={"X-Auth-Token": token}, timeout=5).status_code == 401
    assert requests.get(f"{url}/actions", timeout=5).status_code == 401


@pytest.mark.parametrize("action", ["remote", "remote_sudo", "winrm_cmd", "winrm_ps_cmd", "announcement"])
def test_what_core_has_and_is_not_here_is_refused_by_name(url: str, action: str) -> None:
    """The answer is 400 and names the runner."""
    asked = {"action": f"core.{action}", "parameters": {}}
    answer = requests.post(f"{url}/executions", json=asked, headers=HEADERS, timeout=5)
    assert answer.status_code == 400
    assert "is not supported by the embedded StackStorm" in answer.json()["faultstring"]


def test_output_can_be_read_while_the_action_runs(url: str) -> None:
    """Both streams, or one of them; then the action is cancelled."""
    asked = {"action": "core.local", "parameters": {"cmd": "echo begun; echo warned >&2; sleep 60"}}
    id_ = requests.post(f"{url}/executions", json=asked, headers=HEADERS, timeout=5).json()["id"]

    def printed(kind: str) -> str:
        query = {"output_type": kind}
        return requests.get(f"{url}/executions/{id_}/output", query, headers=HEADERS, timeout=5).text

    until(lambda: "warned" in printed("all"))
    assert (printed("stdout"), printed("stderr")) == ("begun\n", "warned\n")
    requests.delete(f"{url}/executions/{id_}", headers=HEADERS, timeout=5)
    until(lambda: requests.get(f"{url}/executions/{id_}", headers=HEADERS, timeout=5).json()["status"] == "canceled")
