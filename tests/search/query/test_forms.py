"""The JSON form of parts: complete, strict, and no way to a file of the server."""

import numpy as np
import pytest

from fourtower_search.errors import InvalidQuery
from fourtower_search.query.forms import as_part
from fourtower_search.query.parts import Image, Product, Text, Vector


def test_every_kind_of_part_has_a_json_form():
    assert as_part({"text": "red leather", "weight": 0.6}) == Text("red leather", 0.6)
    assert as_part({"product": "sku-1", "weight": -1}) == Product("sku-1", -1)
    image = as_part({"image": "https://shop.example/a.jpg"})
    assert isinstance(image, Image)
    assert image.source == "https://shop.example/a.jpg"
    vector = as_part({"vector": [3, 4], "modality": "text"})
    assert isinstance(vector, Vector)
    assert vector.modality == "text"
    np.testing.assert_allclose(vector.values, [0.6, 0.8])


def test_a_part_is_left_as_it_is():
    part = Text("red")
    assert as_part(part) is part


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "photo.jpg", "file:///etc/passwd", "ftp://a/b", "data:text/html,x", ""]
)
def test_a_picture_named_over_the_network_is_no_path(path):
    with pytest.raises(InvalidQuery, match="URL"):
        as_part({"image": path})


@pytest.mark.parametrize(
    "form",
    [
        None,
        "red",
        [],
        {},
        {"weight": 1},
        {"text": "red", "image": "https://a/b"},
        {"text": "red", "colour": 1},
        {"text": 5},
        {"text": "red", "weight": "1"},
        {"text": "red", "weight": float("nan")},
        {"text": "red", "weight": True},
        {"vector": [1, "2"]},
        {"vector": [float("inf")]},
        {"vector": [1.0], "modality": "sound"},
        {"vector": [0.0]},
    ],
)
def test_anything_else_is_refused(form):
    with pytest.raises(InvalidQuery):
        as_part(form)
