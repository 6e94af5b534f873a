from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from .sites import Authority, Site, Trap, site_on, trap_on


@pytest.fixture
async def trap() -> AsyncIterator[Trap]:
    async with trap_on("0.0.0.0") as found:
        yield found


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    async with site_on("127.0.0.1") as found:
        yield found


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)
