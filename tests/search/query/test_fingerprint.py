"""A fingerprint tells apart whatever ranks differently, and nothing else."""

import numpy as np
import pytest
from PIL import Image as Pillow

from fourtower_search.filters import F
from fourtower_search.query.fingerprint import fingerprint
from fourtower_search.query.parts import Image, Product, Text, Vector
from fourtower_search.query.request import SearchRequest


def of(*parts, **fields):
    return fingerprint(SearchRequest.parse({"parts": list(parts or [Text("red")]), **fields}))


def test_equal_requests_have_equal_fingerprints():
    picture = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    for part in (lambda: Text("red"), lambda: Vector([1, 2]), lambda: Image(Pillow.fromarray(picture.copy()))):
        assert of(part()) == of(part())
    assert of(where="price < 5") == of(where={"field": "price", "lt": 5}) == of(where=F.price < 5)


def test_a_page_an_explanation_and_counts_don_t_change_the_ranking():
    assert of() == of(limit=20) == of(cursor="abc") == of(explain=True) == of(facets=["brand"])


@pytest.mark.parametrize(
    "other",
    [
        {"parts": [Text("blue")]},
        {"parts": [Text("red", 0.5)]},
        {"parts": [Product("red")]},
        {"parts": [Text("red"), Text("blue")]},
        {"parts": [Image(b"red")]},
        {"parts": [Vector([1.0, 2.0])]},
        {"where": {"field": "brand", "exists": True}},
        {"where": {"field": "price", "lt": 5}},
        {"boosts": [{"kind": "match", "where": {"field": "price", "lt": 5}}]},
        {"mode": "vector"},
        {"depth": 50},
        {"collapse": "group"},
        {"diversity": 0.1},
        {"boosts": [{"kind": "flag", "attribute": "in_stock"}]},
        {"sort": {"attribute": "price"}},
        {"weights": {"ii": 2}},
        {"image_amount": 0.5},
        {"freshness": "verified"},
    ],
)
def test_anything_else_does(other):
    assert of(*other.pop("parts", []), **other) != of()


def test_parts_don_t_run_into_one_another():
    assert of(Text("ab"), Text("c")) != of(Text("a"), Text("bc"))
    assert of(Vector([1, 2], modality="image")) != of(Vector([1, 2], modality="text"))
    assert of(Image(Pillow.new("RGB", (2, 3)))) != of(Image(Pillow.new("RGB", (3, 2))))
