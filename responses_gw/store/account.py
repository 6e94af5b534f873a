"""As whom the embedded PostgreSQL runs: it refuses to be root."""

from __future__ import annotations

import os
import pwd
import subprocess
from pathlib import Path

__all__ = ["INSTEAD", "Account", "EmbeddedPostgresError", "current_account"]

UNPRIVILEGED_USER = "nobody"
COMMAND_TIMEOUT_SECONDS = 180.0
INSTEAD = "set RESPONSES_GW_DATABASE_URL to use a PostgreSQL server of your own"


class EmbeddedPostgresError(Exception):
    """The embedded server cannot be run. The message says why and what to do."""


class Account:
    """As whom PostgreSQL's processes run: as we do, or as an unprivileged user."""

    def __init__(self, uid: int, gid: int, is_other: bool) -> None:
        self.uid = uid
        self.gid = gid
        self.is_other = is_other

    def run(self, command: tuple[str | Path, ...], output: int) -> int:
        """The exit status of a command that gets no input and nothing of our environment."""
        return subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd="/",
            env={"PATH": os.defpath, "LC_ALL": "C"},
            close_fds=True,
            start_new_session=True,
            user=self.uid if self.is_other else None,
            group=self.gid if self.is_other else None,
            extra_groups=[] if self.is_other else None,
            timeout=COMMAND_TIMEOUT_SECONDS,
            check=False,
        ).returncode

    def can_run(self, path: Path) -> bool:
        return not self.is_other or self._may("-x", path)

    def check_path(self, root: Path) -> None:
        """Raises :class:`EmbeddedPostgresError` unless the account gets into ``root``."""
        for folder in (*reversed(root.parents), root):
            if self.is_other and not self._may("-x", folder):
                raise EmbeddedPostgresError(
                    f"{folder} is closed to the user '{UNPRIVILEGED_USER}', as whom PostgreSQL "
                    f"runs when the service runs as root. Choose another directory than {root} "
                    "(RESPONSES_GW_DATABASE_EMBEDDED_DIR), such as one below /var/lib, run the "
                    f"service as an ordinary user, or {INSTEAD}"
                )

    def _may(self, permission: str, path: Path) -> bool:
        script = 'test "$1" "$2"'
        command = ("/bin/sh", "-c", script, "sh", permission, str(path))
        return self.run(command, subprocess.DEVNULL) == 0


def current_account() -> Account:
    uid = os.geteuid()
    try:
        entry = pwd.getpwnam(UNPRIVILEGED_USER) if uid == 0 else pwd.getpwuid(uid)
    except KeyError as error:
        wanted = f"user '{UNPRIVILEGED_USER}'" if uid == 0 else f"entry for user id {uid}"
        raise EmbeddedPostgresError(
            f"the system's user database has no {wanted}, which PostgreSQL needs; {INSTEAD}"
        ) from error
    return Account(entry.pw_uid, entry.pw_gid, is_other=uid == 0)
