"""The queue before a real client, driven by real threads and event loops."""

import asyncio
import threading
import time

import pytest
from tests.search.service.gated import LONG_S, Gated, admitting, busy, until, wanting

from fourtower_search.errors import IndexUnavailable, InvalidQuery, Overloaded, UnknownProduct
from fourtower_search.filters import F
from fourtower_search.query.parts import Image, Product
from fourtower_search.query.sugar import request_of

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    return "asyncio"


def shown(result):
    return [(hit.product_id, hit.score) for hit in result.hits]


def alike(result):
    """A result without what differs from call to call; scores up to rounding, as batches sum in another order."""
    return [hit.product_id for hit in result.hits], pytest.approx([hit.score for hit in result.hits], rel=1e-5)


def test_a_search_gives_what_the_client_gives(shop_client):
    request = wanting("red bag -leather", limit=7)
    with admitting(shop_client) as admission:
        (result,) = asyncio.run(admission.search([request], timeout_s=LONG_S))
    (expected,) = shop_client.answer([request], timeout_s=LONG_S)
    assert shown(result) == shown(expected)


async def test_what_waits_together_is_answered_together(shop_client):
    async with busy(shop_client) as (gated, admission, first, waiting):
        gated.open()
        results = await asyncio.gather(first, *waiting)
        assert gated.sizes == [1, 5]
        assert [len(result.hits) for (result,) in results[1:]] == [1, 2, 3, 4, 5]
        load = admission.load()
        assert (load.batches, load.batch_items, load.turned_away) == (2, 6, 0)
        assert load.waited_s > 0


async def test_unlike_searches_are_answered_together_and_each_gets_its_own(shop_client):
    photo = next(iter(shop_client.products()))
    requests = [
        wanting("red bag", limit=3),
        wanting("shoe -red", mode="vector", explain=True),
        request_of(Product(photo.product_id), options={"limit": 1}),
        wanting("mug", where=F.product_id.isin([photo.product_id])),
        wanting("mug", diversity=0.5, depth=20, facets=["color"] if "color" in photo.attributes else []),
        wanting("lamp", limit=2, cursor=shop_client.search("lamp", limit=2).next_cursor),
    ]
    async with busy(shop_client, 0) as (gated, admission, _, _):
        calls = [asyncio.ensure_future(admission.search([each], timeout_s=LONG_S)) for each in requests]
        await until(lambda: admission.load().waiting == len(requests))
        gated.open()
        results = [result for (result,) in await asyncio.gather(*calls)]
        assert gated.sizes == [1, len(requests)]
    for request, result in zip(requests, results, strict=True):
        (expected,) = shop_client.answer([request], timeout_s=LONG_S)
        assert ([hit.product_id for hit in result.hits], [hit.score for hit in result.hits]) == alike(expected)
        assert result.facets == expected.facets


async def test_a_lone_search_waits_for_nobody(shop_client):
    gated = Gated(shop_client)
    with admitting(gated, threads=2) as admission:
        searches = [asyncio.ensure_future(admission.search([wanting()], timeout_s=LONG_S)) for _ in range(2)]
        await until(lambda: len(gated.asked) == 2)  # though nothing was answered yet
        assert gated.sizes == [1, 1]
        gated.open()
        await asyncio.gather(*searches)
        assert admission.load().waited_s < 1


async def test_many_searches_of_one_call_use_all_threads_and_keep_their_order(shop_client):
    gated = Gated(shop_client)
    with admitting(gated, threads=3, batch=4) as admission:
        search = asyncio.ensure_future(
            admission.search([wanting(limit=n) for n in range(1, 21)], timeout_s=LONG_S, caller="key")
        )
        await until(lambda: len(gated.asked) == 3)
        gated.open()
        assert [len(result.hits) for result in await search] == list(range(1, 21))
        assert sorted(gated.sizes) == [4] * 5


async def test_one_bad_search_spoils_nobody_elses(shop_client):
    async with busy(shop_client, 7) as (gated, admission, first, waiting):
        missing = admission.search([request_of(Product("no such product"), options={})], timeout_s=LONG_S)
        unfit = admission.search([wanting(where={"must": [{"field": "nothing", "eq": 1}]})], timeout_s=LONG_S)
        bad = [asyncio.ensure_future(each) for each in (missing, unfit)]
        await until(lambda: admission.load().waiting == 9)
        gated.open()
        assert [len(result.hits) for (result,) in await asyncio.gather(*waiting)] == list(range(1, 8))
        with pytest.raises(UnknownProduct, match="no such product"):
            await bad[0]
        with pytest.raises(InvalidQuery, match="nothing"):
            await bad[1]
        await first


async def test_an_index_that_is_gone_is_asked_once_for_a_batch_and_everybody_is_told(shop_client):
    async with busy(shop_client) as (gated, _, first, waiting):

        def gone(requests):
            raise IndexUnavailable("The index is away.", retry_after_s=7)

        gated.gate.release()
        await first
        gated.fail = gone
        gated.open()
        errors = await asyncio.gather(*waiting, return_exceptions=True)
        assert {(type(each), str(each), each.retry_after_s) for each in errors} == {
            (IndexUnavailable, "The index is away.", 7)
        }
        assert len({id(each) for each in errors}) == 5
        assert gated.sizes == [1, 5]


async def test_a_batch_has_the_time_of_its_most_patient_caller_and_the_others_leave(shop_client):
    async with busy(shop_client, 1) as (gated, admission, first, _):
        hasty = asyncio.ensure_future(admission.search([wanting()], timeout_s=0.5))
        await until(lambda: admission.load().waiting == 2)
        gated.gate.release()
        await first
        await until(lambda: len(gated.asked) == 2)
        with pytest.raises(IndexUnavailable, match="in time"):
            await hasty
        assert gated.timeouts[1] > 10
        assert admission.load().expired == 1


async def test_what_was_too_late_is_told_so_and_never_run(shop_client):
    async with busy(shop_client, 0) as (gated, admission, first, _):
        started = time.monotonic()
        with pytest.raises(IndexUnavailable, match="in time"):
            await admission.search([wanting()], timeout_s=0.05)
        assert time.monotonic() - started >= 0.05
        assert admission.load().waiting == 0
        gated.open()
        await first
        assert gated.sizes == [1]
        assert admission.load().expired == 1


async def test_after_a_failure_those_are_left_out_whose_time_is_over(shop_client):
    async with busy(shop_client, 0) as (gated, admission, first, _):

        def broken(requests):
            if len(requests) > 1:
                raise RuntimeError("together they are too many")

        gated.fail = broken
        patient = asyncio.ensure_future(admission.search([wanting(limit=1)], timeout_s=LONG_S))
        hasty = asyncio.ensure_future(admission.search([wanting(limit=2)], timeout_s=0.3))
        await until(lambda: admission.load().waiting == 2)
        gated.gate.release()
        await first
        await until(lambda: gated.sizes == [1, 2])
        with pytest.raises(IndexUnavailable):
            await hasty
        gated.open()
        await patient
        assert [[each.limit for each in asked] for asked in gated.asked] == [[10], [1, 2], [1]]


async def test_who_leaves_is_not_run_and_holds_nobody_up(shop_client):
    async with busy(shop_client) as (gated, admission, first, waiting):
        for leaving in waiting[1:4]:
            leaving.cancel()
        await until(lambda: admission.load().waiting == 2)
        gated.open()
        await asyncio.gather(first, waiting[0], waiting[4])
        assert [each.limit for each in gated.asked[1]] == [1, 5]
        assert admission.load().abandoned == 3


async def test_who_leaves_while_at_work_takes_nothing_from_the_others(shop_client):
    async with busy(shop_client, 3) as (gated, admission, first, waiting):
        gated.gate.release()
        await first
        await until(lambda: len(gated.asked) == 2)
        waiting[0].cancel()
        await until(lambda: admission.load().abandoned == 1)
        gated.open()
        assert [len((await each)[0].hits) for each in waiting[1:]] == [2, 3]


async def test_when_too_many_wait_the_next_is_turned_away_at_once(shop_client):
    async with busy(shop_client, 3, waiting=3) as (gated, admission, first, waiting):
        with pytest.raises(Overloaded) as refused:
            await admission.search([wanting()], timeout_s=LONG_S)
        assert refused.value.retry_after_s >= 1
        with pytest.raises(Overloaded):
            await admission.run(lambda: 1, timeout_s=LONG_S)
        with pytest.raises(Overloaded):
            admission.check()
        assert admission.load().turned_away == 3
        gated.open()
        await asyncio.gather(first, *waiting)
        admission.check()


async def test_a_key_that_fills_the_queue_has_to_make_room_for_another(shop_client):
    async with busy(shop_client, 0, waiting=3) as (gated, admission, first, _):
        greedy = [
            asyncio.ensure_future(admission.search([wanting()], timeout_s=LONG_S, caller="greedy")) for _ in range(3)
        ]
        await until(lambda: admission.load().waiting == 3)
        modest = asyncio.ensure_future(admission.search([wanting()], timeout_s=LONG_S, caller="modest"))
        with pytest.raises(Overloaded):
            await greedy[2]
        gated.open()
        await asyncio.gather(first, *greedy[:2], modest)


async def test_pictures_from_elsewhere_keep_nobody_waiting(shop_client):
    async with busy(shop_client, 2) as (gated, admission, first, waiting):
        fetched = admission.search([request_of(Image("http://127.0.0.1:9/1.jpg"), options={})], timeout_s=LONG_S)
        fetching = asyncio.ensure_future(fetched)
        await until(lambda: admission.load().waiting == 3)
        gated.open()
        await asyncio.gather(first, *waiting)
        with pytest.raises(InvalidQuery):
            await fetching
        assert gated.sizes == [1, 2, 1]


async def test_other_calls_run_under_the_same_bound(shop_client):
    async with busy(shop_client, 1) as (gated, admission, first, waiting):
        names = asyncio.ensure_future(admission.run(lambda: threading.current_thread().name, timeout_s=LONG_S))
        await until(lambda: admission.load().waiting == 2)
        gated.open()
        assert (await names).startswith("fourtower-service")
        await asyncio.gather(first, *waiting)
        assert admission.load().calls == 1


@pytest.mark.parametrize("error", [KeyError("what"), IndexUnavailable("away"), SystemExit(1)])
async def test_a_call_that_fails_is_heard_of_and_the_thread_lives_on(shop_client, error):
    def fail():
        raise error

    with admitting(shop_client) as admission:
        with pytest.raises(RuntimeError if isinstance(error, SystemExit) else type(error)):
            await admission.run(fail, timeout_s=LONG_S)
        assert await admission.run(lambda: 7, timeout_s=LONG_S) == 7
        await until(lambda: admission.load().running == 0)


async def test_closing_lets_everything_end_and_takes_nothing_more(shop_client):
    async with busy(shop_client) as (gated, admission, first, waiting):
        closing = asyncio.ensure_future(asyncio.to_thread(admission.close, LONG_S))
        await until(lambda: admission._closed)
        with pytest.raises(Overloaded, match="about to end"):
            await admission.search([wanting()], timeout_s=LONG_S)
        with pytest.raises(Overloaded, match="about to end"):
            admission.check()
        gated.open()
        await closing
        assert all(task.done() and not task.exception() for task in (first, *waiting))
        admission.close(LONG_S)


async def test_when_the_grace_is_over_those_who_wait_are_told_to_ask_elsewhere(shop_client):
    async with busy(shop_client) as (_, admission, first, waiting):
        await asyncio.to_thread(admission.close, 0.05)
        errors = await asyncio.gather(*waiting, return_exceptions=True)
        assert {type(each) for each in errors} == {Overloaded}
        assert not first.done()


def test_nothing_runs_before_there_is_work(shop_client):
    before = threading.active_count()
    with admitting(shop_client, threads=8) as admission:
        assert threading.active_count() == before
        assert asyncio.run(admission.search([], timeout_s=1)) == []
        assert threading.active_count() == before
