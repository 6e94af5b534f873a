"""The sandbox is tried by ``bin/attack`` alone as long as no part of the service uses it."""

from __future__ import annotations

import os

collect_ignore = (
    []
    if os.environ.get("RESPONSES_GW_TEST_ATTACKS")
    else ["test_attacks.py", "test_supervisor.py", "test_packages.py"]
)
