"""Folding events gives the same end as applying them one by one; the rules are written down once more here."""

from itertools import permutations

from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.ingest.strategies import changes, deletes, event, events, products, upserts

from fourtower_ingest.events import Delete, Patch, Product, ProductChange, Upsert
from fourtower_ingest.folding import State, apply, apply_all, apply_patch, fold, fold_all, patched

# The rules once more, on plain dictionaries: a state is (order, document or None, waiting patches).


def document_of(upsert):
    return upsert.product.model_dump()


def change_document(document, patch):
    raw = {name: value for name, value in patch.product.model_dump().items() if name in patch.product.model_fields_set}
    merged = document | {name: value for name, value in raw.items() if name != "attributes"}
    attributes = dict(document["attributes"])
    for name, value in raw.get("attributes", {}).items():
        attributes.pop(name, None)
        if value is not None:
            attributes[name] = value
    return merged | {"attributes": attributes}


def order_of(version, document):
    whole = event(Upsert, version, {**document, "images": list(document["images"])})
    return (version, False, whole.digest)


def one_by_one(state, log):
    order, document, waiting = state
    for item in log:
        if isinstance(item, Patch):
            if all(item.version > version for version in [*(order or ())[:1], *(patch.version for patch in waiting)]):
                waiting = [*waiting, item]
        elif order is None or (item.version, item.deleted, item.digest) > order:
            order = (item.version, item.deleted, item.digest)
            document = None if item.deleted else document_of(item)
            waiting = [patch for patch in waiting if patch.version > item.version]
        if document is not None:
            for patch in waiting:
                document = change_document(document, patch)
                order = order_of(patch.version, document)
            waiting = []
    return order, document, waiting


START = (None, None, [])


def plain(state):
    """A state of ours in the form above."""
    full = state.full
    document = document_of(full) if isinstance(full, Upsert) else None
    return (None if full is None else tuple(full.order), document, list(state.waiting))


def futures(state):
    """What a state may still turn into: patches that wait show in what a base makes of them."""
    bases = [event(Upsert, version, {"title": "base", "attributes": {"stock": 9}}) for version in range(8)]
    return [one_by_one(state, [])[:2], *(one_by_one(state, [base])[:2] for base in bases)]


logs = st.lists(events, max_size=7)


@given(logs)
def test_applying_follows_the_rules(log):
    assert plain(apply_all(State(), log)) == one_by_one(START, log)


@settings(max_examples=300)
@given(before=st.none() | upserts | deletes, log=logs)
@example(before=event(Upsert, 4), log=[event(Upsert, 3), event(Patch, 5, {"title": "t"})])
@example(before=event(Delete, 2), log=[event(Patch, 5, {"title": "t"}), event(Upsert, 1), event(Upsert, 3)])
def test_a_folded_series_leaves_any_product_as_its_events_do(before, log):
    start = one_by_one(START, [] if before is None else [before])
    assert futures(one_by_one(start, fold_all(log))) == futures(one_by_one(start, log))


@given(before=st.none() | upserts | deletes, first=logs, second=logs)
def test_folding_may_stop_and_go_on(before, first, second):
    assert fold_all([*fold_all(first), *second]) == fold_all([*first, *second])
    folded = fold_all([*first, *second])
    assert fold_all(folded) == folded


@given(st.lists(upserts | deletes, min_size=1, max_size=4))
def test_upserts_and_deletes_converge_in_any_order(log):
    highest = max(log, key=lambda item: item.order)
    for shuffled in permutations(log):
        assert apply_all(State(), shuffled) == State(highest)
        assert fold_all([*shuffled, *shuffled]) == (highest,)


@given(st.lists(upserts | deletes, max_size=4), st.lists(upserts | deletes, max_size=4))
def test_folding_whole_events_is_associative(first, second):
    assert fold_all([*first, *fold_all(second)]) == fold_all([*fold_all(first), *second]) == fold_all(first + second)


@given(logs)
def test_a_folded_series_is_never_longer_and_keeps_its_events(log):
    series = fold_all(log)
    assert len(series) <= len(log)
    assert all(any(kept is item for item in log) for kept in series), "events are left out, never invented"
    assert bool(series) == bool(log)


@given(logs, events)
def test_a_stale_event_changes_nothing_at_all(log, newer):
    state = apply_all(State(), log)
    after = apply(state, newer)
    assert (after is state) == (plain(after) == plain(state))


def test_a_newer_product_replaces_everything_before_it():
    log = [event(Upsert, 1), event(Patch, 2, {"title": "t"}), event(Delete, 3)]
    newest = event(Upsert, 4, {"title": "new"})
    assert fold_all([*log, newest]) == (newest,)
    assert fold_all([newest, *log]) == (newest,)


def test_a_stream_of_price_patches_stays_short():
    series = (event(Upsert, 0, {"title": "mug"}),)
    for version in range(1, 200):
        series = fold(series, event(Patch, version, {"attributes": {"price": version}}))
    assert [item.version for item in series] == [0, 199]


def test_patches_of_different_fields_are_both_kept():
    first, second = event(Patch, 1, {"title": "t"}), event(Patch, 2, {"attributes": {"price": 1}})
    assert fold((first,), second) == (first, second)
    other = event(Patch, 3, {"attributes": {"stock": 1}})
    assert fold((second,), other) == (second, other)


def test_a_patch_of_a_deleted_product_waits_for_the_next_one():
    patch = event(Patch, 5, {"title": "t"})
    state = apply_all(State(), [event(Delete, 3), patch])
    assert state == State(event(Delete, 3), (patch,))
    assert apply(state, event(Upsert, 2)) is state
    assert apply(state, event(Upsert, 4)).full == event(Upsert, 5, {"title": "t"})
    assert apply(state, event(Upsert, 6, {"title": "u"})) == State(event(Upsert, 6, {"title": "u"}))


def test_an_upsert_and_a_patch_of_one_version_both_stay():
    """The patched product may have the higher digest, so neither makes the other superfluous."""
    patch, upsert = event(Patch, 5, {"title": "t"}), event(Upsert, 5)
    assert fold((patch,), upsert) == (patch, upsert)
    assert fold((patch,), event(Delete, 5)) == (event(Delete, 5),)


@given(products, changes)
def test_a_patch_changes_what_it_names_and_nothing_else(product, change):
    base, patch = event(Upsert, 1, product), event(Patch, 2, change)
    result = patched(base, patch)
    assert result.version == 2
    assert result.product.model_dump() == change_document(document_of(base), patch)
    # Built or parsed, the same content has the same digest.
    dumped = result.product.model_dump()
    assert result.digest == event(Upsert, 9, dumped | {"images": list(dumped["images"])}).digest


def test_null_removes():
    base = Product.model_validate({"title": "t", "images": [{"url": "a"}], "attributes": {"a": 1, "b": 2}})
    change = ProductChange.model_validate({"title": None, "images": None, "attributes": {"a": None, "c": "x"}})
    assert apply_patch(base, change) == Product.model_validate({"attributes": {"b": 2, "c": "x"}})


def test_an_empty_patch_only_raises_the_version():
    base, empty = event(Upsert, 1, {"title": "t"}), event(Patch, 9, {})
    assert patched(base, empty) == event(Upsert, 9, {"title": "t"})
