"""The page: gates first, whole in one file, readable without colours, and whatever texts hold stays text."""

from __future__ import annotations

import copy
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from loadtests.report import page as pages
from loadtests.report.labels import LABELS, label
from loadtests.report.markdown import markdown
from loadtests.report.markup import Markup, joined, tag
from loadtests.report.page import page
from loadtests.report.plots.panels import STROKES, Line, places
from loadtests.report.plots.scales import Scale, clock, log_marks, marks, time_marks
from loadtests.report.text import text
from loadtests.verdict.gates import load

SAMPLE = Path(__file__).with_name("sample.json")
VOID = {"meta", "br", "hr", "col"}


class Reader(HTMLParser):
    """Reads a page: the texts in it, every attribute, and whether each element is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Remember an element and its attributes."""
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """Close the innermost element, which must be this one."""
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Remember a text."""
        if self.open[-1:] != ["style"]:
            self.texts.append(data)


def read(html: str) -> Reader:
    """Read a page whole."""
    reader = Reader()
    reader.feed(html)
    reader.close()
    assert reader.open == []
    return reader


@pytest.fixture
def document() -> dict[str, Any]:
    """Give a stored document: two gates missed, one not measured, a sabotage, a trend."""
    return json.loads(SAMPLE.read_text())


def test_the_page_is_well_formed_and_has_all_sections(document: dict[str, Any]) -> None:
    """Each element is closed, and every part of the document has its place."""
    reader = read(page(document))
    ids = [value for _, name, value in reader.attributes if name == "id" and not value.startswith("hatch")]
    assert ids == ["gates", "course", "retries", "cost", "trend", "resources", "behind"]


def test_the_outcome_is_read_first_and_gates_before_all_pictures(document: dict[str, Any]) -> None:
    """The heading is the outcome, the missed gates are named in the sentence below it."""
    html = page(document)
    assert html.index("<h1>Missed</h1>") < html.index('id="gates"') < html.index('id="course"')
    sentence = html[html.index("<h1>") : html.index("</header>")]
    assert "2 of 14 gates missed" in sentence
    assert LABELS["worker_overhead_p95_ms"] in sentence
    assert "SABOTAGED ON PURPOSE" in sentence


def test_every_gate_has_its_mark_value_and_limit(document: dict[str, Any]) -> None:
    """Missed gates come first; marks are signs, not colours alone."""
    html = page(document)
    told = html[html.index('id="gates"') : html.index('id="course"')]
    found = re.findall(r'<span class="mark (\w+)" title="\w+">(.)</span>', told)
    assert found[:3] == [("missed", "✗"), ("missed", "✗"), ("unknown", "?")]
    assert found[3:] == [("met", "✓")] * 11
    for row in document["verdict"]["gates"]:
        assert f"<code>{row['figure']}</code>" in told


@pytest.mark.parametrize(("outcome", "mark"), [("passed", "✓"), ("missed", "✗"), ("not_measured", "?")])
def test_each_outcome_has_a_banner_of_its_own(document: dict[str, Any], outcome: str, mark: str) -> None:
    """By a sign and a class."""
    document["verdict"]["outcome"] = outcome
    html = page(document)
    assert f'class="banner {outcome}"' in html
    assert f'aria-hidden="true">{mark}</span>' in html


def test_the_page_asks_nothing_of_any_network(document: dict[str, Any]) -> None:
    """No address, no script, no frame; the browser is told to refuse them; links go to the profiles beside it."""
    hottest = [["<lambda> (x.py:1)", 0.42]]
    graphs = {"orchestrator": {"file": "profile/orchestrator.svg", "hottest": hottest}}
    document["profiles"] = {"graphs": graphs, "problems": ["expected a flame graph of worker-on, got none"]}
    reader = read(page(document))
    assert {"42% <lambda> (x.py:1)", "expected a flame graph of worker-on, got none"} <= set(reader.texts)
    fetching = {"src", "srcset", "data", "poster", "action", "background", "xlink:href"}
    assert [each for each in reader.attributes if each[1] in fetching] == []
    assert [value for _, name, value in reader.attributes if name == "href"] == ["profile/orchestrator.svg"]
    assert {name for name, _, _ in reader.attributes} & {"script", "link", "iframe", "img", "object"} == set()
    assert re.findall("https?:", page(document)) == []
    assert "url(" not in pages.files("loadtests").joinpath(pages.STYLE).read_text()
    assert ("meta", "content", pages.POLICY) in reader.attributes


def test_each_fault_is_shaded_and_listed(document: dict[str, Any]) -> None:
    """In the wide picture and in the narrow one."""
    html = page(document)
    assert html.count('class="fault"') == 2 * len(document["faults"])
    assert html.count("<li><b>") >= len(document["faults"])


def test_without_faults_the_page_says_so(document: dict[str, Any]) -> None:
    """A run of which nothing was broken is not one whose faults were forgotten."""
    document["faults"] = []
    assert "No faults were made." in page(document)


def test_accounts_that_differ_are_marked(document: dict[str, Any]) -> None:
    """And where they differ can be unfolded."""
    assert "The accounts disagree" in page(document)
    assert "the provider saw 503" in page(document)
    document["first_retry"] |= {"agree": True, "disagreements": []}
    assert "Three accounts agree" in page(document)
    for told in document["first_retry"]["accounts"].values():
        told["first_attempts"] = 0
    assert "counted by" not in text(document)
    assert "Three accounts agree" not in page(document)


def test_what_is_slower_than_before_comes_first_and_says_so(document: dict[str, Any]) -> None:
    """Of the trend's pictures; without a history the page says that there is none."""
    html = page(document)
    trend = html[html.index('id="trend"') :]
    assert trend.index("▲ slower") < trend.index("<svg")
    document["trend"]["slower"] = []
    assert "▲ slower" not in page(document)
    document["trend"]["why_not"] = "expected 5 runs, got 2"
    assert "Not tested: expected 5 runs, got 2" in page(document)
    assert "Nothing is slower" not in page(document)
    assert 'class="nights"' in page(document)
    document["trend"] = {"why_not": "expected 5 runs, got 2"}
    assert "No trend: expected 5 runs, got 2" in page(document)
    del document["trend"]
    assert "no history was given" in page(document)


def test_a_search_shows_each_step_and_what_limits(document: dict[str, Any]) -> None:
    """Steps in the order of their rates, the ones that missed marked; without a search there is no such section."""
    assert 'id="knee"' not in page(document)
    rates = {"calls_per_second": 31.0, "api_requests_per_second": 4.0}
    figure = {"name": "api_p99_ms", "value": 1200.0}
    steps = [
        rates | {"asked": 51.2, "why": ["api_p99_ms 1200 ms"], "figures": [figure]},
        rates | {"asked": 32.0, "why": [], "figures": []},
    ]
    bounds = {"held": 32.0, "times": 2, "missed": 51.2}
    limit = {"sentence": "the orchestrator has no processor left", "cores": {}}
    document["knees"] = [{"of": "calls", "steps": steps, "bounds": bounds, "limit": limit}]
    html = page(document)
    read(html)
    told = html[html.index('id="knee"') : html.index('id="course"')]
    assert re.findall(r'class="mark (\w+)"', told) == ["met", "missed"]
    sentence = "32 a second held 2 times; 51.2 did not. Limits: the orchestrator has no processor left."
    for form in (html, text(document), markdown(document).replace("\\", "")):
        assert sentence in form
    document["knees"][0] |= {"bounds": {"held": None, "times": 0, "missed": None}, "limit": None}
    assert "No rate held; none was too high." in page(document)


def test_whatever_texts_hold_stays_text(document: dict[str, Any]) -> None:
    """Markup in a reason, a name or a note is shown, not run."""
    evil = '<script>alert("x")</script>'
    document["verdict"]["gates"][0] |= {"met": False, "why": evil, "reason": evil, "figure": evil}
    document["faults"][0]["note"] = evil
    document["problems"] = [evil]
    document["phases"][0]["name"] = evil
    document["requests"][0]["name"] = evil
    document["settings"]["sabotage"] = evil
    html = page(document)
    assert "<script" not in html
    assert "&lt;script&gt;" in html
    read(html)


def test_a_run_that_died_at_once_still_has_a_page(document: dict[str, Any]) -> None:
    """Nothing was measured, no series, no comparisons: the page says what is missing."""
    empty = copy.deepcopy(document)
    latency = {"at": [], "count": [], "failed": [], "p50_ms": [], "p95_ms": []}
    series = {"bucket_seconds": 1.0, "latency": {"calls": latency, "api": latency}, "backlog": {"at": [], "lines": {}}}
    empty |= {"series": series | {"resources": {}}, "comparisons": [], "first_retry": {}, "faults": [], "phases": []}
    empty |= {"requests": [], "figures": [], "control": {}, "trend": None, "problems": ["the bed did not start"]}
    for row in empty["verdict"]["gates"]:
        row |= {"value": None, "low": None, "high": None, "met": None, "why": "expected one figure, got 0", "unit": ""}
    html = page(empty)
    read(html)
    assert "the bed did not start" in html


def test_lines_are_told_apart_without_colours() -> None:
    """No two strokes of one picture have the same width and dashes."""
    style = pages.files("loadtests").joinpath(pages.STYLE).read_text()
    looks = []
    for stroke in STROKES:
        rule = re.search(rf"svg \.{stroke} {{([^}}]*)}}", style)
        assert rule is not None
        looks.append(tuple(re.findall(r"stroke-(?:width|dasharray): ([^;]+);", rule[1])))
    assert len(set(looks)) == len(STROKES)


def test_a_legend_stays_within_a_narrow_picture() -> None:
    """Names that have no room in a row go to the next one."""
    x = Scale(0, 1, 40, 340)
    lines = [Line(f"sink number {n}", [], []) for n in range(6)]
    found = places(lines, x)
    assert max(row for _, row in found) >= 1
    assert all(left + 24 + 6.4 * len(line.name) <= 340 for (left, _), line in zip(found, lines, strict=True))


def test_every_shipped_gate_has_a_name_for_people() -> None:
    """No gate is shown by its identifier alone."""
    assert [gate.figure for gate in load() if "_" in label(gate.figure)] == []
    assert label("overhead_p95_ms_bus_slow_traced") == "Overhead p95, end to end, bus slow, traced"
    assert {gate.figure for gate in load() if label(gate.figure) == gate.figure.replace("_", " ")} == set()


def test_markup_is_escaped_unless_it_is_ours() -> None:
    """In texts and attributes."""
    assert tag("b", "<i>", title='"') == '<b title="&quot;">&lt;i&gt;</b>'
    assert joined(Markup("<i>"), None, "&") == "<i>&amp;"


def test_axes_have_round_marks() -> None:
    """On lines, on logarithms, and on clocks."""
    assert marks(0, 130, 4) == [0, 50, 100]
    assert marks(3, 3, 4) == [3]
    assert log_marks(3, 3000) == [10, 100, 1000]
    assert log_marks(20, 300) == [20, 50, 100, 200]
    assert time_marks(110, 15) == [0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100, 110]
    assert len(time_marks(1800, 15)) <= 16
    assert [clock(each) for each in (5, 65, 3725)] == ["0:05", "1:05", "1:02:05"]


@pytest.mark.parametrize("most", [2, 4, 7])
@pytest.mark.parametrize("high", [0.003, 1, 7, 19, 130, 99_999])
def test_axes_have_no_more_marks_than_fit(high: float, most: int) -> None:
    """Whatever the values are."""
    assert 1 <= len(marks(0, high, most)) <= most + 1


def test_a_scale_keeps_within_its_picture() -> None:
    """What lies beyond is drawn at the edge."""
    scale = Scale(1, 100, 0, 200, log=True)
    assert [scale.at(each) for each in (0, 1, 10, 100, 1e6)] == [0, 0, 100, 200, 200]
