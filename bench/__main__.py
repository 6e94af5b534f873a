"""Run the measures, print a table, write bench/results/latest.json."""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import platform
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

import uvloop

from responses_gw.store import EmbeddedPostgres

from .measures import MEASURES, Bench
from .processes import LOAD_CORE, PINNED, SERVER_CORE, BenchFailed, fake_upstream, hypercorn, pin
from .processes import postmaster as find_postmaster
from .results import Json, Results

LATEST = Path(__file__).parent / "results" / "latest.json"
_DEADLINE_S = {True: 110.0, False: 690.0}  # quick, full: what has not begun by then is left out
_PACKAGES = ("hypercorn", "starlette", "aiohttp", "uvloop", "msgspec", "asyncpg", "h11")


def main() -> int:
    arguments = _parse()
    _raise_file_limit()
    pin(os.getpid(), LOAD_CORE)
    print(_where(), flush=True)
    results, began = Results(), time.monotonic()
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        try:
            with _servers(Path(folder), results, arguments) as bench:
                gc.freeze()
                deadline = began + _DEADLINE_S[arguments.quick]
                uvloop.run(_run(bench, arguments.names or list(MEASURES), deadline))
        except BenchFailed as error:
            print(error, file=sys.stderr)
            return 1
    print("\n" + results.table())
    for name, reason in results.failures.items():
        print(f"{name}: not measured: {reason}")
    print(f"{time.monotonic() - began:.0f} s")
    _write(results, arguments)
    return 1 if results.failures else 0


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bin/bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one short round: below two minutes")
    parser.add_argument(
        "--app", default="responses_gw.app:app", help="the ASGI app in the place of the service"
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(MEASURES))
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - set(MEASURES):
        parser.error(f"unknown: {', '.join(sorted(unknown))} (known: {', '.join(MEASURES)})")
    return arguments


@contextmanager
def _servers(folder: Path, results: Results, arguments: argparse.Namespace) -> Iterator[Bench]:
    """Everything that runs during the measures; stopped in the reverse order."""
    folder.chmod(0o755)  # PostgreSQL may run as another user, who must reach its data
    postgres = EmbeddedPostgres(folder / "pg")
    postgres.start()
    running = []
    try:
        postmaster = find_postmaster(folder / "pg")
        for pid in postmaster.pids():
            pin(pid, SERVER_CORE)
        upstream = fake_upstream(folder / "upstream.log")
        running.append(upstream)
        url = f"http://127.0.0.1:{upstream.port}/v1"
        env = {"RESPONSES_GW_UPSTREAM": url, "RESPONSES_GW_DATABASE_URL": postgres.dsn}
        twin = hypercorn("bench.passthrough:app", env, folder / "twin.log")
        running.append(twin)
        service = hypercorn(arguments.app, env, folder / "service.log")
        running.append(service)
        yield Bench(upstream, twin, service, postmaster, results, arguments.quick)
    finally:
        for server in reversed(running):
            server.stop()
        postgres.stop()


async def _run(bench: Bench, names: list[str], deadline: float) -> None:
    for name in names:
        print(f"{name}: {(MEASURES[name].__doc__ or '').strip()}", flush=True)
        try:
            async with asyncio.timeout(max(deadline - time.monotonic(), 0)):
                await MEASURES[name](bench)
        except TimeoutError:
            bench.results.failures[name] = "out of time"
            return
        except (BenchFailed, OSError) as error:
            bench.results.failures[name] = str(error)
            # What this measure left behind must not show in the next one.
            for server in (bench.service, bench.twin, bench.upstream):
                await asyncio.to_thread(server.restart)


def _write(results: Results, arguments: argparse.Namespace) -> None:
    LATEST.parent.mkdir(exist_ok=True)
    about: Json = {"date": time.strftime("%Y-%m-%d"), "machine": _where()}
    about |= {"app": arguments.app, "quick": arguments.quick}
    LATEST.write_text(json.dumps(about | results.json(), indent=1, ensure_ascii=False) + "\n")
    print(f"written to {os.path.relpath(LATEST)}")


def _where() -> str:
    """Machine and versions, in one line."""
    cpu = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    cores = f"{os.cpu_count()} cores, " + (
        "servers and load on different ones" if PINNED else "not pinned"
    )
    packages = ", ".join(f"{name} {version(name)}" for name in _PACKAGES)
    system = f"Linux {platform.release()}, Python {platform.python_version()}"
    return f"{cpu}, {cores}, {system}, {packages}"


def _raise_file_limit() -> None:
    """Hundreds of streams are two sockets each in the server, which inherits this limit."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 20_000) if hard > 0 else 20_000, hard))


if __name__ == "__main__":
    sys.exit(main())
