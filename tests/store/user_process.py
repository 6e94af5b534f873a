"""A process that uses the embedded server in argv[1] until its input ends, as user argv[2] if any.

It says "started PID" and "stopped". Everything is imported before the user changes: another user
may not be able to read the interpreter's files.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from responses_gw.store import EmbeddedPostgres, EmbeddedPostgresError


def main() -> None:
    if len(sys.argv) > 2:
        os.setgroups([])
        os.setgid(int(sys.argv[2]))
        os.setuid(int(sys.argv[2]))
    server = EmbeddedPostgres(Path(sys.argv[1]))
    try:
        server.start()
    except EmbeddedPostgresError as error:
        print(f"error {error}", flush=True)
        return
    print(f"started {server.server_pid}", flush=True)
    sys.stdin.read()
    server.stop()
    print("stopped", flush=True)


main()
