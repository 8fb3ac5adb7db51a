"""Encoding in turns, and where the device has less room than a batch needs."""

from contextlib import contextmanager

import numpy as np
import pytest
from tests.workers.shop import png, upsert

from fourtower_encoders.errors import OutOfMemory


class Cramped:
    """Leaves the towers room for so many at once."""

    def __init__(self, embedder, monkeypatch, room):
        self.refused = []
        for name in ("embed_pixels", "embed_texts"):
            monkeypatch.setattr(embedder, name, self._limited(getattr(embedder, name), room))

    def _limited(self, embed, room):
        def limited(several, **how):
            if len(several) > room:
                self.refused.append(len(several))
                raise OutOfMemory(f"There is no memory left for a batch of {len(several)}; embed fewer at a time.")
            return embed(several, **how)

        return limited


@pytest.fixture
def events(shop):
    for seed in range(7):
        (shop.folder / f"{seed}.png").write_bytes(png(seed))
    images = [[{"url": f"{seed}.png"}] for seed in range(7)]
    return [upsert(1, f"p{seed}", title=f"mug {seed}", images=images[seed]) for seed in range(7)]


def test_a_batch_without_room_is_halved_and_ends_alike(shop, events, monkeypatch):
    wanted = {f"p{seed}": (shop.picture(f"{seed}.png"), shop.text(f"mug {seed}")) for seed in range(7)}
    halved = []
    shop.indexer = shop.open(on_halved=halved.append)
    cramped = Cramped(shop.embedder, monkeypatch, room=2)
    assert shop.statuses(shop.send(*events)) == ["applied"] * 7
    assert halved == cramped.refused
    assert sorted(halved) == [3, 3, 4, 4, 7, 7], "texts and pictures alike"
    for product_id, halves in wanted.items():
        for own, half in zip(shop.halves(product_id), halves, strict=True):
            assert np.allclose(own, half, atol=1e-5)


def test_without_room_for_one_the_batch_fails(shop, events, monkeypatch):
    Cramped(shop.embedder, monkeypatch, room=0)
    with pytest.raises(OutOfMemory, match="a batch of 1;"):
        shop.send(*events)
    assert shop.index.stats().rows == 0


def test_the_turn_is_taken_for_the_network_alone(shop, events):
    """A picture is fetched and decoded before its batch's turn, so that another process can encode meanwhile."""
    log = []

    @contextmanager
    def turn(what, count):
        log.append(f"{count} {what}")
        yield
        log.append("end")

    load = shop.embedder._load
    shop.embedder._load = lambda *how: (log.append("decode"), load(*how))[1]
    try:
        shop.indexer = shop.open(turn=turn, batch=4, threads=1)
        shop.send(*events)
    finally:
        del shop.embedder._load
    assert [entry for entry in log if entry not in ("decode", "end")] == ["7 texts", "4 images", "3 images"]
    assert log.index("decode") < log.index("4 images"), "decoded before the turn"
    assert log[: log.index("4 images")].count("decode") >= 4


def test_pictures_that_fail_take_no_room_in_a_batch(shop):
    log = []

    @contextmanager
    def turn(what, count):
        log.append((what, count))
        yield

    shop.indexer = shop.open(turn=turn)
    outcomes = shop.send(
        upsert(1, "p1", title="a", images=[{"url": "broken.png"}, {"url": "a.png"}, {"url": "none.png"}]),
        upsert(1, "p2", title="b", images=[{"url": "broken.png"}]),
    )
    assert [len(outcome.images) for outcome in outcomes] == [2, 1]
    assert log == [("texts", 2), ("images", 1)]
    shop.send(upsert(1, "p3", title="b", images=[{"url": "broken.png"}]))
    assert log[2:] == [("texts", 1)]
