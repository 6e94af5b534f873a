"""Nothing that a client writes into a URL lets it reach what only the service can reach."""

from __future__ import annotations

import asyncio
import gzip
import socket
import zlib
from collections.abc import AsyncIterator, Callable

import pytest
from aiohttp import web

from responses_gw.egress import Egress, EgressError, Guard
from responses_gw.settings import EgressSettings

from .hostile import HOSTILE, NAMES
from .sites import Names, Site, Trap

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("url", HOSTILE)
async def test_a_hostile_url_reaches_nobody(url: str, trap: Trap) -> None:
    names = Names(**NAMES)
    settings = EgressSettings(ports=(80, 443, trap.port))
    async with Egress(Guard(settings, names.resolve)) as egress:
        with pytest.raises(EgressError):
            await egress.fetch(url.replace("{port}", str(trap.port)), max_bytes=100, seconds=5)
    await asyncio.sleep(0)
    assert trap.visits == 0


# --- the answer that changes ----------------------------------------------------------------------


async def test_a_name_is_asked_once_and_the_checked_address_is_the_one_that_is_called(
    trap: Trap, monkeypatch: pytest.MonkeyPatch
) -> None:
    called: list[str] = []

    def no_network(target: tuple[object, object, object, str, tuple[str, int]]) -> socket.socket:
        called.append(target[4][0])
        raise OSError("no network in this test")

    names = Names(rebind_test=[["93.184.216.34"], ["127.0.0.1"]])
    guard = Guard(EgressSettings(ports=(trap.port,)), names.resolve)
    monkeypatch.setattr(Egress, "_socket", lambda _, target: no_network(target))
    async with Egress(guard) as egress:
        url = f"https://rebind.test:{trap.port}/"
        with pytest.raises(EgressError):
            await egress.fetch(url, max_bytes=100, seconds=5)
        assert (names.asked, called) == (["rebind.test"], ["93.184.216.34"])
        with pytest.raises(EgressError):  # the answer has changed: it is checked anew
            await egress.fetch(url, max_bytes=100, seconds=5)
        assert (names.asked, called) == (["rebind.test"] * 2, ["93.184.216.34"])
    assert trap.visits == 0


async def test_a_redirect_asks_again_and_is_checked_again(site: Site, trap: Trap) -> None:
    target = f"https://rebind.test:{trap.port}/"
    site.page("/", lambda: web.Response(status=302, headers={"location": target}))
    names = Names(site_test=[["127.0.0.1"]], rebind_test=[["127.0.0.1"]])
    settings = EgressSettings(ports=(trap.port,), allowed_hosts=("site.test",))
    async with Egress(Guard(settings, names.resolve)) as egress:
        with pytest.raises(EgressError):
            await egress.fetch(site.url("/", "site.test"), max_bytes=100, seconds=5)
    assert names.asked == ["site.test", "rebind.test"]
    assert trap.visits == 0


def test_the_last_gate_lets_no_private_address_through() -> None:
    target = (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", ("127.0.0.1", 80))
    with pytest.raises(OSError, match="may not be reached"):
        Egress(Guard(EgressSettings()))._socket(target)


# --- redirects ------------------------------------------------------------------------------------


@pytest.fixture
async def egress(site: Site) -> AsyncIterator[Egress]:
    async with Egress(Guard(EgressSettings(allowed_hosts=("127.0.0.1",)))) as found:
        yield found


@pytest.mark.parametrize(
    "location",
    [
        "https://127.0.0.2:{port}/",
        "https://localhost:{port}/",
        "https://[::1]:{port}/",
        "//127.0.0.2:{port}/",
        "http://93.184.216.34/",
        "https://169.254.169.254/",
        "file:///etc/passwd",
        "http://user:password@127.0.0.1:{site}/",
        "https://93.184.216.34:{port}/",
        "",
        "https://[::1",
        "https://a b/",
    ],
)
async def test_a_redirect_leads_nowhere_forbidden(
    site: Site, egress: Egress, trap: Trap, location: str
) -> None:
    to = location.replace("{port}", str(trap.port)).replace("{site}", str(site.port))
    site.page("/", lambda: web.Response(status=302, headers={"location": to}))
    with pytest.raises(EgressError):
        await egress.fetch(site.url("/"), max_bytes=100, seconds=5)
    assert (len(site.requests), trap.visits) == (1, 0)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_followed(site: Site, egress: Egress, status: int) -> None:
    site.page("/a", lambda: web.Response(status=status, headers={"location": "/b?c#d"}))
    site.page("/b", lambda: web.Response(body=b"here", content_type="text/csv"))
    fetched = await egress.fetch(site.url("/a"), max_bytes=100, seconds=5)
    assert (fetched.body, fetched.media_type) == (b"here", "text/csv")
    assert fetched.url == site.url("/b?c")


async def test_five_redirects_are_followed_and_a_sixth_is_not(site: Site, egress: Egress) -> None:
    for hop in range(6):
        site.page(
            f"/{hop}",
            lambda hop=hop: web.Response(status=302, headers={"location": f"/{hop + 1}"}),  # type: ignore[misc]
        )
    site.page("/6", lambda: web.Response(body=b"end"))
    assert (await egress.fetch(site.url("/1"), max_bytes=9, seconds=5)).body == b"end"
    with pytest.raises(EgressError, match="more than 5 redirects"):
        await egress.fetch(site.url("/0"), max_bytes=9, seconds=5)


# --- bounds ---------------------------------------------------------------------------------------


def bombs() -> dict[str, web.Response]:
    zeros = b"\x00" * 50_000_000
    return {
        "announced": web.Response(body=b"x" * 1001),
        "gzip": web.Response(body=gzip.compress(zeros), headers={"content-encoding": "gzip"}),
        "deflate": web.Response(body=zlib.compress(zeros), headers={"content-encoding": "deflate"}),
        "unknown": web.Response(body=b"x", headers={"content-encoding": "br"}),
        "twice": web.Response(body=b"x", headers={"content-encoding": "gzip, gzip"}),
        "not gzip": web.Response(body=b"x", headers={"content-encoding": "gzip"}),
        "cut gzip": web.Response(
            body=gzip.compress(b"hello")[:-9], headers={"content-encoding": "gzip"}
        ),
        "missing": web.Response(status=404, body=b"x"),
        "nothing": web.Response(status=204),
        "part": web.Response(status=206, body=b"x"),
    }


@pytest.mark.parametrize("name", bombs())
async def test_a_bad_answer_is_refused(site: Site, egress: Egress, name: str) -> None:
    site.page("/", lambda: bombs()[name])
    with pytest.raises(EgressError):
        await egress.fetch(site.url("/"), max_bytes=1000, seconds=5)


async def test_an_endless_answer_is_cut_at_its_bound(site: Site, egress: Egress) -> None:
    async def endless(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"x" * 10_000)

    site.pages["/"] = endless
    with pytest.raises(EgressError, match="larger than 50000 bytes"):
        await egress.fetch(site.url("/"), max_bytes=50_000, seconds=5)


async def test_a_slow_answer_is_cut_in_time(site: Site, egress: Egress) -> None:
    async def drip(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"x")
            await asyncio.sleep(0.05)

    site.pages["/"] = drip
    with pytest.raises(EgressError, match=r"within 0\.3 seconds"):
        await egress.fetch(site.url("/"), max_bytes=50_000, seconds=0.3)


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "identity", ""])
@pytest.mark.parametrize("size", [0, 5, 300_000, 1_000_000])
async def test_what_is_within_its_bounds_arrives_whole(
    site: Site, egress: Egress, encoding: str, size: int
) -> None:
    pack: Callable[[bytes], bytes] = bytes
    if encoding:
        pack = {"gzip": lambda it: gzip.compress(it), "deflate": zlib.compress}.get(encoding, bytes)
    data = (b"a" * 700 + b"bcd") * (size // 703) + b"e" * (size % 703)
    headers = {"content-encoding": encoding} if encoding else {}
    site.page("/", lambda: web.Response(body=pack(data), headers=headers))
    fetched = await egress.fetch(site.url("/"), max_bytes=1_000_000, seconds=5)
    assert fetched.body == data


async def test_a_request_says_who_it_is_and_nothing_more(
    site: Site, egress: Egress, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9/")
    site.page("/", lambda: web.Response(body=b"x", headers={"set-cookie": "a=b"}))
    for _ in range(2):
        await egress.fetch(site.url("/"), max_bytes=10, seconds=5)
    headers = {name.lower(): value for name, value in site.requests[-1].headers.items()}
    assert set(headers) == {"host", "user-agent", "accept", "accept-encoding", "connection"}
    assert headers["user-agent"].startswith("responses-gw/")
    assert headers["accept-encoding"] == "identity"


# --- what an operator allows ----------------------------------------------------------------------


async def test_an_allowed_host_is_no_other_name_of_its_address(site: Site) -> None:
    names = Names(good_test=[["127.0.0.1"]], bad_test=[["127.0.0.1"]])
    site.page("/", lambda: web.Response(body=b"x"))
    settings = EgressSettings(allowed_hosts=("Good.test",))
    async with Egress(Guard(settings, names.resolve)) as egress:
        url = site.url("/", "good.test")
        assert (await egress.fetch(url, max_bytes=10, seconds=5)).body == b"x"
        for host in ("bad.test", "127.0.0.1"):
            with pytest.raises(EgressError):
                await egress.fetch(site.url("/", host), max_bytes=10, seconds=5)


async def test_all_networks_can_be_allowed(site: Site) -> None:
    site.page("/", lambda: web.Response(body=b"x"))
    async with Egress(Guard(EgressSettings(allow_private_networks=True))) as egress:
        assert (await egress.fetch(site.url("/"), max_bytes=10, seconds=5)).body == b"x"
