"""Who listens to what: an index of rules, made anew whenever they change, so that no event looks at all of them."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestrator.stackstorm.embedded.content.triggers import TIMERS, WEBHOOK, Trigger

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestrator.stackstorm.embedded.content.values import Content, Rule


@dataclass(frozen=True, slots=True)
class Listening:
    """The enabled rules of each trigger in the order they are matched, every trigger there is, webhooks by their path.

    A disabled rule's trigger is there too: its webhook answers and its timer runs, as in StackStorm.
    """

    rules: Mapping[str, tuple[Rule, ...]]
    triggers: Mapping[str, Trigger]
    webhooks: Mapping[str, tuple[Trigger, ...]]

    @property
    def timers(self) -> dict[str, Trigger]:
        """The triggers that are timers."""
        return {ref: trigger for ref, trigger in self.triggers.items() if trigger.type in TIMERS}


def listening(content: Content) -> Listening:
    """Make the index of some content: rules by ref, those that are a backstop last."""
    rules: defaultdict[str, list[Rule]] = defaultdict(list)
    triggers = {
        ref: Trigger(ref) for ref, kind in content.triggers.items() if not kind.document.get("parameters_schema")
    }
    for rule in sorted(content.rules.values(), key=lambda rule: (rule.backstop, rule.ref)):
        triggers[rule.trigger.ref] = rule.trigger
        if rule.enabled:
            rules[rule.trigger.ref].append(rule)
    webhooks: defaultdict[str, list[Trigger]] = defaultdict(list)
    for trigger in triggers.values():
        if trigger.type == WEBHOOK:
            webhooks[str(trigger.parameters["url"]).strip("/")].append(trigger)
    return Listening(
        {ref: tuple(found) for ref, found in rules.items()},
        triggers,
        {url: tuple(found) for url, found in webhooks.items()},
    )
