"""Publishing a failed task again through kombu, each message confirmed."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Lock
from typing import TYPE_CHECKING, Final

from kombu.exceptions import KombuError

from eventbus import scrub
from eventbus.transport import UnroutableMessage
from orchestrator.bus.connecting import connect
from orchestrator.bus.letter import Letter, in_trace, letter_of
from orchestrator.bus.opening import Opener
from orchestrator.bus.pipeline import NACKED, Pipeline, post
from orchestrator.domain.errors import DependencyUnreachable, Unroutable
from orchestrator.domain.redrives import Redrive, published_singly

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from uuid import UUID

    from kombu import Connection, Producer

    from orchestrator.bus.pipeline import Fates
    from orchestrator.domain.edits import Edits
    from orchestrator.domain.failures import TaskMessage
    from orchestrator.domain.plan import Route

CONFIRM_SECONDS: Final = 10.0
# So many are sent ahead of their confirms: what a broker that goes away leaves in doubt.
AHEAD: Final = 100
AMQP: Final = ("amqp:", "amqps:", "pyamqp:")
# AMQP 0-9-1 reply codes that speak of the message and not of the broker: content too large, access refused, not found,
# precondition failed, frame error, syntax error. It would meet them again, and hold up all that waits behind it.
MESSAGE_S_OWN: Final = frozenset({311, 403, 404, 406, 501, 502})
NOT_ENCODABLE: Final = (TypeError, ValueError, LookupError, ArithmeticError, struct.error)


@dataclass(slots=True)
class BusRedriver:
    """Publishes to the Celery broker at `url`, each message confirmed. Safe to share between threads."""

    url: str
    opener: Opener = field(default_factory=Opener)
    _connection: Connection | None = None
    _producer: Producer | None = None
    _returned: list[str] = field(default_factory=list)
    _turn: Lock = field(default_factory=Lock)
    _pipeline: Pipeline = field(init=False)

    def __post_init__(self) -> None:
        self._pipeline = Pipeline(self.url)

    def publish(
        self,
        message: TaskMessage,
        attempt_id: UUID,
        route: Route | None,
        traceparent: str | None = None,
        edits: Edits | None = None,
    ) -> None:
        """Publish with a confirm.

        Raises Unroutable when no queue takes it, NotRedrivable when no try can help, DependencyUnreachable when the
        broker is away.
        """
        letter = self._letter(Redrive(attempt_id, message, route, traceparent, edits))
        with self._turn:
            try:
                self._send(letter)
            except UnroutableMessage as error:
                raise Unroutable(str(error)) from error
            # First: kombu counts some of these among Redis' connection errors.
            except NOT_ENCODABLE as error:
                self.close()
                raise Unroutable(
                    f"expected a message that the broker can carry, got: {scrub.text(repr(error))}"
                ) from error
            except (KombuError, OSError, *self._broker_errors()) as error:
                self.close()
                raise _told(error) from error

    def _letter(self, redrive: Redrive) -> Letter:
        opened = self.opener.opened(redrive.message)
        letter = letter_of(opened, redrive.attempt_id, redrive.route, datetime.now(UTC), redrive.edits)
        return in_trace(letter, redrive.traceparent)

    def publish_all(self, redrives: Sequence[Redrive]) -> list[Unroutable | DependencyUnreachable | None]:
        """Publish, in this order; gives for each why it did not go out, None where it did.

        An AMQP broker is sent many before its first confirm is waited for. Behind the first one that finds it away, all
        are told so.
        """
        fates: list[Unroutable | DependencyUnreachable | None] = []
        for start in range(0, len(redrives), AHEAD):
            some = redrives[start : start + AHEAD]
            away = fates[-1] if fates and isinstance(fates[-1], DependencyUnreachable) else None
            if away:
                fates += [away] * len(some)
            elif len(some) > 1 and self.url.startswith(AMQP):
                fates += self._published_closely(some)
            else:
                fates += published_singly(self, some)
        return fates

    def _published_closely(self, redrives: Sequence[Redrive]) -> list[Unroutable | DependencyUnreachable | None]:
        letters: dict[str, Letter] = {}
        fates: dict[str, Unroutable | DependencyUnreachable | None] = {}
        for each in redrives:
            try:
                letters[str(each.attempt_id)] = self._letter(each)
            except Unroutable as error:
                fates[str(each.attempt_id)] = error
        with self._turn:
            fates |= self._sent(letters)
        unknown = [each for each in redrives if str(each.attempt_id) not in fates]
        told = dict(zip((str(each.attempt_id) for each in unknown), published_singly(self, unknown), strict=True))
        return [(fates | told)[str(each.attempt_id)] for each in redrives]

    def _sent(self, letters: Mapping[str, Letter]) -> dict[str, Unroutable | DependencyUnreachable | None]:
        """Send letters closely; those of which nothing is known are left out, to be sent one by one.

        Where one of them is to blame nobody is told which: the broker has taken those before it perhaps, and none
        behind it. They go again under the same attempts, which a worker runs once where it can tell.
        """
        pipeline, away = self._pipeline, None
        try:
            pipeline.send(letters.values())
        except NOT_ENCODABLE:
            pipeline.settle()
        except (KombuError, OSError, *pipeline.errors) as error:
            away = _told(error)
        fates = {each: _fate(each, pipeline.fates, letters[each]) for each in letters if each in pipeline.fates.told}
        if len(fates) < len(letters):
            pipeline.close()
        if isinstance(away, DependencyUnreachable):
            fates |= {each: away for each in letters if each not in fates}
        return fates

    def _broker_errors(self) -> tuple[type[BaseException], ...]:
        connection = self._connection
        return (*connection.connection_errors, *connection.channel_errors) if connection else ()

    def _send(self, letter: Letter) -> None:
        self._returned.clear()
        post(self._ready(), letter, CONFIRM_SECONDS)
        if self._returned:
            where = f"exchange {letter.exchange!r} and key {letter.routing_key!r}"
            raise Unroutable(f"expected a queue behind {where}: {self._returned[0]}")

    def _ready(self) -> Producer:
        if self._producer is None:
            self._connection = connect(self.url)
            self._producer = self._connection.Producer()
            # Redis has no way to say that no queue takes a message, and kombu's channel nothing to be told on.
            told = getattr(self._producer.channel, "events", None)
            if told is not None:
                told["basic_return"].add(self._note_return)
        return self._producer

    def _note_return(self, _exception: object, exchange: str, routing_key: str, _message: object) -> None:
        self._returned.append(f"no queue is bound to {exchange!r} with {routing_key!r}")

    def close(self) -> None:
        """Let the connection go; the next publish opens another."""
        self._pipeline.close()
        connection, self._connection, self._producer = self._connection, None, None
        if connection is not None:
            connection.release()


def _told(error: BaseException) -> DependencyUnreachable | Unroutable:
    if getattr(error, "reply_code", None) in MESSAGE_S_OWN:
        return Unroutable(f"expected a message that the broker takes, got: {scrub.text(str(error))}")
    return DependencyUnreachable("the Celery broker", scrub.text(str(error)))


def _fate(attempt_id: str, fates: Fates, letter: Letter) -> Unroutable | DependencyUnreachable | None:
    if attempt_id in fates.nacked:
        return DependencyUnreachable("the Celery broker", NACKED)
    if attempt_id in fates.returned:
        where = f"exchange {letter.exchange!r} and key {letter.routing_key!r}"
        return Unroutable(f"expected a queue behind {where}: no queue is bound to them")
    return None
