"""Vectors from a server that speaks OpenAI's API of embeddings: `pip install 'redrive[embeddings]'`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import orjson

from eventbus.embedding import WAIT_SECONDS, EmbedderFailed

if TYPE_CHECKING:
    from collections.abc import Sequence

    import httpx

OK: Final = 200
# More than the longest vector takes, in decimal digits.
LONGEST_ANSWER: Final = 1_000_000


class OpenAICompatible:
    """Asks `url` + /embeddings, such as https://api.openai.com/v1, for the vectors of `model`.

    `timeout` is in seconds, for connecting and for each part of the answer. Neither its errors nor its repr hold the
    key or a text. It can be made before a worker forks: each process has its own connections.
    """

    def __init__(
        self, url: str, model: str, api_key: str | None = None, timeout: float = 2.0, *, name: str | None = None
    ) -> None:
        try:
            import httpx  # noqa: PLC0415 - for those who opt in: a worker's base install has no httpx
        except ModuleNotFoundError:
            raise RuntimeError("expected httpx for an embedder, got none: pip install 'redrive[embeddings]'") from None
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username or parts.password:
            raise ValueError("expected `url` as http(s)://HOST/PATH without a user or a password in it")
        if not 0 < timeout <= WAIT_SECONDS:
            raise ValueError(f"expected `timeout` above 0 and up to {WAIT_SECONDS:g} seconds, got {timeout}")
        self.name = name or model
        self._httpx = httpx
        self._url = f"{url.rstrip('/')}/embeddings"
        self._model = model
        self._headers = {"Content-Type": "application/json"}
        if api_key:
            self._headers["Authorization"] = f"Bearer {api_key}"
        self._timeout = timeout
        self._clients: dict[int, httpx.Client] = {}

    def __repr__(self) -> str:
        return f"OpenAICompatible(name={self.name!r})"

    def embed(self, text: str) -> Sequence[float]:
        """Ask for the vector of a text; raises EmbedderFailed."""
        failed = ""
        try:
            status, body = self._post(orjson.dumps({"model": self._model, "input": text, "encoding_format": "float"}))
        except self._httpx.HTTPError as error:
            failed = type(error).__name__
        # Not inside the handler: httpx's error holds the request, with the key and the text.
        if failed:
            raise EmbedderFailed(failed)
        if status != OK:
            raise EmbedderFailed(f"HTTP {status}")
        return _vector_in(body)

    def _post(self, content: bytes) -> tuple[int, bytes]:
        body = b""
        with self._client().stream("POST", self._url, content=content, headers=self._headers) as response:
            for chunk in response.iter_bytes():
                body += chunk
                if len(body) > LONGEST_ANSWER:
                    break
        return response.status_code, body

    def _client(self) -> httpx.Client:
        pid = os.getpid()
        if pid not in self._clients:
            self._clients[pid] = self._httpx.Client(timeout=self._timeout)
        return self._clients[pid]


def _vector_in(body: bytes) -> Sequence[float]:
    try:
        answer: Any = orjson.loads(body)
        vector = answer["data"][0]["embedding"]
    except (ValueError, LookupError, TypeError):
        vector = None
    if not isinstance(vector, list) or not all(isinstance(each, int | float) for each in vector):
        raise EmbedderFailed("expected a list of numbers in data[0].embedding")
    return vector
