"""The key that seals reasoning where none is configured: made once, shared by all processes."""

from __future__ import annotations

import os

from .database import Database

__all__ = ["kept_sealing_key"]

SEALING_KEY_BYTES = 32

# Of any number of processes that start at once, one keeps its key: the others wait for its commit
# and then find the row. Repeatable: the second time it is there.
MAKE = "INSERT INTO sealing_keys (key) VALUES ($1) ON CONFLICT DO NOTHING"
# A statement of its own: one with the insert would not see a row that came after it had begun.
READ = "SELECT key FROM sealing_keys"


async def kept_sealing_key(database: Database) -> bytes:
    """The database's key, made now if there is none. Raises :class:`DatabaseUnavailable`."""
    await database.execute(MAKE, os.urandom(SEALING_KEY_BYTES))
    key: bytes = await database.fetchval(READ)
    return key
