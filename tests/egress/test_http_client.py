"""The client of the MCP SDK reaches only what the guard allows, whoever chose the URL."""

from __future__ import annotations

import asyncio
import re
import socket
import subprocess
import sys
import time
from collections.abc import Sequence

import httpx2
import pytest
from aiohttp import web

from responses_gw.egress import EgressError, Guard
from responses_gw.egress.guard import Resolve
from responses_gw.egress.http_client import guarded_client
from responses_gw.settings import EgressSettings

from .hostile import HOSTILE, NAMES
from .sites import Authority, Names, Site, Trap, site_on

pytestmark = pytest.mark.anyio

ANY_ADDRESS = re.compile(r"\d+\.\d+\.\d+\.\d+|::")


def on_loopback() -> Guard:
    return Guard(EgressSettings(allowed_hosts=("127.0.0.1",)))


class Recording(Guard):
    """Keeps what it gave out."""

    def __init__(self, settings: EgressSettings, resolve: Resolve) -> None:
        super().__init__(settings, resolve)
        self.given: list[str] = []

    async def addresses(self, host: str, port: int) -> list[str]:
        self.given += (found := await super().addresses(host, port))
        return found


# an empty user is nobody, and httpx2 leaves it out before anyone can look
@pytest.mark.parametrize("url", [url for url in HOSTILE if "//@" not in url])
async def test_a_hostile_url_reaches_nobody(url: str, trap: Trap) -> None:
    settings = EgressSettings(ports=(80, 443, trap.port))
    guard = Recording(settings, Names(**NAMES).resolve)
    async with guarded_client(guard) as client:
        with pytest.raises((httpx2.TransportError, httpx2.InvalidURL)):
            await client.post(url.replace("{port}", str(trap.port)), json={})
    await asyncio.sleep(0)
    assert (guard.given, trap.visits) == ([], 0)


async def test_every_request_is_judged_also_those_that_are_built_elsewhere(trap: Trap) -> None:
    async with guarded_client(Guard(EgressSettings(ports=(trap.port,)))) as client:
        for url in (f"https://127.0.0.1:{trap.port}/", f"http://127.0.0.1:{trap.port}/"):
            with pytest.raises(httpx2.ConnectError):
                await client.send(httpx2.Request("POST", url, content=b"x"))
            with pytest.raises(httpx2.ConnectError):
                async with client.stream("GET", url):
                    pass
    assert trap.visits == 0


class Led(httpx2.Auth):
    """Asks somewhere else first, as OAuth does where a server's metadata say so."""

    def __init__(self, url: str) -> None:
        self._url = url

    async def async_auth_flow(self, request):  # type: ignore[no-untyped-def]
        yield httpx2.Request("POST", self._url)
        yield request


async def test_where_credentials_come_from_is_judged_too(site: Site, trap: Trap) -> None:
    site.page("/", lambda: web.Response(body=b"x"))
    auth = Led(f"https://127.0.0.2:{trap.port}/token")
    async with guarded_client(on_loopback(), auth=auth) as client:
        with pytest.raises(httpx2.ConnectError):
            await client.get(site.url("/"))
    assert (site.requests, trap.visits) == ([], 0)


async def test_a_redirect_is_the_callers_to_follow(site: Site) -> None:
    site.page("/", lambda: web.Response(status=307, headers={"location": "/b"}))
    async with guarded_client(on_loopback()) as client:
        assert (await client.get(site.url("/"))).status_code == 307
    assert len(site.requests) == 1


async def test_an_error_says_no_address_and_has_the_guards_as_its_cause() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    names = Names(inside_test=[["10.0.0.7"]], dead_test=[["127.0.0.1"]])
    guard = Guard(EgressSettings(allowed_hosts=("dead.test",)), names.resolve)
    async with guarded_client(guard) as client:
        for url in ("https://inside.test/", f"http://dead.test:{port}/", "https://nobody.test/"):
            with pytest.raises(httpx2.ConnectError) as caught:
                await client.get(url)
            assert str(caught.value) == "its host cannot be reached from this server"
        with pytest.raises(httpx2.ConnectError, match="not an https") as caught:
            await client.get("http://inside.test/")
        assert isinstance(caught.value.__cause__, EgressError)
        assert not ANY_ADDRESS.search(str(caught.value))


async def test_a_silent_resolver_is_cut_in_time() -> None:
    async def silent(host: str, port: int) -> Sequence[str]:
        await asyncio.sleep(60)
        return []

    started = time.monotonic()
    async with guarded_client(Guard(EgressSettings(), silent)) as client:
        with pytest.raises(httpx2.ConnectTimeout):
            await client.get("https://slow.test/", timeout=httpx2.Timeout(0.2))
    assert time.monotonic() - started < 5


async def test_the_next_address_is_called_when_one_is_dead(authority: Authority) -> None:
    async with site_on("127.0.0.3", authority.server("two.test")) as site:
        site.page("/", lambda: web.Response(body=b"x"))
        names = Names(two_test=[["127.0.0.2", "127.0.0.3"]])
        settings = EgressSettings(allowed_networks=("127.0.0.2/31",))
        async with guarded_client(Guard(settings, names.resolve, tls=authority.trust)) as client:
            assert (await client.get(site.url("/", "two.test"))).content == b"x"
        assert names.asked == ["two.test"]
        assert site.requests[0].headers["host"] == f"two.test:{site.port}"


async def test_another_names_certificate_cannot_be_asked_for(authority: Authority) -> None:
    async with site_on("127.0.0.1", authority.server("other.test")) as site:
        settings = EgressSettings(allowed_hosts=("127.0.0.1",))
        async with guarded_client(Guard(settings, tls=authority.trust)) as client:
            with pytest.raises(httpx2.ConnectError):
                await client.get(site.url("/"), extensions={"sni_hostname": "other.test"})
        assert site.requests == []


async def test_no_cookie_is_kept_and_no_proxy_is_found(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9/")
    site.page("/", lambda: web.Response(body=b"x", headers={"set-cookie": "a=b; Path=/"}))
    async with guarded_client(on_loopback(), headers={"X-Key": "k"}) as client:
        for _ in range(2):
            await client.get(site.url("/"))
    headers = {name.lower(): value for name, value in site.requests[-1].headers.items()}
    assert set(headers) == {
        "host", "user-agent", "accept", "accept-encoding", "connection", "x-key"
    }  # fmt: skip
    assert headers["user-agent"].startswith("responses-gw/")


async def test_the_headers_of_the_caller_go_before_ours(site: Site) -> None:
    site.page("/", lambda: web.Response(body=b"x"))
    async with guarded_client(on_loopback(), headers={"User-Agent": "me"}) as client:
        await client.get(site.url("/"))
    assert site.requests[0].headers.getall("user-agent") == ["me"]


async def test_a_stream_arrives_while_it_is_sent_and_a_broken_one_is_an_error(site: Site) -> None:
    more = asyncio.Event()

    async def stream(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-length": "10"})
        await response.prepare(request)
        await response.write(b"first")
        await more.wait()
        assert request.transport is not None
        request.transport.abort()
        return response

    site.pages["/"] = stream
    async with (
        guarded_client(on_loopback()) as client,
        client.stream("GET", site.url("/")) as response,
    ):
        pieces = response.aiter_raw()
        assert await anext(pieces) == b"first"
        more.set()
        with pytest.raises((httpx2.RemoteProtocolError, httpx2.ReadError)):
            await anext(pieces)


def test_the_service_starts_without_the_libraries_of_mcp() -> None:
    code = (
        "import sys, responses_gw.app\n"
        "assert not {'httpx2', 'httpcore2', 'mcp'} & set(sys.modules), 'loaded'"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
