"""Who consumes what on one channel, and which message is next: queues take turns, leases come in batches."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from eventbus.sqlite_exchanges import Exchanges
    from eventbus.sqlite_queues import Delivery, Queues

LEASES_AT_ONCE: Final = 64


@dataclass(frozen=True, slots=True)
class Subscription:
    """One consumer of a queue; `number` is its name in the bus file."""

    number: int
    queue: str
    no_ack: bool
    callback: Callable[[Any], object]


class Subscriptions:
    """The consumers of one channel and the messages leased for them that they were not given yet."""

    def __init__(self, queues: Queues, exchanges: Exchanges) -> None:
        self._queues, self._exchanges = queues, exchanges
        self._by_tag: dict[str, Subscription] = {}
        self._turns: deque[Subscription] = deque()
        self._leased: deque[tuple[Subscription, Delivery]] = deque()

    def add(self, tag: str, queue: str, callback: Callable[[Any], object], *, no_ack: bool) -> None:
        """Consume a queue, that `callback` be called with each message; a tag in use is replaced."""
        self.remove(tag)
        subscription = Subscription(self._exchanges.add_consumer(queue), queue, no_ack, callback)
        self._by_tag[tag] = subscription
        self._turns.append(subscription)

    def remove(self, tag: str) -> None:
        """Consume it no longer; what was leased and not given out goes back to its place."""
        if (subscription := self._by_tag.pop(tag, None)) is None:
            return
        self._turns.remove(subscription)
        unseen = [delivery.id for owner, delivery in self._leased if owner is subscription]
        self._leased = deque(pair for pair in self._leased if pair[0] is not subscription)
        if unseen:
            self._queues.release(unseen, redelivered=False)
        self._exchanges.remove_consumer(subscription.number, subscription.queue)

    def next(self, room: int | None) -> tuple[Subscription, Delivery] | None:
        """Give the next message and its consumer; None when nothing waits.

        At most `room` messages more may be held unacknowledged (None: any number); at 0 only consumers without
        acknowledgements are served.
        """
        if self._leased and room != 0:
            return self._leased.popleft()
        batch = 0 if self._leased else LEASES_AT_ONCE if room is None else min(room, LEASES_AT_ONCE)
        for _ in range(len(self._turns)):
            subscription = self._turns[0]
            self._turns.rotate(-1)
            if found := self._fetch(subscription, batch):
                self._leased.extend((subscription, delivery) for delivery in found[1:])
                return subscription, found[0]
        return None

    def _fetch(self, subscription: Subscription, batch: int) -> list[Delivery]:
        if subscription.no_ack:
            return self._queues.take(subscription.queue)
        return self._queues.lease(subscription.queue, batch) if batch else []
