"""Tells public network addresses from all others, looking through addresses that carry another one inside.

Written against the special-purpose registries instead of `ipaddress.is_global`, whose answers changed
between patch releases of Python.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_NOT_PUBLIC_4 = tuple(
    IPv4Network(text)
    for text in (
        "0.0.0.0/8",  # this network; 0.0.0.0 reaches the machine itself
        "10.0.0.0/8",
        "100.64.0.0/10",  # carrier-grade NAT
        "127.0.0.0/8",
        "168.63.129.16/32",  # the host of an Azure machine, public only by its looks
        "169.254.0.0/16",  # link-local, where clouds keep their metadata
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",  # documentation
        "192.88.99.0/24",  # the retired 6to4 relay
        "192.168.0.0/16",
        "198.18.0.0/15",  # benchmarking
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, broadcast
    )
)
_UNICAST_6 = IPv6Network("2000::/3")
"""All that has been given out so far; loopback, unique local, link-local and multicast lie outside."""
_NOT_PUBLIC_6 = tuple(
    IPv6Network(text)
    for text in (
        "2001::/23",  # protocol assignments
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4, judged by the address inside
        "3fff::/20",  # documentation
    )
)

_MAPPED = IPv6Network("::ffff:0:0/96")
_NAT64 = (IPv6Network("64:ff9b::/96"), IPv6Network("64:ff9b:1::/96"))
_6TO4 = IPv6Network("2002::/16")
_TEREDO = IPv6Network("2001::/32")
_ISATAP = (0x00005EFE, 0x02005EFE)


def is_public(address: str | Address) -> bool:
    """Whether everything that `address` reaches lies in the public internet.

    An address that carries others inside (IPv4-mapped, NAT64, 6to4, Teredo, ISATAP) is as public as the
    least public of them. What is no address in the standard notation, or has a zone, is not public.
    """
    return is_allowed(address, ())


def is_allowed(address: str | Address, private: Iterable[Network]) -> bool:
    """Whether all that `address` reaches is public or lies in one of the `private` ranges."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    if isinstance(parsed, IPv6Address) and parsed.scope_id is not None:
        return False
    ranges = tuple(private)
    return all(_is_public_leaf(leaf) or _within(leaf, ranges) for leaf in reached(parsed))


def reached(address: Address) -> tuple[Address, ...]:
    """The addresses that a packet to `address` could end up at: itself, unless it carries others."""
    if isinstance(address, IPv4Address):
        return (address,)
    bits = int(address)
    if address in _MAPPED or any(address in prefix for prefix in _NAT64):
        return (_low32(bits),)
    if address in _6TO4:
        return (_low32(bits >> 80),)
    if address in _TEREDO:  # the relay's server, then the client with all bits flipped
        return (_low32(bits >> 64), _low32(~bits))
    if (bits >> 32) & 0xFFFFFFFF in _ISATAP:
        return (address, _low32(bits))
    return (address,)


def _low32(bits: int) -> IPv4Address:
    return IPv4Address(bits & 0xFFFFFFFF)


def _is_public_leaf(address: Address) -> bool:
    if isinstance(address, IPv4Address):
        return not _within(address, _NOT_PUBLIC_4)
    return address in _UNICAST_6 and not _within(address, _NOT_PUBLIC_6)


def _within(address: Address, networks: Iterable[Network]) -> bool:
    return any(address in network for network in networks)
