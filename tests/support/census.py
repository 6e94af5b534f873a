"""What a service holds: tasks, sockets, pipes and processes, counted from outside."""

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from .service import Service

__all__ = ["Census", "census", "children", "settled"]

POLL_SECONDS = 0.2
TASKS = "/tests/tasks"  # of counted_app.py, which is for the service alone: it installs uvloop


@dataclass(frozen=True)
class Census:
    """Of a service's own processes; ``children`` are those that it has started for others."""

    tasks: Counter[str]
    descriptors: Counter[str]
    children: int

    def more_than(self, other: Census) -> str:
        """What is here and not there; empty if there is nothing."""
        found = {
            "tasks": self.tasks - other.tasks,
            "descriptors": self.descriptors - other.descriptors,
            "children": max(0, self.children - other.children),
        }
        return ", ".join(f"{name}: {more}" for name, more in found.items() if more)


async def census(service: Service) -> Census:
    """Over a connection of its own, which is counted each time."""
    async with (
        aiohttp.ClientSession() as http,
        http.get(f"{service.url}{TASKS}", headers={"connection": "close"}) as response,
    ):
        tasks = Counter(await response.json(content_type=None))
    ours = service.pids()
    held = sum((descriptors(pid) for pid in ours), Counter[str]())
    started = {child for pid in ours for child in children(pid)}
    return Census(tasks, held, len(started.difference(ours)))


async def settled(service: Service, start: Census, seconds: float) -> str:
    """What is more than at the start when nothing goes away any more, or after ``seconds``."""
    deadline = time.monotonic() + seconds
    while True:
        more = (await census(service)).more_than(start)
        if not more or time.monotonic() >= deadline:
            return more
        await asyncio.sleep(POLL_SECONDS)


def descriptors(pid: int) -> Counter[str]:
    """Open files of a process by kind: socket, pipe, anon_inode, or the path of a file."""
    kinds: Counter[str] = Counter()
    folder = Path(f"/proc/{pid}/fd")
    for name in os.listdir(folder):
        try:
            kinds[os.readlink(folder / name).partition(":")[0]] += 1
        except FileNotFoundError:
            continue
    return kinds


def children(pid: int) -> list[int]:
    """The child processes, also those that are dead and not waited for."""
    found: list[int] = []
    for task in os.listdir(f"/proc/{pid}/task"):
        path = Path(f"/proc/{pid}/task/{task}/children")
        try:
            found += map(int, path.read_text().split())
        except FileNotFoundError:
            continue
    return found
