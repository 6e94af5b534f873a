"""What one session may use."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Limits"]


@dataclass(frozen=True)
class Limits:
    """Bounds of one session; the same names stand in the supervisor's ``values.Limits``."""

    memory_bytes: int
    """Address space on top of what the fork server has: then Python raises ``MemoryError``."""
    disk_bytes: int
    inodes: int
    file_bytes: int
    open_files: int
    threads: int
    cpu_seconds: int
    stream_characters: int
    """Of stdout and of stderr, each, in one call."""
    output_characters: int
    """Of both together in one call."""
    result_characters: int
    images: int
    image_bytes: int
