"""The sandbox for the model's Python: a supervisor's client and what it is told and answers.

The supervisor (``supervisor.py``) is a process of its own; gateway processes only connect to it.
"""

from .client import CallResult, Output, SandboxClient, SandboxSession
from .errors import (
    FileRefused,
    ProtocolViolation,
    SandboxBusy,
    SandboxDown,
    SandboxError,
    SessionGone,
)
from .values import (
    CallError,
    CallStatus,
    FileEntry,
    Limits,
    Picture,
    SandboxConfig,
    SandboxInfo,
    SandboxLayer,
    StreamText,
    ValueText,
)
from .wire import CallEnd

__all__ = [
    "CallEnd",
    "CallError",
    "CallResult",
    "CallStatus",
    "FileEntry",
    "FileRefused",
    "Limits",
    "Output",
    "Picture",
    "ProtocolViolation",
    "SandboxBusy",
    "SandboxClient",
    "SandboxConfig",
    "SandboxDown",
    "SandboxError",
    "SandboxInfo",
    "SandboxLayer",
    "SandboxSession",
    "SessionGone",
    "StreamText",
    "ValueText",
]
