"""The store's faults as the client's errors, in one place."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ..api.errors import not_found, previous_response_not_found, server_error, unavailable
from ..store import ChainBroken, DatabaseUnavailable, ItemNotFound, LeaseLost, ParentNotFound

__all__ = ["DATABASE_RETRY_SECONDS", "store_faults"]

DATABASE_RETRY_SECONDS = 5


@contextmanager
def store_faults() -> Iterator[None]:
    """Raises :class:`~responses_gw.api.errors.ApiError` in place of the store's own exceptions."""
    try:
        yield
    except DatabaseUnavailable as error:
        raise unavailable(
            "The server's storage is not available right now. Requests with 'store': false and "
            "without 'previous_response_id' still work.",
            retry_after=DATABASE_RETRY_SECONDS,
        ) from error
    except (ParentNotFound, ChainBroken) as error:
        raise previous_response_not_found(error.response_id) from error
    except ItemNotFound as error:
        raise not_found("Item", error.item_id) from error
    except LeaseLost as error:
        raise server_error(
            "The response was deleted or taken over while it was running."
        ) from error
