"""Many messages to an AMQP broker before the first confirm is waited for; what became of each is known all the same.

The broker confirms by number, in the order of publishing, and gives back what no queue takes before it confirms that.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from kombu.exceptions import KombuError

from eventbus.wire import ATTEMPT_HEADER
from orchestrator.bus.connecting import connect

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kombu import Connection, Producer

    from orchestrator.bus.letter import Letter

PROGRESS_SECONDS: Final = 10.0
NACKED: Final = "the broker could not take responsibility for it"


@dataclass(slots=True)
class Fates:
    """What became of letters, by the number each was published under, and of returned ones by their attempt."""

    waiting: dict[int, str] = field(default_factory=dict)
    confirmed: set[str] = field(default_factory=set)
    nacked: set[str] = field(default_factory=set)
    returned: set[str] = field(default_factory=set)

    @property
    def told(self) -> set[str]:
        """Name the attempts of which the broker has told anything."""
        return self.confirmed | self.nacked

    def note_ack(self, number: int, multiple: bool) -> None:  # noqa: FBT001 - amqp's callback
        """Note what the broker has taken."""
        self.confirmed |= self._settled(number, multiple=multiple)

    def note_nack(self, number: int, multiple: bool) -> None:  # noqa: FBT001 - amqp's callback
        """Note what the broker has not taken."""
        self.nacked |= self._settled(number, multiple=multiple)

    def note_return(self, _error: object, _exchange: str, _key: str, message: Any) -> None:  # noqa: ANN401 - amqp's
        """Note what no queue takes."""
        self.returned.add(str(message.headers.get(ATTEMPT_HEADER)))

    def _settled(self, number: int, *, multiple: bool) -> set[str]:
        numbers = [each for each in self.waiting if each <= number] if multiple else [number]
        return {self.waiting.pop(each) for each in numbers if each in self.waiting}


@dataclass(slots=True)
class Pipeline:
    """One connection to the broker at `url` over which letters follow each other closely. For one thread at a time."""

    url: str
    _connection: Connection | None = None
    _producer: Producer | None = None
    _number: int = 0
    # Where one letter has arrived: an exchange that is not there takes all with it that is on its way.
    _met: set[str] = field(default_factory=set)
    fates: Fates = field(default_factory=Fates)

    def send(self, letters: Iterable[Letter]) -> None:
        """Publish, and wait until the broker has told of each; `fates` has what it told, also when this raises.

        Raises what kombu and the transport raise; the connection is to be closed then.
        """
        producer = self._ready()
        for letter in letters:
            if letter.exchange in self._met:
                self._publish(producer, letter)
            else:
                self._wait()
                self._publish(producer, letter)
                self._wait()
                self._met.add(letter.exchange)
        self._wait()

    @property
    def errors(self) -> tuple[type[BaseException], ...]:
        """Give what this connection may raise."""
        connection = self._connection
        return (*connection.connection_errors, *connection.channel_errors) if connection else ()

    def settle(self) -> None:
        """Hear of those that are out, where the next one could not be encoded; what cannot be heard stays unknown."""
        with suppress(KombuError, OSError, *self.errors):
            self._wait()

    def _publish(self, producer: Producer, letter: Letter) -> None:
        post(producer, letter, PROGRESS_SECONDS)
        self._number += 1
        self.fates.waiting[self._number] = str(letter.headers[ATTEMPT_HEADER])

    def _wait(self) -> None:
        while self.fates.waiting and self._connection:
            self._connection.drain_events(timeout=PROGRESS_SECONDS)

    def _ready(self) -> Producer:
        for told_before in (self.fates.confirmed, self.fates.nacked, self.fates.returned):
            told_before.clear()
        if self._producer is None:
            self._connection = connect(self.url, confirmed=False)
            channel = self._connection.channel()
            channel.confirm_select()
            self._producer = self._connection.Producer(channel)
            told = channel.events
            told["basic_ack"].add(self.fates.note_ack)
            told["basic_nack"].add(self.fates.note_nack)
            told["basic_return"].add(self.fates.note_return)
        return self._producer

    def close(self) -> None:
        """Let the connection go; the next letters open another."""
        connection, self._connection, self._producer = self._connection, None, None
        self._number, self.fates, self._met = 0, Fates(), set()
        if connection is not None:
            connection.release()


def post(producer: Producer, letter: Letter, seconds: float) -> None:
    """Hand a letter to the broker within so many seconds; a body that came compressed is compressed again."""
    producer.publish(
        letter.body,
        exchange=letter.exchange,
        routing_key=letter.routing_key,
        headers=dict(letter.headers),
        content_type=letter.content_type,
        content_encoding=letter.content_encoding,
        compression=letter.headers.get("compression"),
        mandatory=True,
        timeout=seconds,
        **letter.properties,
    )
