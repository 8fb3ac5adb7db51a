"""Rows, hits and candidates for the tests of ranking."""

import numpy as np
from hypothesis import strategies as st

from fourtower_search.index.rows import Order, Row
from fourtower_search.index.store import Hit
from fourtower_search.ranking.candidates import Candidate
from fourtower_search.schema import CatalogSchema

D = 4
SCHEMA = CatalogSchema.model_validate(
    {
        "attributes": {
            "price": {"type": "float", "sortable": True, "boostable": True},
            "sold": {"type": "int", "sortable": True, "boostable": True},
            "added": {"type": "time", "sortable": True, "boostable": True},
            "in_stock": {"type": "bool", "sortable": True, "boostable": True},
            "brand": {"type": "string", "sortable": True},
            "tags": {"type": "strings"},
        }
    }
)


def vector(seed):
    halves = np.random.default_rng(seed).normal(size=(2, D))
    return (halves / np.linalg.norm(halves, axis=1, keepdims=True)).reshape(-1).astype(np.float32)


def row(product_id, *, view=0, version=1, deleted=False, seed=0, group_id="", imputed="", **attributes):
    order = Order(version, deleted, f"d{version}")
    return Row(
        product_id, order, view, 1, imputed=imputed, vector=vector(seed), attributes=attributes, group_id=group_id
    )


def hit(product_id, score=0.0, **fields):
    return Hit.of(row(product_id, **fields), score)


def candidate(product_id, score=0.5, *, relevance=None, **fields):
    return Candidate(hit(product_id, **fields), relevance=score if relevance is None else relevance, score=score)


def ids(candidates):
    return [each.product_id for each in candidates]


scores = st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.5, 0.75, 0.9, 1.0]) | st.floats(0, 1)
attributes = st.fixed_dictionaries(
    {},
    optional={
        "price": st.sampled_from([0.0, 5.0, 9.99, 10.0, 20.0]) | st.floats(-1e6, 1e6),
        "sold": st.integers(0, 1000),
        "added": st.integers(1_700_000_000_000, 1_800_000_000_000),
        "in_stock": st.booleans(),
        "brand": st.sampled_from(["finch", "Finch", "wren", "robin"]),
        "tags": st.lists(st.sampled_from("abc"), min_size=1, max_size=3).map(tuple),
    },
)


@st.composite
def candidate_lists(draw, *, max_size=12, groups=("", "", "g1", "g2")):
    """Products with scores, attributes, groups and vectors, in no order."""
    count = draw(st.integers(0, max_size))
    names = draw(st.permutations([f"p{n:02}" for n in range(count)]))
    return [
        candidate(
            name,
            draw(scores),
            relevance=draw(scores),
            seed=draw(st.integers(0, 20)),
            group_id=draw(st.sampled_from(groups)),
            **draw(attributes),
        )
        for name in names
    ]
