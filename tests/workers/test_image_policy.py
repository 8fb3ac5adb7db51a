"""Whether a product without a picture of its own is searched for by its text, or refused; and where failures arose."""

import pytest
from tests.workers.shop import patch, png, upsert

from fourtower_search.errors import IndexUnavailable


def fate(outcome):
    return outcome.status, outcome.stage, outcome.code, outcome.retryable


@pytest.mark.parametrize(
    ("urls", "wanted"),
    [
        (["a.png"], ("applied", "", "", False)),
        (["broken.png"], ("failed", "fetch", "image_rejected", False)),
        (["HOST"], ("failed", "fetch", "image_unavailable", True)),
        (["a.png", "HOST", "broken.png"], ("failed", "fetch", "image_rejected", False)),
        ([], ("applied", "", "", False)),
    ],
)
def test_rejecting_is_decided_by_the_worst_picture(shop, urls, wanted):
    shop.host.pictures.clear()
    images = [{"url": shop.host.url("a.png") if url == "HOST" else url} for url in urls]
    (outcome,) = shop.send(upsert(1, title="mug", images=images), image_policy="reject")
    assert fate(outcome) == wanted
    assert len(outcome.images) == sum(url != "a.png" for url in urls)
    assert shop.index.stats().products == (wanted[0] == "applied")


def test_a_picture_that_comes_back_is_enough(shop):
    shop.host.pictures.clear()
    event = upsert(1, title="mug", images=[{"url": shop.host.url("a.png")}])
    assert shop.send(event, image_policy="reject")[0].retryable
    shop.host.pictures["a.png"] = png(1)
    assert shop.send(event, image_policy="reject")[0].status == "applied"
    shop.host.pictures.clear()
    changed = upsert(2, title="cup", images=[{"url": shop.host.url("a.png")}])
    assert shop.send(changed, image_policy="reject")[0].status == "applied", "the stored half is still right"


def test_each_failure_says_where_it_arose(shop, monkeypatch):
    assert fate(shop.send(upsert(1))[0]) == ("failed", "plan", "nothing_to_embed", False)
    assert fate(shop.send(upsert(1, images=[{"url": "broken.png"}]))[0]) == (
        "failed",
        "fetch",
        "nothing_to_embed",
        False,
    )
    assert fate(shop.send(patch(1, title="x"))[0]) == ("failed", "plan", "no_base", True)
    assert fate(shop.send(upsert(1, title="x", attributes={"price": "y"}))[0]) == (
        "failed",
        "plan",
        "invalid_product",
        False,
    )

    def away(*_, **__):
        raise IndexUnavailable("The index is away.")

    with monkeypatch.context() as patched:
        patched.setattr(shop.index.store, "upsert", away)
        assert fate(shop.send(upsert(1, title="x"))[0]) == ("failed", "write", "unavailable", True)
    states = shop.index.store.states

    def away_for_strong_reads(*how, consistency, **more):
        return away() if consistency == "strong" else states(*how, consistency=consistency, **more)

    monkeypatch.setattr(shop.index.store, "states", away_for_strong_reads)
    assert fate(shop.send(upsert(1, title="x"))[0]) == ("failed", "verify", "unavailable", True)
