"""What the sandbox's supervisor is told and what it answers."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

__all__ = [
    "BackendName",
    "CallError",
    "CallStatus",
    "FileEntry",
    "Limits",
    "Picture",
    "SandboxConfig",
    "SandboxInfo",
    "SandboxLayer",
    "StreamName",
    "StreamText",
    "ValueText",
]

BackendName = Literal["native", "launcher"]
CallStatus = Literal["ok", "error", "timeout", "interrupted", "crashed", "violation"]
StreamName = Literal["stdout", "stderr"]
WallName = Literal["namespaces", "landlock", "seccomp"]

MIB = 1 << 20


class Limits(Struct, frozen=True):
    """Bounds of one session; what each means stands in ``inside/limits.py``."""

    memory_bytes: int = 1024 * MIB
    disk_bytes: int = 256 * MIB
    inodes: int = 4096
    file_bytes: int = 128 * MIB
    open_files: int = 128
    threads: int = 64
    cpu_seconds: int = 3600
    stream_characters: int = 50_000
    output_characters: int = 80_000
    result_characters: int = 20_000
    images: int = 8
    image_bytes: int = 4 * MIB


class SandboxConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """How a supervisor runs."""

    run_folder: str
    """Holds its socket and, without namespaces, the sessions' files; for its user alone."""
    backend: BackendName = "native"
    python: str | None = None
    """Of the environment with the sandbox's packages; None: our own, with the bare library."""
    walls: tuple[WallName, ...] = ("namespaces", "landlock", "seccomp")
    accept_one_wall: bool = False
    preload: tuple[str, ...] = ("numpy", "pandas", "matplotlib.pyplot", "PIL.Image")
    processors: tuple[int, ...] = ()
    """Which the sessions may run on; empty: all."""
    launcher: tuple[str, ...] = ()
    """The command of the backend ``launcher``: ``{data}`` and ``{limits}`` in it are replaced."""
    limits: Limits = Limits()
    grace_seconds: float = 1.0
    """From the interrupt to the kill."""
    start_seconds: float = 60.0
    """For the zygote to load its packages, and for a session to be there."""
    pool: int = 2
    """Sealed processes that wait for a session."""
    most_sessions: int = 100
    parallel_calls: int = 4
    queue_seconds: float = 30.0
    idle_seconds: float = 1200.0


class StreamText(Struct, frozen=True):
    stream: StreamName
    text: str


class ValueText(Struct, frozen=True):
    """``repr`` of the value of the last expression."""

    text: str


class Picture(Struct, frozen=True):
    png: bytes


class CallError(Struct, frozen=True):
    name: str
    message: str
    traceback: str = ""


class FileEntry(Struct, frozen=True, array_like=True):
    """A file of the working directory, by its path below it."""

    path: str
    size: int


class SandboxLayer(Struct, frozen=True):
    """As ``inside/layers.py`` finds it."""

    name: str
    is_wall: bool
    is_active: bool
    detail: str


class SandboxInfo(Struct, frozen=True):
    backend: BackendName
    layers: tuple[SandboxLayer, ...]
    loaded: tuple[str, ...]
    sessions: int
    pooled: int
