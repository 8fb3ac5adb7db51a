"""Parts of a query refuse what could not be searched with, and bring the rest into one form."""

import io
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as Pillow

from fourtower_search.errors import InvalidQuery
from fourtower_search.query.parts import Image, Product, Text, Vector


def test_weights_are_signed_and_default_to_one():
    assert Text("red leather").weight == 1.0
    assert Product("sku-1", -2).weight == -2.0
    assert Vector([1, 0], np.float32(0.5)).weight == 0.5


@pytest.mark.parametrize("weight", [0, 0.0, math.nan, math.inf, -math.inf, 1e-9, 1e9, True, "1", None])
def test_useless_weights_are_refused_with_the_range(weight):
    with pytest.raises(InvalidQuery, match="must be a number from 1e-06 to 1e\\+06"):
        Text("red", weight)


@pytest.mark.parametrize("text", ["", "  \n", None, 5, "a" * 1001, "half \ud800", "zero \x00"])
def test_text_is_bounded_clean_and_not_empty(text):
    with pytest.raises(InvalidQuery):
        Text(text)


def test_a_text_may_have_a_thousand_characters_of_any_script():
    assert len(Text("红" * 1000).text) == 1000


def test_pictures_come_in_four_kinds():
    picture = Pillow.new("RGB", (2, 2))
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    for source in (buffer.getvalue(), Path("a.png"), "https://shop.example/a.png", picture):
        assert Image(source, 0.4).source is source
    assert str(Image("https://shop.example/a.png")) == "image 'https://shop.example/a.png'"
    assert str(Image("data:image/png;base64,AAAA")) == "image"


@pytest.mark.parametrize("source", [b"", "", None, 3, bytearray(b"x")])
def test_other_pictures_are_refused(source):
    with pytest.raises(InvalidQuery, match="image part"):
        Image(source)


@pytest.mark.parametrize("product_id", ["", None, 7, "é" * 129, "\x00", "\udfff"])
def test_product_ids_are_those_that_an_index_can_hold(product_id):
    with pytest.raises(InvalidQuery):
        Product(product_id)


@given(values=st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=8))
def test_vectors_get_unit_length_whatever_their_size(values):
    if not any(values):
        with pytest.raises(InvalidQuery):
            Vector(values)
        return
    unit = Vector(values).values
    assert unit.dtype == np.float32
    assert np.linalg.norm(unit) == pytest.approx(1, abs=1e-5)
    largest = int(np.argmax(np.abs(values)))
    assert np.sign(unit[largest]) == np.sign(values[largest])


@pytest.mark.parametrize(
    "values",
    [None, 3, "12", [], [[1.0, 0.0]], [0, 0], [math.nan, 1], [math.inf], [None], ["a"], [[1], [1, 2]], [1.0] * 16_385],
)
def test_other_vectors_are_refused(values):
    with pytest.raises(InvalidQuery, match="vector part"):
        Vector(values)


def test_a_vector_part_is_a_copy_that_nobody_can_change():
    values = np.array([3.0, 4.0])
    part = Vector(values, modality="text")
    values[0] = 100.0
    np.testing.assert_allclose(part.values, [0.6, 0.8])
    with pytest.raises(ValueError, match="read-only"):
        part.values[0] = 1.0
    with pytest.raises(InvalidQuery, match="modality"):
        Vector([1.0], modality="sound")
