"""Real PostgreSQL for tests: one embedded server per session, a fresh database per test."""

from __future__ import annotations

import asyncio
import itertools
import os
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import asyncpg  # type: ignore[import-untyped]
import pytest

from responses_gw.store import Database, EmbeddedPostgres, migrate

TEMPLATE = "migrated"
_numbers = itertools.count(1)


def make_public_directory() -> Path:
    """A temporary directory that every user can enter: pytest's own are closed to `nobody`."""
    folder = Path(tempfile.mkdtemp(prefix="responses-gw-test-", dir="/tmp"))
    folder.chmod(0o755)
    return folder


@pytest.fixture
def public_path() -> Iterator[Path]:
    """Like `tmp_path`, for a cluster of the test's own. No server may be left when it ends."""
    folder = make_public_directory()
    yield folder
    left = servers_below(folder)
    shutil.rmtree(folder)
    assert left == [], f"the test left PostgreSQL processes behind: {left}"


@pytest.fixture(scope="session")
def pristine_cluster() -> Iterator[Path]:
    """A cluster that has been created and stopped, to be copied: creating one takes a second."""
    folder = make_public_directory()
    server = EmbeddedPostgres(folder)
    server.start()
    server.stop()
    yield folder / "data"
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def embedded_postgres(pristine_cluster: Path) -> Iterator[EmbeddedPostgres]:
    """The session's server. A test that stops or kills a server uses one of its own."""
    folder = make_public_directory()
    server = _server_on_a_copy(pristine_cluster, folder)
    server.start()
    try:
        asyncio.run(_make_template(server.dsn))
        yield server
    finally:
        server.stop()
        left = servers_below(folder)
        shutil.rmtree(folder)
    assert left == [], f"the test session left PostgreSQL processes behind: {left}"


@pytest.fixture
def own_embedded_postgres(pristine_cluster: Path, public_path: Path) -> Iterator[EmbeddedPostgres]:
    """A running server of the test's own, which it may stop and start. Its database is empty."""
    server = _server_on_a_copy(pristine_cluster, public_path)
    server.start()
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture
def database_url(embedded_postgres: EmbeddedPostgres) -> Iterator[str]:
    """A fresh, migrated database."""
    with _fresh_database(embedded_postgres, TEMPLATE) as url:
        yield url


@pytest.fixture(scope="module")
def module_database_url(embedded_postgres: EmbeddedPostgres) -> Iterator[str]:
    """A migrated database for all tests of a module."""
    with _fresh_database(embedded_postgres, TEMPLATE) as url:
        yield url


@pytest.fixture
def empty_database_url(embedded_postgres: EmbeddedPostgres) -> Iterator[str]:
    """A fresh database with nothing in it."""
    with _fresh_database(embedded_postgres, "template0") as url:
        yield url


@asynccontextmanager
async def opened(dsn: str, **options: float) -> AsyncIterator[Database]:
    """A `Database` on `dsn`, closed at the end."""
    database = Database(dsn, **options)  # type: ignore[arg-type]
    await database.open()
    try:
        yield database
    finally:
        await database.close()


def _server_on_a_copy(cluster: Path, folder: Path) -> EmbeddedPostgres:
    root = folder / "postgres"
    root.mkdir(mode=0o755)
    subprocess.run(["cp", "-a", str(cluster), str(root / "data")], check=True)
    return EmbeddedPostgres(root)


def servers_below(folder: Path) -> list[int]:
    """Living processes that work in `folder`, as a PostgreSQL server does in its cluster."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit() and _working_directory(int(name)).is_relative_to(folder):
            found.append(int(name))
    return found


def _working_directory(pid: int) -> Path:
    try:
        return Path(os.readlink(f"/proc/{pid}/cwd"))
    except OSError:  # gone, a zombie, or another user's
        return Path("/")


@contextmanager
def _fresh_database(server: EmbeddedPostgres, template: str) -> Iterator[str]:
    name = f"test_{next(_numbers)}"
    asyncio.run(_run(server.dsn, f"CREATE DATABASE {name} TEMPLATE {template}"))
    try:
        yield _dsn_of(server.dsn, name)
    finally:
        asyncio.run(_run(server.dsn, f"DROP DATABASE {name} WITH (FORCE)"))


def _dsn_of(server_dsn: str, name: str) -> str:
    return server_dsn.replace("/postgres?", f"/{name}?", 1)


async def _make_template(dsn: str) -> None:
    await _run(dsn, f"CREATE DATABASE {TEMPLATE}")
    await migrate(_dsn_of(dsn, TEMPLATE))


async def _run(dsn: str, statement: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
