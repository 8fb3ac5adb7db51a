"""Fixtures of the shop, see `shop`."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Thread

import pytest
from tests.workers.shop import CountingEmbedder, PictureHost, Shop, png

from fourtower_encoders.fetch_policy import FetchPolicy
from fourtower_encoders.fetching import ImageFetcher


@pytest.fixture(scope="session")
def picture_host() -> Iterator[PictureHost]:
    host = PictureHost()
    thread = Thread(target=host.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield host
    host.shutdown()
    thread.join()
    host.server_close()


@pytest.fixture(scope="session")
def counting_embedder(picture_host) -> Iterator[CountingEmbedder]:
    policy = FetchPolicy(
        allow_hosts=("127.0.0.1",),
        allow_private=("127.0.0.0/8",),
        ports=(picture_host.server_address[1],),
        retries=0,
        deadline_s=5.0,
    )
    with ImageFetcher(policy) as fetcher, CountingEmbedder.load("demo", runtime="onnx", fetcher=fetcher) as embedder:
        yield embedder


@pytest.fixture
def shop(counting_embedder, picture_host, tmp_path) -> Iterator[Shop]:
    for name, seed in (("a.png", 1), ("b.png", 2), ("c.png", 3)):
        (tmp_path / name).write_bytes(png(seed))
    (tmp_path / "broken.png").write_bytes(b"no picture")
    picture_host.pictures = {"a.png": png(1), "b.png": png(2)}
    counting_embedder.forget()
    shop = Shop(counting_embedder, picture_host, tmp_path)
    with shop.index:
        yield shop
