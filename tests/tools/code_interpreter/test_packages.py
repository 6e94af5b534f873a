"""With packages of their own: RESPONSES_GW_TEST_SANDBOX_PYTHON is the Python that has them."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator

import pytest

from responses_gw.tools.code_interpreter import CallResult
from tests.support.sandbox import Sandbox, running_sandbox

PYTHON = os.environ.get("RESPONSES_GW_TEST_SANDBOX_PYTHON")
PNG = b"\x89PNG\r\n\x1a\n"

pytestmark = pytest.mark.skipif(
    PYTHON is None, reason="RESPONSES_GW_TEST_SANDBOX_PYTHON names no Python with packages"
)


@pytest.fixture(scope="module", params=["namespaces", "landlock"])
def sandbox(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    with running_sandbox("ordinary", request.param, python=PYTHON) as started:
        yield started


def run(sandbox: Sandbox, code: str) -> CallResult:
    async def work() -> CallResult:
        session = await sandbox.client.open()
        try:
            return await session.run(code, 20)
        finally:
            await session.close()

    return asyncio.run(work())


def test_they_are_loaded_before_the_first_call(sandbox: Sandbox) -> None:
    loaded = asyncio.run(sandbox.client.info()).loaded
    assert set(loaded) == {"numpy", "pandas", "matplotlib.pyplot", "PIL.Image"}


@pytest.mark.parametrize(
    ("code", "pictures"),
    [
        ("import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()", 1),
        ("import matplotlib.pyplot as plt\nplt.plot([1, 2])", 1),
        ("import matplotlib.pyplot as plt\nfor i in range(50): plt.figure()", 8),
        ("import pandas as pd\nax = pd.DataFrame({'a': [1, 2]}).plot()", 1),
        ("from PIL import Image\nImage.new('RGB', (9, 9)).show()", 1),
        ("from PIL import Image\nImage.new('RGB', (9, 9))", 1),
        ("import numpy as np\nnp.arange(3)", 0),
    ],
)
def test_figures_become_pictures(sandbox: Sandbox, code: str, pictures: int) -> None:
    result = run(sandbox, code)
    assert result.end.status == "ok", result.end
    assert len(result.pictures) == pictures
    assert all(png.startswith(PNG) for png in result.pictures)


def test_an_array_that_does_not_fit_is_a_memory_error(sandbox: Sandbox) -> None:
    result = run(sandbox, "import numpy as np; np.ones((1_000_000, 10_000))")
    assert result.end.error is not None and "Memory" in result.end.error.name


def test_two_sessions_draw_different_numbers(sandbox: Sandbox) -> None:
    code = "import numpy as np; np.random.rand()"
    assert run(sandbox, code).value != run(sandbox, code).value
