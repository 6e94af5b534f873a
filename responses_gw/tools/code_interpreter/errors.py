"""What can go wrong between the gateway and the sandbox."""

from __future__ import annotations

__all__ = [
    "FileRefused",
    "ProtocolViolation",
    "SandboxBusy",
    "SandboxDown",
    "SandboxError",
    "SessionGone",
]


class SandboxError(Exception):
    """The base of all that the sandbox's client raises; the message is in words."""


class SandboxDown(SandboxError):
    """The supervisor does not run, has refused to start, or has ended."""


class SandboxBusy(SandboxError):
    """Others take all there is, and waiting has not helped."""


class SessionGone(SandboxError):
    """The session has been closed, has been idle for too long, or was never there."""


class FileRefused(SandboxError):
    """The file is not there, is none, or cannot be written."""


class ProtocolViolation(SandboxError):
    """A frame is not what it may be. What comes from a worker is never trusted."""
