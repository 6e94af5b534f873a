"""PDFs are read in processes that a file can break without harm to anybody else."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from responses_gw.files import PdfError, PdfReaders, PdfText
from responses_gw.files import pdf as module
from responses_gw.settings import FileSettings

from ..support.pdf import bomb, pdf

pytestmark = pytest.mark.anyio
Make = Callable[..., PdfReaders]


@pytest.fixture
async def make() -> AsyncIterator[Make]:
    made: list[PdfReaders] = []

    def readers(**settings: object) -> PdfReaders:
        made.append(PdfReaders(FileSettings(**settings)))  # type: ignore[arg-type]
        return made[-1]

    yield readers
    for one in made:
        await one.close()


def children() -> set[int]:
    """The living child processes that read PDFs."""
    found = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                command = (entry / "cmdline").read_bytes()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if parent == os.getpid() and b"pdf_worker" in command:
                found.add(int(entry.name))
    return found


def environment_of(pid: int) -> bytes:
    return Path(f"/proc/{pid}/environ").read_bytes()


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110 - another process does it
            await asyncio.sleep(0.01)


async def refusal(readers: PdfReaders, data: bytes) -> str:
    with pytest.raises(PdfError) as caught:
        await readers.text_of(data)
    return caught.value.status


async def test_a_pdf_gives_its_pages_in_order_and_always_the_same(make: Make) -> None:
    readers = make(pdf_cache_bytes=0)
    expected = PdfText(2, "[page 1]\nThe first page\n\n[page 2]\nThe second")
    assert await readers.text_of(pdf("The first page", "The second")) == expected
    assert await readers.text_of(pdf("The first page", "The second")) == expected
    assert await make().text_of(pdf("The first page", "The second")) == expected


async def test_a_process_reads_one_pdf_after_another(make: Make) -> None:
    readers = make()
    await readers.text_of(pdf("one"))
    first = children()
    assert len(first) == 1
    await readers.text_of(pdf("two"))
    assert children() == first
    await readers.close()
    assert children() == set()


async def test_no_more_processes_run_than_are_allowed(make: Make) -> None:
    readers = make(pdf_workers=2)
    texts = await asyncio.gather(*(readers.text_of(pdf(f"number {n}")) for n in range(8)))
    assert [text.text for text in texts] == [f"[page 1]\nnumber {n}" for n in range(8)]
    assert len(children()) == 2


@pytest.mark.parametrize(
    ("data", "settings", "status"),
    [
        (b"%PDF-1.4\nthis is none", {}, "unreadable"),
        (b"%PDF-", {}, "unreadable"),
        (pdf("x")[:200], {}, "unreadable"),
        (pdf("", ""), {}, "no_text"),
        (pdf("a", "b", "c"), {"max_pages": 2}, "too_many_pages"),
        (pdf("a" * 500), {"max_characters": 100}, "too_long"),
        (pdf("a").replace(b"/Kids [4 0 R]", b"/Kids [2 0 R]"), {}, "unreadable"),
        (bomb(60), {"pdf_memory_bytes": 2**27 + 2**26}, "too_complex"),
    ],
    ids=["none", "a mark", "cut", "empty", "pages", "characters", "circle", "memory"],
)
async def test_what_cannot_be_read_is_refused_and_the_next_is_read(
    make: Make, data: bytes, settings: dict[str, object], status: str
) -> None:
    readers = make(**settings)
    assert await refusal(readers, data) == status
    assert (await readers.text_of(pdf("fine"))).text == "[page 1]\nfine"


async def test_a_bomb_is_killed_in_time_while_the_loop_goes_on(make: Make) -> None:
    readers = make(pdf_seconds=1.0, pdf_workers=1)
    longest = 0.0

    async def tick() -> None:
        nonlocal longest
        while True:
            before = time.monotonic()
            await asyncio.sleep(0.01)
            longest = max(longest, time.monotonic() - before)

    ticker = asyncio.ensure_future(tick())
    data = bomb(60)
    begin = time.monotonic()
    assert await refusal(readers, data) == "too_slow"
    assert time.monotonic() - begin < 3.0
    ticker.cancel()
    assert longest < 0.5, "the event loop stood still"
    assert children() == set(), "the process that read the bomb is still there"
    assert (await readers.text_of(pdf("after"))).text == "[page 1]\nafter"


async def test_a_client_that_leaves_takes_its_pdf_with_it(make: Make) -> None:
    readers = make()
    task = asyncio.ensure_future(readers.text_of(bomb(60)))
    await until(lambda: bool(children()))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert children() == set()


async def test_a_process_that_was_killed_meanwhile_is_replaced(make: Make) -> None:
    readers = make()
    await readers.text_of(pdf("one"))
    (pid,) = children()
    os.kill(pid, 9)
    await until(lambda: not children())
    assert (await readers.text_of(pdf("two"))).text == "[page 1]\ntwo"


async def test_nothing_of_our_environment_is_in_the_process(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RESPONSES_GW_UPSTREAM_API_KEY", "hunter2")
    await make().text_of(pdf("one"))
    (pid,) = children()
    assert b"hunter2" not in environment_of(pid)


def test_the_process_ends_with_its_input() -> None:
    command = [sys.executable, "-I", str(module.WORKER), str(2**30)]
    assert subprocess.run(command, stdin=subprocess.DEVNULL, timeout=20).returncode == 0


def test_the_process_ends_by_itself_when_nobody_is_left_to_kill_it() -> None:
    data = bomb(60)
    head = {"size": len(data), "max_pages": 9, "max_characters": 10**9, "seconds": -4.0}
    command = [sys.executable, "-I", str(module.WORKER), str(2**31)]
    ended = subprocess.run(
        command, input=json.dumps(head).encode() + b"\n" + data, capture_output=True, timeout=20
    )
    assert ended.returncode == -signal.SIGALRM


async def test_a_pdf_that_comes_again_is_not_read_again(make: Make) -> None:
    readers = make()
    first = await readers.text_of(pdf("once"))
    await readers.close()
    assert await readers.text_of(pdf("once")) is first
    assert children() == set()


async def test_whoever_waits_too_long_is_sent_away(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "WAIT_SECONDS", 0.2)
    readers = make(pdf_workers=1, pdf_seconds=2.0)
    slow = asyncio.ensure_future(refusal(readers, bomb(60)))
    await asyncio.sleep(0.1)
    with pytest.raises(module.PdfBusy):
        await readers.text_of(pdf("quick"))
    assert await slow == "too_slow"
