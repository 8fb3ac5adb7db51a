"""Answers without an end, answers that are wrong, and answers that nothing has changed."""

from __future__ import annotations

import time
from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.encoders.image_host import PICTURE, Host, policy_for

from fourtower_encoders.errors import ImageRejected, ImageUnavailable
from fourtower_encoders.fetching import ImageFetcher, _retry_after_s

# Answers without an end


@pytest.mark.parametrize("path", ["endless", "endless_chunks"])
def test_endless_bodies_are_cut(host: Host, fetcher: ImageFetcher, path: str) -> None:
    with pytest.raises(ImageRejected, match="more than max_bytes = 1000000"):
        fetcher.fetch(host.url(path))
    assert host.asked.total() == 1


@pytest.mark.parametrize("path", ["slow_body", "slow_headers", "endless_prelude", "endless_headers"])
def test_the_deadline_bounds_everything(host: Host, path: str) -> None:
    policy = policy_for(host, deadline_s=0.5)
    start = time.monotonic()
    with ImageFetcher(policy) as fetcher, pytest.raises(ImageUnavailable, match=f"http://127.0.0.1:{host.port}/{path}"):
        fetcher.fetch(host.url(path))
    assert time.monotonic() - start < 5


def test_silence_is_a_timeout_and_retried(host: Host) -> None:
    policy = policy_for(host, read_timeout_s=0.1, retries=1)
    with ImageFetcher(policy) as fetcher, pytest.raises(ImageUnavailable, match="2 attempts: ReadTimeout"):
        fetcher.fetch(host.url("silent"))
    assert host.asked["silent"] == 2


# Answers that are wrong


@pytest.mark.parametrize("kind", ["text/html", "text/plain; charset=x", "application/json", "video/mp4"])
def test_what_is_no_picture_is_refused(host: Host, fetcher: ImageFetcher, kind: str) -> None:
    with pytest.raises(ImageRejected, match="is not a picture"):
        fetcher.fetch(host.url(f"typed/{kind}".replace(" ", "%20")))


@pytest.mark.parametrize("kind", ["image/jpeg", "IMAGE/PNG;q=1", "application/octet-stream", "binary/octet-stream", ""])
def test_what_may_be_a_picture_is_taken(host: Host, fetcher: ImageFetcher, kind: str) -> None:
    assert fetcher.fetch(host.url(f"typed/{kind}")) == PICTURE


@pytest.mark.parametrize("status", [201, 204, 206, 304, 400, 401, 403, 404, 410, 451])
def test_refusals_of_the_host_are_final(host: Host, fetcher: ImageFetcher, status: int) -> None:
    with pytest.raises(ImageRejected, match=f"answers {status}"):
        fetcher.fetch(host.url(f"status/{status}"))
    assert host.asked["status"] == 1


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_passing_failures_are_retried(host: Host, fetcher: ImageFetcher, status: int) -> None:
    assert fetcher.fetch(host.url(f"second_time/{status}")) == PICTURE
    with pytest.raises(ImageUnavailable, match=f"3 attempts: the host answers {status}"):
        fetcher.fetch(host.url(f"status/{status}"))
    assert host.asked["status"] == 3


@pytest.mark.parametrize("path", ["garbage", "too_short"])
def test_broken_answers_are_retried(host: Host, fetcher: ImageFetcher, path: str) -> None:
    with pytest.raises(ImageUnavailable, match="RemoteProtocolError"):
        fetcher.fetch(host.url(path))
    assert host.asked[path] == 3


def test_retry_after_is_honoured(host: Host, fetcher: ImageFetcher) -> None:
    start = time.monotonic()
    assert fetcher.fetch(host.url("busy/1")) == PICTURE
    assert time.monotonic() - start >= 1.0


@pytest.mark.parametrize(
    "wait", ["60", formatdate(time.time() + 3600, usegmt=True).replace(" ", "%20")], ids=["seconds", "date"]
)
def test_a_wait_beyond_the_deadline_is_not_begun(host: Host, fetcher: ImageFetcher, wait: str) -> None:
    with pytest.raises(ImageUnavailable, match="1 attempts: the host answers 429"):
        fetcher.fetch(host.url(f"busy/{wait}"))
    assert host.asked["busy"] == 1


@given(st.one_of(st.text(), st.from_regex(r"Mon, \d+ Jan \d+ \d+:\d+:\d+ [+-]\d+", fullmatch=True)))
def test_any_retry_after_gets_an_answer(value: str) -> None:
    assert _retry_after_s(value) >= 0.0


def test_an_announced_size_is_believed_before_reading(host: Host, fetcher: ImageFetcher) -> None:
    for size in ("1000001", "9" * 19):
        with pytest.raises(ImageRejected, match="more than max_bytes"):
            fetcher.fetch(host.url(f"announces/{size}"))


@pytest.mark.parametrize("size", ["-5", "1,2", "abc", "9" * 30])
def test_senseless_sizes_are_unavailable(host: Host, fetcher: ImageFetcher, size: str) -> None:
    with pytest.raises(ImageUnavailable, match="RemoteProtocolError"):
        fetcher.fetch(host.url(f"announces/{size}"))


def test_a_body_longer_than_announced_ends_there(host: Host, fetcher: ImageFetcher) -> None:
    assert fetcher.fetch(host.url("too_long")) == PICTURE[:10]
    assert fetcher.fetch(host.url("picture")) == PICTURE


def test_compressed_answers_are_refused(host: Host, fetcher: ImageFetcher) -> None:
    with pytest.raises(ImageRejected, match="compressed"):
        fetcher.fetch(host.url("bomb"))


# Conditional requests


def test_unchanged_pictures_are_not_sent_again(host: Host, fetcher: ImageFetcher) -> None:
    first = fetcher.fetch_if_changed(host.url("tagged/v1"), None)
    assert (first.data, first.etag) == (PICTURE, '"v1"')
    again = fetcher.fetch_if_changed(host.url("tagged/v1"), first.etag)
    assert (again.data, again.etag) == (None, '"v1"')
    changed = fetcher.fetch_if_changed(host.url("tagged/v2"), first.etag)
    assert (changed.data, changed.etag) == (PICTURE, '"v2"')
    assert fetcher.fetch_if_changed(host.url("picture"), '"v1"').etag is None


@pytest.mark.parametrize("etag", ["", "v1", '"v1', '"a"b"', '"a"\r\nx: "y"', '"é"', "*"])
def test_malformed_etags_are_not_sent(host: Host, fetcher: ImageFetcher, etag: str) -> None:
    assert fetcher.fetch_if_changed(host.url("tagged/v1"), etag).data == PICTURE
    assert "if-none-match" not in host.headers[-1]
