"""What the lines of a load test say, and that a line which says nothing is an error."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from loadtests.evidence import Answered, Asked, Call, Run
from loadtests.stamps import (
    StampError,
    Tail,
    accepted_of,
    answered_of,
    asked_of,
    calls_of,
    line,
    read_lines,
    runs_of,
)

if TYPE_CHECKING:
    from pathlib import Path


def test_a_call_is_what_the_front_wrote() -> None:
    """Its model time is its tokens at the provider's scale; a call of no block has an empty one."""
    lines = [
        line("sent", "a", "1-on", 1.25, 1.5, 10, 200, False),
        line("sent", "b", "", 2.0, 2.5, 10, 0, True),
    ]
    assert calls_of(lines, 0.01) == [Call("a", "1-on", 1.25, 1.5, 2.0), Call("b", "", 2.0, 2.5, 0.0, malformed=True)]


def test_the_lines_of_one_delivery_make_one_run() -> None:
    """In whatever order they come; what the parent did at receipt and at acceptance is added up."""
    lines = ["began a - 1.0 1.2 77", "received a - 1.0 0.25", "ended a - 1.0 2.0 SUCCESS 0.5", "accepted a - 1.0 0.5"]
    assert runs_of(lines) == [Run("a", "-", 1.0, 1.2, 2.0, "SUCCESS", 0.5, 0.75)]


def test_what_parent_and_child_waited_for_a_processor_is_added_up() -> None:
    """Each says it of its own part."""
    lines = ["received a - 1.0 0.25", "delayed a - 1.0 0.2", "ended a - 1.0 2.0 SUCCESS 0.5", "delayed a - 1.0 0.125"]
    assert runs_of(lines)[0].delayed == 0.325


def test_a_message_that_is_delivered_twice_has_two_runs() -> None:
    """The same id and attempt, received again, is another run: a duplicate is seen."""
    lines = ["received a - 1.0 0.1", "began a - 1.0 1.1 7", "received a - 9.0 0.1", "began a - 9.0 9.1 8"]
    lines += ["ended a - 9.0 9.5 SUCCESS 0.2", "ended a x1 12.0 13.0 FAILURE 0.1"]
    runs = runs_of(lines)
    assert [(run.attempt, run.received, run.state) for run in runs] == [
        ("-", 1.0, None),
        ("-", 9.0, "SUCCESS"),
        ("x1", 12.0, "FAILURE"),
    ]
    assert runs[0].ended is None


def test_a_job_without_a_receipt_is_a_run_too() -> None:
    """Where the parent said nothing, the child's own lines count."""
    assert runs_of(["began a - - 1.1 7"]) == [Run("a", "-", None, 1.1, None, None)]


def test_the_provider_s_and_locust_s_lines() -> None:
    """A request's name may have spaces; lines of other kinds are passed over."""
    lines = ["asked 1.5 a - 200 - 10 20", "answered 2.5 0.25 1 GET /calls/{id}", "answered 3 0.5 0 call, end to end"]
    lines.append("accepted-event e-1")
    assert asked_of(lines) == [Asked(1.5, "a", "-", 200, "-", 10, 20)]
    assert answered_of(lines) == [
        Answered(2.5, "GET /calls/{id}", 0.25, well=True),
        Answered(3.0, "call, end to end", 0.5, well=False),
    ]
    assert accepted_of(lines) == ["e-1"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "begun a - 1",
        "sent a 1-on 1.0 1.0 1 1",
        "sent a 1-on 1.0 1.0 1 1 2",
        "sent a 1-on 1.0 1.0 1 one 1",
        "received a - 1.0",
        "received a - 1.0 0.1 7",
        "ended a - 1.0 2.0 SUCCESS",
        "asked 1.5 a - 200 - 10",
        "answered now 0.25 1 x",
        "answered 1 0.25 yes x",
        "accepted-event",
    ],
)
def test_a_line_that_is_no_stamp_is_refused(text: str) -> None:
    """A line with too little, too much or no number in it is an error that shows it, never a run less."""
    with pytest.raises(StampError, match="expected") as raised:
        (calls_of([text], 0), runs_of([text]), asked_of([text]), answered_of([text]), accepted_of([text]))
    assert repr(text) in str(raised.value)


def test_a_reader_leaves_a_line_alone_that_is_being_written(tmp_path: Path) -> None:
    """It comes whole with the next look; a file that nobody has begun yet has no lines."""
    path = tmp_path / "stamps"
    tail = Tail(path)
    assert tail.new() == read_lines(path) == []
    path.write_text("one\ntw")
    assert tail.new() == ["one"]
    with path.open("a") as file:
        file.write("o\nthree\n")
    assert tail.new() == ["two", "three"]
    assert tail.new() == []
    assert read_lines(path) == ["one", "two", "three"]
