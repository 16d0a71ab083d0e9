"""Classification: what kind of failure this is, and why. It happens here and nowhere else.

What the task's owner declared leads, then the rules of the operator's settings, then how the run ended. Of an
exception, what the dependency answered tells more than its type, and that more than the words of its message.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING, Final

from orchestrator.domain.classify.answers import by_retry_after, by_status
from orchestrator.domain.classify.codes import by_code, by_spent_quota, by_spent_words, by_sqlstate
from orchestrator.domain.classify.endings import by_memory, by_signal, by_way
from orchestrator.domain.classify.exceptions import by_mistake, by_type, by_vague_type
from orchestrator.domain.classify.own import OwnRule
from orchestrator.domain.classify.verdict import (
    MESSAGE_WORDS,
    SPENT_WORDS,
    Asked,
    BuiltIn,
    Case,
    Explanation,
    Rule,
    Verdict,
)
from orchestrator.domain.classify.words import by_words
from orchestrator.domain.failures import Kind

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from orchestrator.domain.failures import ExceptionFacts, Way

__all__ = [
    "BUILT_IN",
    "Asked",
    "BuiltIn",
    "Case",
    "Explanation",
    "OwnRule",
    "Rule",
    "Verdict",
    "classify",
    "explain",
    "judge",
]


def _by_declaration(case: Case) -> Verdict | None:
    if case.facts.type not in case.never:
        return None
    return Verdict(Kind.PERMANENT, f"the task is declared never to be redriven after {case.facts.type}")


DECLARED: Final = BuiltIn("declared-never", "the exception types that the task's declaration excludes", _by_declaration)
BUILT_IN: Final = (
    BuiltIn("out-of-memory", "the kernel's count of processes killed for want of memory", by_memory),
    BuiltIn("exit-signal", "the signal that ended the worker process", by_signal),
    BuiltIn("way", "how the run ended", by_way),
    BuiltIn("mistake", "Python's own exceptions for mistakes in code, where nothing else is told", by_mistake),
    BuiltIn("spent-quota", "code of a spent quota, and status 402", by_spent_quota),
    BuiltIn(SPENT_WORDS, "words of a spent quota", by_spent_words),
    BuiltIn("sqlstate", "the database's SQLSTATE", by_sqlstate),
    BuiltIn("error-code", "the error code of an API, a broker or the operating system", by_code),
    BuiltIn("retry-after", "a wait that the dependency asked for", by_retry_after),
    BuiltIn("http-status", "the status of the dependency's answer", by_status),
    BuiltIn("exception-type", "exception types that say what broke, the cause first", by_type),
    BuiltIn(MESSAGE_WORDS, "phrases in the message and in those beneath it", by_words),
    BuiltIn("exception-name", "exception types that say little", by_vague_type),
)


def classify(captured: Way, facts: ExceptionFacts, never: Sequence[str] = ()) -> Verdict:
    """Name the kind of a failure by the built-in rules. `never` are exception types, with modules."""
    return judge(Case(captured, facts, tuple(never)))


def judge(case: Case, own: Sequence[OwnRule] = ()) -> Verdict:
    """Name the kind of a failure: the first rule that knows tells. `own` are the operator's rules, in their order."""
    for rule in _in_order(own):
        if answer := rule.ask(case):
            return replace(answer, rule=rule.name)
    return Verdict(Kind.UNKNOWN, f"no rule knows {case.facts.type}")


def explain(case: Case, own: Sequence[OwnRule] = ()) -> Explanation:
    """Give the verdict with every rule that was asked until one knew."""
    verdict, asked = judge(case, own), []
    for rule in _in_order(own):
        told = verdict if rule.name == verdict.rule else None
        asked.append(Asked(rule.name, rule.reads, told))
        if told:
            break
    return Explanation(verdict, tuple(asked))


def _in_order(own: Sequence[OwnRule]) -> Iterator[Rule]:
    return chain((DECLARED,), own, BUILT_IN)
