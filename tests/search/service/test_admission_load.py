"""The queue under load: nothing is lost or mistaken, and who is let in is answered soon."""

import asyncio
import random
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.search.service.gated import LONG_S, admitting, wanting

from fourtower_search.errors import Overloaded, UnknownProduct
from fourtower_search.query.parts import Product
from fourtower_search.query.sugar import request_of
from fourtower_search.service.admission import Admission

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.mark.parametrize("seed", range(3))
def test_no_answer_is_lost_or_mistaken_among_many_loops(shop_client, seed):
    """Several event loops at once, callers who leave, errors, and every kind of call."""
    counts = {"asked": 0}
    lock = threading.Lock()

    async def caller(admission, rng):
        limit, kind = rng.randint(1, 20), rng.random()
        with lock:
            counts["asked"] += 1
        if kind < 0.15:
            return await admission.run(lambda: limit, timeout_s=LONG_S) == limit
        if kind < 0.3:
            with pytest.raises(UnknownProduct):
                await admission.search([request_of(Product("no such product"), options={})], timeout_s=LONG_S)
            return True
        requests = [wanting(limit=limit, mode="vector", depth=20)] * rng.choice([1, 1, 1, 2, 10])
        search = asyncio.ensure_future(admission.search(requests, timeout_s=LONG_S, caller=rng.choice([None, "a"])))
        if kind < 0.5:
            await asyncio.sleep(rng.random() / 20)
            search.cancel()
            done, _ = await asyncio.wait([search])
            return all(task.cancelled() or len(task.result()) == len(requests) for task in done)
        return [len(result.hits) for result in await search] == [limit] * len(requests)

    async def loop(admission, number):
        rng = random.Random(f"{seed}{number}")
        return await asyncio.gather(*(caller(admission, rng) for _ in range(20)))

    with admitting(shop_client, threads=3, waiting=1000, batch=8) as admission, ThreadPoolExecutor(4) as loops:
        answers = list(loops.map(lambda number: asyncio.run(loop(admission, number)), range(4)))
    load = admission.load()
    assert all(all(each) for each in answers)
    assert (load.waiting, load.running, load.turned_away, load.expired) == (0, 0, 0, 0)
    assert counts["asked"] == 80


class Slow:
    """An index on a clock of its own: a batch takes 1/20 s and 1/80 s per search, while others go on coming.

    So neither the machine's speed nor its load says anything; the queue, its threads and the event loop are real.
    """

    def __init__(self, come):
        self._come, self.now, self.rate, self._since = come, 0.0, 0, 0.0
        self.ended = {}
        """When each request was answered; its caller may hear of it when the next batch runs already."""

    def clock(self):
        return self.now

    def answer(self, requests, *, timeout_s):
        end = self.now + 0.05 + 0.0125 * len(requests)
        while self.rate and self._since + 1 / self.rate < end:
            self._since = self.now = max(self.now, self._since + 1 / self.rate)
            self._come()
        self.now = end
        self.ended.update((id(request), end) for request in requests)
        return list(requests)


async def test_under_four_times_the_load_who_is_let_in_is_answered_soon():
    took, refused, callers = [], [], []
    loop = asyncio.get_running_loop()

    async def caller():
        began, request = slow.now, wanting()
        try:
            await admission.search([request], timeout_s=LONG_S)
            took.append((began, slow.ended[id(request)] - began))
        except Overloaded:
            refused.append(began)

    def comes():
        entered = threading.Event()

        def enter():
            callers.append(asyncio.ensure_future(caller()))
            loop.call_soon(entered.set)  # after the caller's first step

        loop.call_soon_threadsafe(enter)
        assert entered.wait(LONG_S)

    slow = Slow(comes)
    admission = Admission(slow, threads=1, waiting=64, batch=16, clock=slow.clock)
    try:
        for _ in range(10):
            await caller()
        unloaded = max(each for _, each in took)
        slow.rate, slow._since, start = 256, slow.now, slow.now  # 64 in a second is what full batches make
        while slow.now < start + 8:
            if not admission.load().running:  # then no time passes, so somebody has to come
                callers.append(asyncio.ensure_future(caller()))
            await asyncio.sleep(0.001)
        slow.rate = 0
        await asyncio.gather(*callers)
    finally:
        await asyncio.to_thread(admission.close, LONG_S)
    settled = sorted(each for began, each in took if began > start + 2)
    assert settled[int(0.99 * len(settled))] < 5 * unloaded, "a queue of 64 alone would make it 16"
    assert len(settled) > 5 * 20
    assert len(refused) > 2 * len(settled)
