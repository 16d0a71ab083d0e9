"""Predictions: a number only where there is evidence for one, within its interval, and never against the evidence."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.domain.dependencies import Dependency, Health
from orchestrator.domain.failures import Kind
from orchestrator.domain.prediction import (
    Circumstances,
    Group,
    Model,
    Prediction,
    Tried,
    ago,
    interval,
    predict,
    tally,
    together,
)
from tests.recovery import NOON

GROUP = Group("app.call 503", "model", Kind.TRANSIENT, failures=40)
NOW = Circumstances(NOON)
DOWN = Dependency(
    "model", Health.DOWN, "14 of 14 runs failed lately", NOON - timedelta(minutes=9), failures=14.0, seen_at=NOON
)


def tried(succeeded: int, failed: int = 0, *, ago_seconds: float = 60, **changes: Any) -> list[Tried]:
    """Make so many first retries of the group's signature that ended some time ago."""
    made = Tried(GROUP.signature, GROUP.dependency, GROUP.kind, NOON - timedelta(seconds=ago_seconds), succeeded=True)
    return [replace(made, succeeded=each < succeeded, **changes) for each in range(succeeded + failed)]


def known(made: Prediction) -> tuple[float, float, float]:
    """Give the numbers of a prediction that has them."""
    assert made.enough
    assert made.low is not None
    assert made.probability is not None
    assert made.high is not None
    return made.low, made.probability, made.high


def test_without_evidence_there_is_no_number() -> None:
    """Nothing was ever redriven: the answer says so, and shows nothing as if it were known."""
    made = predict(GROUP, [], NOW)
    assert (made.enough, made.probability, made.low, made.high) == (False, None, None, None)
    assert made.says == "Not enough evidence: nothing like it has been redriven lately."
    assert made.evidence == ()


def test_few_outcomes_are_not_enough() -> None:
    """Two outcomes are told, and no number is made of them."""
    made = predict(GROUP, tried(2), NOW)
    assert not made.enough
    assert made.says == "Not enough evidence: they come to 2.0 outcomes, and 3 are wanted."
    assert made.evidence == ("2 of the last 2 first retries of this signature succeeded, the newest 1 minute ago",)


def test_outcomes_that_contradict_each_other_are_not_enough() -> None:
    """Half of a few: anything would fit, and that is said."""
    made = predict(GROUP, tried(2, 2), NOW)
    assert not made.enough
    assert "would fit" in made.says


def test_many_outcomes_make_a_number_with_its_evidence() -> None:
    """38 of 40 is about 95 %, and the sentence says where that comes from."""
    made = predict(GROUP, tried(38, 2, ago_seconds=180), NOW)
    low, probability, high = known(made)
    assert low < 0.9 < probability < 0.96 < high
    assert made.evidence == ("38 of the last 40 first retries of this signature succeeded, the newest 3 minutes ago",)
    assert made.says.startswith(f"About {probability:.0%} of first retries would succeed (")


def test_old_outcomes_fade_and_very_old_ones_are_not_looked_at() -> None:
    """What half a day ago went well weighs a quarter; beyond the horizon it is nothing."""
    assert tally(tried(8, ago_seconds=43_200), NOON, Model()).successes == pytest.approx(2.0)
    assert tally(tried(8, ago_seconds=8 * 86_400), NOON, Model()).count == 0
    assert not predict(GROUP, tried(8, ago_seconds=43_200), NOW).enough
    assert predict(GROUP, tried(8, ago_seconds=600), NOW).enough


def test_the_newer_outcomes_count_more() -> None:
    """It went badly yesterday and goes well now: the answer is about now."""
    better = predict(GROUP, [*tried(0, 20, ago_seconds=86_400), *tried(20)], NOW)
    worse = predict(GROUP, [*tried(20, ago_seconds=86_400), *tried(0, 20)], NOW)
    assert known(better)[1] > 0.85
    assert known(worse)[1] < 0.15


def test_other_failures_of_the_dependency_speak_where_nothing_nearer_does() -> None:
    """A new signature borrows a few outcomes of its dependency, however many there were, and says so."""
    others = tried(500, signature="another")
    made = predict(GROUP, others, NOW)
    assert known(made)[1] == pytest.approx((0.5 + 6) / (1 + 6))
    assert made.evidence[0].startswith("500 of the last 500 first retries of other failures of model succeeded")
    assert known(predict(GROUP, [*others, *tried(0, 40)], NOW))[1] < 0.2


def test_other_kinds_of_the_dependency_say_nothing_of_a_lasting_one() -> None:
    """A malformed request does not pass because others of the same provider do."""
    lasting = replace(GROUP, kind=Kind.PERMANENT, signature="app.call 400")
    made = predict(lasting, tried(500), NOW)
    assert known(made)[1] < 0.1
    assert made.evidence == (
        "their kind is permanent: the same message fails each time, unless it or the code is changed",
    )


def test_a_lasting_kind_that_was_seen_to_pass_is_believed() -> None:
    """After a deploy the same request passes: outcomes of the signature outweigh what its kind says."""
    lasting = replace(GROUP, kind=Kind.PERMANENT)
    assert known(predict(lasting, tried(100, kind=Kind.PERMANENT), NOW))[1] > 0.85


def test_the_kind_elsewhere_is_the_last_to_be_asked() -> None:
    """It counts for three outcomes at most, which alone are not enough; of a signature without a dependency too."""
    alone = replace(GROUP, dependency=None)
    elsewhere = tried(50, signature="another", dependency="other")
    made = predict(alone, elsewhere, NOW)
    assert not made.enough
    assert made.evidence[0].startswith("50 of the last 50 first retries of other transient failures elsewhere")
    of_its_own = predict(alone, [*elsewhere, *tried(4, dependency=None, ago_seconds=0)], NOW)
    assert known(of_its_own)[1] == pytest.approx((0.5 + 4 + 3) / (1 + 4 + 3))


def test_a_dependency_that_is_down_is_told_with_what_its_gate_does() -> None:
    """Behind the gate nothing goes before a canary has passed, so the number is about those that go then."""
    behind = predict(GROUP, tried(40), Circumstances(NOON, DOWN))
    assert known(behind)[1] > 0.9
    assert "model is down since 2025-11-20 11:51 UTC: 14 of 14 runs failed lately" in behind.evidence
    assert "they are held until a canary has come back well: this is about those that go then" in behind.evidence


def test_what_is_forced_to_a_dependency_that_is_down_meets_what_its_runs_meet_now() -> None:
    """Outcomes of before it went down tell of another time."""
    few = replace(GROUP, failures=2)
    forced = predict(few, tried(40, ago_seconds=3_600), Circumstances(NOON, DOWN, forced=True))
    assert known(forced)[1] < 0.05
    assert "forced: a canary goes now, whatever its state, and the rest once one has come back well" in forced.evidence
    assert not any("first retries" in line for line in forced.evidence)


def test_of_many_that_are_forced_only_the_canaries_meet_the_outage() -> None:
    """The rest goes once one has come back well: four of 40 fail, and of the 36 about as many as behind the gate."""
    outcomes = tried(40, ago_seconds=3_600)
    forced = known(predict(GROUP, outcomes, Circumstances(NOON, DOWN, forced=True)))[1]
    canaries = known(predict(replace(GROUP, failures=4), outcomes, Circumstances(NOON, DOWN, forced=True)))[1]
    behind = known(predict(GROUP, outcomes, NOW))[1]
    assert forced == pytest.approx((4 * canaries + 36 * behind) / 40)


def test_what_was_forced_tells_nothing_of_what_goes_behind_the_gate() -> None:
    """Somebody pushed 50 into an outage: that is no evidence for those that wait until it is over."""
    assert not predict(GROUP, tried(0, 50, forced=True), NOW).enough


def test_further_tries_of_the_same_failure_are_no_first_ones() -> None:
    """Only first retries are counted for first retries."""
    assert not predict(GROUP, tried(50, first=False), NOW).enough


def test_failures_that_were_redriven_before_are_told() -> None:
    """The number is about first retries, and of these it says less."""
    made = predict(replace(GROUP, again=7), tried(40), NOW)
    assert "7 of 40 were redriven before and failed: of those it says less" in made.evidence


OUTCOMES = st.tuples(st.integers(0, 60), st.integers(0, 60), st.floats(0, 10 * 86_400))
KINDS = st.sampled_from([Kind.TRANSIENT, Kind.PERMANENT, Kind.UNKNOWN])
NEAR = st.sampled_from([{}, {"signature": "another"}, {"signature": "x", "dependency": "y"}, {"forced": True}])


@given(OUTCOMES, OUTCOMES, KINDS, NEAR, st.booleans())
def test_a_number_lies_within_its_interval(
    own: tuple[int, int, float], other: tuple[int, int, float], kind: Kind, near: dict[str, Any], forced: bool
) -> None:
    """And the interval within 0 and 1, no wider than is wanted; without enough there is none."""
    outcomes = [*tried(own[0], own[1], ago_seconds=own[2]), *tried(other[0], other[1], ago_seconds=other[2], **near)]
    made = predict(replace(GROUP, kind=kind), outcomes, Circumstances(NOON, DOWN, forced))
    if made.enough:
        low, probability, high = known(made)
        assert 0 <= low <= probability <= high <= 1
        assert high - low <= Model().widest
    else:
        assert (made.probability, made.low, made.high) == (None, None, None)


@given(OUTCOMES, st.floats(0, 86_400), NEAR)
def test_one_more_success_never_lowers_it(
    given_outcomes: tuple[int, int, float], age: float, near: dict[str, Any]
) -> None:
    """Of the signature, its dependency or its kind; nor does one more failure raise it."""
    wide = Model(least=0.0, widest=1.0)
    before = tried(given_outcomes[0], given_outcomes[1], ago_seconds=given_outcomes[2], **near)
    probability = known(predict(GROUP, before, NOW, wide))[1]
    better = known(predict(GROUP, [*before, *tried(1, ago_seconds=age, **near)], NOW, wide))[1]
    worse = known(predict(GROUP, [*before, *tried(0, 1, ago_seconds=age, **near)], NOW, wide))[1]
    assert worse <= probability + 1e-9
    assert better >= probability - 1e-9


@given(st.floats(0, 1000), st.floats(0, 1000))
def test_the_interval_holds_the_share(successes: float, failures: float) -> None:
    """Wilson's interval of whole or faded counts, of none too."""
    total = successes + failures
    low, high = interval(successes, total)
    assert 0 <= low <= high <= 1
    if total:
        assert low <= successes / total <= high


def test_more_evidence_makes_the_interval_narrower() -> None:
    """As a check against the published example: 81 of 263 gives 26.3 % to 35.7 % at 90 % (Newcombe, 1998, for 95 %:
    25.5 % to 36.6 %, which is wider).
    """
    low, high = interval(81, 263)
    assert 0.255 < low < 0.27
    assert 0.35 < high < 0.366
    assert interval(810, 2630)[1] - interval(810, 2630)[0] < high - low


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "just now"), (5, "5 seconds ago"), (60, "1 minute ago"), (7_300, "2 hours ago"), (200_000, "2 days ago"),
     (-5, "just now")],
)  # fmt: skip
def test_ages_are_told_in_the_unit_that_fits(seconds: float, text: str) -> None:
    """Clocks of workers differ: what ended a moment ahead ended just now."""
    assert ago(NOON - timedelta(seconds=seconds), NOON) == text


def test_several_groups_are_told_together_by_their_failures() -> None:
    """90 of one sort at 98 % and 10 of another at 4 %: the whole lies between, nearer to the larger one."""
    good = predict(replace(GROUP, failures=90), tried(60), NOW)
    bad = predict(Group("x", None, Kind.PERMANENT, failures=10), [], NOW)
    low, probability, high = known(together([good, bad]))
    assert low < probability < high
    assert probability == pytest.approx(0.9 * known(good)[1] + 0.1 * known(bad)[1])
    assert together([good, bad]).failures == 100


def test_what_is_not_known_of_many_is_not_known_of_all() -> None:
    """One group in two without evidence: no number for the whole; one failure in a hundred does not matter."""
    good = predict(replace(GROUP, failures=99), tried(60), NOW)
    unknown = predict(Group("x", None, Kind.UNKNOWN, failures=99), [], NOW)
    assert not together([good, unknown]).enough
    assert "of 99 of 198 failures nobody can tell" in together([good, unknown]).says
    assert together([good, replace(unknown, failures=1)]).enough
    assert together([]).says == "Not enough evidence: no failure would go."
