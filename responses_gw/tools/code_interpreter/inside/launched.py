"""A worker behind another wall: frames over standard input and output.

The command that the operator has chosen (``runsc``, a microVM, a container engine) is the wall
here; this process puts up none itself, and only bounds its memory, files and time.
"""

from __future__ import annotations

import json
import os
import signal

from . import rlimits
from .frames import Channel
from .limits import Limits
from .session import set_environment
from .worker import Worker

__all__ = ["main"]


def main(arguments: list[str]) -> None:
    """``arguments``: the limits as JSON, and the working directory."""
    limits = Limits(**json.loads(arguments[0]))
    data = os.path.realpath(arguments[1])
    os.chdir(data)
    set_environment(data, data)
    reader, writer = os.dup(0), os.dup(1)
    nothing = os.open("/dev/null", os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)  # what does not go through sys.stdout must not go between the frames
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    rlimits.set_limits(limits, 1 << 30, limits.threads + 4096)
    Worker(Channel(reader, writer), limits, data).serve()
