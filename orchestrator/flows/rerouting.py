"""Rerouting: for each failure, the decision where it goes, from its plan, the table of routes and what it declares."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from orchestrator.domain.edits import edited, edits_of, why_not_edited
from orchestrator.domain.plan import Route
from orchestrator.domain.routes.arguments import ArgumentReader, why_fixed
from orchestrator.domain.routes.choosing import Case, against_place, choose
from orchestrator.domain.routes.constraints import with_arguments
from orchestrator.domain.routes.decisions import Considered, Decision
from orchestrator.domain.routes.fields import RouteInvalid
from orchestrator.domain.routes.places import home_of
from orchestrator.domain.routes.reading import name_of, target_of
from orchestrator.domain.routes.table import RouteTable, unique
from orchestrator.domain.routes.targets import Home, RouteTarget

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from orchestrator.domain.attempts import Attempt
    from orchestrator.domain.ledger import LedgerTx
    from orchestrator.domain.plan import Plan
    from orchestrator.domain.routes.constraints import Constraints
    from orchestrator.domain.routes.measures import Measured
    from orchestrator.domain.standing import StoredFailure

# What ended longer ago tells nothing of how a target is now.
FIGURES_OVER: Final = timedelta(days=1)


@dataclass(slots=True)
class Router:
    """Decides within one transaction: health and figures are read once, when the first decision needs them.

    `health_of` gives the health of a dependency, None for one of which nothing is known.
    """

    tx: LedgerTx
    table: RouteTable
    now: datetime
    health_of: Callable[[str], str | None]
    _figures: Mapping[str, Measured] | None = field(default=None, init=False)

    def decide(self, stored: StoredFailure, plan: Plan, *, home_open: bool = False) -> Decision | None:
        """Decide where a failure goes; None where its plan sends it nowhere else.

        `home_open`: the gate of what it leans on at home lets it through.
        """
        if plan.route is None:
            return None
        stored = _as_edited(stored, plan)
        if not plan.route.table:
            return self._fixed(stored, plan.route)
        return self._from_table(stored, plan.route, home_open=home_open)

    def _fixed(self, stored: StoredFailure, route: Route) -> Decision:
        """Decide for the one place that a plan names; nobody's word opens it against what the table demands."""
        failure = stored.failure
        target = RouteTarget(
            name_of(route.queue, route.exchange, route.routing_key, route.kwargs),
            route.queue,
            route.exchange,
            route.routing_key,
            route.kwargs,
        )
        case = Case(stored.kind, _home(stored), self._demands(stored, route), classes=self.table.classes)
        ours = self.table.of(failure.task, failure.declaration.dependency).targets
        refused = against_place(target, [*ours, *_declared(stored)[0]] if case.demands else [], case)
        return Decision(None if refused else target, (Considered(target.name, refused, place=None if refused else 1),))

    def _from_table(self, stored: StoredFailure, route: Route, *, home_open: bool) -> Decision:
        failure = stored.failure
        dependency = failure.declaration.dependency
        rule = self.table.of(failure.task, dependency)
        declared, unread = _declared(stored)
        case = Case(
            kind=stored.kind,
            home=_home(stored, rule.home_memory_class, recovered=home_open),
            demands=self._demands(stored, route),
            tried=_tried(self.tx.attempts_of(failure.id) if stored.tries else [], stored),
            hop_limit=min(each for each in (rule.hop_limit, route.hop_limit) if each is not None),
            arguments_fixed=why_fixed(failure.message),
            classes=self.table.classes,
        )
        decision = choose(unique([*rule.targets, *declared]), case, self.health_of, self._measured())
        return replace(decision, candidates=(*decision.candidates, *unread))

    def _demands(self, stored: StoredFailure, route: Route) -> tuple[Constraints, ...]:
        failure = stored.failure
        demands = self.table.demands(failure.task, failure.declaration.dependency)
        read = ArgumentReader(failure.message)
        return tuple(
            with_arguments(each, read) for each in (*demands, *([route.constraints] if route.constraints else []))
        )

    def _measured(self) -> Mapping[str, Measured]:
        if self._figures is None:
            self._figures = self.tx.route_figures(self.now - FIGURES_OVER)
        return self._figures


def _as_edited(stored: StoredFailure, plan: Plan) -> StoredFailure:
    """Give a failure with the arguments that it will run with: constraints are read from those."""
    edits, failure = edits_of(plan.edits, stored.failure.declaration), stored.failure
    if edits is None or why_not_edited(failure.message, edits):
        return stored
    return replace(stored, failure=replace(failure, message=edited(failure.message, edits)))


def route_of(decision: Decision) -> Route | None:
    """Give where a message is published by a decision: None is where it was published before."""
    chosen = decision.chosen
    if chosen is None or chosen.is_home:
        return None
    return Route(chosen.queue, chosen.exchange, chosen.routing_key, chosen.kwargs)


def route_of_attempt(attempt: Attempt, plan: Plan) -> Route | None:
    """Give where an attempt was sent; one that was recorded by a former version went where its plan said."""
    return route_of(attempt.decision) if attempt.decision else plan.route


def leaned_on(attempt: Attempt, dependency: str | None) -> str | None:
    """Name what the run of an attempt leaned on: its target's dependency, where it went to one that has its own."""
    chosen = attempt.decision.chosen if attempt.decision else None
    return (chosen.dependency if chosen else None) or dependency


def _home(stored: StoredFailure, memory_class: str | None = None, *, recovered: bool = False) -> Home:
    message = stored.failure.message
    return Home(home_of(message), stored.failure.declaration.dependency, memory_class, recovered, message.queue)


def _declared(stored: StoredFailure) -> tuple[list[RouteTarget], list[Considered]]:
    """Read the routes that a task declares; those that cannot be read are candidates too, and closed."""
    targets, unread = [], []
    for number, document in enumerate(stored.failure.declaration.route, 1):
        try:
            targets.append(target_of(document))
        except RouteInvalid as error:
            unread.append(Considered(f"declared route {number}", str(error)))
    return targets, unread


def _tried(attempts: list[Attempt], stored: StoredFailure) -> tuple[RouteTarget, ...]:
    """List the targets that a failure was at since it was opened, home not counted."""
    now_open = [each for each in attempts if each.number > stored.attempts_before and each.decision]
    chosen = [each.decision.chosen for each in now_open if each.decision]
    return tuple(each for each in chosen if each is not None and not each.is_home)
