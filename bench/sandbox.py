"""How fast the code interpreter's sandbox is: ``python -m bench.sandbox [PYTHON]``.

PYTHON is that of the sandbox's packages. Prints milliseconds and megabytes, one figure a line.
"""

from __future__ import annotations

import asyncio
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec

from responses_gw.tools.code_interpreter import SandboxClient, SandboxConfig, SandboxSession

SUPERVISOR = "responses_gw.tools.code_interpreter.supervisor"
ROUNDS = 20
WARM_CALLS = 300
AT_ONCE = 100


async def milliseconds(work: Callable[[], Awaitable[object]]) -> float:
    started = time.perf_counter()
    await work()
    return (time.perf_counter() - started) * 1e3


def tell(what: str, values: list[float], unit: str = "ms") -> None:
    ordered = sorted(values)
    last = ordered[int(len(ordered) * 0.95)]
    print(f"{what}: p50 {statistics.median(ordered):.2f} {unit}, p95 {last:.2f} {unit}")


async def measure(client: SandboxClient) -> None:
    opened, first, spawned = [], [], []
    for _ in range(ROUNDS):
        sessions: list[SandboxSession] = []

        async def open_one(into: list[SandboxSession] = sessions) -> None:
            into.append(await client.open())

        opened.append(await milliseconds(open_one))
        first.append(await milliseconds(lambda s=sessions: s[0].run("1 + 1")))  # type: ignore[misc]
        await sessions[0].run("import os; os._exit(0)")
        spawned.append(await milliseconds(lambda s=sessions: s[0].run("1")))  # type: ignore[misc]
        await sessions[0].close()
        await asyncio.sleep(0.1)  # the pool fills up again
    tell("open from the pool", opened)
    tell("first call", first)
    tell("fork, seal and call", spawned)
    session = await client.open()
    tell("warm call", [await milliseconds(lambda: session.run("1 + 1")) for _ in range(WARM_CALLS)])
    await session.close()
    held = [await client.open() for _ in range(AT_ONCE)]
    spent = await milliseconds(lambda: asyncio.gather(*(s.run("x = 1") for s in held)))
    print(f"{AT_ONCE} sessions at once, start and first call: {spent:.0f} ms")
    tell("private memory of a session", private_megabytes(), "MB")
    for one in held:
        await one.close()


def private_megabytes() -> list[float]:
    """Of the sealed processes: those of our interpreter that are stopped. Root sees them all."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if b"code_interpreter/inside" not in (entry / "cmdline").read_bytes():
                continue
            lines = (entry / "smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        fields = {line.split(":")[0]: line.split()[1] for line in lines if line.endswith("kB")}
        found.append((int(fields["Private_Clean"]) + int(fields["Private_Dirty"])) / 1024)
    return found or [float("nan")]


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="sandbox-") as folder:
        python = sys.argv[1] if len(sys.argv) > 1 else None
        config = SandboxConfig(run_folder=folder, python=python, most_sessions=AT_ONCE + 5)
        command = [sys.executable, "-m", SUPERVISOR, msgspec.json.encode(config).decode()]
        started = time.perf_counter()
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as supervisor:
            assert supervisor.stdout is not None and supervisor.stdin is not None
            assert supervisor.stdout.readline() == "ready\n", "it says why"
            print(f"start of the supervisor: {(time.perf_counter() - started) * 1e3:.0f} ms")
            asyncio.run(measure(SandboxClient(f"{folder}/socket")))
            supervisor.stdin.close()


if __name__ == "__main__":
    main()
