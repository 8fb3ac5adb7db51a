"""Products without a picture, without text, or with pictures that fail."""

import numpy as np
import pytest
from tests.workers.shop import png, upsert

from fourtower_encoders.joint import QueryParams
from fourtower_search.index.memory import MemoryRows
from fourtower_search.index.product_index import ProductIndex

PARAMS = QueryParams(kappa_image=0.5, kappa_text=0.25)


@pytest.fixture
def shop(shop):
    """With fractions that tell the halves apart."""
    rows = MemoryRows(shop.index.schema, shop.index.dim)
    with ProductIndex(rows, params=PARAMS, model_id=shop.embedder.model_id) as shop.index:
        shop.indexer = shop.open()
        yield shop


def test_without_a_picture_the_text_stands_in(shop):
    (outcome,) = shop.send(upsert(1, title="mug"))
    assert (outcome.status, outcome.images) == ("applied", ())
    (row,) = shop.rows()
    assert (row.imputed, row.image_missing, row.image_hash) == ("image", False, "")
    image, text = shop.halves()
    assert np.allclose(text, shop.text("mug"), atol=1e-6)
    assert np.allclose(image, 0.5 * text, atol=1e-6)


def test_without_text_the_picture_stands_in(shop):
    shop.send(upsert(1, title="  ", images=[{"url": "a.png"}]))
    (row,) = shop.rows()
    assert (row.imputed, row.text_hash) == ("text", "")
    image, text = shop.halves()
    assert np.allclose(image, shop.picture("a.png"), atol=1e-6)
    assert np.allclose(text, 0.25 * image, atol=1e-6)
    assert shop.embedder.texts == []


def test_an_imputed_half_is_never_taken_for_a_real_one(shop):
    shop.send(upsert(1, title="mug"))
    shop.send(upsert(2, title="mug", images=[{"url": "a.png"}]))
    assert (shop.embedder.texts, shop.embedder.images) == ([], ["a.png"])
    assert np.allclose(shop.halves()[0], shop.picture("a.png"), atol=1e-6)
    shop.send(upsert(3, images=[{"url": "a.png"}]))
    assert shop.embedder.calls == 0
    shop.send(upsert(4, images=[{"url": "a.png"}], attributes={"price": 1}))
    assert shop.rows()[0].imputed == "text"
    assert np.allclose(shop.halves()[1], 0.25 * shop.halves()[0], atol=1e-6)


def test_a_rejected_picture_leaves_the_product_without_it(shop):
    (outcome,) = shop.send(upsert(1, title="mug", images=[{"url": "a.png"}, {"url": "broken.png"}, {"url": "no.png"}]))
    assert outcome.status == "applied"
    assert [(problem.view, problem.retryable) for problem in outcome.images] == [(1, False), (2, False)]
    assert "broken.png" in outcome.images[0].message
    rows = shop.rows()
    assert [(row.view, row.imputed, row.image_missing) for row in rows] == [
        (0, "", False),
        (1, "image", True),
        (2, "image", True),
    ]
    assert np.allclose(shop.halves(view=1)[0], 0.5 * shop.text("mug"), atol=1e-6)


def test_an_unavailable_picture_can_be_repaired(shop):
    shop.host.pictures.clear()
    event = upsert(1, title="mug", images=[{"url": shop.host.url("a.png")}])
    (outcome,) = shop.send(event)
    assert (outcome.status, outcome.images[0].retryable) == ("applied", True)
    assert shop.rows()[0].image_missing
    shop.host.pictures["a.png"] = png(1)
    shop.send(event)
    assert shop.embedder.calls == 0, "not unless repair is asked for"
    (outcome,) = shop.send(event, repair=True)
    assert (outcome.status, outcome.images) == ("applied", ())
    assert (shop.embedder.texts, len(shop.embedder.images)) == ([], 1)
    (row,) = shop.rows()
    assert (row.image_missing, row.imputed) == (False, "")
    assert np.allclose(shop.halves()[0], shop.picture("a.png"), atol=1e-6)
    shop.send(event, repair=True)
    assert shop.embedder.calls == 0, "nothing is missing any more"


def test_a_picture_that_failed_is_tried_again_with_the_next_event(shop):
    shop.host.pictures.clear()
    images = [{"url": shop.host.url("a.png")}]
    shop.send(upsert(1, title="mug", images=images))
    shop.host.pictures["a.png"] = png(1)
    shop.send(upsert(2, title="mug", images=images, attributes={"price": 1}))
    assert (shop.embedder.texts, len(shop.embedder.images)) == ([], 1)
    assert not shop.rows()[0].image_missing


def test_without_text_a_failed_view_borrows_another_picture(shop):
    shop.send(upsert(1, images=[{"url": "broken.png"}, {"url": "a.png"}]))
    first, second = shop.rows()
    assert (first.imputed, first.image_missing, first.image_hash) == ("image", True, "")
    assert np.array_equal(first.vector, second.vector)


@pytest.mark.parametrize(("url", "retryable"), [("broken.png", False), ("host", True)])
def test_without_text_and_pictures_the_product_fails(shop, url, retryable):
    shop.host.pictures.clear()
    (outcome,) = shop.send(upsert(1, images=[{"url": shop.host.url("a.png") if url == "host" else url}]))
    assert (outcome.status, outcome.code, outcome.retryable) == ("failed", "nothing_to_embed", retryable)
    assert outcome.message.startswith("Product p1 has nothing to be found by: Picture 0 ")
    assert shop.index.stats().rows == 0


def test_paths_need_an_image_root_and_stay_inside_it(shop, tmp_path):
    (tmp_path / "link.png").symlink_to("/etc/hostname")
    (outcome,) = shop.send(upsert(1, title="mug", images=[{"url": "link.png"}]))
    assert "leads out of the image root" in outcome.images[0].message
    shop.indexer = shop.open(image_root=None)
    (outcome,) = shop.send(upsert(2, title="mug", images=[{"url": "a.png"}]))
    assert outcome.images[0].message == "'a.png' is a path, but no image root is set; set one, or send a URL."
    assert shop.embedder.images == []


def test_a_picture_that_was_not_kept_is_asked_for(shop):
    kept = "inline:" + "0" * 64
    (outcome,) = shop.send(upsert(1, title="mug", images=[{"url": kept}]))
    assert "came inside an earlier event and was not kept; send it again." in outcome.images[0].message
