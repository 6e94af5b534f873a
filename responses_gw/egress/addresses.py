"""Which IP addresses are public: of everybody's internet, and of nobody's own network.

The lists stand here and not in ``ipaddress.is_global``, whose answers changed between patch
releases of Python. IPv6 is refused outside 2000::/3, which leaves out loopback, link-local, unique
local, multicast, IPv4-mapped, IPv4-compatible and NAT64 addresses; the ranges below carry IPv4
addresses inside or lead nowhere (IANA's special-purpose registries, RFC 6890).
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

__all__ = ["is_inside", "is_public", "literal_address"]

_NOT_PUBLIC_4 = [
    IPv4Network(network)
    for network in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",  # carrier-grade NAT
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
    )
]
_PUBLIC_6 = IPv6Network("2000::/3")
_NOT_PUBLIC_6 = [
    IPv6Network(network)
    for network in (
        "2001::/23",  # Teredo (an IPv4 address inside), ORCHID, benchmarks
        "2001:db8::/32",
        "2002::/16",  # 6to4: an IPv4 address inside
        "3fff::/20",
    )
]
_ISATAP = (0x0000_5EFE, 0x0200_5EFE)
"""The middle of an address that ends with an IPv4 address, in any network (RFC 5214)."""


def literal_address(host: str) -> str | None:
    """The host of a URL if it is an address: all that an HTTP client will not resolve.

    "127.1" is none by the book, but some take it for one: it comes back as it is, and no such thing
    is public.
    """
    return host if ":" in host or host.replace(".", "").isdigit() else None


def is_public(address: str) -> bool:
    """False also for what is no address in its usual form."""
    try:
        ip = ip_address(address)
    except ValueError:
        return False
    return _is_public_4(ip) if isinstance(ip, IPv4Address) else _is_public_6(ip)


def is_inside(address: str, networks: Iterable[IPv4Network | IPv6Network]) -> bool:
    """Whether one of these networks has this address; a zone (fe80::1%eth0) is in none of them."""
    try:
        ip = ip_address(address)
    except ValueError:
        return False
    if isinstance(ip, IPv6Address) and ip.scope_id is not None:
        return False
    return any(ip in network for network in networks)


def _is_public_4(ip: IPv4Address) -> bool:
    return not any(ip in network for network in _NOT_PUBLIC_4)


def _is_public_6(ip: IPv6Address) -> bool:
    if ip.scope_id is not None or ip not in _PUBLIC_6:
        return False
    if (int(ip) >> 32) & 0xFFFF_FFFF in _ISATAP:
        return False
    return not any(ip in network for network in _NOT_PUBLIC_6)
