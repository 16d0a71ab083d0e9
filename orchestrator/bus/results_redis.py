"""The Redis result backend, read in bounded pages: the first bytes of every task, all of one that has not ended."""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

import redis

from orchestrator.bus.stored import LONGEST, Opaque, state_in, task_of, unfolded
from orchestrator.domain.errors import DependencyUnreachable
from orchestrator.domain.results import UNFINISHED, ResultPage, StoredTask

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

WHAT: Final = "result backend"
SECONDS: Final = 5.0
HEAD: Final = 128  # bytes; the state stands in front
TASK_KEY: Final = "celery-task-meta-"
_GLOB: Final = re.compile(r"([*?\[\]\\^-])")
# Celery writes Python's names of these into a URL, redis-py reads its own.
_CERTIFICATES: Final = {"CERT_REQUIRED": "required", "CERT_OPTIONAL": "optional", "CERT_NONE": "none"}


@dataclass(frozen=True, slots=True)
class RedisResults:
    """Celery's results in one Redis database. `prefix` is all that stands before the task id in a key."""

    client: redis.Redis
    prefix: str
    blind: str | None = None

    @classmethod
    def open(cls, url: str, global_prefix: str = "") -> Self:
        """Open the backend; `global_prefix` is Celery's `global_keyprefix`, given as the application gives it."""
        for theirs, ours in _CERTIFICATES.items():
            url = url.replace(f"ssl_cert_reqs={theirs}", f"ssl_cert_reqs={ours}")
        if global_prefix and global_prefix[-1] not in ":_-.":
            global_prefix += "_"  # as celery/backends/base.py does
        client = redis.Redis.from_url(url, socket_timeout=SECONDS, socket_connect_timeout=SECONDS)
        return cls(client, global_prefix + TASK_KEY)

    def state_of(self, task_ids: Sequence[str]) -> Mapping[str, StoredTask]:
        """Give what is stored of these tasks; one of which nothing is known is left out."""
        with _reachable():
            return {each.task_id: each for each in self._tasks([f"{self.prefix}{each}".encode() for each in task_ids])}

    def unfinished(self, limit: int, cursor: str | None = None) -> ResultPage:
        """Look at about `limit` keys for tasks that are STARTED or RETRY; a key may come in more than one page."""
        pattern = _GLOB.sub(r"\\\1", self.prefix) + "*"
        with _reachable():
            following, keys = self.client.scan(int(cursor or 0), match=pattern, count=limit)
            found = self._tasks([key for key in keys if isinstance(key, bytes)])
        tasks = tuple(each for each in found if each.state in UNFINISHED)
        return ResultPage(tasks, str(following) if following else None, max(limit, len(keys)))

    def _tasks(self, keys: Sequence[bytes]) -> list[StoredTask]:
        states = {key: _state(head) for key, head in self._first_bytes(keys, HEAD).items()}
        ended = {key: state for key, state in states.items() if state and state not in UNFINISHED}
        whole = self._first_bytes([key for key in states if key not in ended], LONGEST)
        found = [task_of(self._id(key), payload, states[key]) for key, payload in whole.items()]
        return [StoredTask(self._id(key), state) for key, state in ended.items()] + [each for each in found if each]

    def _first_bytes(self, keys: Sequence[bytes], length: int) -> dict[bytes, bytes]:
        """Read so many bytes of each key; a key that is gone, or that is no text, is left out."""
        with self.client.pipeline(transaction=False) as pipe:
            for key in keys:
                pipe.getrange(key, 0, length - 1)
            answers = pipe.execute(raise_on_error=False)
        return {key: answer for key, answer in zip(keys, answers, strict=True) if isinstance(answer, bytes) and answer}

    def _id(self, key: bytes) -> str:
        return key.decode(errors="replace").removeprefix(self.prefix)


def _state(head: bytes) -> str | None:
    try:
        return state_in(unfolded(head))
    except Opaque:
        return None


@contextmanager
def _reachable() -> Iterator[None]:
    try:
        yield
    except (redis.RedisError, OSError) as error:
        raise DependencyUnreachable(WHAT, str(error)) from error
