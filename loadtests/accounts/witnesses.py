"""First retries told three ways: by the ledger, by the outputs of `settle`, by worker and provider.

Worker and provider ask nobody. `settle` reads its counts from the ledger: it shows that each release's end was told,
once and as the ledger has it, and StackStorm's own word in it is the status of its run.

The ledger counts an attempt as a first one where its failure had none before (`turn` 1), and opens a failure again that
fails after it had closed; StackStorm counts release by release, and hears of none that a person aborted.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from loadtests.accounts.stories import Story
    from loadtests.evidence import Evidence

SUCCEEDED: Final = "succeeded"
ABORTED: Final = "aborted"
COUNTS: Final = ("first_attempts", "first_successes")


@dataclass(frozen=True, slots=True)
class Told:
    """What one of the three counted; None of `duplicates` for who does not tell."""

    first_attempts: int
    first_successes: int
    duplicates: int | None = None


@dataclass(frozen=True, slots=True)
class Agreement:
    """The three counts, and each place where they differ; `left_out` names what one of them cannot know of."""

    ledger: Told
    settle: Told
    seen: Told
    disagreements: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)


def agreement_of(evidence: Evidence, stories: Sequence[Story]) -> Agreement:
    """Hold the three against each other, call by call and release by release; then their sums."""
    ledger, seen, settle = _ledger(evidence.first_retry), _seen(stories), _settle(evidence.settles)
    aborted = [each for each in evidence.releases if str(each.get("state")) == ABORTED]
    left_out = [f"release {each['id']}: aborted, no rule hears of it" for each in aborted if each["first_attempts"]]
    brought_again = [each for each in stories if each.first_retry is None and each.duplicates]
    left_out += [f"call {each.call.id}: ran again without a redrive, no ledger hears of it" for each in brought_again]
    found = [
        *_by_call(evidence.attempts, stories),
        *_by_release(evidence.releases, evidence.settles),
        *_contradictions(stories),
        *_statuses(evidence.settles),
        *_sums(ledger, _rows(evidence.attempts), "the ledger's rows"),
        *_sums(ledger, _less_runs(seen, brought_again), "worker and provider"),
        *_sums(_less(ledger, aborted), settle, "the outputs of settle"),
    ]
    return Agreement(ledger, settle, seen, found, left_out)


def _ledger(told: Mapping[str, Any]) -> Told:
    return Told(*(int(told.get(name, 0)) for name in (*COUNTS, "duplicates")))


def _rows(attempts: Sequence[Mapping[str, Any]]) -> Told:
    first = [each for each in attempts if each["turn"] == 1]
    won = sum(each["state"] == SUCCEEDED for each in first)
    return Told(len(first), won, sum(int(each["duplicates"]) for each in attempts))


def _settle(settles: Sequence[Mapping[str, Any]]) -> Told:
    return Told(*(sum(int(each.get(name) or 0) for each in settles) for name in COUNTS))


def _seen(stories: Sequence[Story]) -> Told:
    released = [each for each in stories if each.first_retry is not None]
    return Told(len(released), sum(each.first_succeeded for each in released), sum(each.duplicates for each in stories))


def _less(ledger: Told, aborted: Sequence[Mapping[str, Any]]) -> Told:
    """Take off what the ledger counted for releases that no rule heard of."""
    attempts, successes = (sum(int(each[name]) for each in aborted) for name in COUNTS)
    return Told(ledger.first_attempts - attempts, ledger.first_successes - successes)


def _less_runs(seen: Told, brought_again: Sequence[Story]) -> Told:
    """Take off the duplicates of calls that the broker delivered again: the ledger counts those of redrives."""
    return replace(seen, duplicates=(seen.duplicates or 0) - sum(each.duplicates for each in brought_again))


def _by_call(attempts: Sequence[Mapping[str, Any]], stories: Sequence[Story]) -> Iterator[str]:
    """Name each call of which the ledger's rows count other than worker and provider."""
    rows: defaultdict[str, list[str]] = defaultdict(list)
    for each in attempts:
        if each["turn"] == 1:
            rows[str(each["task_id"])].append(str(each["state"]))
    for story in stories:
        states = rows.pop(story.call.id, [])
        ours = (int(story.first_retry is not None), int(story.first_succeeded))
        if (len(states), states.count(SUCCEEDED)) != ours:
            told = ", ".join(states) or "none"
            yield f"call {story.call.id}: the ledger has {told}, worker and provider saw {ours[1]} of {ours[0]} succeed"
    for task_id, states in rows.items():
        yield f"task {task_id}: the ledger has {', '.join(states)}, nobody sent such a call"


def _by_release(releases: Sequence[Mapping[str, Any]], settles: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Name each release that settle counted otherwise, twice, or not at all."""
    outputs: defaultdict[str, list[tuple[int, ...]]] = defaultdict(list)
    for each in settles:
        outputs[str(each.get("release_id"))].append(tuple(int(each.get(name) or 0) for name in COUNTS))
    for release in releases:
        told = outputs.pop(str(release["id"]), [])
        known = tuple(int(release[name]) for name in COUNTS)
        wanted = [] if str(release.get("state")) == ABORTED else [known]
        if told != wanted and (told or any(known)):
            what = f"release {release['id']} ({release.get('state')})"
            yield f"{what}: the ledger has {known}, settle told {told or None}"
    for release_id, told in outputs.items():
        yield f"release {release_id}: settle told {told}, the ledger knows no such release"


def _contradictions(stories: Sequence[Story]) -> Iterator[str]:
    for story in stories:
        for attempt in story.contradicted:
            yield f"call {story.call.id} run {attempt}: the worker says SUCCESS, the provider gave no good answer"


def _statuses(settles: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Name each run of settle that did not end as StackStorm ends it: succeeded where every first attempt did."""
    for each in settles:
        attempts, successes = (int(each.get(name) or 0) for name in COUNTS)
        wanted = "succeeded" if attempts == successes else "failed"
        if each.get("status") != wanted:
            release = each.get("release_id")
            yield f"release {release}: settle told {successes} of {attempts}, and its run is {each.get('status')}"


def _sums(ledger: Told, other: Told, who: str) -> Iterator[str]:
    """Name the sums that differ; what nobody tells is not compared."""
    for name in (*COUNTS, "duplicates"):
        ours, theirs = getattr(ledger, name), getattr(other, name)
        if None not in {ours, theirs} and ours != theirs:
            yield f"{name}: the ledger has {ours}, {who} {theirs}"


def states_of(attempts: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """Count redrives by the state in which the ledger has them."""
    return dict(Counter(str(each["state"]) for each in attempts))
