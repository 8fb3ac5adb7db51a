"""Pages: together they are the ranking that one big page shows, whoever continues it; and cursors are not forged."""

import base64
from dataclasses import replace

import pytest
from tests.search import sdk
from tests.search.sdk import ids

from fourtower_search import F, SearchClient, Text
from fourtower_search.errors import CursorExpired, InvalidQuery
from fourtower_search.index.generations import MemoryGenerations
from fourtower_search.index.opening import open_generation
from fourtower_search.index.rows import Order, ProductWrite, tombstone

KEY = b"k" * 32


def pages(client, *query, **options):
    """Every page of a ranking."""
    found = [client.search(*query, **options)]
    while found[-1].next_cursor:
        found.append(client.search(*query, **options, cursor=found[-1].next_cursor))
    return found


@pytest.mark.parametrize(
    "options",
    [{}, {"sort": "-price"}, {"diversity": 0.5}, {"collapse": "group"}, {"where": F.price < 60, "mode": "vector"}],
    ids=", ".join,
)
def test_pages_join_to_the_one_big_page(client, options):
    whole = client.search("mug", limit=35, depth=35, **options)
    found = pages(client, "mug", limit=8, depth=35, **options)
    assert [hit for page in found for hit in ids(page)] == ids(whole)
    assert {(page.total, page.truncated, page.generation) for page in found} == {
        (whole.total, whole.truncated, whole.generation)
    }
    for shown, hit in zip([hit for page in found for hit in page], whole, strict=True):
        assert shown.score == pytest.approx(hit.score, rel=1e-3)
        assert (shown.image, shown.title) == (hit.image, hit.title)


def test_the_last_page_has_no_cursor(client):
    assert client.search("mug", limit=20, depth=20).next_cursor is None
    assert pages(client, "mug", limit=10, depth=20)[-1].next_cursor is None


def test_a_page_may_have_another_size(client):
    first = client.search("mug", limit=3, depth=20)
    rest = client.search("mug", limit=17, depth=20, cursor=first.next_cursor)
    assert ids(first) + ids(rest) == ids(client.search("mug", limit=20, depth=20))


def test_pages_of_many_queries_mix_with_first_ones(client):
    first = client.search("mug", limit=5)
    fresh, next_page, other = client.search_many(["lamp", {"query": "mug", "cursor": first.next_cursor}, "vase"])
    assert ids(fresh) == ids(client.search("lamp"))
    assert ids(other) == ids(client.search("vase"))
    assert ids(next_page) == ids(client.search("mug", limit=15))[5:]


def test_products_that_were_deleted_meanwhile_are_passed_over(own_client, own_index):
    whole = ids(own_client.search("mug", limit=20, depth=20))
    first = own_client.search("mug", limit=5, depth=20)
    gone = whole[6:9]
    own_index.apply([tombstone(product_id, Order(9, True, "")) for product_id in gone])
    second = own_client.search("mug", limit=5, depth=20, cursor=first.next_cursor)
    assert ids(second) == [product_id for product_id in whole[5:] if product_id not in gone][:5]
    assert second.total == 20, "what was ranked, when it was"


def test_a_page_whose_products_are_all_gone_is_empty_and_the_last(own_client, own_index):
    whole = ids(own_client.search("mug", limit=20, depth=20))
    first = own_client.search("mug", limit=10, depth=20)
    own_index.apply([tombstone(product_id, Order(9, True, "")) for product_id in whole[10:]])
    second = own_client.search("mug", limit=5, depth=20, cursor=first.next_cursor)
    assert (second.hits, second.next_cursor) == ((), None)


def test_a_page_shows_products_as_they_are_now(own_client, own_index):
    first = own_client.search("mug", limit=5)
    expected = own_client.search("mug", limit=6)[5].product_id
    stored = own_index.get([expected], vectors=True)[expected]
    own_index.apply([_retitled(stored)])
    assert own_client.search("mug", limit=1, cursor=first.next_cursor)[0].title == "Another title"


def _retitled(stored):
    order = Order(2, False, "new")
    rows = tuple(replace(row, order=order, title="Another title") for row in stored.rows)
    return ProductWrite(stored.product_id, order, rows)


def test_another_process_with_the_same_key_continues(own_client, own_index, demo_embedder):
    first = own_client.search("mug", limit=5)
    with SearchClient(own_index, model=demo_embedder, cursor_key=KEY) as other:
        second = other.search("mug", limit=5, cursor=first.next_cursor)
    assert ids(first) + ids(second) == ids(own_client.search("mug", limit=10))
    with (
        SearchClient(own_index, model=demo_embedder) as stranger,
        pytest.raises(InvalidQuery, match="none of ours, or was changed"),
    ):
        stranger.search("mug", limit=5, cursor=first.next_cursor)


def test_a_cursor_fits_only_the_query_it_came_from(client):
    cursor = client.search("mug", limit=5).next_cursor
    for query, options in (("lamp", {}), ("mug", {"where": "price < 50"}), ("mug", {"sort": "price"})):
        with pytest.raises(InvalidQuery, match="belongs to another query"):
            client.search(query, cursor=cursor, **options)
    assert client.search([Text("mug")], cursor=cursor).hits, "the same, in other words"


@pytest.mark.parametrize("forged", ["", "x", "=", "é", "\ud800", "A" * 300_000])
def test_a_cursor_that_is_none_is_refused(client, forged):
    with pytest.raises(InvalidQuery, match="cursor"):
        client.search("mug", cursor=forged)


def test_a_cursor_that_was_changed_is_refused(client):
    cursor = client.search("mug", limit=5).next_cursor
    data = bytearray(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    for place in range(0, len(data), 7):
        changed = bytearray(data)
        changed[place] ^= 1
        token = base64.urlsafe_b64encode(bytes(changed)).decode().rstrip("=")
        with pytest.raises(InvalidQuery, match="none of ours, or was changed"):
            client.search("mug", limit=5, cursor=token)


def test_explanations_and_facets_come_with_the_first_page_only(client):
    cursor = client.search("mug", limit=5).next_cursor
    for options in ({"explain": True}, {"facets": ["category"]}):
        with pytest.raises(InvalidQuery, match="come with the first page"):
            client.search("mug", cursor=cursor, **options)


def test_a_cursor_of_another_generation_has_expired(drawn_catalog, shop_writes, demo_embedder):
    """Two indexes in memory are as two generations, once they have other names."""
    plan = sdk.plan_of(drawn_catalog, demo_embedder)
    generations = MemoryGenerations("products")
    clients = []
    for _ in range(2):
        record = generations.create(plan, timeout_s=1)
        index = sdk.fill(open_generation(generations, record, params=demo_embedder.params), shop_writes)
        clients.append(SearchClient(index, model=demo_embedder, cursor_key=KEY))
    cursor = clients[0].search("mug", limit=5).next_cursor
    with pytest.raises(CursorExpired, match="rebuilt since this cursor was made"):
        clients[1].search("mug", limit=5, cursor=cursor)
    assert clients[0].search("mug", limit=5, cursor=cursor).hits
