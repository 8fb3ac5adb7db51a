"""Embeddings of queries: the embedder's own, from any thread, remembered."""

import io
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from fourtower_encoders.embedder import Embedder
from fourtower_encoders.errors import ImageUnavailable
from fourtower_search.encoding.encoder import QueryEncoder
from fourtower_search.errors import InvalidQuery


@pytest.fixture(scope="module")
def embedder():
    with Embedder.load("demo", runtime="onnx") as loaded:
        yield loaded


@pytest.fixture
def encoder(embedder):
    return QueryEncoder(embedder)


def picture(colour):
    file = io.BytesIO()
    Image.new("RGB", (40, 30), colour).save(file, "PNG")
    return file.getvalue()


def test_texts_are_those_of_the_query_tower(encoder, embedder):
    expected = embedder.embed_texts(["red bag", "blue shoe"], role="query_text")
    assert np.allclose(encoder.texts(["red bag", "blue shoe"]), expected, atol=1e-6)


def test_a_picture_comes_in_any_form(encoder, embedder, tmp_path):
    data = picture("red")
    (tmp_path / "red.png").write_bytes(data)
    forms = [data, tmp_path / "red.png", str(tmp_path / "red.png"), Image.open(io.BytesIO(data))]
    expected = embedder.embed_images([data], role="query_image")[0]
    for found in encoder.images(forms):
        assert np.allclose(found, expected, atol=1e-6)


def test_what_comes_again_is_not_embedded_again(encoder, tmp_path):
    data = picture("green")
    (tmp_path / "green.png").write_bytes(data)
    first = [*encoder.images([data]), *encoder.texts(["hat"])]
    again = [*encoder.images([tmp_path / "green.png"]), *encoder.texts(["hat"])]
    assert encoder.cache_stats()[:3] == (2, 2, 2)
    assert np.array_equal(first, again)


def test_many_threads_get_what_one_would(encoder, embedder):
    words = [f"{colour} {thing}" for colour in ("red", "blue", "pink") for thing in ("bag", "hat", "lamp", "shoe")]
    expected = dict(zip(words, embedder.embed_texts(words, role="query_text"), strict=True))
    with ThreadPoolExecutor(8) as pool:
        for word, found in zip(words * 4, pool.map(lambda w: encoder.texts([w])[0], words * 4), strict=True):
            assert np.allclose(found, expected[word], atol=1e-5)


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        (b"no picture", "Picture 2 of the query: "),
        ("https://shop.example/a.jpg", "fetching is off"),
        ("missing.jpg", "'missing.jpg' can't be read: No such file or directory"),
        (17, "A picture is a path, a URL, bytes or a Pillow image, not int."),
    ],
)
def test_a_bad_picture_is_a_fault_of_the_query(encoder, source, sentence):
    with pytest.raises(InvalidQuery, match=sentence):
        encoder.images([picture("red"), source])


def test_a_picture_that_is_away_for_now_may_be_tried_again(embedder):
    class Away:
        def fetch(self, url):
            raise ImageUnavailable(f"{url} did not answer.")

    with pytest.raises(ImageUnavailable, match=r"Picture 1 of the query: https://shop\.example/a\.jpg did not answer"):
        QueryEncoder(embedder, fetcher=Away()).images(["https://shop.example/a.jpg"])
