"""One bulk recovery of the night, asked for and watched over the API, and held against what the tasks say."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

if TYPE_CHECKING:
    from tests.acceptance.night.night import Night

PATH: Final = "/api/v1/recovery/retries"
OVER: Final = ("done", "aborted")
# What a recovery may say of a task, each task under exactly one.
MEMBERS: Final = ("waiting", "in_flight", "recovered", "dead", "held_again", "given_back", "elsewhere")


@dataclass(slots=True)
class Recovery:
    """What was asked for with `selection`; `looks` are all its progress that was seen, and what the tasks said then."""

    night: Night
    selection: dict[str, Any]
    id: str = ""
    looks: list[Look] = field(default_factory=list)

    def ask(self) -> dict[str, Any]:
        """Ask for it, under a key of its own."""
        body = {**self.selection, "reason": "payments-api answers again"}
        answer = self.night.ground.command("POST", "/recovery/retry", body, **{"Idempotency-Key": str(uuid4())})
        assert answer.status_code == 202, answer.text
        told: dict[str, Any] = answer.json()
        self.id = told["id"]
        return told

    def read(self) -> dict[str, Any]:
        """Read it as it stands."""
        return self.night.ground.ask(f"{PATH}/{self.id}")

    def tell(self, verb: str) -> dict[str, Any]:
        """Pause, resume or abort it."""
        answer = self.night.ground.command("POST", f"{PATH}/{self.id}/{verb}", {"reason": f"the proof wants to {verb}"})
        assert answer.status_code == 200, answer.text
        told: dict[str, Any] = answer.json()
        return told

    def look(self) -> Look:
        """Compare once: the tasks before, the progress, the tasks after."""
        before = self.night.recovered_by_tasks()
        told = self.read()
        seen = Look(told["state"], told["progress"], before, self.night.recovered_by_tasks())
        seen.expect_possible()
        self.looks.append(seen)
        return seen

    def still(self) -> Look:
        """Pause, wait until nothing is in flight, and compare to the task: then every count is one number."""
        self.tell("pause")
        self.night.ground.until("nothing in flight", lambda: not self.look().progress["in_flight"], 120)
        seen = self.look()
        seen.expect_exact()
        return seen


@dataclass(frozen=True, slots=True)
class Look:
    """One look: what the recovery said, and how many of its tasks had gone well just before and just after."""

    state: str
    progress: dict[str, int]
    before: int
    after: int

    @property
    def over(self) -> bool:
        """Tell whether nothing more goes."""
        return self.state in OVER

    def expect_possible(self) -> None:
        """See that the counts add up, and that none says more or less than the tasks did around that moment."""
        told = self.progress
        assert sum(told[name] for name in MEMBERS) == told["asked"], told
        assert told["recovered"] <= self.after, (told, self)
        assert told["recovered"] + told["in_flight"] >= self.before, (told, self)

    def expect_exact(self) -> None:
        """See that what it says is what the tasks say, to the task."""
        assert self.progress["in_flight"] == 0, self.progress
        assert self.before == self.progress["recovered"] == self.after, self
