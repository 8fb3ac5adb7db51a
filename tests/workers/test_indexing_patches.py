"""Patches are put onto the product that the index holds, which is exactly the one that was sent."""

import json

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.workers.shop import SCHEMA, delete, patch, upsert

from fourtower_ingest.events import Product, Upsert
from fourtower_ingest.folding import State, apply_all
from fourtower_search.index.columns import row_from, to_columns
from fourtower_search.index.conditions import Some
from fourtower_search.index.memory import MemoryRows
from fourtower_search.index.product_index import ProductIndex
from fourtower_search.index.rows import Order, Row
from fourtower_workers.documents import document_of, product_of

FULL = {
    "title": "mug",
    "description": "For tea.",
    "images": [{"url": "a.png", "etag": "1"}],
    "group_id": "g",
    "attributes": {"price": 5, "released": "2026-05-01T14:00:00+02:00", "brand": "", "colour": "red", "tags": ["a"]},
}


def test_a_patch_of_a_stored_product_ends_as_if_folded_in_the_log(shop):
    base, change = upsert(1, **FULL), patch(2, attributes={"price": 4, "colour": None}, description=None)
    shop.send(base)
    assert shop.statuses(shop.send(change)) == ["applied"]
    assert shop.embedder.texts == ["mug"]
    assert shop.embedder.images == []
    (row,) = shop.rows()
    folded = apply_all(State(), [base, change]).full
    assert row.order == folded.order, "the same digest, though the base came from columns"
    assert product_of(row) == folded.product
    assert shop.statuses(shop.send(change)) == ["stale"]


def test_patches_and_their_base_in_one_batch(shop):
    events = [upsert(1, title="mug"), patch(2, title="cup"), patch(3, attributes={"price": 3}), patch(2, title="x")]
    assert shop.statuses(shop.send(*events)) == ["superseded", "superseded", "applied", "superseded"]
    (row,) = shop.rows()
    assert (row.title, row.attributes, row.order.version) == ("cup", {"price": 3.0}, 3)
    assert shop.embedder.texts == ["cup"]


def test_a_patch_without_a_product_waits_with_its_sender(shop):
    (outcome,) = shop.send(patch(2, title="cup"))
    assert (outcome.status, outcome.code, outcome.retryable) == ("failed", "no_base", True)
    assert outcome.message == (
        "Product p1 is not stored, so version 2 has nothing to change; send the whole product first."
    )
    assert shop.statuses(shop.send(patch(2, title="cup"), upsert(1, title="mug"))) == ["applied", "superseded"]
    assert shop.rows()[0].title == "cup"
    shop.send(delete(5))
    assert [outcome.code for outcome in shop.send(patch(6, title="cup"))] == ["no_base"]
    assert shop.statuses(shop.send(patch(4, title="cup"))) == ["stale"]


def test_an_upsert_that_failed_takes_its_patch_along(shop):
    outcomes = shop.send(upsert(1, title="mug", attributes={"price": "x"}), patch(2, title="cup"))
    assert [(outcome.code, outcome.retryable) for outcome in outcomes] == [
        ("superseded_by_failed", True),
        ("invalid_product", False),
    ]


class LaggingRows(MemoryRows):
    """A store whose bounded reads have not seen anything yet."""

    def states(self, product_ids, *, consistency, timeout_s):
        return super().states(product_ids if consistency == "strong" else (), consistency="strong", timeout_s=timeout_s)

    def rows(self, where, *, consistency="bounded", **how):
        return super().rows(where if consistency == "strong" else Some(()), consistency="strong", **how)


def test_a_patch_sees_the_last_write_where_bounded_reads_lag(shop):
    rows = LaggingRows(SCHEMA, shop.index.dim)
    with ProductIndex(rows, params=shop.embedder.params, model_id=shop.embedder.model_id) as shop.index:
        shop.indexer = shop.open()
        shop.send(upsert(1, title="mug"))
        assert shop.statuses(shop.send(patch(2, attributes={"price": 1}))) == ["applied"]
        (row,) = shop.index.get(["p1"], consistency="strong")["p1"].rows
        assert (row.title, row.attributes) == ("mug", {"price": 1.0})


def test_rows_of_another_origin_are_not_patched(shop):
    shop.send(upsert(1, title="mug"))
    (row,) = shop.rows()
    store = shop.index.store
    store.upsert([Row(**{name: getattr(row, name) for name in FIELDS}, payload={"images": "?"})], timeout_s=5)
    (outcome,) = shop.send(patch(2, title="cup"))
    assert (outcome.code, outcome.retryable) == ("invalid_product", False)
    assert outcome.message == "Product p1: What is stored can't be read back, so it can't be patched; send it whole."


FIELDS = [name for name in Row.__dataclass_fields__ if name != "payload"]

times = st.sampled_from(["2026-05-01T12:00:00Z", "2026-05-01T14:00:00.1234567+02:00", "2026-05-01 12:00:00+00:00"])
declared = st.fixed_dictionaries(
    {},
    optional={
        "price": st.floats(allow_nan=False, allow_infinity=False, max_value=1e300, min_value=-1e300)
        | st.integers(-9, 9),
        "stock": st.integers(-(2**63) + 1, 2**63 - 1),
        "brand": st.text(max_size=4),
        "sizes": st.lists(st.text(max_size=3), max_size=3),
        "released": times,
    },
)
texts = st.text(max_size=3)
undeclared = st.dictionaries(
    st.sampled_from(["colour", "as_sent", "new"]),
    st.booleans()
    | st.integers(-9, 9)
    | st.floats(-1, 1)
    | st.text(max_size=3)
    | st.lists(st.text(max_size=2), max_size=2),
)
pictures = st.lists(
    st.fixed_dictionaries(
        {"url": st.sampled_from(["a.png", "https://h/x", "data:image/png;base64,AA=="])},
        optional={"etag": st.just("1"), "sha256": st.just("0" * 64)},
    ),
    max_size=2,
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(title=st.text(max_size=5), group=st.text(max_size=3), images=pictures, known=declared, other=undeclared)
def test_a_product_read_back_is_the_one_that_was_sent(title, group, images, known, other):
    clean = json.loads(json.dumps([title, group, known, other]).replace("\\u0000", ""))
    group = "".join(character for character in clean[1] if character.isprintable())
    product = Product.model_validate(
        {"title": clean[0], "group_id": group, "images": images, "attributes": clean[2] | clean[3]}
    )
    document = document_of(product, SCHEMA)
    row = Row(
        product_id="p",
        order=Order(1, False, "d"),
        view=0,
        row_count=1,
        title=document.title,
        group_id=document.group_id,
        attributes=document.attributes,
        payload=document.payload,
    )
    again = product_of(row_from(to_columns(row, SCHEMA), SCHEMA))
    assert again == product.kept
    assert (
        Upsert(product_id="p", version=1, product=again).digest
        == Upsert(product_id="p", version=1, product=product).digest
    )
