"""Whatever text a task, a message or a person has put into an answer: no verb lets it steer the terminal."""

from __future__ import annotations

import itertools
import json
import unicodedata
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING, Any, Final

import pytest
import requests
import typer
from click.testing import CliRunner as ClickRunner
from typer.main import get_command
from typer.testing import CliRunner

from orchestrator.cli import typer_app
from orchestrator.cli.asking import told
from orchestrator.cli.lines import cells
from orchestrator.domain.errors import RedriveError
from tests.acceptance.test_readme import verbs_of
from tests.unit.orchestrator.api.desk import keys
from tests.unit.orchestrator.cli.test_operating import outage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.unit.orchestrator.api.conftest import Served

WIDTH: Final = 80
# Made once: typer would make all verbs anew for each command that is run.
COMMAND: Final = get_command(typer_app)
# In each round another text of the corpus comes first: so many apart.
ROUNDS: Final = 11
CORPUS: Final = {
    "title": "\x1b]0;owned\x07",
    "clear": "\x1b[2J\x1b[H\x1b[31mred",
    "link": "\x1b]8;;http://evil.example/\x1b\\click\x1b]8;;\x1b\\",
    "paste": "\x1b]52;c;cm0gLXJmIC8=\x07",
    "c1": "\x9b2J\x9d0;owned\x9c\x90q\x9c",
    "overwrite": "good\rbad\b\b\bevil\x7f\x00",
    "lines": "one\ntwo\r\nthree\x0b\x0c\x85four\u2028five\u2029six",
    "bidi": "\u202egpj.exe\u202c \u2066\u2067\u2068a\u2069 \u200e\u200f\u061c",
    "zero width": "pay\u200bpal\u200c\u200d\u2060\ufeff\u00ad\u180e\u3164\u115f\u2800",
    "tags": "a\U000e0041\U000e0042\U000e007f",
    "markup": "[red]x[/red][link=http://evil.example]y[/link][/][bold",
    "long": "x" * 5_000,
    "long words": "word " * 2_000,
    "wide": "日本語の名前" * 60,
    "emoji": "👩🏽‍🚀🏴‍☠️🎉️ " * 60,
    "combining": "e" + "\u0301" * 500,
    "private": "\ue000\uf8ff\U000f0000",
    "surrogate": "\ud800",
    "percent": "%s %(x)s {} {0} $(id) `id` ${IFS}",
    "jinja": "{{ 7*7 }} <% 1 %>",
    "empty": "",
    "spaces": "   \u00a0\u3000 ",
}
# What the verbs decide by, and what the next command takes: the orchestrator makes it, no task does.
OWN: Final = (
    *("id", "at", "captured", "ways", "kind", "state", "outcome", "phase", "health", "severity", "mode", "verb"),
    *("command", "command_kind", "origin", "otherwise", "since", "time", "hour", "until", "snoozed_until"),
    *("not_before", "about"),
)
OWN_ENDS: Final = ("_id", "_at")
# Verbs that start something, or read what is on this disk and no answer of the API.
NONE_OF_THE_API: Final = frozenset(
    {"run", "dev", "demo", "lint", "stackstorm serve", "packs validate", "prices reprice", "sinks reconcile"}
)
# What they print is a document, as long as its lines are: JSON, and Markdown that a page is made of.
DOCUMENTS: Final = frozenset({"events show", "postmortem"})
# Verbs that change nothing, as they are typed here: one scene is enough for all of them.
READ: Final = frozenset(
    {
        *("mode", "dependencies", "classify", "why", "retry", "reroute", "top", "postmortem", "alerts list"),
        *("approvals list", "audit list", "audit verify", "incidents list", "incidents show", "incidents watch"),
        *("recoveries list", "recoveries show", "failures list", "failures show", "events list", "events show"),
        *("sinks list", "sinks hours"),
    }
)
WHY: Final = ("--reason", "a reason")


class Poison:
    """Puts one text of the corpus after another into each text of an answer that is not the orchestrator's own."""

    def __init__(self, first: int) -> None:
        self._texts = itertools.islice(itertools.cycle(CORPUS.values()), first, None)

    def of(self, value: Any, key: str = "") -> Any:  # noqa: ANN401 - JSON
        """Give an answer with its texts exchanged; the names of members stay."""
        if isinstance(value, dict):
            return {name: self.of(each, name) for name, each in value.items()}
        if isinstance(value, list):
            return [self.of(each, key) for each in value]
        own = key in OWN or key.endswith(OWN_ENDS)
        return f"{value}{next(self._texts)}" if isinstance(value, str) and not own else value


@pytest.fixture(scope="module")
def kept() -> list[Served]:
    """What the verbs that change nothing are shown."""
    return []


@pytest.fixture
def served(request: pytest.FixtureRequest, kept: list[Served]) -> Served:
    """A scene: that of the last verb which changed nothing, for one that changes nothing, else a new one."""
    parameters = getattr(request.node, "callspec", None)
    if parameters is None or parameters.params["verb"] not in READ:
        return scene(request.getfixturevalue("desk"))
    if not kept:
        kept.append(scene(request.getfixturevalue("desk")))
    return kept[0].again()


def scene(desk: Served) -> Served:
    """Make incidents of two tasks, one held, a recovery under way, events with a dead letter."""
    outage(desk, each=2, task="mail.send", declaration={"dependency": "smtp", "idempotent": False})
    incident = outage(desk, each=3)
    desk.ask("POST", "/api/v1/incidents/" + incident + "/hold", {"reason": "a deploy"})
    asked = {"incident_id": str(desk.scene.incidents[1].id), "reason": "it is back"}
    desk.ask("POST", "/recovery/retry", asked, headers={"Idempotency-Key": "k1"})
    asked = {
        "incident_id": incident,
        "reason": "it is back",
        "approval": {"timeout_seconds": 600, "otherwise": "reject"},
    }
    desk.ask("POST", "/recovery/retry", asked, headers={"Idempotency-Key": "k3"})
    return desk


def _recoveries(served: Served, state: str) -> str:
    return str(served.ask("GET", f"/api/v1/recovery/retries?state={state}").json()["retries"][0]["id"])


@pytest.fixture
def poisoned(served: Served) -> Iterator[tuple[str, list[int]]]:
    """The API behind a server that poisons each answer; gives its address, and where in the corpus it begins."""
    first = [0]

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            sent = self.rfile.read(int(self.headers.get("content-length", 0)))
            headers = {name: self.headers[name] for name in ("Content-Type", "Accept") if self.headers[name]}
            headers["Idempotency-Key"] = self.headers.get("Idempotency-Key", "k2")
            real = requests.request(self.command, served.url + self.path, data=sent, headers=headers, timeout=10)
            body = real.content
            if "json" in real.headers.get("content-type", ""):
                body = json.dumps(Poison(first[0]).of(real.json())).encode()
            self.send_response(real.status_code)
            self.send_header("content-type", real.headers.get("content-type", ""))
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = answer  # noqa: N815 - the names are those of http.server

        def log_message(self, *_: Any) -> None:
            """Say nothing on stderr."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", first
    server.shutdown()
    server.server_close()
    thread.join(10)


def typed(served: Served) -> dict[str, list[tuple[str, ...]]]:  # long: a table of the verbs, one a line
    """Give what is typed for each verb that shows what the API answers; `nothing` is an id that is not known."""
    incident, failure = str(served.scene.incident.id), str(served.scene.failures[0].failure.id)
    recovery = _recoveries(served, "running")
    proposed = _recoveries(served, "proposed")
    nothing, event = "00000000-0000-4000-8000-000000000000", keys(served)[0]
    return {
        "mode": [()],
        "dependencies": [(), ("model",)],
        "hold": [("model", *WHY)],
        "release": [("--incident", incident, *WHY)],
        "classify": [("--explain", "--failure", failure)],
        "why": [(event,), (failure,), (incident,), (nothing,)],
        "retry": [("--incident", incident, *WHY), ("--query", "task=*", *WHY), ("--failure", nothing, *WHY)],
        "reroute": [("--failure", failure, "--queue", "spare", *WHY), ("--failure", failure, *WHY)],
        "top": [("--once",)],
        "postmortem": [(incident,), (nothing,)],
        "alerts list": [("--all",)],
        "alerts acknowledge": [(nothing, *WHY)],
        "alerts test": [("nothing", *WHY)],
        "approvals list": [()],
        "approvals approve": [(proposed, *WHY)],
        "approvals reject": [(nothing, *WHY)],
        "audit list": [()],
        "audit verify": [()],
        "incidents list": [()],
        "incidents show": [(incident,), (incident, "--all"), (nothing,)],
        "incidents watch": [(nothing,)],
        "incidents update": [(incident, "--discard", *WHY), (nothing, "--acknowledge", *WHY)],
        "recoveries list": [()],
        "recoveries show": [(recovery,), (nothing,)],
        "recoveries pause": [(recovery, *WHY)],
        "recoveries resume": [(recovery, *WHY)],
        "recoveries abort": [(recovery, *WHY)],
        "recoveries watch": [(recovery,)],
        "failures list": [(), ("--csv",)],
        "failures show": [(failure,), (nothing,)],
        "failures discard": [(failure, *WHY)],
        "events list": [(), ("--dead",)],
        "events show": [(event,)],
        "events replay": [WHY],
        "events cancel": [(nothing, *WHY)],
        "events discard": [WHY],
        "sinks list": [()],
        "sinks hours": [("warehouse",)],
        "sinks open": [("warehouse", *WHY)],
        "sinks close": [("warehouse", *WHY)],
        "sinks auto": [("warehouse", *WHY)],
        "sinks forget": [("nothing", *WHY)],
    }


def test_every_verb_is_tried(served: Served) -> None:
    """A verb that is added is added here too, or said to show nothing that the API answers."""
    verbs = set(verbs_of(COMMAND))
    assert verbs == {*typed(served), *NONE_OF_THE_API}


@pytest.mark.parametrize("verb", sorted(set(verbs_of(COMMAND)) - NONE_OF_THE_API))
def test_no_text_of_an_answer_steers_the_terminal(served: Served, poisoned: tuple[str, list[int]], verb: str) -> None:
    """With each text of the corpus in each place: nothing but visible characters, and no line over 80 cells."""
    url, first = poisoned
    words_of = typed(served)[verb]
    if verb == "recoveries watch":
        running = _recoveries(served, "running")
        served.ask("POST", f"/api/v1/recovery/retries/{running}/abort", {"reason": "a reason"})
    for words in words_of:
        for place in range(0, len(CORPUS), ROUNDS):
            first[0] = place
            said = _said([*verb.split(), *words, "--api", url])
            wrong = [each for each in said if not _seen(each)]
            assert not wrong, (words, place, wrong)
            if "--csv" not in words and verb not in DOCUMENTS:
                wide = [(cells(line), line) for line in said.split("\n") if cells(line) > WIDTH]
                assert not wide, (words, place, wide[:3])


def _said(words: list[str]) -> str:
    """Run a command; an error is told as the command line tells it."""
    done = ClickRunner(env={"COLUMNS": str(WIDTH)}).invoke(COMMAND, words)
    if isinstance(done.exception, RedriveError):
        error = done.exception
        told_too = typer.Typer()
        told_too.command()(lambda: [told(line) for line in str(error).splitlines()] and None)
        return done.output + CliRunner().invoke(told_too, []).output
    assert done.exception is None or isinstance(done.exception, SystemExit), (words, repr(done.exception))
    return done.output


def _seen(each: str) -> bool:
    return each == "\n" or unicodedata.category(each) not in {"Cc", "Cf", "Cs", "Zl", "Zp"}
