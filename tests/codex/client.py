"""The real Codex CLI in a home and a working directory of its own.

What tools it declares depends on what it knows of its model (CLIENTS §3). "unknown" is a model that
is in no catalog; the others are names in the catalog that is part of the program, whose metadata
is given to ours.
"""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Literal

from .relay import Json

Metadata = Literal["unknown", "gpt-5.5", "gpt-6-astra"]
MODEL = "tiny"
PATIENCE_SECONDS = 60
MCP_SERVER = Path(__file__).parent / "mcp_server.py"


@dataclass(frozen=True)
class Run:
    """What one ``codex exec --json`` said and how it ended."""

    code: int
    events: list[Json]
    stderr: str

    @property
    def items(self) -> list[Json]:
        """The items that Codex has finished: its messages, commands, file changes, MCP calls."""
        return [
            item
            for event in self.events
            if event["type"] == "item.completed" and isinstance(item := event["item"], dict)
        ]

    @property
    def message(self) -> str:
        """The last message of the model."""
        said = [item["text"] for item in self.items if item["type"] == "agent_message"]
        return str(said[-1]) if said else ""


@dataclass(frozen=True)
class Codex:
    """``program`` talks to ``url``, with the catalog's metadata of the model named ``metadata``."""

    program: Path
    folder: Path
    url: str
    metadata: Metadata = "unknown"
    model: str = MODEL
    settings: Mapping[str, str] = field(default_factory=dict)  # of the provider, in TOML
    home: Path = field(init=False)
    work: Path = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "home", self.folder / "home")
        object.__setattr__(self, "work", self.folder / "work")
        self.home.mkdir(parents=True)
        self.work.mkdir()
        (self.home / "config.toml").write_text(self._config())
        if self.metadata != "unknown":
            catalog = {"models": [_renamed(bundled(self.program)[self.metadata])]}
            (self.home / "catalog.json").write_text(json.dumps(catalog))

    def exec(self, prompt: str, *arguments: str) -> Run:
        """Run one prompt to its end. ``arguments`` come before it, such as ``resume --last``."""
        done = self.run(
            "exec", "--json", "--skip-git-repo-check",
            "--dangerously-bypass-approvals-and-sandbox", *arguments, prompt,
        )  # fmt: skip
        events = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        return Run(done.returncode, events, done.stderr)

    def authorize_by_command(self) -> None:
        """Let a command print the key: Codex then asks such a provider for its models."""
        config = self.home / "config.toml"
        text = config.read_text().replace('env_key = "GATEWAY_KEY"\n', "")
        auth = '\n[model_providers.gw.auth]\ncommand = "echo"\nargs = ["any"]\n'
        config.write_text(text + auth)

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return _run(self.program, self.home, self.work, *arguments)

    def _config(self) -> str:
        catalog = self.home / "catalog.json"
        shown = f'model_catalog_json = "{catalog}"\n' if self.metadata != "unknown" else ""
        settings = "\n".join(f"{name} = {value}" for name, value in self.settings.items())
        return f"""\
model = "{self.model}"
model_provider = "gw"
{shown}
[model_providers.gw]
name = "gw"
base_url = "{self.url}"
wire_api = "responses"
env_key = "GATEWAY_KEY"
{settings}

[mcp_servers.mini]
command = "{sys.executable}"
args = ["{MCP_SERVER}"]
"""


@cache
def bundled(program: Path) -> dict[str, Json]:
    """The catalog of models that is part of the program, by name."""
    done = subprocess.run(
        [program, "debug", "models", "--bundled"],
        capture_output=True, check=True, text=True, timeout=PATIENCE_SECONDS,
    )  # fmt: skip
    return {model["slug"]: model for model in json.loads(done.stdout)["models"]}


def _renamed(model: Json) -> Json:
    return copy.deepcopy(model) | {"slug": MODEL, "display_name": MODEL, "upgrade": None}


def _run(
    program: Path, home: Path, work: Path, *arguments: str
) -> subprocess.CompletedProcess[str]:
    kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    return subprocess.run(
        [program, *arguments],
        cwd=work,
        env=kept | {"CODEX_HOME": str(home), "HOME": str(home), "GATEWAY_KEY": "any"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
    )
