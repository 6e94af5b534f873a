"""The attack list: what hostile code tries, on each set of walls, as root and as an ordinary user.

By default each attack is tried on the walls of an ordinary user with namespaces and, the whole list
once more, on Landlock and the filter alone; ``bin/attack`` tries all of it in all four ways.
"""

from __future__ import annotations

import asyncio
import os
import platform
import socket
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from _pytest.mark import ParameterSet

from responses_gw.tools.code_interpreter import CallResult
from tests.support.sandbox import (
    ATTACKS,
    MODES,
    SINGLE_CALLS,
    Attack,
    Sandbox,
    User,
    Walls,
    attacks_with,
    running_sandbox,
)

IS_WHOLE = bool(os.environ.get("RESPONSES_GW_TEST_ATTACKS"))
SHORT: tuple[tuple[User, Walls], ...] = (("ordinary", "namespaces"), ("root", "landlock"))
ANSWER_SECONDS = 2.0

pytestmark = pytest.mark.skipif(
    platform.machine() != "x86_64", reason="the list names the system calls of x86_64"
)


@dataclass(frozen=True)
class Scene:
    """A sandbox, a file of the host that all may write, and a port that must not be reached."""

    sandbox: Sandbox
    host_file: Path
    port: socket.socket

    def code(self, attack: Attack) -> str:
        names = {
            "HOST_FILE": str(self.host_file),
            "SUPERVISOR": str(self.sandbox.process.pid),
            "PORT": str(self.port.getsockname()[1]),
        }
        code = attack.code
        for name, value in names.items():
            code = code.replace(name, value)
        return code


Scenes = Callable[[tuple[User, Walls]], Scene]


@contextmanager
def running_scene(user: User, walls: Walls) -> Iterator[Scene]:
    with (
        running_sandbox(user, walls) as sandbox,
        tempfile.NamedTemporaryFile(dir="/var/tmp", prefix="host-file-") as file,
        socket.create_server(("127.0.0.1", 0)) as port,
    ):
        file.write(b"of the host")
        file.flush()
        os.chmod(file.name, 0o666)
        port.setblocking(False)
        yield Scene(sandbox, Path(file.name), port)


@pytest.fixture(scope="module")
def scenes() -> Iterator[Scenes]:
    """One sandbox for all attacks of its kind."""
    made: dict[tuple[User, Walls], Scene] = {}
    with ExitStack() as stack:

        def scene_of(mode: tuple[User, Walls]) -> Scene:
            if mode not in made:
                made[mode] = stack.enter_context(running_scene(*mode))
            return made[mode]

        yield scene_of


def cases() -> Iterator[ParameterSet]:
    for mode in MODES if IS_WHOLE else SHORT:
        for attack in attacks_with(mode[1]):
            if not IS_WHOLE and mode == SHORT[1] and attack in SINGLE_CALLS:
                continue  # "every call that is not on the list" has them all
            name = f"{mode[0]}-{mode[1]}: {attack.sentence}"
            yield pytest.param(mode, attack, id=name)


async def tried(scene: Scene, attack: Attack) -> tuple[CallResult, CallResult, CallResult]:
    """What came of it, what another session gets meanwhile, and what this one gets after it."""
    mine, other = await asyncio.gather(scene.sandbox.client.open(), scene.sandbox.client.open())
    try:
        running = asyncio.create_task(mine.run(scene.code(attack), attack.seconds))
        async with asyncio.timeout(ANSWER_SECONDS):
            meanwhile = await other.run("6 * 7")
        async with asyncio.timeout(attack.seconds + ANSWER_SECONDS):
            result = await running
        after = await mine.run("1 + 1")
        if after.end.status != "ok":  # it has broken its interpreter, which is replaced now
            after = await mine.run("1 + 1")
        return result, meanwhile, after
    finally:
        await asyncio.gather(mine.close(), other.close())


@pytest.mark.parametrize(("mode", "attack"), [*cases()])
def test_the_walls_hold_when(mode: tuple[User, Walls], attack: Attack, scenes: Scenes) -> None:
    scene = scenes(mode)
    result, meanwhile, after = asyncio.run(tried(scene, attack))
    assert attack.holds(result), result
    assert meanwhile.value == "42", "another session was not answered meanwhile"
    assert after.value == "2", f"the session cannot be used any more: {after}"
    status = scene.host_file.stat()
    assert scene.host_file.read_bytes() == b"of the host", "a file of the host was written"
    assert (status.st_mode & 0o777, status.st_mtime > 1e9, status.st_uid) == (
        0o666,
        True,
        os.geteuid(),
    )
    with pytest.raises(BlockingIOError):
        scene.port.accept()


def test_the_list_is_long_enough_and_each_sentence_is_its_own() -> None:
    sentences = [attack.sentence for attack in ATTACKS]
    assert len(sentences) == len(set(sentences)) >= 80
