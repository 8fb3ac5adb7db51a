"""What is found, and that it is exactly what writing the product again mends."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.ingest.strategies import deletes, events, upserts
from tests.workers.reconciling.shelves import MODEL, rows_of
from tests.workers.shop import delete, patch, upsert

from fourtower_encoders.joint import QueryParams
from fourtower_ingest.folding import State, apply_all
from fourtower_search.index.convergence import Stored
from fourtower_search.index.memory import MemoryRows
from fourtower_search.index.product_index import ProductIndex
from fourtower_search.index.rows import Order, ProductWrite
from fourtower_search.schema import CatalogSchema
from fourtower_workers.reconciling.findings import KINDS, MENDING, Finding, Folded, classify, is_ahead, persists

PICTURES = [{"url": "a.jpg"}, {"url": "b.jpg"}]
LIVE = upsert(5, title="mug", images=PICTURES)
OLD = upsert(3, title="old mug", images=PICTURES)


def stored(*rows):
    return Stored.of(rows)


def found(event, *rows, whole_log=True, waiting=()):
    folded = None if event is None else Folded(State(event, waiting))
    finding = classify("p1", folded, stored(*rows), model_id=MODEL, whole_log=whole_log)
    return finding.kind if finding else None


@pytest.mark.parametrize(
    ("kind", "event", "rows"),
    [
        ("missing", LIVE, []),
        ("missing", LIVE, rows_of(delete(4))),
        ("behind", LIVE, rows_of(OLD)),
        ("behind", delete(5), rows_of(delete(4))),
        ("several_versions", LIVE, rows_of(LIVE) + rows_of(OLD)),
        ("several_versions", LIVE, rows_of(LIVE) + rows_of(OLD)[1:]),
        ("incomplete", LIVE, rows_of(LIVE)[:1]),
        ("incomplete", LIVE, rows_of(LIVE)[:1] + rows_of(OLD)),
        ("incomplete", LIVE, rows_of(OLD)[:1]),
        ("incomplete", LIVE, rows_of(LIVE) + rows_of(upsert(6, images=PICTURES))[:1]),
        ("wrongly_live", delete(5), rows_of(OLD)),
        ("wrongly_live", delete(5), rows_of(OLD)[:1]),
        ("wrongly_live", delete(5), rows_of(delete(5)) + rows_of(OLD)[:1]),
        ("image_missing", LIVE, rows_of(LIVE, missing=[1])),
        ("wrong_model", LIVE, rows_of(LIVE, model_id="m0")),
        ("wrong_model", LIVE, rows_of(LIVE, model_id="m0")[:1] + rows_of(LIVE)[1:]),
        ("wrong_model", LIVE, rows_of(LIVE, missing=[1], model_id="m0")),
        ("extra", None, rows_of(OLD)),
        ("extra", None, rows_of(OLD)[:1]),
        (None, None, rows_of(delete(5))),
        (None, LIVE, rows_of(LIVE)),
        (None, LIVE, rows_of(upsert(6, title="newer"))),
        (None, LIVE, rows_of(delete(6))),
        (None, delete(5), []),
        (None, delete(5), rows_of(delete(5))),
        (None, delete(5), rows_of(upsert(6, title="newer"))),
    ],
)
def test_each_class_has_its_signs(kind, event, rows):
    assert found(event, *rows) == kind


def test_every_class_can_be_found():
    marks = test_each_class_has_its_signs.pytestmark[0].args[1]
    assert {kind for kind, *_ in marks} - {None} == set(KINDS)


def test_what_is_on_its_way_is_not_judged():
    assert classify("p1", Folded(State(LIVE), settled=False), stored(), model_id=MODEL, whole_log=True) is None


def test_a_product_of_which_all_records_were_refused_is_not_extra():
    assert classify("p1", Folded(), stored(*rows_of(OLD)), model_id=MODEL, whole_log=True) is None


def test_a_log_without_its_beginning_does_not_know_what_is_extra_or_equal():
    assert found(None, *rows_of(OLD), whole_log=False) is None
    others = [upsert(5, title=f"mug {number}") for number in range(10)]
    lower = next(each for each in others if each.order < LIVE.order)
    assert found(LIVE, *rows_of(lower)) == "behind"
    assert found(LIVE, *rows_of(lower), whole_log=False) is None


def test_changes_alone_tell_what_is_behind_and_what_the_log_cannot_mend():
    folded = Folded(State(None, (patch(4, title="a"), patch(5, title="b"))))

    def kind(*rows, whole_log=False):
        finding = classify("p1", folded, stored(*rows), model_id=MODEL, whole_log=whole_log)
        return finding.kind if finding else None

    assert kind(*rows_of(OLD)) == "behind"
    assert kind(*rows_of(LIVE)) is None
    assert kind() == "missing"
    assert kind(whole_log=True) is None
    assert kind(*rows_of(delete(3))) is None


def test_a_second_look_takes_rows_of_two_versions_for_a_write_under_way_unless_they_are_the_same():
    first = Finding("p1", "several_versions", "", frozenset({"a", "b"}))
    assert persists(first, Finding("p1", "several_versions", "", frozenset({"b"})))
    assert not persists(first, Finding("p1", "several_versions", "", frozenset({"c"})))
    assert persists(first, Finding("p1", "behind", ""))


def test_an_index_ahead_of_the_log_is_counted():
    assert is_ahead(Folded(State(LIVE)), stored(*rows_of(upsert(6))))
    assert not is_ahead(Folded(State(LIVE)), stored(*rows_of(LIVE)))
    assert not is_ahead(None, stored(*rows_of(LIVE)))


whole_events = upserts | deletes


@given(st.lists(whole_events, min_size=1, max_size=6), st.data())
def test_what_is_found_is_mended_by_the_folded_event_and_what_is_not_found_needs_nothing(series, data):
    folded = Folded(apply_all(State(), series))
    rows = [row for event in series for row in rows_of(event, model_id=data.draw(st.sampled_from([MODEL, "m0"])))]
    left = {row.key: row for row in data.draw(st.lists(st.sampled_from(rows), max_size=12))}
    with ProductIndex(MemoryRows(CatalogSchema(), 4), params=QueryParams(), model_id=MODEL) as index:
        index.store.upsert(list(left.values()), timeout_s=5)
        look = lambda: classify("p1", folded, index.read(["p1"])["p1"], model_id=MODEL, whole_log=True)  # noqa: E731
        finding = look()
        if finding is None:
            assert right(folded.state.full, index.read(["p1"])["p1"])
            return
        event = folded.state.full
        write = ProductWrite("p1", Order(*event.order), tuple(rows_of(event)), repair=finding.kind in MENDING)
        assert index.apply([write])[0].status == "applied"
        assert look() is None


def right(event, held):
    """Worked out apart from the code: nothing else is there, and it is of this model."""
    if event.deleted and not held.rows:
        return True
    wanted = {row.key: (row.image_hash, row.text_hash) for row in rows_of(event)}
    if event.deleted:
        return {row.key for row in held.rows} == set(wanted)
    return {row.key: (row.image_hash, row.text_hash) for row in held.rows} == wanted


@given(st.lists(events, max_size=8))
def test_what_the_ingester_leaves_behind_is_never_found(series):
    state = apply_all(State(), series)
    rows = rows_of(state.full) if state.full is not None else []
    assert classify("p1", Folded(state), stored(*rows), model_id=MODEL, whole_log=True) is None
