"""Fetching from a real server on loopback: connections, where names lead, and redirects."""

from __future__ import annotations

import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import httpcore
import pytest
from tests.encoders.image_host import PICTURE, Host, only, policy_for

from fourtower_encoders.errors import ImageRejected, ImageUnavailable
from fourtower_encoders.fetching import ImageFetcher


def test_a_picture_arrives(host: Host, fetcher: ImageFetcher) -> None:
    assert fetcher.fetch(host.url("picture", "img.shop.test")) == PICTURE
    assert fetcher.fetch(host.url("picture", "img.shop.test")) == PICTURE
    assert host.connections == 1
    for headers in host.headers:
        assert headers.pop("user-agent").startswith("fourtower/")
        assert headers == {
            "host": f"img.shop.test:{host.port}",
            "accept": "image/jpeg, image/png, image/webp, image/gif",
            "accept-encoding": "identity",
        }


def test_proxies_of_the_environment_are_ignored(
    host: Host, fetcher: ImageFetcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert fetcher.fetch(host.url("picture")) == PICTURE


def test_many_threads_share_a_fetcher(host: Host) -> None:
    policy = policy_for(host, max_connections=3, deadline_s=20.0)
    with ImageFetcher(policy) as fetcher, ThreadPoolExecutor(12) as threads:
        for data in threads.map(fetcher.fetch, [host.url("picture")] * 60):
            assert data == PICTURE
    assert host.connections <= 3


def test_threads_and_hosts_that_compete_for_few_connections(host: Host) -> None:
    urls = [host.url("picture", f"{number % 5}.test") for number in range(100)]
    policy = policy_for(host, max_connections=2, deadline_s=20.0, retries=0)
    with ImageFetcher(policy, resolver=only("127.0.0.1")) as fetcher, ThreadPoolExecutor(8) as threads:
        assert set(threads.map(fetcher.fetch, urls)) == {PICTURE}


def test_waiting_for_a_connection_ends_with_the_deadline(host: Host) -> None:
    origin = httpcore.Origin(b"http", b"elsewhere.test", 80)
    policy = policy_for(host, max_connections=1, deadline_s=0.2)
    busy = pytest.raises(ImageUnavailable, match="all 1 connections are busy")
    with ImageFetcher(policy) as fetcher, fetcher._connections.to(origin, timeout_s=1.0), busy:
        fetcher.fetch(host.url("picture"))


def test_a_connection_that_the_host_has_closed_is_replaced(host: Host, fetcher: ImageFetcher) -> None:
    assert [fetcher.fetch(host.url("hangs_up")) for _ in range(3)] == [PICTURE] * 3
    assert host.connections == 3


# Where a name leads


DISGUISES = ["127.0.0.1", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "0", "localhost", "127.0.0.1."]
DISGUISES_6 = ["[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "[::]"]


@pytest.mark.parametrize("name", DISGUISES + DISGUISES_6)
def test_no_disguise_of_a_private_address_gets_through(host: Host, name: str) -> None:
    # Ranges are for hosts named in allow_hosts; whatever "*" lets in has to be public.
    policy = policy_for(host, allow_hosts=("*",))
    with ImageFetcher(policy) as fetcher, pytest.raises(ImageRejected, match="its address is not public"):
        fetcher.fetch(host.url("picture", name))
    assert host.connections == 0


@pytest.mark.parametrize(
    "addresses",
    [["10.0.0.1"], ["127.0.0.1", "10.0.0.1"], ["127.0.0.1", "169.254.169.254"], ["fe80::1%1"], ["nonsense"]],
)
def test_one_bad_address_spoils_the_answer(host: Host, addresses: list[str]) -> None:
    with (
        ImageFetcher(policy_for(host), resolver=only(*addresses)) as fetcher,
        pytest.raises(ImageRejected, match="not public"),
    ):
        fetcher.fetch(host.url("picture", "a.test"))
    assert host.connections == 0


def test_a_name_is_asked_for_once_and_the_checked_address_used(host: Host) -> None:
    answers = [["127.0.0.1"], ["169.254.169.254"]]
    with ImageFetcher(policy_for(host), resolver=lambda *_: answers.pop(0)) as fetcher:
        assert fetcher.fetch(host.url("picture", "rebinding.test")) == PICTURE
        assert len(answers) == 1
        with pytest.raises(ImageRejected, match="not public"):  # a second connection asks, and checks, again
            fetcher.fetch(host.url(f"lead_to/http:!!other.test:{host.port}!picture", "rebinding.test"))


def test_the_next_address_is_tried(host: Host) -> None:
    with ImageFetcher(policy_for(host), resolver=only("127.0.0.9", "127.0.0.1")) as fetcher:
        assert fetcher.fetch(host.url("picture", "a.test")) == PICTURE


def fails(_host: str, _port: int) -> list[str]:
    raise socket.gaierror(socket.EAI_NONAME, "unknown")


@pytest.mark.parametrize("resolver", [fails, only()])
def test_unknown_names_are_unavailable(host: Host, resolver: Callable[[str, int], list[str]]) -> None:
    with ImageFetcher(policy_for(host), resolver=resolver) as fetcher, pytest.raises(ImageUnavailable, match="name"):
        fetcher.fetch(host.url("picture", "a.test"))


def test_a_resolver_that_hangs_is_left_behind(host: Host) -> None:
    def hangs(_host: str, _port: int) -> list[str]:
        host.over.wait()
        return []

    policy = policy_for(host, connect_timeout_s=0.1, retries=0)
    with ImageFetcher(policy, resolver=hangs) as fetcher, pytest.raises(ImageUnavailable, match="not resolved in time"):
        fetcher.fetch(host.url("picture", "a.test"))


def test_a_closed_port_is_unavailable(host: Host) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, not listening
        port = taken.getsockname()[1]
        with (
            ImageFetcher(policy_for(host, ports=(port,))) as fetcher,
            pytest.raises(ImageUnavailable, match="3 attempts"),
        ):
            fetcher.fetch(f"http://127.0.0.1:{port}/")


# Redirects


def test_redirects_are_followed(host: Host, fetcher: ImageFetcher) -> None:
    assert fetcher.fetch(host.url("redirect/redirect/redirect/redirect")) == PICTURE


@pytest.mark.parametrize("path", ["loop", "redirect/redirect/redirect/redirect/redirect"])
def test_redirects_are_counted(host: Host, fetcher: ImageFetcher, path: str) -> None:
    with pytest.raises(ImageRejected, match="more than 4 redirects"):
        fetcher.fetch(host.url(path))
    assert host.asked.total() == 5


@pytest.mark.parametrize(
    ("location", "why"),
    [
        ("http:!!evil.example!", "allow_hosts"),
        ("http:!!127.0.0.1:22!", "FetchPolicy.ports"),
        ("file:!!!etc!passwd", "use http or https"),
        ("http:!!a:b@127.0.0.1!", "user name"),
        ("http:!!127.1!", "allow_hosts"),
        ("http:!![::", "not a valid URL"),
    ],
)
def test_every_hop_is_vetted(host: Host, fetcher: ImageFetcher, location: str, why: str) -> None:
    with pytest.raises(ImageRejected, match=why):
        fetcher.fetch(host.url(f"lead_to/{location}"))
