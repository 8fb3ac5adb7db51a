"""What only the client for asyncio can do wrong: opening, cancelling and closing; the rest is the client's own."""

import asyncio
import threading
from contextlib import aclosing

import pytest
from tests.search.sdk import ids
from tests.search.stores import Wrapped

from fourtower_search import AsyncSearchClient, SearchClient, SearchError, SearchResult
from fourtower_search.errors import IndexMismatch
from fourtower_search.index.product_index import ProductIndex


class Gated(Wrapped):
    """Searches wait for a gate; others go on."""

    def __init__(self, store):
        super().__init__(store)
        self.gate, self.waiting = threading.Event(), threading.Semaphore(0)

    def search(self, *args, **how):
        self.waiting.release()
        assert self.gate.wait(30)
        return self.inner.search(*args, **how)


@pytest.fixture
def settings(shop, demo_embedder):
    return {"index": shop, "model": demo_embedder}


@pytest.fixture
def gated(shop, demo_embedder):
    store = Gated(shop.store)
    index = ProductIndex(store, params=shop.params, model_id=shop.model_id)
    yield store, {"index": index, "model": demo_embedder}
    store.gate.set()


def test_the_methods_are_those_of_the_other_client():
    def public(kind):
        return {name for name in dir(kind) if not name.startswith("_")}

    assert public(SearchClient) - public(AsyncSearchClient) == {"generation"}
    assert public(AsyncSearchClient) <= public(SearchClient)


def test_calls_run_at_the_same_time(gated):
    store, settings = gated

    async def main():
        async with AsyncSearchClient(**settings, threads=3) as client:
            calls = [asyncio.create_task(client.search("mug", mode="vector")) for _ in range(3)]
            for _ in calls:
                assert await asyncio.to_thread(store.waiting.acquire, timeout=30)
            store.gate.set()
            return await asyncio.gather(*calls)

    first, second, third = asyncio.run(main())
    assert ids(first) == ids(second) == ids(third)


def test_a_client_opens_once_however_many_ask(settings):
    opened = []

    async def main():
        client = AsyncSearchClient(**settings)
        make = client._make
        client._make = lambda: opened.append(1) or make()
        found = await asyncio.gather(*(client.search("mug") for _ in range(5)))
        await client.close()
        return found

    assert len({tuple(ids(result)) for result in asyncio.run(main())}) == 1
    assert opened == [1]


def test_an_opening_that_fails_is_tried_again(tmp_path, demo_embedder, shop):
    async def main():
        client = AsyncSearchClient(tmp_path / "missing.db")
        for _ in range(2):
            with pytest.raises(IndexMismatch, match="no index 'products' at"):
                await client.search("mug")
        made = SearchClient(shop, model=demo_embedder)
        client._make = lambda: made
        assert (await client.search("mug")).hits
        await client.close()

    asyncio.run(main())


def test_a_second_opening_is_shared_as_the_first_one_was(settings):
    """Who hears later that the first one failed must not throw away the second one, which has begun meanwhile."""
    opened = []

    async def main():
        client = AsyncSearchClient(**settings)
        make = client._make

        def at_second_attempt():
            opened.append(1)
            if len(opened) == 1:
                raise IndexMismatch("Not yet.")
            return make()

        client._make = at_second_attempt

        async def stubborn():
            try:
                return await client.search("mug")
            except IndexMismatch:
                return await client.search("mug")

        await asyncio.gather(*(stubborn() for _ in range(3)))
        await client.close()

    asyncio.run(main())
    assert len(opened) == 2


def test_all_who_wait_are_told_that_opening_failed(tmp_path):
    async def main():
        client = AsyncSearchClient(tmp_path / "missing.db")
        told = await asyncio.gather(*(client.search("mug") for _ in range(4)), return_exceptions=True)
        await client.close()
        return told

    assert {type(error) for error in asyncio.run(main())} == {IndexMismatch}


def test_entering_fails_as_opening_does(tmp_path):
    async def main():
        async with AsyncSearchClient(tmp_path / "missing.db"):
            pytest.fail("there is no such index")

    with pytest.raises(IndexMismatch):
        asyncio.run(main())


def test_a_cancelled_call_hinders_no_other(gated):
    store, settings = gated

    async def main():
        async with AsyncSearchClient(**settings, threads=2) as client:
            call = asyncio.create_task(client.search("mug", mode="vector"))
            assert await asyncio.to_thread(store.waiting.acquire, timeout=30)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            assert await client.count() == 161
            store.gate.set()
            assert (await client.search("mug")).hits

    asyncio.run(main())


def test_one_who_gives_up_while_it_opens_does_not_stop_the_others(settings):
    async def main():
        client = AsyncSearchClient(**settings)
        impatient = asyncio.create_task(client.search("mug"))
        patient = asyncio.create_task(client.search("mug"))
        await asyncio.sleep(0)
        impatient.cancel()
        assert (await patient).hits
        with pytest.raises(asyncio.CancelledError):
            await impatient
        await client.close()

    asyncio.run(main())


def test_products_that_nobody_reads_to_the_end_are_let_go(settings):
    async def main():
        client = AsyncSearchClient(**settings)
        async with aclosing(client.products()) as products:
            async for product in products:
                assert product.product_id
                break
        assert client._client.result()._answering._serving._lent.users == 0
        await client.close()

    asyncio.run(main())


def test_a_closed_client_says_so(settings):
    async def main():
        client = AsyncSearchClient(**settings)
        await client.search("mug")
        await client.close()
        await client.close()
        for ask in (client.search("mug"), client.count(), client.refresh()):
            with pytest.raises(SearchError, match="was closed; make another one"):
                await ask
        await AsyncSearchClient(**settings).close()

    asyncio.run(main())


def test_closing_waits_for_an_opening_under_way(settings):
    closed = []

    async def main():
        client = AsyncSearchClient(**settings)
        opening = asyncio.create_task(client.search("mug"))
        await asyncio.sleep(0)
        inner = client._client
        await client.close()
        closed.append(inner.result()._answering._serving._closed)
        (told,) = await asyncio.gather(opening, return_exceptions=True)
        assert isinstance(told, SearchResult | SearchError), "answered, or told that it was too late"

    asyncio.run(main())
    assert closed == [True]
