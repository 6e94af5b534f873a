"""The sealing key that the database keeps: made once, whoever starts first."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import asyncpg  # type: ignore[import-untyped]
import pytest

from responses_gw.store import DatabaseUnavailable, kept_sealing_key

from ..support.database import opened

pytestmark = pytest.mark.anyio

FIRST_START = """
import asyncio, sys
from responses_gw.store import Database, kept_sealing_key, migrate

async def main(url):
    await migrate(url)
    database = Database(url, pool_max=1)
    await database.open()
    print((await kept_sealing_key(database)).hex())
    await database.close()

asyncio.run(main(sys.argv[1]))
"""


async def test_a_key_is_made_once_and_found_again(database_url: str) -> None:
    async with opened(database_url) as database:
        key = await kept_sealing_key(database)
        assert len(key) == 32
        assert await kept_sealing_key(database) == key
    async with opened(database_url) as later:
        assert await kept_sealing_key(later) == key


async def test_two_databases_have_two_keys(database_url: str, module_database_url: str) -> None:
    async with opened(database_url) as one, opened(module_database_url) as other:
        assert await kept_sealing_key(one) != await kept_sealing_key(other)


async def test_many_that_ask_at_once_get_the_same_key(database_url: str) -> None:
    async with opened(database_url, pool_max=16) as database:
        keys = await asyncio.gather(*[kept_sealing_key(database) for _ in range(32)])
    assert len(set(keys)) == 1


async def test_who_comes_while_another_makes_the_key_waits_for_it(database_url: str) -> None:
    async with opened(database_url) as database:
        other = await asyncpg.connect(database_url)
        async with other.transaction():
            await other.execute("INSERT INTO sealing_keys (key) VALUES ($1)", b"k" * 32)
            waiting = asyncio.create_task(kept_sealing_key(database))
            done, _ = await asyncio.wait({waiting}, timeout=0.3)
            assert not done
        assert await waiting == b"k" * 32
        await other.close()


def test_processes_that_start_at_once_on_a_new_database_agree(empty_database_url: str) -> None:
    command = [sys.executable, "-c", FIRST_START, empty_database_url]
    starts = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    keys = {start.communicate(timeout=60)[0].strip() for start in starts}
    assert [start.returncode for start in starts] == [0] * 4
    assert len(keys) == 1
    assert len(bytes.fromhex(keys.pop())) == 32


async def test_without_a_database_there_is_no_key() -> None:
    async with opened("postgresql://gateway@127.0.0.1:1/gateway") as database:
        with pytest.raises(DatabaseUnavailable):
            await kept_sealing_key(database)
