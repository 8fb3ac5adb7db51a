"""Only what changed is encoded, and what is used again is used exactly."""

import base64

import numpy as np
import pytest
from tests.workers.shop import patch, png, upsert

from fourtower_ingest.events import Image
from fourtower_search.index.convergence import Stored
from fourtower_search.index.rows import Order, RowState
from fourtower_workers.halves import image_hash, plan, text_hash

MUG = {"title": "red mug", "images": [{"url": "a.png"}, {"url": "b.png"}]}


def test_a_change_of_price_encodes_nothing(shop):
    shop.send(upsert(1, **MUG, attributes={"price": 5}))
    before = [row.vector for row in shop.rows()]
    assert shop.statuses(shop.send(upsert(2, **MUG, attributes={"price": 4}))) == ["applied"]
    assert shop.embedder.calls == 0
    assert [row.attributes["price"] for row in shop.rows()] == [4.0, 4.0]
    assert np.array_equal([row.vector for row in shop.rows()], before)
    assert shop.index.stats().rows == 2, "the rows of the old version are gone"


def test_a_change_of_text_encodes_the_text_alone(shop):
    shop.send(upsert(1, **MUG))
    before = [shop.halves(view=view)[0] for view in (0, 1)]
    shop.send(upsert(2, **MUG | {"title": "blue mug"}))
    assert (shop.embedder.texts, shop.embedder.images) == (["blue mug"], [])
    for view in (0, 1):
        image, text = shop.halves(view=view)
        assert np.array_equal(image, before[view])
        assert np.array_equal(text, shop.text("blue mug"))


def test_a_new_picture_encodes_that_picture_alone(shop):
    shop.send(upsert(1, **MUG))
    kept_image, text = shop.halves(view=1)
    shop.send(upsert(2, title="red mug", images=[{"url": "b.png"}, {"url": "c.png"}]))
    assert (shop.embedder.texts, shop.embedder.images) == ([], ["c.png"])
    assert np.array_equal(shop.halves(view=0)[0], kept_image), "views may trade places"
    assert np.array_equal(shop.halves(view=1)[1], text)
    assert np.allclose(shop.halves(view=1)[0], shop.picture("c.png"), atol=1e-6)


def test_a_declared_hash_is_the_pictures_identity(shop):
    first, second = "1" * 64, "2" * 64
    shop.send(upsert(1, title="mug", images=[{"url": "a.png", "sha256": first}]))
    shop.send(upsert(2, title="mug", images=[{"url": "moved.png", "sha256": first}]))
    assert shop.embedder.images == [], "the same picture at another address"
    shop.send(upsert(3, title="mug", images=[{"url": "a.png", "sha256": second}]))
    assert shop.embedder.images == ["a.png"]


def test_a_hash_is_believed_for_its_own_address_only(shop):
    """Somebody else's product with the same declared hash must not lend its picture."""
    shared = "1" * 64
    shop.send(
        upsert(1, "p1", title="a", images=[{"url": "a.png", "sha256": shared}]),
        upsert(1, "p2", title="b", images=[{"url": "b.png", "sha256": shared}]),
    )
    assert np.allclose(shop.halves("p1")[0], shop.picture("a.png"), atol=1e-6)
    assert np.allclose(shop.halves("p2")[0], shop.picture("b.png"), atol=1e-6)


def test_an_etag_tells_pictures_at_one_address_apart(shop):
    shop.send(upsert(1, title="mug", images=[{"url": "a.png", "etag": "1"}]))
    shop.send(upsert(2, title="mug", images=[{"url": "a.png", "etag": "1"}]))
    assert shop.embedder.images == []
    shop.send(upsert(3, title="mug", images=[{"url": "a.png", "etag": "2"}]))
    shop.send(upsert(4, title="mug", images=[{"url": "b.png", "etag": "2"}]))
    assert shop.embedder.images == ["b.png"], "an etag means nothing at another address"


def test_a_picture_inside_an_event_is_recognised_and_not_kept(shop):
    url = "data:image/png;base64," + base64.b64encode(png(1)).decode()
    shop.send(upsert(1, title="mug", images=[{"url": url}]))
    assert np.allclose(shop.halves()[0], shop.picture("a.png"), atol=1e-6)
    assert shop.rows()[0].payload["images"] == [{"url": Image(url=url).kept.url}]
    shop.send(upsert(2, title="mug", images=[{"url": url}], attributes={"price": 1}))
    assert shop.embedder.calls == 0
    shop.send(patch(3, attributes={"price": 2}))
    assert shop.embedder.calls == 0
    assert shop.rows()[0].attributes == {"price": 2.0}


def test_pictures_known_by_their_url_can_be_had_anew_every_time(shop):
    shop.indexer = shop.open(refetch="always")
    url = shop.host.url("a.png")
    images = [{"url": url}, {"url": shop.host.url("b.png"), "etag": "1"}, {"url": "a.png"}]
    shop.send(upsert(1, title="mug", images=images))
    shop.host.pictures["a.png"] = png(9)
    shop.send(upsert(2, title="mug", images=images))
    assert shop.embedder.images == [url]
    changed = shop.halves()[0]
    assert not np.allclose(changed, shop.picture("a.png"), atol=1e-3)
    shop.host.pictures.clear()
    (outcome,) = shop.send(upsert(3, title="mug", images=images))
    assert (outcome.status, outcome.images) == ("applied", ()), "the stored half serves on"
    assert np.array_equal(shop.halves()[0], changed)


def test_rows_that_vanish_in_between_are_encoded_again(shop, monkeypatch):
    """Another process may remove outdated rows after they were read."""
    shop.send(upsert(1, **MUG))
    expected = [row.vector for row in shop.rows()]
    monkeypatch.setattr(shop.index, "vectors", lambda keys: {})
    assert shop.statuses(shop.send(upsert(2, **MUG, attributes={"price": 1}))) == ["applied"]
    assert (shop.embedder.texts, shop.embedder.images) == (["red mug"], ["a.png", "b.png"])
    assert np.allclose([row.vector for row in shop.rows()], expected, atol=1e-6)


def reads_late(index, before, monkeypatch):
    """Have all reads but strong ones show what was before, as a server may for some seconds."""
    read = index.read

    def late(product_ids, **how):
        return read(product_ids, **how) if how.get("consistency") == "strong" else before

    monkeypatch.setattr(index, "read", late)


@pytest.mark.parametrize(("meanwhile", "sent", "status"), [(2, 3, "applied"), (3, 2, "stale")])
def test_rows_that_gave_way_to_newer_ones_in_between_are_not_encoded_again(shop, monkeypatch, meanwhile, sent, status):
    shop.send(upsert(1, **MUG))
    before = shop.index.read(["p1"])
    shop.send(upsert(meanwhile, **MUG, attributes={"price": meanwhile}))
    reads_late(shop.index, before, monkeypatch)
    assert shop.statuses(shop.send(upsert(sent, **MUG, attributes={"price": sent}))) == [status]
    assert shop.embedder.calls == 0
    assert [row.attributes["price"] for row in shop.rows()] == [3.0, 3.0]


@pytest.mark.parametrize("first", [1, 2])
def test_halves_come_from_the_newest_rows_whatever_the_order_of_a_read(first):
    """Those of older versions may be removed before they are read."""
    hashed = {"text_hash": text_hash("m", "mug"), "image_hash": image_hash("m", Image(url="a.png"))}
    orders = [Order(first, False, "a"), Order(3 - first, False, "b")]
    rows = [RowState("p1", order, view=0, row_count=1, **hashed) for order in orders]
    event = upsert(3, title="mug", images=[{"url": "a.png"}])
    found = plan(event, Stored.of(rows), model_id="m", refetch="never")
    assert found.stored_keys == {next(row.key for row in rows if row.order.version == 2)}


@pytest.mark.parametrize(
    "other", [{"url": "b.png"}, {"url": "a.png", "etag": "1"}, {"url": "a.png", "sha256": "0" * 64}]
)
def test_hashes_differ_where_the_towers_are_given_something_else(other):
    image = Image(url="a.png")
    assert image_hash("m", image) == image_hash("m", Image(url="a.png"))
    assert len({image_hash("m", image), image_hash("n", image), image_hash("m", Image.model_validate(other))}) == 3
    assert len({text_hash("m", "a"), text_hash("n", "a"), text_hash("m", "b"), image_hash("m", image)}) == 4
    assert len(text_hash("m", "a")) <= 64
    assert (text_hash("m", ""), image_hash("m", None)) == ("", "")
