"""Exceptions with the shapes of libraries that are not installed here.

Taken from the real ones: requests 2.34.2, urllib3 2.8.0, httpx 0.28.1, openai 3.57.0, anthropic 2.14.0, botocore
1.44.8, psycopg 3.3.9, psycopg2 2.9.13, SQLAlchemy 2.1.9, redis 8.1.0, kombu 5.7.0, amqp 5.4.2, grpcio 1.85.3,
google-api-core 2.44.0, stripe 16.1.0, aiohttp 3.14.5, pymongo 4.20.1 and PyMySQL 1.2.4, raised against servers on
127.0.0.1 that refuse, hang or answer with an error.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any


def raised(name: str, message: str = "", beneath: BaseException | None = None, **attributes: Any) -> Exception:
    """Make an exception of a type by its full name, with these attributes, raised from another."""
    module, _, short = name.rpartition(".")
    error: Exception = type(short, (Exception,), {"__module__": module})(message)
    for attribute, value in attributes.items():
        setattr(error, attribute, value)
    error.__cause__ = beneath
    return error


def answer(status: int, **headers: str) -> SimpleNamespace:
    """Make an answer as HTTP clients keep it; in a header's name a dash is an underscore."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return SimpleNamespace(status_code=status, headers=named)


def openai_error(name: str, status: int, code: str | None, kind: str, message: str, **headers: str) -> Exception:
    """Make an `openai.APIStatusError`: `body` is what stands below `error` in the answer."""
    body = {"message": message, "type": kind, "param": None, "code": code}
    told = f"Error code: {status} - {message}"
    response = answer(status, **headers)
    return raised(f"openai.{name}", told, status_code=status, code=code, type=kind, body=body, response=response)


def anthropic_error(name: str, status: int, kind: str, message: str, **headers: str) -> Exception:
    """Make an `anthropic.APIStatusError`: `body` is the whole answer."""
    body = {"type": "error", "error": {"type": kind, "message": message}}
    told = f"Error code: {status} - {body}"
    response = answer(status, **headers)
    return raised(f"anthropic.{name}", told, status_code=status, type=kind, body=body, response=response)


def client_error(code: str, status: int, message: str, **headers: str) -> Exception:
    """Make a `botocore.exceptions.ClientError`: its `response` is a dictionary, headers in small letters."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    metadata = {"HTTPStatusCode": status, "HTTPHeaders": named, "RetryAttempts": 0}
    told = f"An error occurred ({code}) when calling the GetItem operation (reached max retries: 0): {message}"
    response = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": metadata}
    return raised("botocore.exceptions.ClientError", told, response=response)


class GrpcError(Exception):
    """Has the code of a call as a method, as grpcio's `RpcError` has."""

    def __init__(self, code: str) -> None:
        super().__init__(f"<_InactiveRpcError of RPC that terminated with:\n\tstatus = StatusCode.{code}")
        self._code = SimpleNamespace(name=code)

    def code(self) -> SimpleNamespace:
        """Give the status code."""
        return self._code


GrpcError.__module__ = "grpc._channel"


def refused() -> ConnectionRefusedError:
    """Make what the operating system says of a port where nobody listens."""
    return ConnectionRefusedError(111, "Connection refused")


def through(*names: str, beneath: BaseException | None = None) -> Exception:
    """Make a chain of exceptions, the outermost first."""
    error = beneath
    for name in reversed(names):
        error = raised(name, "Connection error.", error)
    assert isinstance(error, Exception)
    return error
