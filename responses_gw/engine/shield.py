"""Work that has to be finished although its task was cancelled."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine

__all__ = ["finish_anyway"]

log = logging.getLogger(__name__)


async def finish_anyway(work: Coroutine[object, object, None], seconds: float) -> None:
    """Run ``work`` to its end, at most ``seconds``, whatever cancels the caller meanwhile.

    For a caller that handles a cancellation already: a further one is swallowed. A fault of
    ``work`` is logged; there is nobody left to tell.
    """
    task = asyncio.ensure_future(asyncio.wait_for(work, seconds))
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            continue
        except Exception:
            log.exception("what had to be finished failed")
