"""The drawn pages are drawn from the code as it is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_the_architecture_page_is_fresh() -> None:
    drawn = subprocess.run(
        [sys.executable, ROOT / "docs" / "draw.py", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert drawn.returncode == 0, f"run `.venv/bin/python docs/draw.py`: {drawn.stderr}"
