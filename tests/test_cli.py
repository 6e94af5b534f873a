"""The command as an operator runs it: real processes and signals; what it prints and returns."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from responses_gw import __version__

from .support.database import make_public_directory, servers_below
from .support.mcp_servers import MODERN
from .support.service import free_port

ROOT = Path(__file__).parent.parent
WAIT_SECONDS = 30.0
HELLO = {"model": "demo", "input": "Hello", "stream": True}


class Command:
    """A running ``responses-gw`` in a session of its own; what it prints goes to files."""

    def __init__(self, folder: Path, *arguments: str, **environ: str) -> None:
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("RESPONSES_GW_")}
        self._out, self._err = folder / "stdout", folder / "stderr"
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "responses_gw", *arguments],
                cwd=ROOT,
                env={**inherited, **environ},
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )

    @property
    def out(self) -> str:
        return self._out.read_text()

    @property
    def err(self) -> str:
        return self._err.read_text()

    def url(self) -> str:
        """The first URL that it prints, once it does."""
        until(lambda: "/v1" in self.out or self.process.poll() is not None, self.describe)
        assert "/v1" in self.out, self.describe()
        return self.out.partition(" on ")[2].split()[0]

    def returned(self, timeout: float = WAIT_SECONDS) -> int:
        return self.process.wait(timeout)

    def describe(self) -> str:
        return f"exit {self.process.poll()}\n--- out ---\n{self.out}--- err ---\n{self.err}"

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if self.process.stdin is not None:
            self.process.stdin.close()


Run = Callable[..., Command]


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    """Starts commands, each with the environment given and no other setting."""
    with contextlib.ExitStack() as running:

        def start(*arguments: str, **environ: str) -> Command:
            folder = tmp_path / f"command-{len(list(tmp_path.iterdir()))}"
            folder.mkdir()
            command = Command(folder, *arguments, **environ)
            running.callback(command.close)
            return command

        yield start


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of an embedded PostgreSQL of this module's own; none is left running."""
    root = make_public_directory()
    yield root
    # a killed service leaves its server to the next user, which is this command
    last = Command(tmp_path_factory.mktemp("last"), "migrate", **embedded_in(root))
    try:
        assert last.returned() == 0, last.describe()
        assert servers_below(root) == [], "an embedded PostgreSQL was left running"
    finally:
        last.close()
        shutil.rmtree(root)


def embedded_in(root: Path) -> dict[str, str]:
    return {"RESPONSES_GW_DATABASE_EMBEDDED_DIR": str(root)}


def until(condition: Callable[[], bool], describe: Callable[[], str]) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline, describe()
        time.sleep(0.02)


def children(pid: int) -> list[int]:
    return [
        int(child)
        for task in Path(f"/proc/{pid}/task").iterdir()
        for child in (task / "children").read_text().split()
    ]


def post(url: str, body: object) -> urllib.request.Request:
    headers = {"content-type": "application/json"}
    return urllib.request.Request(f"{url}/responses", json.dumps(body).encode(), headers)


def line_of_failure(command: Command) -> str:
    """The one line of a start that failed."""
    assert command.returned() == 2, command.describe()
    assert "Traceback" not in command.err, command.err
    lines = [line for line in command.err.splitlines() if line.startswith("responses-gw: ")]
    assert len(lines) == 1, command.describe()
    return lines[0]


def test_version_and_usage(run: Run) -> None:
    version = run("--version")
    assert version.returned() == 0
    assert version.out == f"responses-gw {__version__}\n"
    nothing = run()
    assert nothing.returned() == 2
    assert nothing.err.startswith("usage: responses-gw")
    both = run("serve", "--demo", "--upstream", "http://127.0.0.1:1/v1")
    assert both.returned() == 2
    assert "not allowed with argument" in both.err


def test_the_demo_service_answers_and_leaves_nothing_behind(run: Run, database: Path) -> None:
    service = run("serve", "--demo", "--port", "0", **embedded_in(database))
    url = service.url()
    assert "database embedded)" in service.out
    until(lambda: "curl " in service.out, service.describe)
    assert f"curl -N {url}/responses" in service.out
    with urllib.request.urlopen(post(url, HELLO), timeout=WAIT_SECONDS) as stream:
        assert b"event: response.completed" in stream.read()
    family = children(service.process.pid)
    assert len(family) == 1, "the demo model is not the only child"
    service.process.send_signal(signal.SIGTERM)
    assert service.returned() == 0, service.describe()
    assert not Path(f"/proc/{family[0]}").exists(), "the demo model outlived the service"
    assert servers_below(database) == []


def test_the_demo_model_ends_with_a_service_that_is_killed(run: Run, database: Path) -> None:
    service = run("serve", "--demo", "--port", "0", **embedded_in(database))
    service.url()
    (model,) = children(service.process.pid)
    service.process.kill()
    until(lambda: not is_alive(model), lambda: f"the demo model {model} lives on")


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0]
    except FileNotFoundError:
        return False
    return state != "Z"  # a zombie waits for a parent that may never ask


def test_a_stream_ends_before_the_service_does(run: Run, database: Path) -> None:
    slow = {"RESPONSES_DEMO_TOKENS_PER_SECOND": "20"}
    service = run("serve", "--demo", "--port", "0", **embedded_in(database), **slow)
    with urllib.request.urlopen(post(service.url(), HELLO), timeout=WAIT_SECONDS) as stream:
        assert b"response.created" in stream.readline()
        service.process.send_signal(signal.SIGTERM)
        assert b"event: response.completed" in stream.read(), service.describe()
    assert service.returned() == 0, service.describe()


def test_a_second_signal_ends_the_streams(run: Run, database: Path) -> None:
    crawling = {"RESPONSES_DEMO_TOKENS_PER_SECOND": "0.1"}
    service = run("serve", "--demo", "--port", "0", **embedded_in(database), **crawling)
    url = service.url()
    with urllib.request.urlopen(post(url, HELLO), timeout=WAIT_SECONDS) as stream:
        assert b"response.created" in stream.readline()
        service.process.send_signal(signal.SIGINT)
        until(lambda: refuses(url), lambda: "still listening after the first signal")
        service.process.send_signal(signal.SIGINT)
        assert service.returned(10) == 1, service.describe()
    assert "Traceback" not in service.err, service.err
    assert servers_below(database) == []


def test_a_start_that_is_broken_off_leaves_no_database(run: Run, public_path: Path) -> None:
    """Two signals while PostgreSQL makes its first cluster, which nobody can interrupt."""
    service = run("serve", "--port", "0", **embedded_in(public_path))
    until(lambda: servers_below(public_path) != [], service.describe)
    service.process.send_signal(signal.SIGINT)
    service.process.send_signal(signal.SIGINT)
    service.returned()
    assert servers_below(public_path) == []


def refuses(url: str) -> bool:
    host, _, port = url.removeprefix("http://").removesuffix("/v1").partition(":")
    try:
        socket.create_connection((host, int(port)), timeout=1).close()
    except ConnectionRefusedError:
        return True
    return False


def test_a_wrong_setting_stops_the_start_and_is_named(run: Run, tmp_path: Path) -> None:
    assert "--port: must be a port" in line_of_failure(run("serve", "--port", "99999"))
    assert "--upstream: must be an http" in line_of_failure(run("serve", "--upstream", "a:b"))
    named = line_of_failure(run("serve", RESPONSES_GW_LOG_LEVEL="loud"))
    assert "RESPONSES_GW_LOG_LEVEL: must be one of debug, info" in named
    missing = str(tmp_path / "missing.toml")
    assert missing in line_of_failure(run("serve", "--config", missing))
    assert run("serve", "--upstream", "").returned() == 2


def test_a_flag_goes_before_the_environment(run: Run) -> None:
    wrong = {"RESPONSES_GW_UPSTREAM": "ftp://a", "RESPONSES_GW_SERVER_PORT": "x"}
    flags = ("--upstream", "http://127.0.0.1:1/v1", "--port", "0", "--host", "192.0.2.1")
    assert "cannot listen on 192.0.2.1" in line_of_failure(run("serve", *flags, **wrong))


def test_a_port_in_use_stops_the_start_before_anything_else(run: Run, tmp_path: Path) -> None:
    root = tmp_path / "never"
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = str(listener.getsockname()[1])
        line = line_of_failure(run("serve", "--port", port, **embedded_in(root)))
    assert f"cannot listen on 127.0.0.1 port {port}: Address already in use" in line
    assert not root.exists(), "a database was made for a service that cannot start"


def test_a_database_that_is_away_stops_the_start(run: Run) -> None:
    url = "postgresql://gateway:hunter2@127.0.0.1:1/gateway"
    command = run("serve", "--port", "0", RESPONSES_GW_DATABASE_URL=url)
    assert line_of_failure(command)
    assert "hunter2" not in command.describe()


def test_migrate_says_what_it_applied(run: Run, public_path: Path) -> None:
    first = run("migrate", **embedded_in(public_path))
    assert first.returned() == 0, first.describe()
    assert first.out.startswith("database embedded: applied 0001")
    second = run("migrate", **embedded_in(public_path))
    assert second.returned() == 0
    assert second.out == "database embedded: nothing to apply\n"
    assert servers_below(public_path) == []


def test_the_doctor_finds_a_service_that_can_start(run: Run, database: Path) -> None:
    model = run("demo", "--port", "0")
    upstream = {"RESPONSES_GW_UPSTREAM": model.url(), "RESPONSES_GW_SERVER_PORT": "0"}
    doctor = run("doctor", **embedded_in(database), **upstream)
    assert doctor.returned() == 0, doctor.describe()
    names = [line.split()[:2] for line in doctor.out.splitlines()]
    assert names == [["ok", n] for n in ("python", "settings", "database", "upstream", "port")]
    assert "/models: demo" in doctor.out


def test_the_doctor_asks_each_mcp_server(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "gateway.toml"
    server = (
        f"command = {json.dumps(sys.executable)}\nargs = [{json.dumps(str(MODERN))}, 'stdio']\n"
    )
    file.write_text(
        f"[[mcp.servers]]\nlabel = 'here'\n{server}"
        f"[[mcp.servers]]\nlabel = 'less'\n{server}allowed_tools = ['add', 'no_such_tool']\n"
        f"[[mcp.servers]]\nlabel = 'gone'\nurl = 'http://127.0.0.1:{free_port()}/?hunter2'\n"
    )
    doctor = run("doctor", RESPONSES_GW_CONFIG=str(file))
    assert doctor.returned() == 1, doctor.describe()
    here, less, gone = (line for line in doctor.out.splitlines() if line[6:].startswith("mcp "))
    assert re.fullmatch(r"ok +mcp +here: \d+ tools", here)
    assert re.fullmatch(r"FAIL +mcp +less: has no no_such_tool", less)
    assert gone.startswith("FAIL") and "'gone'. The MCP server cannot be reached" in gone
    assert "hunter2" not in doctor.out


def test_the_doctor_names_what_is_wrong_and_no_secret(run: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as busy:
        doctor = run(
            "doctor",
            RESPONSES_GW_DATABASE_URL="postgresql://gateway:hunter2@127.0.0.1:1/gateway",
            RESPONSES_GW_UPSTREAM="http://127.0.0.1:1/v1",
            RESPONSES_GW_UPSTREAM_API_KEY="hunter2",
            RESPONSES_GW_SERVER_PORT=str(busy.getsockname()[1]),
        )
        assert doctor.returned() == 1, doctor.describe()
    failed = [line.split()[1] for line in doctor.out.splitlines() if line.startswith("FAIL")]
    assert failed == ["database", "upstream", "port"], doctor.describe()
    assert "hunter2" not in doctor.describe()
    wrong = run("doctor", RESPONSES_GW_SERVER_PROT="1")
    assert wrong.returned() == 1
    assert wrong.out.startswith("FAIL  settings  RESPONSES_GW_SERVER_PROT")


def test_the_demo_model_stops_when_its_stdin_closes(run: Run) -> None:
    model = run("demo", "--port", "0", "--until-stdin-closes")
    assert model.url().startswith("http://127.0.0.1:")
    assert model.out.startswith("demo model on http://127.0.0.1:")
    assert model.process.stdin is not None
    model.process.stdin.close()
    assert model.returned(10) == 0, model.describe()
