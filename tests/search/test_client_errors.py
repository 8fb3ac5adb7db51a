"""What is wrong is said in one sentence with its remedy, by the error that tells what to do."""

import math
from io import BytesIO

import pytest
from PIL import Image as Pillow
from tests.search.stores import Frozen, WithoutWords

from fourtower_encoders.errors import ImageError
from fourtower_search import F, Image, Product, SearchClient, SearchError, Text, Vector
from fourtower_search.errors import IndexUnavailable, InvalidFilter, InvalidQuery, UnknownProduct, Unsupported
from fourtower_search.index.product_index import ProductIndex

WRONG = {
    "nothing": ((), {}, "The query is empty; give it words, a picture, a product or a vector"),
    "no words": (("  ",), {}, "The query is empty; say what to look for"),
    "an empty list": (([],), {}, "The query is empty"),
    "only minus-words": (("-leather",), {}, r"only says what it should not be \(leather\); add what to look for"),
    "only negative parts": (([Text("mug", -1)],), {}, "nothing positive; give at least one part a positive weight"),
    "a number": ((5,), {}, "A query is words, parts such as Text.*, not int"),
    "bytes": ((b"\xff\xd8",), {}, "bytes are passed as image="),
    "a mapping": (({"text": "mug"},), {}, "A query is words, parts .* not dict"),
    "too many parts": ((["mug"] * 17,), {}, "parts: .*at most 16"),
    "a vector of another length": ((Vector([1.0, 2.0]),), {}, r"image vector has the shape \(2,\); .* needs \(128,\)"),
    "no picture": ((), {"image": b"<html>"}, "Picture 1 of the query: "),
    "a picture that is not there": ((), {"image": "gone.jpg"}, "'gone.jpg' can't be read: No such file"),
    "a URL without a fetcher": ((), {"image": "https://example.com/a.jpg"}, "fetching is off"),
    "a path with a zero byte": ((), {"image": "a\x00.jpg"}, "not a usable path"),
    "an unknown option": (("mug",), {"colour": "red"}, "There is no option 'colour'. There are: where, mode, "),
    "a misspelt option": (("mug",), {"limits": 5}, "There is no option 'limits'; did you mean limit?"),
    "parts as an option": (("mug",), {"parts": []}, "There is no option 'parts'"),
    "a limit beyond the depth": (("mug",), {"limit": 20, "depth": 10}, "limit = 20 is more than depth = 10"),
    "a limit of none": (("mug",), {"limit": 0}, "limit: Input should be greater than or equal to 1"),
    "an unknown mode": (("mug",), {"mode": "magic"}, "mode: Input should be 'auto'"),
    "words without words": ((Product("stool"),), {"mode": "hybrid"}, "add a text with a positive weight"),
    "an unknown sort": (("mug",), {"sort": "prices"}, "Can't sort by 'prices', which is not declared. Possible: price"),
    "a sort by what is not sortable": (("mug",), {"sort": "stock"}, "which is int and not sortable"),
    "an unknown facet": (("mug",), {"facets": ["shape"]}, "Can't count by 'shape'"),
    "an unknown boost": (("mug",), {"boosts": [{"kind": "flag", "attribute": "x"}]}, "Can't boost by 'x'"),
    "a boost of no kind": (("mug",), {"boosts": [{"attribute": "price"}]}, "boosts.0: "),
    "an unknown re-ranker": (("mug",), {"rerank": "magic"}, "There is no re-ranker 'magic'. Known: "),
    "relevance twice": (("mug",), {"min_relevance": 0.5, "cut": {"gap": 0.5}}, "Give min_relevance or cut, not both"),
    "no time at all": (("mug",), {"timeout_s": 0}, "timeout_s is 0; it must be a number of seconds"),
    "time without end": (("mug",), {"timeout_s": math.inf}, "timeout_s is inf"),
}
FILTERS = {
    "an unknown attribute": (F.colours == "red", "colours.*colour"),
    "a value of another type": (F.price == "cheap", "price"),
    "no grammar": ("price <", "Column 8: expected a value"),
    "another shape": ({"price": 5}, "price"),
    "a number": (5, "expected"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_query_is_explained(client, case):
    positional, options, sentence = WRONG[case]
    with pytest.raises(InvalidQuery, match=sentence) as raised:
        client.search(*positional, **options)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("case", FILTERS)
def test_a_wrong_filter_is_explained_wherever_it_is_given(client, case):
    where, sentence = FILTERS[case]
    for ask in (
        lambda: client.search("mug", where=where),
        lambda: client.similar("stool", where=where),
        lambda: client.count(where),
        lambda: list(client.products(where)),
    ):
        with pytest.raises(InvalidFilter, match=sentence):
            ask()


def test_a_broken_pillow_image_is_explained(client, drawn_catalog):
    whole = (drawn_catalog / "images" / "p7-000000-0.jpg").read_bytes()
    cut = whole[: len(whole) // 2]
    closed = Pillow.new("RGB", (9, 9))
    closed.close()
    for source in (Pillow.open(BytesIO(cut)), closed, cut):
        with pytest.raises((InvalidQuery, ImageError), match="Picture 1 of the query: "):
            client.search(image=source)
        with pytest.raises((SearchError, ImageError)):
            client.search(image=source, cursor="x")


def test_an_unknown_product_is_named(client):
    for ask in (lambda: client.similar("nobody"), lambda: client.search(["mug", Product("nobody")])):
        with pytest.raises(UnknownProduct, match="holds no product 'nobody'; it may be deleted or not there yet"):
            ask()


@pytest.mark.parametrize("product_id", ["", 5, None, "a\x00", "\ud800", "x" * 300])
def test_what_is_no_product_id_is_refused(client, product_id):
    for ask in (client.get, client.similar, lambda each: client.get_many([each])):
        with pytest.raises(InvalidQuery):
            ask(product_id)


def test_a_lone_text_is_no_list_of_letters(client):
    for ask in (
        lambda: client.search_many("mug"),
        lambda: client.search_many({"query": "mug"}),
        lambda: client.get_many("stool"),
        lambda: client.embed(texts="mug"),
        lambda: client.embed(images=b"mug"),
        lambda: client.search_many(5),
    ):
        with pytest.raises(InvalidQuery, match="put a single one into brackets"):
            ask()


@pytest.mark.parametrize("given", [{"texts": [""]}, {"texts": ["\ud800"]}, {"texts": [5]}, {"images": [5]}])
def test_what_can_not_be_embedded_is_explained(client, given):
    with pytest.raises(InvalidQuery):
        client.embed(**given)


@pytest.mark.parametrize("wrong", [{"query": "mug", "timeout_s": 3}, {"words": "mug"}, {5: "mug"}, {"query": 5}])
def test_a_wrong_one_of_many_queries_is_explained(client, wrong):
    with pytest.raises(InvalidQuery):
        client.search_many(["mug", wrong])


def test_words_can_not_be_looked_up_where_the_engine_has_none(shop, demo_embedder):
    index = ProductIndex(WithoutWords(shop.store), params=shop.params, model_id=shop.model_id)
    with SearchClient(index, model=demo_embedder) as client:
        for mode in ("lexical", "hybrid"):
            with pytest.raises(Unsupported, match=r"has no full-text search: .* 'vector' and 'auto' work here"):
                client.search("mug", mode=mode)
        assert client.search("mug", mode="auto")[0].attributes["category"] == "mug"


def test_an_engine_that_hangs_is_given_up_in_time(shop, demo_embedder):
    index = ProductIndex(Frozen(shop.store), params=shop.params, model_id=shop.model_id)
    with SearchClient(index, model=demo_embedder, timeout_s=0.05) as client:
        for ask in (
            lambda: client.search("mug"),
            lambda: client.get("stool"),
            client.count,
            lambda: list(client.products()),
            lambda: client.search(Product("stool")),
            lambda: client.search("mug", timeout_s=0.01),
        ):
            with pytest.raises(IndexUnavailable) as raised:
                ask()
            assert raised.value.retry_after_s > 0


def test_a_closed_client_says_so(own_index, demo_embedder):
    client = SearchClient(own_index, model=demo_embedder)
    unfinished = client.products()
    next(unfinished)
    client.close()
    client.close()
    for ask in (lambda: client.search("mug"), client.count, lambda: client.generation):
        with pytest.raises(SearchError, match="was closed; make another one"):
            ask()
    assert len(list(unfinished)) == 160, "what had begun goes on"


def test_a_filter_part_of_a_query_says_where_it_belongs(client):
    with pytest.raises(InvalidQuery, match="query"):
        client.search(F.price < 5)
    with pytest.raises(InvalidQuery, match="query part"):
        client.search(["mug", F.price < 5])
    assert client.search([Image(Pillow.new("RGB", (8, 8)))]).hits
