"""Sealed reasoning that comes back from clients: opened where it can be, dropped and counted where
it cannot.

Another service's, or one whose key is gone, is no error of the client's: it replays what it was
given, and the model works without the thought.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from ..prompt.sealing import Sealer
from ..prompt.transcript import Unseal

__all__ = ["opening_seals"]

log = logging.getLogger(__name__)


@contextmanager
def opening_seals(sealer: Sealer, tenant: str, response_id: str) -> Iterator[Unseal]:
    """What opens the tenant's sealed reasoning for one transcript. At the end, one line of the log
    says how many stayed closed, and nothing of what is in them.
    """
    dropped = 0

    def unseal(blob: str) -> str | None:
        nonlocal dropped
        text = sealer.unseal(blob, tenant)
        dropped += text is None
        return text

    yield unseal
    if dropped:
        log.info(
            "response %s: dropped sealed reasoning that no key opens (%d)", response_id, dropped
        )
