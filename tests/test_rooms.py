"""The arrows between the rooms: who may import whom, and who never waits.

http → engine → {tools, files, upstream, store} → {egress, prompt, machine} → api; settings are
known to all but the pure rooms; nobody imports the composition root except the command.
"""

from __future__ import annotations

import ast
import configparser
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "responses_gw"

PURE = {"api", "prompt", "machine"}
BELOW_ENGINE = {"api", "prompt", "machine", "settings"}
MAY_IMPORT: dict[str, set[str]] = {
    "api": set(),
    "prompt": {"api"},
    "machine": {"api"},
    "settings": set(),
    "telemetry": set(),
    "egress": {"settings", ""},
    "upstream": BELOW_ENGINE | {"telemetry", ""},
    "store": BELOW_ENGINE | {"telemetry"},
    "tools": BELOW_ENGINE | {"telemetry", "egress", ""},
    "files": {"settings"},
    "engine": BELOW_ENGINE | {"telemetry", "upstream", "store", "tools", "files", "egress"},
    "http": BELOW_ENGINE | {"telemetry", "engine"},
    "app": BELOW_ENGINE
    | {"telemetry", "upstream", "store", "tools", "files", "egress", "engine", "http"},
    "demo": set(),
    "serving": set(),
    "doctor": {"api", "settings", "serving", "store", "tools"},
    "cli": {"", "app", "demo", "doctor", "serving", "settings", "store"},
    "__main__": {"cli"},
    "": set(),
}


def room_of(module: str) -> str:
    """The room of a module inside the package; "" is the package itself."""
    return [*module.split("."), ""][1]


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(text: bytes | str, path: Path) -> Iterator[str]:
    """The full names of all of ours that the file at ``path`` imports, wherever in its text."""
    package = module_name(path).split(".")
    if path.name != "__init__.py":
        package.pop()
    for node in ast.walk(ast.parse(text)):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *filter(None, [node.module])])
            names = [module]
            if module == PACKAGE.name:  # then each name is a room, or the package's own
                names = [f"{module}.{a.name}" if is_room(a.name) else module for a in node.names]
        yield from (name for name in names if name.split(".")[0] == PACKAGE.name)


def is_room(name: str) -> bool:
    return (PACKAGE / name).exists() or (PACKAGE / f"{name}.py").exists()


FILES = sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=[str(path.relative_to(PACKAGE)) for path in FILES])
def test_a_file_imports_only_downward(path: Path) -> None:
    room = room_of(module_name(path))
    assert room in MAY_IMPORT, f"{room} is no room of the plan: say what it may import"
    for name in imported(path.read_bytes(), path):
        wanted = room_of(name)
        assert wanted == room or wanted in MAY_IMPORT[room], (
            f"{path.relative_to(ROOT)} imports {name}: {room} may import "
            f"{', '.join(sorted(MAY_IMPORT[room])) or 'no other room'}"
        )


@pytest.mark.parametrize("room", sorted(PURE))
def test_a_pure_room_never_waits(room: str) -> None:
    waiting = (ast.AsyncFunctionDef, ast.Await, ast.AsyncFor, ast.AsyncWith)
    for path in (PACKAGE / room).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_bytes())):
            where = f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}"
            assert not isinstance(node, waiting), f"{where} waits, but {room} does no I/O"


@pytest.mark.parametrize("room", sorted(PURE))
def test_a_pure_room_imports_nothing_that_does_io(room: str) -> None:
    doing_io = {"aiohttp", "anyio", "asyncio", "asyncpg", "hypercorn", "socket", "starlette"}
    for path in (PACKAGE / room).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_bytes())):
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                names = [node.module]
            found = doing_io & {name.split(".")[0] for name in names}
            assert not found, f"{path.relative_to(ROOT)} imports {', '.join(found)}"


def test_every_room_is_installed() -> None:
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    listed = set(config["options"]["packages"].split())
    folders = {module_name(path) for path in PACKAGE.rglob("__init__.py")}
    outside = {"responses_gw.conf", "responses_gw.migrations"}  # they stand at the top
    assert listed == folders | outside, "[options] packages in setup.cfg is not what is there"


def test_the_arrows_are_read_from_every_form_of_import() -> None:
    path = PACKAGE / "store" / "example.py"
    forms = {
        "from ..http import Edge": "responses_gw.http",
        "from .. import http": "responses_gw.http",
        "from responses_gw import http": "responses_gw.http",
        "import responses_gw.http.edge": "responses_gw.http.edge",
        "from .database import Database": "responses_gw.store.database",
        "from .. import __version__": "responses_gw",
    }
    for text, name in forms.items():
        assert list(imported(text, path)) == [name], text
