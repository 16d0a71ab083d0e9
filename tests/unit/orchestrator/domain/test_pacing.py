"""The window: it is never exceeded, opens by successes, halves, and holds; the gate lets one canary out at a time."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from uuid import UUID, uuid4

from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.domain.pacing import (
    LEAST,
    Phase,
    Ramp,
    another_canary,
    canary_sent,
    counts,
    room,
    went_badly,
    went_well,
)
from orchestrator.domain.plan import Gate, Pace
from orchestrator.domain.release import Entry, Members, Passage, Release, next_moves
from tests.recovery import NOON, RETRY, release

MOST = 40
PACE = 25
FIRST = 2.0


@dataclass
class Field:
    """Releases on one ramp, their redrives in flight, and what comes back of them, in any order."""

    releases: list[Release]
    held: dict[UUID, int]
    ramp: Ramp = field(default_factory=lambda: Ramp("model"))
    out: list[tuple[UUID, UUID]] = field(default_factory=list)  # attempt, release

    def entries(self) -> list[Entry]:
        """Give the releases with what they have to move."""
        return [
            Entry(each, Members(self.held[each.id], sum(of == each.id for _, of in self.out))) for each in self.releases
        ]

    def step(self) -> tuple[int, bool]:
        """Let go what may go; gives how many went, and whether as a canary."""
        found = next_moves(self.ramp, self.entries(), Passage(most=MOST), NOON)
        for send in found.sends:
            for _ in range(send.count):
                self.out.append((uuid4(), send.release.id))
                self.held[send.release.id] -= 1
            if send.canary:
                self.ramp = canary_sent(self.ramp, send.release.id, self.out[-1][0])
        return sum(each.count for each in found.sends), any(each.canary for each in found.sends)

    def answer(self, which: int, *, well: bool) -> None:
        """Let one come back."""
        attempt, of = self.out.pop(which % len(self.out))
        self.held[of] += not well
        if counts(self.ramp, attempt):
            flying = len(self.out) + 1
            self.ramp = went_well(self.ramp, FIRST, MOST) if well else went_badly(self.ramp, flying, NOON)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.integers(1, 60), min_size=1, max_size=4),
    st.lists(st.tuples(st.integers(0, 100), st.booleans()), max_size=120),
)
def test_no_window_is_ever_exceeded(sizes: list[int], answers: list[tuple[int, bool]]) -> None:
    """Whatever comes back in whatever order: no more go than window, pace and limit let; canaries alone."""
    plan = replace(RETRY, pace=Pace(PACE), gate=Gate(max_tries=10_000))
    releases = [release(uuid4(), plan=plan) for _ in sizes]
    scene = Field(releases, {each.id: size for each, size in zip(releases, sizes, strict=True)})
    for which, well in answers:
        before = len(scene.out)
        went, canary = scene.step()
        if canary:
            assert went == 1
        elif went:
            assert before + went <= min(int(scene.ramp.window), MOST)
        assert all(entry.members.in_flight <= PACE + 1 for entry in scene.entries())
        assert scene.ramp.phase is not Phase.CANARY or scene.step() == (0, False)
        if scene.out:
            scene.answer(which, well=well)
        assert LEAST <= scene.ramp.window <= MOST


def test_slow_start_doubles_and_then_adds_one_a_round() -> None:
    """Up to the threshold a round of successes doubles the window; above it adds about one."""
    ramp = Ramp("r", Phase.RAMPING, window=2, threshold=8)
    sizes = []
    for _ in range(4):
        for _ in range(int(ramp.window)):
            ramp = went_well(ramp, FIRST, 100)
        sizes.append(int(ramp.window))
    assert sizes == [4, 8, 8, 9]


def test_a_strike_is_forgiven_after_a_clean_round() -> None:
    """Two bad outcomes far apart halve twice; two in one round hold."""
    struck = went_badly(Ramp("r", Phase.RAMPING, window=8), 8, NOON)
    assert (struck.phase, struck.window, struck.strikes) == (Phase.RAMPING, 4, 1)
    assert went_badly(struck, 8, NOON).phase is Phase.HOLDING
    forgiven = struck
    for _ in range(6):
        forgiven = went_well(forgiven, FIRST, 100)
    assert forgiven.strikes == 0
    assert went_badly(forgiven, 8, NOON).phase is Phase.RAMPING


def test_behind_the_gate_nothing_moves_it_further() -> None:
    """Redrives that come back while it is held, well or badly, change nothing."""
    held = Ramp("r", gate_at=NOON)
    assert went_badly(held, 5, NOON + timedelta(hours=1)) == held
    assert went_well(held, FIRST, 100) == held
    assert not counts(held, uuid4())
    assert room(held, 0, 100) == 0


def test_a_canary_that_tells_nothing_costs_no_try() -> None:
    """What its outcome says is not of the dependency: another one may go at once."""
    out = canary_sent(Ramp("r", tries=3), uuid4(), uuid4())
    again = another_canary(out, NOON)
    assert (again.phase, again.tries, again.gate_at) == (Phase.HOLDING, 3, NOON)
    assert another_canary(Ramp("r", Phase.RAMPING), NOON).phase is Phase.RAMPING
