"""Real sandboxes, and what is tried on them."""

from .attacks import ATTACKS, SINGLE_CALLS, Attack, attacks_with
from .running import (
    INSIDE,
    MODES,
    SECRET,
    Sandbox,
    User,
    Walls,
    readable_python,
    running_sandbox,
    wait_until_gone,
)

__all__ = [
    "ATTACKS",
    "INSIDE",
    "MODES",
    "SECRET",
    "SINGLE_CALLS",
    "Attack",
    "Sandbox",
    "User",
    "Walls",
    "attacks_with",
    "readable_python",
    "running_sandbox",
    "wait_until_gone",
]
