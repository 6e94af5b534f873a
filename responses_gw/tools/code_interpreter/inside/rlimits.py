"""Resource limits of one process (man 2 setrlimit). A session is one process: it cannot fork."""

from __future__ import annotations

import resource as r

from .limits import Limits

__all__ = ["set_limits"]


def set_limits(limits: Limits, base_bytes: int, tasks: int) -> None:
    """``base_bytes``: the address space before the session; ``tasks``: of its user, all together.

    A lower limit that stands already stays. Raises ``ValueError`` or ``OSError``.
    """
    wanted = {
        r.RLIMIT_AS: base_bytes + limits.memory_bytes,
        r.RLIMIT_FSIZE: limits.file_bytes,
        r.RLIMIT_NOFILE: limits.open_files,
        r.RLIMIT_NPROC: tasks,
        r.RLIMIT_CPU: limits.cpu_seconds,
        r.RLIMIT_CORE: 0,
        r.RLIMIT_MEMLOCK: 0,
        r.RLIMIT_MSGQUEUE: 0,
        r.RLIMIT_SIGPENDING: 64,
        r.RLIMIT_NICE: 0,
        r.RLIMIT_RTPRIO: 0,
    }
    for which, value in wanted.items():
        hard = r.getrlimit(which)[1]
        bound = value if hard == r.RLIM_INFINITY else min(value, hard)
        r.setrlimit(which, (bound, bound))
