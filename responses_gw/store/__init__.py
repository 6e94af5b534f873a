"""State: responses and items in PostgreSQL, leases of who works on them, histories in memory.

The only room with SQL. It also brings the database up: migrations, and the embedded server.
"""

from .account import EmbeddedPostgresError
from .database import Database, DatabaseUnavailable
from .embedded import EmbeddedPostgres, default_root, embedded_server
from .history import CachedHistory, HistoryCache
from .leases import LeaseKeeper
from .migrations import Migration, MigrationError, find_migrations_folder, migrate, pending
from .responses import ResponseStore
from .sealing_keys import kept_sealing_key
from .values import (
    Chain,
    ChainBroken,
    ItemNotFound,
    ItemPage,
    LeaseLost,
    Outcome,
    ParentNotFound,
    ResponseExists,
    ResponseStatus,
    StoredItem,
    StoredResponse,
    Tip,
)

__all__ = [
    "CachedHistory",
    "Chain",
    "ChainBroken",
    "Database",
    "DatabaseUnavailable",
    "EmbeddedPostgres",
    "EmbeddedPostgresError",
    "HistoryCache",
    "ItemNotFound",
    "ItemPage",
    "LeaseKeeper",
    "LeaseLost",
    "Migration",
    "MigrationError",
    "Outcome",
    "ParentNotFound",
    "ResponseExists",
    "ResponseStatus",
    "ResponseStore",
    "StoredItem",
    "StoredResponse",
    "Tip",
    "default_root",
    "embedded_server",
    "find_migrations_folder",
    "kept_sealing_key",
    "migrate",
    "pending",
]
