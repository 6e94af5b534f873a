"""Migrations: once, in order, by whoever comes first, and never on top of something else."""

from __future__ import annotations

import asyncio
from pathlib import Path

import asyncpg  # type: ignore[import-untyped]
import pytest

from responses_gw.store import (
    DatabaseUnavailable,
    MigrationError,
    find_migrations_folder,
    migrate,
    migrations,
    pending,
)
from responses_gw.store.migrations import LOCK_KEY

pytestmark = pytest.mark.anyio
TABLE_A = "CREATE TABLE a (n int);"
TABLE_B = "CREATE TABLE b (n int); INSERT INTO b VALUES (1); SELECT $$a;b$$;"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "0001_a.sql").write_text(TABLE_A)
    (tmp_path / "0002_b.sql").write_text(TABLE_B)
    (tmp_path / "README.md").write_text("is no migration")
    return tmp_path


async def tables(dsn: str) -> set[str]:
    connection = await asyncpg.connect(dsn)
    try:
        rows = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname='public'")
    finally:
        await connection.close()
    return {row["tablename"] for row in rows} - {"schema_migrations"}


async def test_applies_in_order_and_only_once(empty_database_url: str, folder: Path) -> None:
    assert [m.label for m in await pending(empty_database_url, folder)] == ["0001_a", "0002_b"]
    assert await tables(empty_database_url) == set(), "pending() must not change anything"
    assert await migrate(empty_database_url, folder) == [1, 2]
    assert await migrate(empty_database_url, folder) == []
    assert await pending(empty_database_url, folder) == []
    assert await tables(empty_database_url) == {"a", "b"}


async def test_the_project_s_own_apply(empty_database_url: str) -> None:
    assert await migrate(empty_database_url) == list(
        range(1, len(list(find_migrations_folder().glob("*.sql"))) + 1)
    )
    assert {"responses", "items", "tenants", "leases"} <= await tables(empty_database_url)


async def test_an_installed_package_has_its_own_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "site-packages" / "responses_gw"
    monkeypatch.setattr(migrations, "__file__", str(package / "store" / "migrations.py"))
    with pytest.raises(MigrationError, match="no migrations folder"):
        find_migrations_folder()
    (package.parent / "migrations").mkdir(parents=True)
    assert find_migrations_folder() == package.parent / "migrations"
    (package / "migrations").mkdir(parents=True)
    assert find_migrations_folder() == package / "migrations"


async def test_eight_at_once_apply_each_once(empty_database_url: str, folder: Path) -> None:
    (folder / "0003_c.sql").write_text("SELECT pg_sleep(0.3); CREATE TABLE c (n int);")
    (folder / "0004_d.sql").write_text(
        "-- no-transaction\nCREATE INDEX CONCURRENTLY IF NOT EXISTS d ON c (n);"
    )
    done = await asyncio.gather(*(migrate(empty_database_url, folder) for _ in range(8)))
    assert sorted(map(len, done)) == [0] * 7 + [4], f"applied by each: {done}"


async def test_bad_sql_is_rolled_back_whole(empty_database_url: str, folder: Path) -> None:
    (folder / "0003_bad.sql").write_text("CREATE TABLE c (n int); CREATE TABEL d (n int);")
    with pytest.raises(MigrationError, match=r"0003_bad: .*TABEL"):
        await migrate(empty_database_url, folder)
    assert await tables(empty_database_url) == {"a", "b"}
    (folder / "0003_bad.sql").write_text("CREATE TABLE c (n int);")
    assert await migrate(empty_database_url, folder) == [3]


async def test_a_changed_file_stops(empty_database_url: str, folder: Path) -> None:
    await migrate(empty_database_url, folder)
    (folder / "0001_a.sql").write_text(TABLE_A + " -- changed")
    for call in (migrate, pending):
        with pytest.raises(MigrationError, match=r"0001_a\.sql was changed"):
            await call(empty_database_url, folder)


async def test_other_line_ends_are_no_change(empty_database_url: str, folder: Path) -> None:
    (folder / "0001_a.sql").write_bytes(b"-- a\nCREATE TABLE a (n int);\n")
    await migrate(empty_database_url, folder)
    (folder / "0001_a.sql").write_bytes(b"-- a\r\nCREATE TABLE a (n int);\r\n")
    assert await migrate(empty_database_url, folder) == []


async def test_a_newer_database_stops(empty_database_url: str, folder: Path) -> None:
    await migrate(empty_database_url, folder)
    (folder / "0002_b.sql").unlink()
    with pytest.raises(MigrationError, match="newer than this program: it has 0002"):
        await migrate(empty_database_url, folder)


@pytest.mark.parametrize("name", ["3_c.sql", "0003-c.sql", "0003_C.sql", "c.sql"])
async def test_a_bad_name_stops(empty_database_url: str, folder: Path, name: str) -> None:
    (folder / name).write_text("SELECT 1")
    with pytest.raises(MigrationError, match=name):
        await migrate(empty_database_url, folder)


@pytest.mark.parametrize("name", ["0004_gap.sql", "0002_again.sql", "0000_zero.sql"])
async def test_a_gap_or_repeat_stops(empty_database_url: str, folder: Path, name: str) -> None:
    (folder / name).write_text("SELECT 1")
    with pytest.raises(MigrationError, match="without gaps or repeats"):
        await migrate(empty_database_url, folder)


async def test_nothing_to_apply_is_a_broken_installation(
    empty_database_url: str, tmp_path: Path
) -> None:
    with pytest.raises(MigrationError, match="no migrations in"):
        await migrate(empty_database_url, tmp_path)


async def test_a_file_that_is_no_text_stops(empty_database_url: str, folder: Path) -> None:
    (folder / "0003_c.sql").write_bytes(b"\xff\xfe")
    with pytest.raises(MigrationError, match=r"cannot read 0003_c\.sql"):
        await migrate(empty_database_url, folder)


async def test_without_a_transaction_when_the_file_says_so(
    empty_database_url: str, folder: Path
) -> None:
    statement = "CREATE INDEX CONCURRENTLY a_n ON a (n)"
    (folder / "0003_index.sql").write_text(statement)
    with pytest.raises(MigrationError, match="cannot run inside a transaction block"):
        await migrate(empty_database_url, folder)
    (folder / "0003_index.sql").write_text(f"-- no-transaction\n{statement}")
    assert await migrate(empty_database_url, folder) == [3]


async def test_waiting_for_the_lock_has_an_end(empty_database_url: str, folder: Path) -> None:
    other = await asyncpg.connect(empty_database_url)
    try:
        await other.execute("SELECT pg_advisory_lock($1)", LOCK_KEY)
        with pytest.raises(MigrationError, match=r"has been migrating this database for 0\.3 s"):
            await migrate(empty_database_url, folder, lock_timeout_seconds=0.3)
    finally:
        await other.close()
    assert await migrate(empty_database_url, folder) == [1, 2]


@pytest.mark.parametrize(
    "dsn",
    [
        "postgresql://nobody:secret@127.0.0.1:1/none",
        "postgresql://nobody:secret@/none?host=/no/such/place",
        "mysql://nobody:secret@127.0.0.1/none",
        "postgresql://nobody:secret@127.0.0.1:port/none",
    ],
)
async def test_no_connection_is_its_own_error(folder: Path, dsn: str) -> None:
    for call in (migrate, pending):
        with pytest.raises(DatabaseUnavailable, match="cannot connect") as caught:
            await call(dsn, folder)
        assert "secret" not in str(caught.value)


async def test_a_table_in_use_is_waited_for_without_holding_up_its_readers(
    empty_database_url: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever waits for a table in PostgreSQL makes everybody wait behind it."""
    monkeypatch.setattr(migrations, "TABLE_LOCK_SECONDS", 0.2)
    monkeypatch.setattr(migrations, "TABLE_LOCK_PAUSE_SECONDS", 0.5)
    await migrate(empty_database_url, folder)
    (folder / "0003_c.sql").write_text("ALTER TABLE a ADD COLUMN m int;")
    reader = await asyncpg.connect(empty_database_url)
    other = await asyncpg.connect(empty_database_url)
    try:
        transaction = reader.transaction()
        await transaction.start()
        await reader.fetch("SELECT * FROM a")
        migrating = asyncio.create_task(migrate(empty_database_url, folder))
        for _ in range(5):
            await asyncio.wait_for(other.fetch("SELECT * FROM a"), 0.4)
            await asyncio.sleep(0.1)
        assert not migrating.done()
        await transaction.rollback()
        assert await asyncio.wait_for(migrating, 10) == [3]
    finally:
        await reader.close()
        await other.close()
