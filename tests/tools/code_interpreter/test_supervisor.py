"""The supervisor: what it serves, when it refuses, and that it leaves nothing behind."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from responses_gw.tools.code_interpreter import (
    CallEnd,
    FileEntry,
    FileRefused,
    Output,
    SandboxBusy,
    SandboxClient,
    SandboxDown,
    SandboxSession,
    SessionGone,
    StreamText,
    ValueText,
)
from tests.support.sandbox import (
    INSIDE,
    MODES,
    Sandbox,
    User,
    Walls,
    running_sandbox,
    wait_until_gone,
)

US: User = "root" if os.geteuid() == 0 else "ordinary"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with running_sandbox(US) as started:
        yield started


def in_session(sandbox: Sandbox, work: Callable[[SandboxSession], Awaitable[None]]) -> None:
    async def run() -> None:
        session = await sandbox.client.open()
        try:
            async with asyncio.timeout(20):
                await work(session)
        finally:
            await session.close()

    asyncio.run(run())


def test_variables_live_from_call_to_call(sandbox: Sandbox) -> None:
    async def work(session: SandboxSession) -> None:
        await session.run("x = 20")
        result = await session.run("print('so'); x + 1")
        assert result.outputs == (StreamText("stdout", "so\n"), ValueText("21"))

    in_session(sandbox, work)


def test_outputs_come_while_the_code_runs(sandbox: Sandbox) -> None:
    async def work(session: SandboxSession) -> None:
        code = "import time\nprint('first', flush=True)\ntime.sleep(30)"
        seen: list[Output | CallEnd] = []
        async for item in session.stream(code, 60):
            seen.append(item)
            if item == StreamText("stdout", "first\n"):
                await session.interrupt()
        assert isinstance(seen[-1], CallEnd) and seen[-1].status == "interrupted"
        assert len(seen) == 2

    in_session(sandbox, work)


def test_an_interrupt_stops_the_call_and_keeps_the_variables(sandbox: Sandbox) -> None:
    async def work(session: SandboxSession) -> None:
        await session.run("x = 1")
        running = asyncio.create_task(session.run("while True: pass", 30))
        await asyncio.sleep(0.1)
        await session.interrupt()
        end = (await running).end
        assert (end.status, end.state_lost) == ("interrupted", False)
        assert (await session.run("x")).value == "1"

    in_session(sandbox, work)


def test_an_interrupt_before_the_code_has_begun_is_not_lost(sandbox: Sandbox) -> None:
    async def work(session: SandboxSession) -> None:
        running = asyncio.create_task(session.run("while True: pass", 30))
        await asyncio.sleep(0)
        await session.interrupt()
        assert (await running).end.status == "interrupted"

    in_session(sandbox, work)


def test_a_crash_is_told_and_files_survive_it(sandbox: Sandbox) -> None:
    async def work(session: SandboxSession) -> None:
        await session.run("x = 1; open('kept.txt', 'w').write('kept')")
        end = (await session.run("import os; os.abort()")).end
        assert end.state_lost and end.error is not None
        assert "variables are lost, files are kept" in end.error.message
        assert (await session.run("'x' in globals()")).value == "False"
        assert await session.get("kept.txt") == b"kept"

    in_session(sandbox, work)


def test_a_client_that_goes_away_interrupts_its_call(sandbox: Sandbox) -> None:
    async def run() -> None:
        session = await sandbox.client.open()
        await session.run("x = 1")
        running = asyncio.create_task(session.run("while True: pass", 60))
        await asyncio.sleep(0.1)
        session.detach()
        await asyncio.gather(running, return_exceptions=True)
        again = await sandbox.client.attach(session.id)
        async with asyncio.timeout(5):
            assert (await again.run("x")).value == "1"
        await again.close()

    asyncio.run(run())


def test_files_go_in_and_come_out_whatever_their_size(sandbox: Sandbox) -> None:
    async def work(session: SandboxSession) -> None:
        for size in (0, 1, (1 << 20) - 1, 1 << 20, (3 << 20) + 7):
            data = os.urandom(size)
            await session.put("in/a folder/file.bin", data)
            assert await session.get("in/a folder/file.bin") == data
        assert await session.files() == (FileEntry("in/a folder/file.bin", (3 << 20) + 7),)

    in_session(sandbox, work)


def test_the_end_of_a_call_names_the_files_that_it_has_written(sandbox: Sandbox) -> None:
    async def work(session: SandboxSession) -> None:
        await session.put("old.csv", b"a,b")
        end = (await session.run("open('new.csv', 'w').write('1,2')")).end
        assert end.files == (FileEntry("new.csv", 3),)

    in_session(sandbox, work)


@pytest.mark.parametrize(
    "path",
    ["link", "folder/link", "../../etc/shadow", "/etc/shadow", "/proc/self/environ", "fifo", "."],
)
def test_no_download_leads_out_of_the_working_directory(sandbox: Sandbox, path: str) -> None:
    async def work(session: SandboxSession) -> None:
        code = "import os\nos.mkdir('folder')\nos.symlink('/etc/passwd', 'link')\n"
        await session.run(code + "os.symlink('/etc/passwd', 'folder/link')")
        with pytest.raises(FileRefused):
            await session.get(path)

    in_session(sandbox, work)


def test_an_upload_does_not_follow_a_link(sandbox: Sandbox) -> None:
    async def work(session: SandboxSession) -> None:
        await session.run("import os; os.symlink('/tmp/elsewhere', 'link')")
        await session.put("link", b"data")
        found = await session.run("os.path.islink('link'), os.path.exists('/tmp/elsewhere')")
        assert found.value == "(False, False)"

    in_session(sandbox, work)


def test_an_uploaded_module_can_be_imported(sandbox: Sandbox) -> None:
    async def work(session: SandboxSession) -> None:
        await session.put("mine.py", b"X = 42")
        assert (await session.run("import mine; mine.X")).value == "42"

    in_session(sandbox, work)


@pytest.mark.parametrize(
    ("code", "value"),
    [
        ("import asyncio\nawait asyncio.sleep(0, 7)", "7"),
        ("%matplotlib inline\n3", "3"),
        ("s = '''\n!not a shell\n'''\ns", "'\\n!not a shell\\n'"),
        ("x = 1", None),
        ("None", None),
        ("", None),
        ("# only a comment", None),
    ],
)
def test_what_a_call_gives(sandbox: Sandbox, code: str, value: str | None) -> None:
    async def work(session: SandboxSession) -> None:
        result = await session.run(code)
        assert (result.end.status, result.value) == ("ok", value)

    in_session(sandbox, work)


def test_two_sessions_see_nothing_of_each_other(sandbox: Sandbox) -> None:
    async def run() -> None:
        one, two = await asyncio.gather(sandbox.client.open(), sandbox.client.open())
        write = "x = 1\nfor p in ('/mnt/data/mine', '/tmp/mine'): open(p, 'w').write('x')"
        await one.run(write)
        seen = await two.run("import os; os.listdir('/mnt/data'), os.listdir('/tmp')")
        assert seen.value is not None and "mine" not in seen.value
        draw = "import random; random.random()"
        assert (await one.run(draw)).value != (await two.run(draw)).value
        await asyncio.gather(one.close(), two.close())

    asyncio.run(run())


def test_a_closed_session_is_gone(sandbox: Sandbox) -> None:
    async def run() -> None:
        session = await sandbox.client.open()
        other = await sandbox.client.attach(session.id)
        await session.close()
        with pytest.raises(SessionGone):
            await other.run("1")
        other.detach()
        with pytest.raises(SessionGone):
            await sandbox.client.attach(session.id)

    asyncio.run(run())


def test_the_longest_idle_session_makes_room() -> None:
    async def run(client: SandboxClient) -> None:
        first, second = await client.open(), await client.open()
        with pytest.raises(SandboxBusy):
            await client.open()
        first.detach()
        await asyncio.sleep(0.1)
        third = await client.open()
        with pytest.raises(SessionGone):
            await client.attach(first.id)
        assert (await second.run("1")).value == "1" == (await third.run("1")).value
        await asyncio.gather(second.close(), third.close())

    with running_sandbox(US, most_sessions=2, pool=0) as sandbox:
        asyncio.run(run(sandbox.client))


def test_an_idle_session_ends_after_its_time() -> None:
    async def run(client: SandboxClient) -> None:
        session = await client.open()
        await session.run("1")
        await asyncio.sleep(0.8)
        session.detach()
        with pytest.raises(SessionGone):
            await client.attach(session.id)

    with running_sandbox(US, idle_seconds=0.4) as sandbox:
        asyncio.run(run(sandbox.client))


def test_an_idle_session_uses_no_processor_whatever_it_has_left_running(sandbox: Sandbox) -> None:
    async def work(session: SandboxSession) -> None:
        loop = "import threading\ndef f():\n while True: pass\n"
        await session.run(loop + "threading.Thread(target=f, daemon=True).start()")
        spent = "import time; time.process_time()"
        before = float((await session.run(spent)).value or 0)
        await asyncio.sleep(0.6)
        assert float((await session.run(spent)).value or 0) - before < 0.3

    in_session(sandbox, work)


def test_memory_of_a_session_can_be_less(sandbox: Sandbox) -> None:
    async def run() -> None:
        session = await sandbox.client.open(memory_bytes=64 << 20)
        end = (await session.run("x = bytearray(100 << 20)")).end
        assert end.error is not None and end.error.name == "MemoryError"
        await session.close()

    asyncio.run(run())


def mounts_and_files(folder: Path) -> tuple[int, list[str]]:
    return (
        Path("/proc/self/mounts").read_text().count("tmpfs"),
        sorted(path.name for path in folder.iterdir()),
    )


@pytest.mark.parametrize(("user", "walls"), MODES)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_it_leaves_nothing_behind(number: signal.Signals, user: User, walls: Walls) -> None:
    async def use(client: SandboxClient) -> None:
        busy, idle = await client.open(), await client.open()
        for session in (busy, idle):
            await session.run("import os\nfor i in range(1200): os.mkdir('d'); os.chdir('d')")
        running = asyncio.create_task(busy.run("while True: pass", 60))
        await asyncio.sleep(0.2)
        processes.update(sandbox.descendants())
        os.kill(sandbox.process.pid, number)
        with pytest.raises(SandboxDown):
            async with asyncio.timeout(10):
                await running
        busy.detach()
        idle.detach()
        await asyncio.sleep(0)

    with running_sandbox(user, walls) as sandbox:
        before, processes = mounts_and_files(sandbox.folder)[0], set[int]()
        asyncio.run(use(sandbox.client))
        assert len(processes) >= 3, "the zygote and two sessions"
        assert wait_until_gone(processes) == set()
        assert mounts_and_files(sandbox.folder) == (before, [])


def test_it_ends_when_its_zygote_is_killed(sandbox: Sandbox) -> None:
    with running_sandbox(US) as own:
        everything = own.descendants()
        zygote = min(everything)  # the first that was started
        os.kill(zygote, signal.SIGKILL)
        assert own.process.wait(10) == 1
        assert wait_until_gone(everything) == set()


def start(**settings: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            *(sys.executable, "-m", "responses_gw.tools.code_interpreter.supervisor"),
            msgspec.json.encode(settings).decode(),
        ],
        input="",
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )


def test_it_refuses_to_start_with_one_wall_and_says_why(tmp_path: Path) -> None:
    refused = start(run_folder=str(tmp_path / "run"), walls=["seccomp"])
    assert refused.returncode == 1
    assert "only 1 of the sandbox's walls can be had here, and two are needed" in refused.stderr
    assert "landlock: switched off by the configuration" in refused.stderr
    accepted = start(run_folder=str(tmp_path / "run"), walls=["namespaces"], accept_one_wall=True)
    assert (accepted.returncode, accepted.stdout) == (0, "ready\n"), accepted.stderr


def test_two_do_not_share_a_folder(sandbox: Sandbox) -> None:
    refused = start(run_folder=str(sandbox.folder))
    assert refused.returncode == 1 and "another supervisor uses" in refused.stderr


def test_its_socket_is_for_its_user_alone(sandbox: Sandbox) -> None:
    assert (sandbox.folder / "socket").stat().st_mode & 0o777 == 0o600


def test_it_tells_which_layers_stand(sandbox: Sandbox) -> None:
    info = asyncio.run(sandbox.client.info())
    standing = {layer.name for layer in info.layers if layer.is_active}
    assert standing >= {"seccomp", "no_new_privs", "capabilities", "rlimits"}
    assert all(layer.detail for layer in info.layers)


def launcher() -> dict[str, object]:
    worker = [sys.executable, "-I", "-S", str(INSIDE), "worker", "{limits}", "{data}"]
    return {"backend": "launcher", "launcher": worker}


def test_any_command_that_speaks_frames_can_be_the_wall() -> None:
    async def work(session: SandboxSession) -> None:
        await session.run("x = 1; open('a.txt', 'w').write('a')")
        assert (await session.run("while True: pass", 0.4)).end.status == "timeout"
        assert (await session.run("print('p'); x")).outputs == (
            StreamText("stdout", "p\n"),
            ValueText("1"),
        )
        assert (await session.run("import os; os.abort()")).end.status == "crashed"
        assert await session.get("a.txt") == b"a"

    with running_sandbox(US, "namespaces", **launcher()) as sandbox:
        in_session(sandbox, work)
        left = sandbox.descendants()
        sandbox.process.kill()
        assert wait_until_gone(left) == set()


def test_a_launcher_that_is_not_there_is_named(tmp_path: Path) -> None:
    settings = {"backend": "launcher", "launcher": ["no-such-wall"]}
    refused = start(run_folder=str(tmp_path / "run"), **settings)
    assert "there is no command no-such-wall" in refused.stderr
