"""Public addresses and the many disguises of those that are not."""

from __future__ import annotations

import socket
from ipaddress import IPv4Address, IPv6Address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fourtower_encoders.addresses import is_allowed, is_public

PRIVATE_4 = [
    "0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.100.100.200", "100.127.255.255",
    "127.0.0.1", "127.255.255.254", "168.63.129.16", "169.254.169.254", "172.16.0.1", "172.31.255.255",
    "192.0.0.1", "192.0.2.1", "192.88.99.1", "192.168.1.1", "198.18.0.1", "198.19.255.255", "198.51.100.7",
    "203.0.113.9", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255",
]  # fmt: skip
PUBLIC_4 = ["1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.0.0.1",
            "128.0.0.1", "169.253.0.1", "172.15.0.1", "172.32.0.1", "192.167.0.1", "192.169.0.1", "198.17.0.1",
            "198.20.0.1", "223.255.255.255"]  # fmt: skip
PRIVATE_6 = [
    "::", "::1", "::7f00:1", "::127.0.0.1", "100::1", "fc00::1", "fd00:ec2::254", "fe80::1", "fec0::1", "ff02::1",
    "2001:2::1", "2001:10::1", "2001:db8::1", "3fff::1", "4000::1", "5f00::1", "::ffff:0:8.8.8.8",
]  # fmt: skip
PUBLIC_6 = ["2606:4700:4700::1111", "2001:4860:4860::8888", "2a00::1", "2003::1", "2000::1"]
CARRIERS = {
    "mapped": lambda v4: IPv6Address(f"::ffff:{v4}"),
    "nat64": lambda v4: IPv6Address(f"64:ff9b::{v4}"),
    "local nat64": lambda v4: IPv6Address(f"64:ff9b:1::{v4}"),
    "6to4": lambda v4: IPv6Address(0x2002 << 112 | int(v4) << 80 | 1),
    "isatap": lambda v4: IPv6Address(0x2A00 << 112 | 0x5EFE << 32 | int(v4)),
    "isatap universal": lambda v4: IPv6Address(0x2A00 << 112 | 0x02005EFE << 32 | int(v4)),
    "teredo server": lambda v4: IPv6Address(0x2001 << 112 | int(v4) << 64 | ~0x08080808 & 0xFFFFFFFF),
    "teredo client": lambda v4: IPv6Address(0x2001 << 112 | 0x08080808 << 64 | ~int(v4) & 0xFFFFFFFF),
}  # fmt: skip


@pytest.mark.parametrize("address", PRIVATE_4 + PRIVATE_6)
def test_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", PUBLIC_4 + PUBLIC_6)
def test_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("carrier", CARRIERS)
def test_a_carrier_is_as_public_as_what_it_carries(carrier: str) -> None:
    wrap = CARRIERS[carrier]
    assert [v4 for v4 in PRIVATE_4 if is_public(wrap(IPv4Address(v4)))] == []
    assert [v4 for v4 in PUBLIC_4 if not is_public(wrap(IPv4Address(v4)))] == []


def test_the_rest_of_local_nat64_is_refused() -> None:
    assert not is_public("64:ff9b:1:808:8:800::")


@pytest.mark.parametrize("zoned", ["fe80::1%eth0", "2606:4700::1111%eth0", "2606:4700::1111%1"])
def test_zones_are_refused(zoned: str) -> None:
    assert not is_allowed(zoned, [ip_network("::/0")])


@pytest.mark.parametrize("odd", ["127.1", "0x7f000001", "2130706433", "017700000001", "127.0.0.1.", "[::1]", "", "a"])
def test_other_notations_are_no_addresses_here(odd: str) -> None:
    assert not is_public(odd)


@pytest.mark.parametrize("odd", ["127.1", "0x7f000001", "2130706433", "017700000001", "0x7f.0.0.1", "0177.0.0.1", "0"])
def test_other_notations_resolve_to_addresses_that_are_refused(odd: str) -> None:
    found = {str(sockaddr[0]) for *_, sockaddr in socket.getaddrinfo(odd, 80, type=socket.SOCK_STREAM)}
    assert found
    assert not any(is_public(address) for address in found)


def test_named_ranges_let_their_addresses_in() -> None:
    ranges = [ip_network("10.1.0.0/16"), ip_network("fd00::/8")]
    allowed = ["10.1.2.3", "::ffff:10.1.2.3", "64:ff9b::10.1.2.3", "fd00::1", "8.8.8.8"]
    assert all(is_allowed(address, ranges) for address in allowed)
    assert not any(is_allowed(address, ranges) for address in ["10.2.0.1", "::ffff:10.2.0.1", "fe80::1", "127.0.0.1"])


@given(st.ip_addresses(v=4))
def test_agrees_with_the_registry_where_python_has_it_right(address: IPv4Address) -> None:
    # Python counts a few exceptions inside 192.0.0.0/24, the 6to4 relay, multicast and one cloud address as global.
    ours_alone = ["192.0.0.0/24", "192.88.99.0/24", "224.0.0.0/4", "168.63.129.16/32"]
    if not any(address in ip_network(text) for text in ours_alone):
        assert is_public(address) == address.is_global


@given(st.ip_addresses(v=6))
def test_no_private_ipv6_is_called_public(address: IPv6Address) -> None:
    if is_public(address) and not any(address in ip_network(text) for text in ("2002::/16", "2001::/32")):
        assert address.is_global or address.ipv4_mapped or address in ip_network("64:ff9b::/47")


@given(st.text())
def test_any_text_gets_an_answer(text: str) -> None:
    assert is_public(text) in (True, False)
