"""Nothing that a client writes into a URL lets it reach what only the service can reach."""

from __future__ import annotations

import asyncio
import gzip
import socket
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

import pytest
from aiohttp import web

from responses_gw.egress import Egress, EgressError
from responses_gw.egress import fetching as module
from responses_gw.egress.addresses import is_public
from responses_gw.settings import EgressSettings

pytestmark = pytest.mark.anyio
Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class Names:
    """A name server of the test: each question to a host takes its next answer."""

    def __init__(self, **answers: Sequence[Sequence[str]]) -> None:
        self.answers = {host.replace("_", "."): list(each) for host, each in answers.items()}
        self.asked: list[str] = []

    async def resolve(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        left = self.answers.get(host)
        if not left:
            raise socket.gaierror(socket.EAI_NONAME, "no such host")
        return left.pop(0) if len(left) > 1 else left[0]


class Trap:
    """Listens on a port of this machine and counts who comes."""

    def __init__(self) -> None:
        self.visits = 0
        self.port = 0

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.visits += 1
        writer.close()


@pytest.fixture
async def trap() -> AsyncIterator[Trap]:
    found = Trap()
    server = await asyncio.start_server(found._meet, "0.0.0.0", 0)
    found.port = server.sockets[0].getsockname()[1]
    yield found
    server.close()
    await server.wait_closed()


class Site:
    """A web server on this machine whose pages are set by the test."""

    def __init__(self) -> None:
        self.pages: dict[str, Handler] = {}
        self.requests: list[web.BaseRequest] = []
        self.port = 0

    async def serve(self, request: web.BaseRequest) -> web.StreamResponse:
        self.requests.append(request)
        return await self.pages[request.path](request)

    def page(self, path: str, response: Callable[[], web.Response]) -> None:
        async def handler(request: web.BaseRequest) -> web.StreamResponse:
            return response()

        self.pages[path] = handler

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}{path}"


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    found = Site()
    runner = web.ServerRunner(web.Server(found.serve))
    await runner.setup()
    listener = socket.create_server(("127.0.0.1", 0))
    found.port = listener.getsockname()[1]
    await web.SockSite(runner, listener).start()
    yield found
    await runner.cleanup()


def public_of(*numbers: str) -> list[list[str]]:
    return [list(numbers)]


NAMES: dict[str, list[list[str]]] = {
    "localhost": public_of("127.0.0.1", "::1"),
    "localhost_": public_of("127.0.0.1"),
    "inside_test": public_of("10.1.2.3"),
    "mixed_test": public_of("93.184.216.34", "127.0.0.1"),
    "six_test": public_of("::1"),
    "local_test": public_of("fe80::1%2"),
    "unique_test": public_of("fd00::1"),
    "mapped_test": public_of("::ffff:127.0.0.1"),
    "nat64_test": public_of("64:ff9b::7f00:1"),
    "sixtofour_test": public_of("2002:7f00:1::"),
    "teredo_test": public_of("2001:0:4136:e378:8000:63bf:3fff:fdd2"),
    "meta_test": public_of("169.254.169.254"),
    "cgnat_test": public_of("100.64.0.1"),
    "zero_test": public_of("0.0.0.0"),
    "odd_test": public_of("127.1"),
    "empty_test": [[]],
    # what a system's resolver makes of odd ways to write 127.0.0.1
    "0x7f000001": public_of("127.0.0.1"),
    "0x7f_1": public_of("127.0.0.1"),
    "0177_0_0_0x1": public_of("127.0.0.1"),
    "127_0_0_1_nip_test": public_of("127.0.0.1"),
}

# {port} is the trap's, which is among the allowed ones: it is not the port that saves us
HOSTILE = [
    # loopback, and the ways to write it
    "http://127.0.0.1:{port}/",
    "http://a]b[@:{port}/",
    "https://127.0.0.1:{port}/",
    "http://127.0.0.2:{port}/",
    "http://127.255.255.254:{port}/",
    "http://localhost:{port}/",
    "http://LOCALHOST:{port}/",
    "http://localhost.:{port}/",
    "http://127.1:{port}/",
    "http://127.0.1:{port}/",
    "http://2130706433:{port}/",
    "http://017700000001:{port}/",
    "http://0x7f000001:{port}/",
    "http://0x7f.1:{port}/",
    "http://0177.0.0.0x1:{port}/",
    "http://127.0.0.1.:{port}/",
    "http://127.000.000.001:{port}/",
    "http://127.0.0.1.nip.test:{port}/",
    "http://127。0。0。1:{port}/",
    "http://１２７.0.0.1:{port}/",
    "http://①②⑦.⓪.⓪.①:{port}/",
    "http://%31%32%37.0.0.1:{port}/",
    "http://0.0.0.0:{port}/",
    "http://0:{port}/",
    "http://[::1]:{port}/",
    "http://[0:0:0:0:0:0:0:1]:{port}/",
    "http://[::]:{port}/",
    "http://[::ffff:127.0.0.1]:{port}/",
    "http://[::ffff:7f00:1]:{port}/",
    "http://[::127.0.0.1]:{port}/",
    "http://[64:ff9b::127.0.0.1]:{port}/",
    "http://[64:ff9b:1::7f00:1]:{port}/",
    "http://[2002:7f00:1::]:{port}/",
    "http://[2001:0:4136:e378:8000:63bf:3fff:fdd2]:{port}/",
    "http://[2001:4860::5efe:127.0.0.1]:{port}/",
    "http://[::1%251]:{port}/",
    # networks of ours
    "http://10.0.0.1/",
    "http://172.16.0.1/",
    "http://172.31.255.255/",
    "http://192.168.1.1/",
    "http://100.64.0.1/",
    "http://169.254.169.254/latest/meta-data/",
    "http://169.254.1.1/",
    "http://192.0.0.192/opc/v1/",
    "http://198.18.0.1/",
    "http://192.0.2.1/",
    "http://203.0.113.9/",
    "http://192.88.99.1/",
    "http://224.0.0.1/",
    "http://239.255.255.250/",
    "http://240.0.0.1/",
    "http://255.255.255.255/",
    "http://[fe80::1]/",
    "http://[fe80::1%25eth0]/",
    "http://[fc00::1]/",
    "http://[fd00:ec2::254]/latest/meta-data/",
    "http://[ff02::1]/",
    "http://[fec0::1]/",
    "http://[2001:db8::1]/",
    "http://[3fff::1]/",
    "http://[100::1]/",
    "http://[::10.0.0.1]/",
    # names that lead there
    "http://inside.test/",
    "http://mixed.test:{port}/",
    "http://six.test:{port}/",
    "http://local.test/",
    "http://unique.test/",
    "http://mapped.test:{port}/",
    "http://nat64.test:{port}/",
    "http://sixtofour.test/",
    "http://teredo.test/",
    "http://meta.test/",
    "http://cgnat.test/",
    "http://zero.test:{port}/",
    "http://odd.test:{port}/",
    "http://empty.test/",
    "http://nobody.test/",
    # schemes
    "file:///etc/passwd",
    "ftp://93.184.216.34/",
    "gopher://127.0.0.1:{port}/",
    "unix:///run/docker.sock",
    "http+unix://%2Frun%2Fdocker.sock/",
    "data:text/plain,hello",
    "javascript:alert(1)",
    "jar:http://93.184.216.34!/",
    "//93.184.216.34/",
    "93.184.216.34",
    "/etc/passwd",
    "",
    # users, ports, and what parsers disagree about
    "http://user@93.184.216.34/",
    "http://user:password@93.184.216.34/",
    "http://@93.184.216.34/",
    "http://93.184.216.34@127.0.0.1:{port}/",
    "http://127.0.0.1:{port}\\@93.184.216.34/",
    "http://127.0.0.1:{port}#@93.184.216.34/",
    "http://93.184.216.34:22/",
    "http://93.184.216.34:6379/",
    "http://93.184.216.34:0/",
    "http://93.184.216.34:99999/",
    "http://93.184.216.34:x/",
    "http://93.184.216.34/ HTTP/1.1\r\nx: y",
    "http://93.184.216.34/\tx",
    "http://93.184.216.34/\x00",
    "\nhttp://93.184.216.34/",
    "http:///path",
    "http://",
    "http://[::1",
    "http://[1.2.3.4]/",
    "http://" + "a" * 10_000 + ".test/",
]


@pytest.mark.parametrize("url", HOSTILE)
async def test_a_hostile_url_reaches_nobody(url: str, trap: Trap) -> None:
    names = Names(**NAMES)
    names.answers["localhost."] = [["127.0.0.1"]]
    settings = EgressSettings(ports=(80, 443, trap.port))
    async with Egress(settings, names.resolve) as egress:
        with pytest.raises(EgressError):
            await egress.fetch(url.replace("{port}", str(trap.port)), max_bytes=100, seconds=5)
    await asyncio.sleep(0)
    assert trap.visits == 0


def test_there_are_many_hostile_urls() -> None:
    assert len(set(HOSTILE)) >= 100


@pytest.mark.parametrize(
    "address",
    ["93.184.216.34", "8.8.8.8", "172.15.0.1", "172.32.0.1", "100.63.0.1", "2606:4700::1111"],
)
def test_an_address_of_the_internet_is_public(address: str) -> None:
    assert is_public(address)


# --- the answer that changes ----------------------------------------------------------------------


async def test_a_name_is_asked_once_and_the_checked_address_is_the_one_that_is_called(
    trap: Trap, monkeypatch: pytest.MonkeyPatch
) -> None:
    called: list[str] = []

    def no_network(target: tuple[object, object, object, str, tuple[str, int]]) -> socket.socket:
        called.append(target[4][0])
        raise OSError("no network in this test")

    monkeypatch.setattr(module, "_public_socket", no_network)
    names = Names(rebind_test=[["93.184.216.34"], ["127.0.0.1"]])
    async with Egress(EgressSettings(ports=(trap.port,)), names.resolve) as egress:
        url = f"http://rebind.test:{trap.port}/"
        with pytest.raises(EgressError):
            await egress.fetch(url, max_bytes=100, seconds=5)
        assert (names.asked, called) == (["rebind.test"], ["93.184.216.34"])
        with pytest.raises(EgressError):  # the answer has changed: it is checked anew
            await egress.fetch(url, max_bytes=100, seconds=5)
        assert (names.asked, called) == (["rebind.test"] * 2, ["93.184.216.34"])
    assert trap.visits == 0


async def test_a_redirect_asks_again_and_is_checked_again(site: Site, trap: Trap) -> None:
    target = f"http://rebind.test:{trap.port}/"
    site.page("/", lambda: web.Response(status=302, headers={"location": target}))
    names = Names(site_test=[["127.0.0.1"]], rebind_test=[["127.0.0.1"]])
    settings = EgressSettings(ports=(trap.port,), allowed_hosts=("site.test",))
    async with Egress(settings, names.resolve) as egress:
        with pytest.raises(EgressError):
            await egress.fetch(site.url("/", "site.test"), max_bytes=100, seconds=5)
    assert names.asked == ["site.test", "rebind.test"]
    assert trap.visits == 0


def test_the_last_gate_lets_no_private_address_through() -> None:
    target = (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", ("127.0.0.1", 80))
    with pytest.raises(OSError, match="may not be reached"):
        module._public_socket(target)


# --- redirects ------------------------------------------------------------------------------------


@pytest.fixture
async def egress(site: Site) -> AsyncIterator[Egress]:
    async with Egress(EgressSettings(allowed_hosts=("127.0.0.1",))) as found:
        yield found


@pytest.mark.parametrize(
    "location",
    [
        "http://127.0.0.2:{port}/",
        "http://localhost:{port}/",
        "http://[::1]:{port}/",
        "//127.0.0.2:{port}/",
        "http://169.254.169.254/",
        "file:///etc/passwd",
        "http://user:password@127.0.0.1:{site}/",
        "http://93.184.216.34:{port}/",
        "",
        "http://[::1",
        "http://a b/",
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
    async with Egress(EgressSettings(allowed_hosts=("Good.test",)), names.resolve) as egress:
        url = site.url("/", "good.test")
        assert (await egress.fetch(url, max_bytes=10, seconds=5)).body == b"x"
        for host in ("bad.test", "127.0.0.1"):
            with pytest.raises(EgressError):
                await egress.fetch(site.url("/", host), max_bytes=10, seconds=5)


async def test_all_networks_can_be_allowed(site: Site) -> None:
    site.page("/", lambda: web.Response(body=b"x"))
    async with Egress(EgressSettings(allow_private_networks=True)) as egress:
        assert (await egress.fetch(site.url("/"), max_bytes=10, seconds=5)).body == b"x"
