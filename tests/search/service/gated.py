"""A queue before a client whose answers wait until a test lets them go."""

import asyncio
import threading
import time
from contextlib import asynccontextmanager, contextmanager

from fourtower_search.query.sugar import request_of
from fourtower_search.service.admission import Admission

LONG_S = 120.0


class Gated:
    """A client whose answers wait for a gate, and that notes what it was asked together."""

    def __init__(self, client):
        self._client, self.gate = client, threading.Semaphore(0)
        self.asked, self.timeouts, self.fail = [], [], lambda requests: None

    def answer(self, requests, *, timeout_s):
        self.asked.append(list(requests))
        self.timeouts.append(timeout_s)
        assert self.gate.acquire(timeout=LONG_S)
        self.fail(requests)
        return self._client.answer(requests, timeout_s=timeout_s)

    def open(self):
        """Let everything through."""
        self.gate.release(10_000)

    @property
    def sizes(self):
        return [len(each) for each in self.asked]


def wanting(words="red", **options):
    return request_of(words, options=options)


async def until(condition):
    end = time.monotonic() + LONG_S
    while not condition():
        assert time.monotonic() < end, "it never came"
        await asyncio.sleep(0.005)


@contextmanager
def admitting(client, *, threads=1, waiting=64, batch=16):
    admission = Admission(client, threads=threads, waiting=waiting, batch=batch)
    try:
        yield admission
    finally:
        admission.close(LONG_S)


@asynccontextmanager
async def busy(client, count=5, **sizes):
    """An admission whose one thread is at work, and so many lone searches waiting, each of its own limit."""
    gated = Gated(client)
    with admitting(gated, **sizes) as admission:
        first = asyncio.ensure_future(admission.search([wanting()], timeout_s=LONG_S))
        await until(lambda: gated.asked)
        waiting = [
            asyncio.ensure_future(admission.search([wanting(limit=n + 1)], timeout_s=LONG_S)) for n in range(count)
        ]
        await until(lambda: admission.load().waiting == count)
        try:
            yield gated, admission, first, waiting
        finally:
            gated.open()
            await asyncio.gather(first, *waiting, return_exceptions=True)
