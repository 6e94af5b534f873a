"""The guard judges every URL, host and redirect, and both clients of HTTP do what it says."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from ipaddress import IPv6Address, ip_network

import httpx2
import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from responses_gw.egress import Egress, EgressError, Guard
from responses_gw.egress.addresses import is_inside, is_public
from responses_gw.egress.http_client import guarded_client
from responses_gw.settings import EgressSettings

from .hostile import HOSTILE, NAMES
from .sites import Authority, Names, Site, Trap, site_on, trap_on

pytestmark = pytest.mark.anyio


# --- the guard alone ------------------------------------------------------------------------------


async def judged(guard: Guard, url: str) -> list[str]:
    checked = guard.check_url(url)
    return await guard.addresses(checked.raw_host or "", checked.port or 0)


@pytest.mark.parametrize("url", HOSTILE)
async def test_a_hostile_url_has_no_address_to_connect_to(url: str) -> None:
    guard = Guard(EgressSettings(ports=(80, 443, 9999)), Names(**NAMES).resolve)
    with pytest.raises(EgressError):
        await judged(guard, url.replace("{port}", "9999"))


def test_there_are_many_hostile_urls() -> None:
    assert len(set(HOSTILE)) >= 100


@pytest.mark.parametrize(
    "address",
    ["93.184.216.34", "8.8.8.8", "172.15.0.1", "172.32.0.1", "100.63.0.1", "2606:4700::1111"],
)
async def test_an_address_of_the_internet_is_public(address: str) -> None:
    assert is_public(address)
    assert await Guard(EgressSettings()).addresses(address, 443) == [address]


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "127.1", "2130706433", "::ffff:127.0.0.1"])
async def test_an_address_is_judged_without_a_question_to_the_resolver(host: str) -> None:
    names = Names()
    with pytest.raises(EgressError):
        await Guard(EgressSettings(), names.resolve).addresses(host, 443)
    assert names.asked == []


async def test_a_host_with_one_bad_address_among_good_ones_is_refused() -> None:
    names = Names(mixed_test=[["93.184.216.34", "10.0.0.1"]], good_test=[["93.184.216.34"]])
    guard = Guard(EgressSettings(), names.resolve)
    assert await guard.addresses("good.test", 443) == ["93.184.216.34"]
    with pytest.raises(EgressError):
        await guard.addresses("mixed.test", 443)
    with pytest.raises(EgressError):
        await guard.addresses("good.test", 22)


@given(st.ip_addresses(v=4).map(int), st.integers(0x2000_0000, 0x3FFF_FFFF))
def test_no_address_with_an_ipv4_address_inside_is_public(inside: int, prefix: int) -> None:
    carriers = [
        int(IPv6Address("::ffff:0:0")) | inside,  # mapped
        inside,  # compatible
        int(IPv6Address("::ffff:0:0:0")) | inside,  # translated
        int(IPv6Address("64:ff9b::")) | inside,  # NAT64
        int(IPv6Address("64:ff9b:1::")) | inside,
        int(IPv6Address("2002::")) | inside << 80,  # 6to4
        int(IPv6Address("2001::")) | inside << 64 | inside ^ 0xFFFF_FFFF,  # Teredo
        prefix << 96 | 0x5EFE << 32 | inside,  # ISATAP
        prefix << 96 | 0x0200_5EFE << 32 | inside,
    ]
    assert not [str(ip) for carrier in carriers if is_public(str(ip := IPv6Address(carrier)))]


def test_what_is_refused_reads_like_what_is_not_there() -> None:
    guard = Guard(EgressSettings())
    for url in ("https://10.0.0.1/", "https://[::1]/", "https://169.254.169.254/"):
        with pytest.raises(EgressError, match=r"^its host cannot be reached from this server$"):
            guard.check_url(url)


@pytest.mark.parametrize(
    ("url", "location", "target"),
    [
        ("https://a.test/x/y", "z?q", "https://a.test/x/z?q"),
        ("https://a.test/x", "//b.test/", "https://b.test/"),
        ("https://a.test/x", "https://b.test/y", "https://b.test/y"),
        ("https://a.test/x", "http://a.test/x", None),
        ("https://a.test/x", "https://127.0.0.1/", None),
        ("https://a.test/x", "//[::1]/", None),
        ("https://a.test/x", "//u:p@a.test/", None),
        ("https://a.test/x", "file:///etc/passwd", None),
        ("https://a.test/x", "\\\\127.0.0.1\\", None),
        ("https://a.test/x", "", None),
    ],
)
def test_a_redirect_is_judged_as_a_new_url(url: str, location: str, target: str | None) -> None:
    guard = Guard(EgressSettings())
    if target is not None:
        assert str(guard.check_redirect(guard.check_url(url), location)) == target
        return
    with pytest.raises(EgressError, match=r"^it leads to"):
        guard.check_redirect(guard.check_url(url), location)


def test_a_network_has_the_addresses_of_its_own_kind_without_a_zone() -> None:
    networks = [ip_network("10.1.0.0/16"), ip_network("fe80::/10")]
    assert is_inside("10.1.2.3", networks) and is_inside("fe80::1", networks)
    for address in ("10.2.0.1", "::ffff:10.1.2.3", "fe80::1%2", "10.1", "inside.test"):
        assert not is_inside(address, networks)


# --- what an operator allows ----------------------------------------------------------------------

ALLOWING = EgressSettings(
    allowed_hosts=("files.corp.test", "10.9.9.9", "bücher.test"),
    allowed_networks=("10.1.0.0/16", "fd00:1::/64"),
)
# (the URL, its addresses, whether they are reached)
ALLOWED: list[tuple[str, list[str], bool]] = [
    ("https://files.corp.test/", ["10.0.0.1"], True),
    ("http://files.corp.test:8080/", ["10.0.0.1"], True),
    ("http://FILES.corp.test:8080/", ["10.0.0.1"], True),
    ("https://xn--bcher-kva.test/", ["10.0.0.1"], True),
    ("https://other.corp.test/", ["10.0.0.1"], False),
    ("http://10.9.9.9:81/", [], True),
    ("http://10.9.9.8/", [], False),
    ("http://10.1.2.3:8080/", [], True),
    ("https://10.1.2.3:8080/", [], True),
    ("https://10.2.2.3/", [], False),
    ("https://[fd00:1::5]:8443/", [], True),
    ("https://[fd00:2::5]/", [], False),
    ("https://[::ffff:10.1.2.3]/", [], False),
    ("https://inside.test:8443/", ["10.1.2.3", "fd00:1::5"], True),
    ("https://inside.test/", ["10.1.2.3", "93.184.216.34"], True),
    ("https://inside.test:8443/", ["10.1.2.3", "93.184.216.34"], False),
    ("https://inside.test/", ["10.1.2.3", "10.2.2.3"], False),
    ("https://inside.test:8443/", ["93.184.216.34"], False),
    ("http://inside.test/", ["10.1.2.3"], False),
    ("http://user@files.corp.test/", ["10.0.0.1"], False),
    ("ftp://files.corp.test/", ["10.0.0.1"], False),
]


@pytest.mark.parametrize(("url", "addresses", "reached"), ALLOWED)
async def test_allowed_hosts_and_networks(url: str, addresses: list[str], reached: bool) -> None:
    async def resolve(host: str, port: int) -> list[str]:
        return addresses

    guard = Guard(ALLOWING, resolve)
    try:
        found = await judged(guard, url)
    except EgressError:
        assert not reached
    else:
        assert reached
        assert found == (addresses or [guard.check_url(url).host or ""])


# --- both clients ---------------------------------------------------------------------------------


async def by_fetcher(guard: Guard, url: str) -> bytes:
    async with Egress(guard) as egress:
        return (await egress.fetch(url, max_bytes=1000, seconds=5)).body


async def by_client(guard: Guard, url: str) -> bytes:
    async with guarded_client(guard, timeout=httpx2.Timeout(5)) as client:
        return (await client.get(url, follow_redirects=True)).raise_for_status().content


REFUSED = (EgressError, httpx2.ConnectError)
both = pytest.mark.parametrize("reach", [by_fetcher, by_client])
Reach = Callable[[Guard, str], Awaitable[bytes]]


def hello(site: Site) -> None:
    site.page("/", lambda: web.Response(body=b"hello"))


@both
async def test_a_name_that_changes_its_answer_is_never_followed_to_where_it_may_not(
    reach: Reach, authority: Authority
) -> None:
    """The site and the trap have the same port on two addresses, of which one is allowed."""
    async with (
        site_on("127.0.0.2", authority.server("rebind.test")) as site,
        trap_on("127.0.0.1", site.port) as trap,
    ):
        hello(site)
        names = Names(rebind_test=[["127.0.0.2"], ["127.0.0.1"]])
        settings = EgressSettings(ports=(site.port,), allowed_networks=("127.0.0.2/32",))
        guard = Guard(settings, names.resolve, tls=authority.trust)
        # a second question, between check and connection, would have led to the trap
        assert await reach(guard, site.url("/", "rebind.test")) == b"hello"
        assert names.asked == ["rebind.test"]
        with pytest.raises(REFUSED):
            await reach(guard, site.url("/", "rebind.test"))
        assert names.asked == ["rebind.test"] * 2
        assert (len(site.requests), trap.visits) == (1, 0)


@both
async def test_an_answer_with_one_bad_address_is_refused_as_a_whole(
    reach: Reach, authority: Authority
) -> None:
    async with (
        site_on("127.0.0.2", authority.server("mixed.test")) as site,
        trap_on("127.0.0.1", site.port) as trap,
    ):
        names = Names(mixed_test=[["127.0.0.2", "127.0.0.1"]])
        settings = EgressSettings(ports=(site.port,), allowed_networks=("127.0.0.2/32",))
        guard = Guard(settings, names.resolve, tls=authority.trust)
        with pytest.raises(REFUSED):
            await reach(guard, site.url("/", "mixed.test"))
        assert (len(site.requests), trap.visits) == (0, 0)


@both
@pytest.mark.parametrize(
    "location",
    [
        "https://127.0.0.1:{port}/",
        "http://127.0.0.1:{port}/",
        "//127.0.0.1:{port}/",
        "https://localhost:{port}/",
        "https://2130706433:{port}/",
        "https://0x7f.1:{port}/",
        "https://[::ffff:127.0.0.1]:{port}/",
        "https://inside.test:{port}/",
        "http://site.test@127.0.0.1:{port}/",
        "https://169.254.169.254/latest/meta-data/",
        "http://93.184.216.34/",
    ],
)
async def test_a_redirect_to_a_refused_address_is_not_followed(
    reach: Reach, authority: Authority, trap: Trap, location: str
) -> None:
    async with site_on("127.0.0.2", authority.server("site.test")) as site:
        to = location.replace("{port}", str(trap.port))
        site.page("/", lambda: web.Response(status=302, headers={"location": to}))
        names = Names(
            site_test=[["127.0.0.2"]],
            inside_test=[["127.0.0.1"]],
            localhost=[["127.0.0.1"]],
            **{"0x7f.1": [["127.0.0.1"]]},
        )
        settings = EgressSettings(ports=(443, trap.port), allowed_hosts=("site.test",))
        guard = Guard(settings, names.resolve, tls=authority.trust)
        with pytest.raises(REFUSED):
            await reach(guard, site.url("/", "site.test"))
        assert (len(site.requests), trap.visits) == (1, 0)


@both
@pytest.mark.parametrize("host", ["good.test", "127.0.0.2"])
@pytest.mark.parametrize(
    "allowed", [{"allowed_hosts": ("good.test", "127.0.0.2")}, {"allowed_networks": ("127.0.0.2",)}]
)
@pytest.mark.parametrize("certified", ["itself", "another", "by nobody"])
async def test_what_is_allowed_is_still_verified(
    reach: Reach,
    authority: Authority,
    host: str,
    allowed: dict[str, tuple[str, ...]],
    certified: str,
) -> None:
    certificate = authority.server("another.test" if certified == "another" else host)
    async with site_on("127.0.0.2", certificate) as site:
        hello(site)
        tls = None if certified == "by nobody" else authority.trust
        settings = EgressSettings(
            allowed_hosts=allowed.get("allowed_hosts", ()),
            allowed_networks=allowed.get("allowed_networks", ()),
        )
        guard = Guard(settings, Names(good_test=[["127.0.0.2"]]).resolve, tls=tls)
        if certified == "itself":
            assert await reach(guard, site.url("/", host)) == b"hello"
        else:
            with pytest.raises(REFUSED):
                await reach(guard, site.url("/", host))
            assert site.requests == []


@both
async def test_a_plain_site_is_reached_where_the_operator_allows_it(
    reach: Reach, site: Site
) -> None:
    hello(site)
    names = Names(good_test=[["127.0.0.1"]])
    for settings in (
        EgressSettings(allowed_networks=("127.0.0.0/8",)),
        EgressSettings(allow_private_networks=True),
    ):
        assert await reach(Guard(settings), site.url("/")) == b"hello"
    guard = Guard(EgressSettings(allowed_networks=("127.0.0.0/8",)), names.resolve)
    with pytest.raises(REFUSED):  # nothing says that the name is who it says
        await reach(guard, site.url("/", "good.test"))
