"""What is sent: pictures as bytes, and no more in one request than the service takes."""

import io
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as Pillow
from python_multipart.multipart import parse_options_header
from tests.search.remote.stand import SCHEMA, problem, reply

from fourtower_encoders.errors import ImageRejected, ImageUnavailable
from fourtower_encoders.images import load_image
from fourtower_search import Image, SearchClient, Text
from fourtower_search.errors import IndexMismatch, IndexUnavailable, InvalidQuery
from fourtower_search.query.sugar import request_of
from fourtower_search.remote.pictures import ENOUGH, ready, sendable
from fourtower_search.remote.portions import picture_portions, portions
from fourtower_search.service.uploads import take_apart
from fourtower_search.wire.requests import Limits, batch_form

EMPTY = {"hits": [], "total": 0, "truncated": False, "search_id": "s", "generation": "shop_g1"}


def limited(**limits):
    return reply({**SCHEMA, "limits": limits})


def uploads(asked):
    """The pictures of a form, as the service finds them."""
    kind, options = parse_options_header(asked.headers["content-type"])
    assert kind == b"multipart/form-data"
    return take_apart(asked.body, options[b"boundary"], max_images=16)


@given(
    st.lists(st.lists(st.binary(min_size=1, max_size=40), max_size=3), max_size=12),
    st.builds(Limits, *(st.integers(1, 5), st.integers(1, 5), st.integers(20, 90))),
)
def test_requests_are_split_in_order_and_fit(pictures, limits):
    requests = [request_of([Text(str(n)), *map(Image, each)], options={}) for n, each in enumerate(pictures)]
    groups = list(portions(requests, limits))
    assert [request for group in groups for request in group] == requests
    for group in groups:
        found = [part.source for request in group for part in request.parts if isinstance(part, Image)]
        if len(group) > 1:
            assert len(group) <= limits.max_batch
            assert len(found) <= limits.max_images
            assert sum(map(len, batch_form(group).uploads)) <= limits.max_body_bytes


@given(
    st.lists(st.binary(min_size=1, max_size=40) | st.just("https://x.test/a.jpg"), max_size=12),
    st.builds(Limits, *(st.integers(1, 5), st.integers(1, 5), st.integers(20, 90))),
)
def test_pictures_are_split_in_order_and_fit(pictures, limits):
    groups = list(picture_portions(pictures, limits))
    assert [picture for group in groups for picture in group] == pictures
    for group in groups:
        assert len({type(picture) for picture in group}) == 1
        assert len(group) <= limits.max_images


def test_many_queries_are_sent_in_groups_and_come_back_in_order(stand):
    stand.schema(limited(max_batch=2))
    with SearchClient(stand.address) as client:
        pair = reply({"results": [{**EMPTY, "total": 1}, {**EMPTY, "total": 2}], "generation": "shop_g1"})
        stand.answers(pair, pair, reply({**EMPTY, "total": 5}))
        found = client.search_many(["a", "b", "c", "d", "e"])
    assert [result.total for result in found] == [1, 2, 1, 2, 5]
    assert [asked.path for asked in stand.asked] == ["/search/batch", "/search/batch", "/search"]
    assert [len(asked.form["queries"]) for asked in stand.asked[:2]] == [2, 2]


def test_ids_are_sent_in_groups_each_once(stand):
    stand.schema(limited(max_batch=2))
    with SearchClient(stand.address) as client:
        stand.answers(reply({"products": [{"product_id": "b", "version": 1}], "generation": "shop_g1"}))
        found = client.get_many(["a", "b", "c", "b"])
    assert list(found) == ["b"]
    assert [asked.form["ids"] for asked in stand.asked] == [["a", "b"], ["c"]]


def embedded(rows, **changes):
    """An answer with embeddings of texts."""
    return reply({"texts": rows, "images": [], "dim": 4, "model_id": "0123", "generation": "shop_g1", **changes})


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_service_that_answers_more_or_less_than_asked_is_not_believed(stand, client, count):
    stand.answers(reply({"results": [EMPTY] * count, "generation": "shop_g1"}))
    with pytest.raises(IndexMismatch, match="results is not as long as the queries"):
        client.search_many(["a", "b"])
    stand.answers(embedded([[0.5] * 4] * count))
    with pytest.raises(IndexMismatch, match="texts is not as long as what was asked"):
        client.embed(texts=["a", "b"])


def test_embeddings_of_two_models_are_not_mixed(stand):
    stand.schema(limited(max_batch=2))
    with SearchClient(stand.address) as client:
        pair = [[0.5] * 4] * 2
        stand.answers(embedded(pair), embedded(pair), embedded(pair[:1], generation="shop_g2"))
        found = client.embeddings(texts=["a", "b", "c", "d", "e"])
        assert (found.texts.shape, found.generation) == ((5, 4), "shop_g2")
        stand.answers(embedded(pair), embedded(pair[:1], model_id="4567"))
        with pytest.raises(IndexUnavailable, match="changed to another model"):
            client.embed(texts=["a", "b", "c"])


@pytest.mark.parametrize("row", [[0.5] * 3, [0.5] * 5, ["0.5"] * 4, None, [None] * 4, [[0.5]] * 4, [10**400] * 4])
def test_embeddings_of_another_shape_are_refused(stand, client, row):
    stand.answers(embedded([row]))
    with pytest.raises(IndexMismatch, match="an embedding is not"):
        client.embed(texts=["a"])


@pytest.mark.parametrize("ids", [["a"], ["b", "b"], ["c", "b"], ["b", "c", "d"], []])
def test_pages_that_lead_in_a_circle_are_not_followed(stand, client, ids):
    listed = [{"product_id": each, "version": 1} for each in ids]
    stand.answers(reply({"products": listed, "generation": "shop_g1", "more": True}))
    with pytest.raises(IndexMismatch, match="products is not the next ones by their ids"):
        client.page(after="a", limit=2)


def test_products_of_others_than_asked_are_left_out(stand, client):
    listed = [{"product_id": each, "version": 1} for each in ("a", "b")]
    stand.answers(reply({"products": listed, "generation": "shop_g1"}))
    assert list(client.get_many(["b"])) == ["b"]


def test_files_and_data_urls_are_sent_as_they_are(stand, client, drawn_catalog):
    path = drawn_catalog / "images" / "p7-000000-0.jpg"
    data_url = "data:image/jpeg;base64,/9j/"
    stand.answers(reply(EMPTY))
    client.search("mug", image=[path, str(path), path.read_bytes(), data_url])
    posted = uploads(stand.asked[0])
    assert posted.uploads == [path.read_bytes()] * 3 + [b"\xff\xd8\xff"]
    assert re.findall(rb'"upload": (\d)', posted.data) == [b"0", b"1", b"2", b"3"]


def test_a_pillow_image_arrives_pixel_by_pixel(drawn_catalog):
    with Pillow.open(drawn_catalog / "images" / "p7-000000-0.jpg") as image:
        data = sendable(image, 0, None)
        np.testing.assert_array_equal(load_image(data), load_image(image))
    rotated = Pillow.new("RGB", (30, 20), "red")
    rotated.info["exif"] = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
    assert Pillow.open(io.BytesIO(sendable(rotated, 0, None))).size == (20, 30), "upright"


def test_a_large_pillow_image_is_reduced_as_far_as_no_model_sees_it(demo_embedder):
    noise = np.random.default_rng(7).integers(0, 255, (40, 30, 3), dtype=np.uint8)
    large = Pillow.fromarray(noise).resize((2100, 2300), Pillow.Resampling.BICUBIC)
    data = sendable(large, 0, None)
    small = Pillow.open(io.BytesIO(data))
    assert min(small.size) >= ENOUGH
    assert len(data) < len(large.tobytes()) / 4
    seen, whole = demo_embedder.embed_images([small, large], role="query_image")
    assert seen @ whole > 0.9995


def test_a_url_is_fetched_here_if_there_is_a_fetcher_else_left_to_the_service(stand, client):
    url = "HTTPS://x.test/a.jpg"
    stand.answers(reply(EMPTY))
    client.search(image=url)
    assert stand.asked[0].form["query"] == [{"image": url, "weight": 1.0}]

    class Fetcher:
        def fetch(self, address):
            assert address == url
            return b"picture"

    with SearchClient(stand.address, fetcher=Fetcher()) as own:
        stand.answers(reply(EMPTY))
        own.search(image=url)
    assert uploads(stand.asked[-1]).uploads == [b"picture"]


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("gone.jpg", "'gone.jpg' can't be read"),
        ("/etc", "is not a regular file"),
        ("ftp://x.test/a", "a scheme that is not accepted"),
        ("data:image/png;base64,!", "is not valid base64"),
        (bytes(20_000_001), "has 20000001 bytes"),
        (Pillow.new("F", (2, 2)), "has no defined range"),
    ],
)
def test_a_picture_that_can_not_be_had_is_named_by_its_place_and_nothing_is_sent(stand, client, source, sentence):
    stand.answers(reply(EMPTY))
    with pytest.raises(InvalidQuery, match=f"Picture 2 of the query: .*{sentence}"):
        client.search(image=[Pillow.new("RGB", (2, 2)), source])
    assert stand.asked == []


def test_a_picture_that_may_come_back_is_told_apart():
    class Fetcher:
        error = ImageUnavailable("Later.")

        def fetch(self, _):
            raise self.error

    requests = [request_of([Text("a"), Image("https://x.test/a")], options={})]
    with pytest.raises(ImageUnavailable, match="Picture 1 of the query: Later"):
        ready(requests, Fetcher())
    Fetcher.error = ImageRejected("Never.")
    with pytest.raises(InvalidQuery, match="Picture 1 of the query: Never"):
        ready(requests, Fetcher())


def test_what_can_not_be_written_is_refused_here(stand, client):
    with pytest.raises(InvalidQuery):
        client.count({"field": "price", "lt": 10**5000})
    assert [asked.path for asked in stand.asked] == ["/schema"]


def test_an_answer_of_another_generation_brings_its_catalog(stand, client):
    released = {"product_id": "p", "version": 1, "attributes": {"sold": "2026-05-01T12:00:00.000Z"}}
    hit = {**released, "score": 1.0, "relevance": 0.5}
    stand.schema(reply({**SCHEMA, "generation": "shop_g2", "schema": {"attributes": {"sold": {"type": "time"}}}}))
    stand.answers(reply({**EMPTY, "hits": [hit], "generation": "shop_g2"}))
    assert client.search("mug")[0].attributes["sold"].year == 2026
    assert client.search("mug")[0].attributes["sold"].year == 2026
    assert [asked.path for asked in stand.asked] == ["/search", "/schema", "/search"]


def test_a_query_that_is_too_large_is_refused_by_the_service(stand):
    stand.schema(limited(max_body_bytes=1000))
    with SearchClient(stand.address) as client:
        stand.answers(problem("too_large", 413, "The request is larger than 1,000 bytes; send smaller pictures."))
        with pytest.raises(InvalidQuery, match="send smaller pictures"):
            client.search(image=bytes(5000))
