"""The pipes of one action in its child process."""

from __future__ import annotations

import contextlib
import os
import selectors
import time

READ_BYTES = 65536


class Pipes:
    """The four pipes of one action: the job goes in; stdout, stderr and the result come out."""

    def __init__(self) -> None:
        job, self._job = os.pipe()
        self._out: dict[int, bytearray] = {}
        self.theirs = [job]
        for _ in range(3):
            ours, theirs = os.pipe()
            os.set_blocking(ours, False)
            self._out[ours] = bytearray()
            self.theirs.append(theirs)
        os.set_blocking(self._job, False)
        self._open = set(self._out)

    @property
    def output(self) -> list[bytes]:
        """What came out: stdout, stderr, result."""
        return [bytes(data) for data in self._out.values()]

    def close_theirs(self) -> None:
        """Close the ends that the child has."""
        for descriptor in self.theirs:
            os.close(descriptor)

    def exchange(self, job: bytes, deadline: float) -> bool:
        """Write the job and read the output until all ends are closed; tell whether that was before the deadline."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._job, selectors.EVENT_WRITE)
            for descriptor in self._open:
                selector.register(descriptor, selectors.EVENT_READ)
            rest = memoryview(job)
            while self._open:
                ready = selector.select(max(0.0, deadline - time.monotonic()))
                if not ready:
                    self._close_job(selector)
                    return False
                for key, _ in ready:
                    if key.fd == self._job:
                        rest = self._write(selector, rest)
                    else:
                        self._read(selector, key.fd)
            self._close_job(selector)
        return True

    def drain(self) -> None:
        """Read what is left after the child is gone, and close."""
        for descriptor in list(self._open):
            with contextlib.suppress(OSError):
                while data := os.read(descriptor, READ_BYTES):
                    self._out[descriptor] += data
            os.close(descriptor)
        self._open.clear()

    def _write(self, selector: selectors.BaseSelector, rest: memoryview) -> memoryview:
        try:
            rest = rest[os.write(self._job, rest) :]
        except BlockingIOError:
            return rest
        except OSError:
            rest = rest[:0]  # the child is gone; its exit code tells
        if not rest:
            self._close_job(selector)
        return rest

    def _close_job(self, selector: selectors.BaseSelector) -> None:
        if self._job >= 0:
            selector.unregister(self._job)
            os.close(self._job)
            self._job = -1

    def _read(self, selector: selectors.BaseSelector, descriptor: int) -> None:
        data = os.read(descriptor, READ_BYTES)
        if data:
            self._out[descriptor] += data
            return
        selector.unregister(descriptor)
        os.close(descriptor)
        self._open.discard(descriptor)
