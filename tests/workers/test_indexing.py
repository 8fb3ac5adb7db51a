"""Events end up as rows: what is written, and what becomes of every event."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.workers.shop import SCHEMA, delete, patch, upsert

from fourtower_search.errors import IndexMismatch, IndexUnavailable
from fourtower_search.index.memory import MemoryRows
from fourtower_search.index.product_index import ProductIndex
from fourtower_workers.outcomes import EventOutcome

MUG = {"title": "red mug", "description": "For tea.", "images": [{"url": "a.png"}, {"url": "b.png"}]}


def test_a_product_becomes_one_row_per_view(shop):
    event = upsert(7, **MUG, group_id="mugs", attributes={"price": 5, "sizes": ["s", "m"], "colour": "red"})
    assert shop.send(event) == [EventOutcome("p1", 7, "applied")]
    rows = shop.rows()
    assert [(row.view, row.row_count, row.order) for row in rows] == [(0, 2, event.order), (1, 2, event.order)]
    for row, name in zip(rows, ("a.png", "b.png"), strict=True):
        image, text = np.split(row.vector, 2)
        assert np.allclose(image, shop.picture(name), atol=1e-6)
        assert np.allclose(text, shop.text("red mug. For tea."), atol=1e-6)
        assert (row.imputed, row.image_missing) == ("", False)
        assert (row.title, row.group_id, row.source) == ("red mug", "mugs", "shop.jsonl")
        assert row.attributes == {"price": 5.0, "sizes": ("s", "m")}
        assert row.payload["description"] == "For tea."
        assert row.payload["images"] == [{"url": "a.png"}, {"url": "b.png"}]
        assert row.payload["attributes"] == {"colour": "red"}


def test_a_batch_is_encoded_in_two_calls_and_nothing_twice(shop):
    events = [upsert(1, f"p{number}", **MUG) for number in range(5)]
    assert shop.statuses(shop.send(*events)) == ["applied"] * 5
    assert (shop.embedder.texts, shop.embedder.images) == (["red mug. For tea."], ["a.png", "b.png"])
    assert shop.embedder.calls == 2
    assert shop.index.count() == 5


def test_an_empty_batch_has_no_outcomes(shop):
    assert shop.send() == []
    assert shop.embedder.calls == 0


def test_a_delete_removes_the_product_and_stays_remembered(shop):
    shop.send(upsert(1, **MUG))
    assert shop.statuses(shop.send(delete(2))) == ["applied"]
    assert shop.index.get(["p1"]) == {}
    assert shop.statuses(shop.send(upsert(1, **MUG), delete(2))) == ["superseded", "applied"]
    assert shop.statuses(shop.send(upsert(1, **MUG))) == ["stale"]
    assert shop.embedder.calls == 0, "what is stale is not encoded"
    assert shop.statuses(shop.send(upsert(3, title="again"))) == ["applied"]


def test_the_highest_event_of_a_batch_decides(shop):
    titles = {1: "one", 2: "two", 3: "three"}
    events = [upsert(version, title=titles[version]) for version in (2, 3, 1, 3)]
    outcomes = shop.send(*events, upsert(1, "p2", title="other"))
    assert shop.statuses(outcomes) == ["superseded", "applied", "superseded", "applied", "applied"]
    assert shop.rows()[0].title == "three"
    assert shop.embedder.texts == ["three", "other"]


def test_an_event_delivered_again_costs_nothing(shop):
    shop.send(upsert(1, **MUG))
    assert shop.send(upsert(1, **MUG)) == [EventOutcome("p1", 1, "applied")]
    assert shop.embedder.calls == 0


def test_bad_attributes_fail_alone(shop):
    events = [
        upsert(1, "p1", title="a", attributes={"price": "cheap"}),
        upsert(1, "p2", title="b", attributes={"brand": "x" * 21}),
        upsert(1, "p3", title="c", attributes={"released": "yesterday"}),
        upsert(1, "p4", title="d", attributes={"sizes": ["s"] * 5}),
        upsert(1, "p5", title="e", attributes={"stock": True}),
        upsert(1, "p6", title="f", attributes={"stock": 3, "released": "2026-05-01T12:00:00Z"}),
    ]
    outcomes = shop.send(*events)
    assert shop.statuses(outcomes) == ["failed"] * 5 + ["applied"]
    assert {(outcome.code, outcome.retryable) for outcome in outcomes[:5]} == {("invalid_product", False)}
    assert outcomes[0].message == "Product p1: price must be float, not 'cheap'."
    assert shop.index.count() == 1
    assert shop.embedder.texts == ["f"]


def test_what_an_engine_can_not_store_fails_alone(shop):
    """The payload's size is known only where a row is laid into columns."""
    big = {f"note{number}": "x" * 16_000 for number in range(4)}
    outcomes = shop.send(upsert(1, "p1", title="a", attributes=big), upsert(1, "p2", title="b"))
    assert [(outcome.status, outcome.code, outcome.retryable) for outcome in outcomes] == [
        ("failed", "invalid_product", False),
        ("applied", "", False),
    ]
    assert "60,000 are allowed" in outcomes[0].message


def test_events_that_gave_way_to_a_failing_one_can_be_tried_again(shop):
    outcomes = shop.send(upsert(1, title="good"), upsert(2, title="bad", attributes={"price": "cheap"}))
    assert [(outcome.version, outcome.code, outcome.retryable) for outcome in outcomes] == [
        (1, "superseded_by_failed", True),
        (2, "invalid_product", False),
    ]
    assert shop.statuses(shop.send(upsert(1, title="good"))) == ["applied"]


def test_a_product_without_anything_to_embed_fails(shop):
    (outcome,) = shop.send(upsert(1, title=" ", attributes={"price": 1}))
    assert (outcome.code, outcome.retryable) == ("nothing_to_embed", False)
    assert outcome.message == ("Product p1 has nothing to be found by: It has no title, no description and no picture.")


def test_preparing_and_writing_can_be_pipelined(shop):
    first = shop.indexer.submit(shop.indexer.prepare([upsert(1, **MUG)]))
    second = shop.indexer.submit(shop.indexer.prepare([upsert(2, **MUG), upsert(1, "p2", title="b")]))
    assert shop.statuses(second.written.result(10)) == ["applied", "applied"]
    assert shop.statuses(second.verified.result(10)) == ["applied", "applied"]
    assert first.verified.result(10)[0].status in ("applied", "stale")
    assert shop.rows()[0].order.version == 2


def test_a_closed_index_is_no_outcome_of_an_event(shop):
    prepared = shop.indexer.prepare([upsert(1, **MUG)])
    shop.index.close()
    with pytest.raises(IndexUnavailable, match="closed"):
        shop.indexer.submit(prepared)


def test_another_model_is_refused(shop):
    rows = MemoryRows(SCHEMA, 2 * shop.embedder.dim)
    with ProductIndex(rows, params=shop.embedder.params, model_id="other") as index:
        shop.index, good = index, shop.index
        with pytest.raises(IndexMismatch, match=r"^The index was built with model other \(256 numbers per row\), this"):
            shop.open()
        shop.index = good


events = st.lists(
    st.builds(upsert, st.integers(0, 3), st.sampled_from(["p1", "p2"]), title=st.sampled_from(["a", "b", ""]))
    | st.builds(delete, st.integers(0, 3), st.sampled_from(["p1", "p2"]))
    | st.builds(patch, st.integers(0, 3), st.sampled_from(["p1", "p2"]), title=st.sampled_from(["c", ""])),
    max_size=6,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(events, max_size=3))
def test_every_event_has_exactly_one_outcome(shop, batches):
    for batch in batches:
        outcomes = shop.send(*batch)
        assert [(outcome.product_id, outcome.version) for outcome in outcomes] == [
            (event.product_id, event.version) for event in batch
        ]
        for outcome in outcomes:
            assert (outcome.status == "failed") == bool(outcome.code) == bool(outcome.message)
