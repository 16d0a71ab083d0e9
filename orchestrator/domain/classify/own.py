"""The operator's own rules, asked before the built-in ones: every condition of a rule must hold."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final

from orchestrator.domain.classify.verdict import Case, Verdict, short
from orchestrator.domain.failures import Kind, Way

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

LONGEST_TEXT: Final = 4_200
LONGEST_NAME: Final = 500


@dataclass(frozen=True, slots=True)
class OwnRule:
    """One rule of the settings: what is left empty is not asked. Texts are globs; `name` stands in reasons.

    `says` tells whether a message is meant, in time that grows with its length only; `pattern` is how it was written.
    A rule that names a task or a dependency only concerns exceptions: it does not speak of killed workers.
    """

    name: str
    kind: Kind
    reason: str
    task: tuple[str, ...] = ()
    dependency: tuple[str, ...] = ()
    type: tuple[str, ...] = ()
    status: frozenset[int] = frozenset()
    code: tuple[str, ...] = ()
    captured: frozenset[Way] = frozenset()
    pattern: str = ""
    says: Callable[[str], bool] | None = None

    @property
    def reads(self) -> str:
        """Show the conditions as the settings give them."""
        texts = {name: ", ".join(getattr(self, name)) for name in ("task", "dependency", "type", "code")}
        texts["status"] = ", ".join(map(str, sorted(self.status)))
        texts["message"] = self.pattern
        texts["captured"] = ", ".join(sorted(self.captured))
        return "; ".join(f"{name} = {value}" for name, value in texts.items() if value)

    def ask(self, case: Case) -> Verdict | None:
        """Give the rule's verdict where all its conditions hold."""
        return Verdict(self.kind, self.reason) if all(self._conditions(case)) else None

    def _conditions(self, case: Case) -> Iterable[bool]:
        facts = case.facts
        yield case.captured in (self.captured or self._of_all_ways())
        yield not self.task or _like(case.task, self.task)
        yield not self.dependency or (case.dependency is not None and _like(case.dependency, self.dependency))
        yield not self.status or facts.status in self.status
        yield not self.code or (facts.code is not None and _like(facts.code.casefold(), map(str.casefold, self.code)))
        yield not self.type or any(_is_type(name, self.type) for name in case.types)
        yield self.says is None or any(self.says(text[:LONGEST_TEXT]) for text in case.texts)

    def _of_all_ways(self) -> frozenset[Way]:
        return frozenset(Way) if self.type or self.says else frozenset({Way.EXCEPTION})


def _is_type(name: str, globs: Iterable[str]) -> bool:
    """Match the name with its module where the glob has a dot, else without."""
    return any(_like(name if "." in glob else short(name), (glob,)) for glob in globs)


def _like(text: str, globs: Iterable[str]) -> bool:
    return any(fnmatchcase(text[:LONGEST_NAME], glob) for glob in globs)
