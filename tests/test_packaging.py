"""The wheel holds all that the service needs away from the checkout."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_the_wheel_holds_code_migrations_and_configuration(tmp_path: Path) -> None:
    source = tmp_path / "source"  # a build leaves folders behind
    source.mkdir()
    for folder in ("responses_gw", "migrations", "conf"):
        shutil.copytree(ROOT / folder, source / folder)
    for file in ("pyproject.toml", "setup.cfg", "README.md", "LICENSE"):
        shutil.copy(ROOT / file, source)
    pip = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--no-index"]
    built = subprocess.run(
        [*pip, "--wheel-dir", tmp_path, source], capture_output=True, text=True, check=False
    )
    assert built.returncode == 0, built.stderr
    (wheel,) = tmp_path.glob("responses_gw-*.whl")
    held = set(zipfile.ZipFile(wheel).namelist())
    wanted = {path.relative_to(ROOT).as_posix() for path in (ROOT / "responses_gw").rglob("*.py")}
    for folder, pattern in (("migrations", "*.sql"), ("conf", "*.toml")):
        found = (ROOT / folder).rglob(pattern)
        wanted |= {f"responses_gw/{path.relative_to(ROOT).as_posix()}" for path in found}
    assert wanted - held == set(), "not in the wheel"
