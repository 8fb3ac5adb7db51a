"""What is known of an index, and how to read all of it: on every engine, by every client."""

import pytest

from fourtower_search import F
from fourtower_search.errors import InvalidQuery, Unsupported
from fourtower_search.query.sugar import request_of


def every_page(client, where=None, **how):
    """All products, page by page."""
    pages = [client.page(where, **how)]
    while pages[-1].more:
        pages.append(client.page(where, after=pages[-1].products[-1].product_id, **how))
    return pages


@pytest.mark.parametrize("limit", [1, 23, 161, 1000])
def test_pages_join_to_all_products(client, limit):
    where = F.price < 30 if limit == 1 else None
    whole = list(client.products(where))
    pages = every_page(client, where, limit=limit)
    assert [product for page in pages for product in page.products] == whole
    assert [len(page.products) for page in pages[:-1]] == [limit] * (len(pages) - 1)
    assert {page.generation for page in pages} == {client.facts().generation}


def test_a_page_begins_after_any_id_and_may_be_empty(client):
    ids = [product.product_id for product in client.products()]
    assert [product.product_id for product in client.page(after="p7-0000", limit=3).products] == ids[:3]
    assert client.page(after="stool").products == ()
    assert client.page(F.price < -1) == client.page(after="zzz")
    assert not client.page(after="zzz").more


@pytest.mark.parametrize("wrong", [{"limit": 0}, {"limit": 1001}, {"limit": True}, {"after": "a\x00"}, {"after": 5}])
def test_what_is_no_page_is_refused(client, wrong):
    with pytest.raises(InvalidQuery):
        client.page(**wrong)


def test_facts_say_what_answers(client, demo_embedder, drawn_catalog):
    facts = client.facts()
    assert (facts.model_id, facts.demo, facts.model, facts.dim) == (demo_embedder.model_id, True, "demo", 128)
    assert facts.schema.attributes["released"].type == "time"
    assert facts.image_root
    assert facts.rerankers == ("listwise",)
    if facts.lexical:
        assert client.search("oak stool", mode="lexical").hits
    else:
        with pytest.raises(Unsupported, match=facts.engine):
            client.search("oak stool", mode="lexical")


def test_requests_may_be_made_beforehand(client):
    requests = [request_of(words, options={"limit": 3}) for words in ("mug", "lamp")]
    found = client.answer(requests)
    assert [result.hits for result in found] == [client.search(words, limit=3).hits for words in ("mug", "lamp")]
    assert client.answer([]) == []
