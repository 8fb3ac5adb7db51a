"""The host of pictures misbehaves as promised, and can be made to behave again."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.faults.image_host import HOSTILE, WAITING, ImageHost, Manner
from tests.stream.generator import png

from fourtower_encoders.errors import ImageRejected, ImageUnavailable
from fourtower_encoders.fetching import FetchPolicy, ImageFetcher

FOR_GOOD: set[Manner] = {"endless", "endless_chunks", "loop", "bomb"}
"""Manners that a fetcher calls a fault of the picture; after the others it may be asked for again."""


@pytest.fixture
def host(tmp_path) -> Iterator[ImageHost]:
    (tmp_path / "1.png").write_bytes(png(1, side=8))
    with ImageHost(tmp_path) as host:
        yield host


@pytest.fixture
def fetcher(host) -> Iterator[ImageFetcher]:
    policy = FetchPolicy(
        allow_hosts=("127.0.0.1",), allow_private=("127.0.0.0/8",), ports=(host.port,), deadline_s=1.5, backoff_s=0.01
    )
    with ImageFetcher(policy) as fetcher:
        yield fetcher


def test_a_well_behaved_host_serves_its_files(host, fetcher):
    assert fetcher.fetch(host.address("1.png")) == fetcher.fetch(host.address("1.png?2")) == png(1, side=8)
    with pytest.raises(ImageRejected, match="404"):
        fetcher.fetch(host.address("2.png"))


@pytest.mark.parametrize("manner", [*WAITING, *HOSTILE])
def test_each_manner_shows_until_it_is_well_again(host, fetcher, manner):
    host.manner = manner
    with pytest.raises(ImageRejected if manner in FOR_GOOD else ImageUnavailable):
        fetcher.fetch(host.address("1.png"))
    host.manner = "well"
    assert fetcher.fetch(host.address("1.png")) == png(1, side=8)
