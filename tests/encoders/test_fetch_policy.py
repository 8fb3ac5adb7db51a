"""Which URLs may be fetched, and how they are read."""

from __future__ import annotations

import re
from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from fourtower_encoders.errors import ImageRejected
from fourtower_encoders.fetch_policy import FetchPolicy

ANY = FetchPolicy(allow_hosts=("*",), ports=(80, 443, 8080))


def test_by_default_nothing_is_fetched() -> None:
    with pytest.raises(ImageRejected, match=r"not in FetchPolicy\.allow_hosts"):
        FetchPolicy().target("https://shop.example/a.jpg")


@pytest.mark.parametrize(
    ("entries", "host", "allowed"),
    [
        (("shop.example",), "shop.example", True),
        (("shop.example",), "SHOP.example.", True),
        (("Shop.Example.",), "shop.example", True),
        (("shop.example",), "a.shop.example", False),
        (("shop.example",), "shop.example.evil.example", False),
        (("shop.example",), "evilshop.example", False),
        (("*.shop.example",), "a.shop.example", True),
        (("*.shop.example",), "a.b.shop.example", True),
        (("*.shop.example",), "shop.example", False),
        (("*.shop.example",), "evilshop.example", False),
        (("*",), "anything.example", True),
        (("10.1.2.3",), "10.1.2.3", True),
        (("10.1.2.3",), "10.1.515", False),
        (("[FD00::0:1]",), "[fd00::1]", True),
        (("fd00::1",), "[fd00:0:0::1]", True),
    ],
)
def test_hosts(entries: tuple[str, ...], host: str, allowed: bool) -> None:
    policy = FetchPolicy(allow_hosts=entries)
    if allowed:
        assert policy.target(f"http://{host}/").port == 80
    else:
        with pytest.raises(ImageRejected, match="allow_hosts"):
            policy.target(f"http://{host}/")


@pytest.mark.parametrize(
    "entry",
    [
        "https://a.example",
        "a.example/x",
        "a.example:80",
        "*a.example",
        "**",
        "a..b",
        "",
        "fe80::1%eth0",
        "é.example",
        "1:2:3",
    ],
)
def test_senseless_host_entries_are_refused(entry: str) -> None:
    with pytest.raises(ValidationError, match="allow_hosts"):
        FetchPolicy(allow_hosts=(entry,))


@pytest.mark.parametrize("text", ["10.0.0.1/8", "private", "10.0.0.0/33"])
def test_senseless_ranges_are_refused(text: str) -> None:
    with pytest.raises(ValidationError, match="allow_private"):
        FetchPolicy(allow_private=(text,))


def test_private_ranges_are_for_hosts_allowed_by_name() -> None:
    policy = FetchPolicy(allow_hosts=("*", "img.shop.internal", "*.cdn.internal"), allow_private=("10.0.0.0/8",))
    ranges = (ip_network("10.0.0.0/8"),)
    assert policy.private_ranges("img.shop.internal") == ranges
    assert policy.private_ranges("a.cdn.internal") == ranges
    assert policy.private_ranges("other.example") == ()
    assert policy.private_ranges("10.0.0.1") == ()


@pytest.mark.parametrize(
    ("url", "whole"),
    [
        ("http://a.example", "http://a.example/"),
        ("HTTPS://A.Example.:443/x", "https://a.example/x"),
        ("http://a.example:443/x?y=1#z", "http://a.example:443/x?y=1"),
        ("http://a.example:/x", "http://a.example/x"),
        ("http://a.example/my photo.jpg", "http://a.example/my%20photo.jpg"),
        ("http://a.example/Füße%20.jpg?q=ä b", "http://a.example/F%C3%BC%C3%9Fe%20.jpg?q=%C3%A4%20b"),
        ("http://a.example?x", "http://a.example/?x"),
        ("http://[2606:4700:0::1]:8080/", "http://[2606:4700::1]:8080/"),
        ("http://xn--bcher-kva.example/", "http://xn--bcher-kva.example/"),
    ],
)
def test_urls_are_read(url: str, whole: str) -> None:
    assert ANY.target(url).url == whole


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("ftp://a.example/", "use http or https"),
        ("//a.example/", "use http or https"),
        ("a.example/a.jpg", "use http or https"),
        ("http://user@a.example/", "user name or password"),
        ("http://user:secret@a.example/", "user name or password"),
        ("http://good.example@evil.example/", "user name or password"),
        ("http://good.example\\@evil.example/", "backslashes"),
        ("http://good.example\\.evil.example/", "backslashes"),
        ("http://a.example/x\r\nHost: evil", "control characters"),
        ("http://a.exam\tple/", "control characters"),
        ("http://a.example/\0", "control characters"),
        ("http:///x", "is not a host name"),
        ("http://", "is not a host name"),
        ("http://a..b/", "is not a host name"),
        ("http://-a.example/", "is not a host name"),
        ("http://a b.example/", "is not a host name"),
        ("http://a.example%2f@x/", "user name"),
        ("http://a%00.example/", "is not a host name"),
        ("http://bücher.example/", "xn-- form"),
        ("http://①②⑦.⓪.⓪.①/", "xn-- form"),
        ("http://127。0。0。1/", "xn-- form"),
        ("http://" + "a" * 64 + ".example/", "is not a host name"),
        ("http://" + "a." * 130 + "/", "is not a host name"),
        ("http://[::1", "not a valid URL"),
        ("http://[fe80::1%25eth0]/", "not an IPv6 address"),
        ("http://[1:2]/", "not a"),
        ("http://[v1.a]/", "not a"),
        ("http://a.example:99999/", "not a valid URL"),
        ("http://a.example:x/", "not a valid URL"),
        ("http://a.example:0/", "FetchPolicy.ports"),
        ("http://a.example:22/", "FetchPolicy.ports"),
        ("http://a.example/" + "x" * 9000, "at most 8192"),
    ],
)
def test_urls_that_are_refused(url: str, why: str) -> None:
    with pytest.raises(ImageRejected, match=re.escape(why)):
        ANY.target(url)


@pytest.mark.parametrize("url", ["http://user:secret@a.example/", "http://b.example/x?signature=secret"])
def test_secrets_stay_out_of_messages(url: str) -> None:
    with pytest.raises(ImageRejected) as caught:
        FetchPolicy(allow_hosts=("a.example",)).target(url)
    assert "secret" not in str(caught.value)


def test_redirects_are_relative_and_vetted() -> None:
    policy = FetchPolicy(allow_hosts=("a.example",))
    base = policy.target("https://a.example/x/y?z")
    assert policy.target("../w", base=base).url == "https://a.example/w"
    assert policy.target("//a.example/v", base=base).url == "https://a.example/v"
    assert policy.target("http://a.example/v", base=base).url == "http://a.example/v"
    for bad in (
        "//b.example/",
        "file:///etc/passwd",
        "http://a.example:22/",
        "http://x@a.example/",
        "data:,x",
        "http://[::",
        "/\t",
    ):
        with pytest.raises(ImageRejected):
            policy.target(bad, base=base)


@given(st.one_of(st.text(), st.text(alphabet="htps:/@[]%.\\?#a1é").map("http://".__add__)))
def test_any_text_is_a_target_or_refused(text: str) -> None:
    try:
        target = ANY.target(text)
    except ImageRejected:
        return
    assert re.fullmatch(r"https?://[a-z0-9.:_\[\]-]+/[!-~]*", target.url)
    assert ANY.target(target.url) == target
