"""A supervisor with the configuration argv[1], as the user argv[2] if any.

Everything is imported before the user changes, who may not be able to read our interpreter's files.
"""

from __future__ import annotations

import asyncio.unix_events
import os
import sys

from responses_gw.tools.code_interpreter import supervisor

assert asyncio.unix_events
if len(sys.argv) > 2:
    os.setgroups([])
    os.setgid(int(sys.argv[2]))
    os.setuid(int(sys.argv[2]))
    os.environ.clear()
sys.exit(supervisor.main(sys.argv[1:2]))
