"""A server that is a program of this machine: JSON-RPC messages as lines on its pipes.

Ours and not the SDK's, because a child must be gone when its session is: the SDK leaves the rest of
its process group alone when the program itself ends in time, and gives up under cancellation.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.client.stdio import get_default_environment
from mcp.shared.message import SessionMessage
from mcp_types import jsonrpc_message_adapter

from .wire import MAX_MESSAGE_BYTES

__all__ = ["stdio_transport"]

log = logging.getLogger(__name__)
GRACE_SECONDS = 1.0
POLL_SECONDS = 0.01
Incoming = SessionMessage | Exception


@contextlib.asynccontextmanager
async def stdio_transport(
    command: Sequence[str], env: Mapping[str, str], on_end: Callable[[], None]
) -> AsyncGenerator[
    tuple[MemoryObjectReceiveStream[Incoming], MemoryObjectSendStream[SessionMessage]]
]:
    """Run the command, with the few variables that are safe and ``env``; ``on_end`` is called when
    it stops speaking. At the end its whole process group is gone. Raises ``OSError``.
    """
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=PIPE,
        stdout=PIPE,
        stderr=PIPE,
        env={**get_default_environment(), **env},
        start_new_session=True,
        limit=MAX_MESSAGE_BYTES,
    )
    to_us, incoming = anyio.create_memory_object_stream[Incoming](0)
    outgoing, from_us = anyio.create_memory_object_stream[SessionMessage](0)
    tasks = [
        asyncio.create_task(_read_messages(process, to_us, on_end)),
        asyncio.create_task(_write_messages(process, from_us, on_end)),
        asyncio.create_task(_read_log(process)),
    ]
    try:
        yield incoming, outgoing
    finally:
        try:
            await _stop(process)
        finally:
            _kill_group(process)
            for task in tasks:
                task.cancel()
            for stream in (to_us, incoming, outgoing, from_us):
                stream.close()
        await asyncio.gather(*tasks, return_exceptions=True)
        await _gone(process, GRACE_SECONDS)
        # what a child handed on may still hold a pipe open: our ends must not stay for it
        process._transport.close()  # type: ignore[attr-defined]


async def _read_messages(
    process: Process, to_us: MemoryObjectSendStream[Incoming], on_end: Callable[[], None]
) -> None:
    assert process.stdout is not None
    try:
        async with to_us:
            while line := await process.stdout.readline():
                if line.strip():
                    await to_us.send(_parsed(line))
    except (anyio.BrokenResourceError, anyio.ClosedResourceError):
        log.debug("nobody listens to an MCP server any more")
    except (OSError, ValueError) as error:  # ValueError: a line above the limit
        log.warning("an MCP server cannot be read: %s", type(error).__name__)
    finally:
        on_end()


def _parsed(line: bytes) -> Incoming:
    try:
        return SessionMessage(jsonrpc_message_adapter.validate_json(line, by_name=False))
    except ValueError as error:
        log.debug("an MCP server wrote a line that is no message")
        return error


async def _write_messages(
    process: Process,
    from_us: MemoryObjectReceiveStream[SessionMessage],
    on_end: Callable[[], None],
) -> None:
    assert process.stdin is not None
    try:
        async with from_us:
            async for item in from_us:
                line = item.message.model_dump_json(by_alias=True, exclude_unset=True)
                process.stdin.write(f"{line}\n".encode())
                await process.stdin.drain()
    except OSError:
        on_end()


async def _read_log(process: Process) -> None:
    """What it writes to its standard error is the operator's to read, at level debug."""
    assert process.stderr is not None
    with contextlib.suppress(OSError):
        while piece := await process.stderr.read(65_536):
            if log.isEnabledFor(logging.DEBUG):
                log.debug("MCP server %d: %s", process.pid, piece.decode(errors="replace").rstrip())


async def _stop(process: Process) -> None:
    """MCP's order: close its input, wait, ask it to end, wait; the caller kills."""
    assert process.stdin is not None
    process.stdin.close()
    if not await _gone(process, GRACE_SECONDS):
        _signal_group(process, signal.SIGTERM)
        await _gone(process, GRACE_SECONDS)


def _kill_group(process: Process) -> None:
    _signal_group(process, signal.SIGKILL)


def _signal_group(process: Process, number: signal.Signals) -> None:
    # its pid is the group's id (start_new_session), also when it is gone and only others are left
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


async def _gone(process: Process, seconds: float) -> bool:
    """Not ``process.wait()``, which also waits for everyone who has inherited its pipes."""
    deadline = asyncio.get_running_loop().time() + seconds
    while process.returncode is None:
        if asyncio.get_running_loop().time() >= deadline:
            return False
        await asyncio.sleep(POLL_SECONDS)
    return True
