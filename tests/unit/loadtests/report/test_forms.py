"""The report as text, Markdown and JUnit XML: made of a stored document, and a breach is in none of them overlooked."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from loadtests.report import wording
from loadtests.report.junit import junit
from loadtests.report.markdown import escaped, markdown
from loadtests.report.page import page
from loadtests.report.text import text
from loadtests.report.writing import write

SAMPLE = Path(__file__).with_name("sample.json")


@pytest.fixture
def document() -> dict[str, Any]:
    """Give a stored document: two gates missed, one not measured, a sabotage."""
    return json.loads(SAMPLE.read_text())


def parsed(xml: str) -> ET.Element:
    """Read XML that we have just written."""
    return ET.fromstring(xml)  # noqa: S314 - it is our own


def all_met(document: dict[str, Any]) -> dict[str, Any]:
    """Give the same document with every gate met."""
    passed = copy.deepcopy(document)
    passed["verdict"]["outcome"], passed["verdict"]["exit_code"] = "passed", 0
    for row in passed["verdict"]["gates"]:
        row["met"] = True
    return passed


def test_the_first_line_says_how_it_ended_and_which_gate_decided(document: dict[str, Any]) -> None:
    """Whoever reads one line reads the breach."""
    first = text(document).splitlines()[0]
    assert first.startswith("MISSED: 2 of 14 gates missed: worker_overhead_p95_ms, first_retry_success")
    assert "1 of 14 not measured: events_lost" in first
    assert markdown(document).splitlines()[0].startswith("# MISSED: 2 of 14")
    assert text(all_met(document)).startswith("PASSED: all 14 gates met")


def test_gates_come_first_and_the_missed_ones_before_all(document: dict[str, Any]) -> None:
    """The order of the rows is ✗, ?, ✓, each with its value and its limit."""
    lines = text(document).split("\n\n")[1].splitlines()
    assert [line[0] for line in lines] == ["✗", "✗", "?", *["✓"] * 11]
    missed = lines[0]
    assert "worker_overhead_p95_ms" in missed
    assert "5.44 ms (5.1 … 5.9 ms" in missed
    assert "< 1 ms, by its upper end" in missed


def test_a_sabotage_is_said_in_every_form(document: dict[str, Any]) -> None:
    """Nobody takes a run that was broken on purpose for a real one."""
    for form in (text, markdown):
        assert "SABOTAGED ON PURPOSE" in form(document).replace("\\", "")


def test_accounts_that_differ_are_shouted(document: dict[str, Any]) -> None:
    """Where the three counts of first retries differ, the report says so; where not, that they agree."""
    assert "THEY DISAGREE" in text(document)
    document["first_retry"]["agree"] = True
    assert "THEY DISAGREE" not in text(document)
    assert "they agree" in text(document)


def test_what_is_left_out_of_the_comparison_is_named_in_every_form(document: dict[str, Any]) -> None:
    """Who reads that the accounts agree sees which calls they do not speak of."""
    told = "call 7: ran again without a redrive, no ledger hears of it"
    for form in (text, markdown, page):
        assert told not in form(document)
    document["first_retry"] |= {"left_out": [told], "left_out_more": 3}
    for form in (text, markdown, page):
        assert told in form(document)
    assert "4 left out of the comparison" in text(document)
    assert "Left out of the comparison (4)" in page(document)


def test_problems_are_told_in_every_form(document: dict[str, Any]) -> None:
    """What spoilt the run stands in text, Markdown and XML, and is an error there."""
    passed = all_met(document)
    before = parsed(junit(passed))
    passed["problems"] = ["the machine slept"]
    after = parsed(junit(passed))
    assert (before.get("errors"), after.get("errors")) == ("0", "1")
    for form in (text, markdown, junit):
        assert "the machine slept" in form(passed)


def test_junit_has_a_case_for_each_gate(document: dict[str, Any]) -> None:
    """A missed gate is a failure, one not measured an error, none is skipped; the counts say so."""
    root = parsed(junit(document))
    cases = {case.get("name"): case for case in root.iter("testcase")}
    assert set(cases) == {row["figure"] for row in document["verdict"]["gates"]} | {"the run itself"}
    assert [root.get(name) for name in ("tests", "failures", "errors", "skipped")] == ["15", "2", "1", "0"]
    failure, error = cases["first_retry_success"].find("failure"), cases["events_lost"].find("error")
    assert failure is not None
    assert "≥ 95 %" in failure.get("message", "")
    assert error is not None
    assert "connection refused" in error.get("message", "")


def test_junit_of_a_run_of_which_nothing_was_asked_is_an_error(document: dict[str, Any]) -> None:
    """An empty suite would be green."""
    document["verdict"]["gates"] = []
    root = parsed(junit(document))
    assert (root.get("tests"), root.get("errors")) == ("1", "1")


def test_junit_can_be_read_whatever_the_texts_hold(document: dict[str, Any]) -> None:
    """Control characters and markup in a reason are no broken XML."""
    document["verdict"]["gates"][0] |= {"met": False, "why": "a\x00b\x1b[31m<&>"}
    message = parsed(junit(document)).find(".//failure")
    assert message is not None
    assert "ab[31m<&>" in message.get("message", "")


def test_markdown_tables_survive_what_texts_hold() -> None:
    """A pipe, a line break or a tag in a text stays in its cell."""
    assert escaped("a|b\nc <d> `e`") == r"a\|b c \<d\> \`e\`"


@pytest.mark.parametrize(
    ("value", "unit", "said"),
    [
        (0.95, "share", "95 %"),
        (1, "share", "100 %"),
        (0.999999, "share", "99.9999 %"),
        (0.9999999, "share", "99.99999 %"),
        (0.899, "share", "89.9 %"),
        (12345.0, "count", "12,345"),
        (0.5432, "ms", "0.543 ms"),
        (1234.5, "ms", "1,234 ms"),
        (None, "ms", "-"),
    ],
)
def test_numbers_are_said_short_and_never_better_than_they_are(value: float | None, unit: str, said: str) -> None:
    """Nothing short of all is 100 %."""
    assert wording.number(value, unit) == said


def test_all_files_are_written_from_one_document(document: dict[str, Any], tmp_path: Path) -> None:
    """The JSON that is written is the document."""
    written = write(document, tmp_path / "run")
    assert json.loads(written["report.json"].read_text()) == document
    assert all(path.stat().st_size for path in written.values())


def test_a_document_that_is_no_json_is_refused(document: dict[str, Any], tmp_path: Path) -> None:
    """NaN would be read back by nobody else."""
    document["seconds"] = float("nan")
    with pytest.raises(ValueError, match="JSON"):
        write(document, tmp_path)
