"""The command ``responses-gw``: serve, demo, migrate, doctor.

Exit codes: 0 done; 1 a check of ``doctor`` failed, or streams were cut by a second signal; 2 the
command could not start, with one line on stderr that says why.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import select
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from urllib.parse import urlsplit

from . import __version__
from .doctor import DATABASE_FAULTS, Check, database_url, examine, shown_fault, shown_url
from .serving import StartFailed, bind, serve
from .settings import CONFIG, DatabaseSettings, SettingsError, load
from .store import migrate

__all__ = ["main"]

# flag → the variable that it sets, so that the application sees it too
FLAGS = {
    "config": CONFIG,
    "host": "RESPONSES_GW_SERVER_HOST",
    "port": "RESPONSES_GW_SERVER_PORT",
    "upstream": "RESPONSES_GW_UPSTREAM_URL",
}
DEMO_START_SECONDS = 20.0
DEMO_STOP_SECONDS = 5.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit code."""
    args = _parser().parse_args(arguments)
    try:
        _set_environment(args)
        command: str = args.command
        if command == "serve":
            return _serve(demo=args.demo)
        if command == "demo":
            return _demo(args.host, args.port, args.until_stdin_closes)
        if command == "migrate":
            return _migrate()
        return _doctor()
    except SettingsError as error:
        return _failed(_with_flags(str(error), args))
    except StartFailed as error:
        return _failed(str(error))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="responses-gw",
        description="The OpenAI Responses API in front of a vLLM server.",
        epilog="Every setting is explained in conf/responses-gw.toml.",
    )
    parser.add_argument("--version", action="version", version=f"responses-gw {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(name: str, text: str) -> argparse.ArgumentParser:
        return commands.add_parser(name, help=text, description=text, allow_abbrev=False)

    serve = add("serve", "Serve the Responses API until SIGTERM or Ctrl-C.")
    model = serve.add_mutually_exclusive_group()
    model.add_argument("--upstream", type=_text, metavar="URL", help="the model server's URL")
    model.add_argument(
        "--demo", action="store_true", help="start a small scripted model and use that"
    )
    demo = add("demo", "Serve the scripted demo model, which speaks chat completions.")
    demo.add_argument("--host", type=_text, default="127.0.0.1", help="the address to listen on")
    demo.add_argument("--port", type=int, default=8000, help="0 takes any free port")
    demo.add_argument(
        "--until-stdin-closes", action="store_true", help="stop when the pipe on stdin ends"
    )
    serve.add_argument("--host", type=_text, help="the address to listen on")
    serve.add_argument("--port", type=_text, help="the port, 0 takes any free one")
    migrate = add("migrate", "Bring the database's schema up to date.")
    doctor = add("doctor", "Check Python, settings, database, model server and port.")
    for command in (serve, migrate, doctor):
        command.add_argument("--config", type=_text, metavar="FILE", help="a TOML file of settings")
    return parser


def _text(value: str) -> str:
    if not value:
        raise argparse.ArgumentTypeError("must not be empty")
    return value


def _set_environment(args: argparse.Namespace) -> None:
    if args.command == "demo":
        return
    for flag, variable in FLAGS.items():
        value: str | None = getattr(args, flag, None)
        if value is not None:
            os.environ[variable] = value
            if flag == "upstream":
                _forget_short_upstream()


def _forget_short_upstream() -> None:
    os.environ.pop("RESPONSES_GW_UPSTREAM", None)


def _with_flags(message: str, args: argparse.Namespace) -> str:
    """The message with the flag's name where the wrong value came from a flag."""
    for flag, variable in FLAGS.items():
        if getattr(args, flag, None) is not None:
            message = message.replace(f"{variable}:", f"--{flag}:")
    return message


def _failed(reason: str) -> int:
    print(f"responses-gw: {' '.join(reason.split())}", file=sys.stderr)
    return 2


def _serve(demo: bool) -> int:
    settings = load(os.environ)
    listener = bind(settings.server.host, settings.server.port)
    base = _base_url(listener)
    with listener, _demo_model() if demo else contextlib.nullcontext() as demo_url:
        if demo_url is not None:
            _forget_short_upstream()
            os.environ[FLAGS["upstream"]] = demo_url
            settings = load(os.environ)

        def announce() -> None:
            upstream = f"upstream {settings.upstream.url}"
            database = f"database {shown_url(settings.database.url)}"
            print(f"responses-gw is serving on {base} ({upstream}, {database})", flush=True)
            if demo_url is not None:
                print(f"Try it:\n  {_first_request(base)}", flush=True)

        from .app import app  # after the settings are known to be good

        return 0 if serve(app, listener, announce) else 1


def _base_url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/v1"


def _first_request(base: str) -> str:
    url = base.replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//[::1]:")
    body = '{"model": "demo", "input": "Hello", "stream": true}'
    return f"curl -N {url}/responses -H 'content-type: application/json' -d '{body}'"


def _demo(host: str, port: int, until_stdin_closes: bool) -> int:
    if not 0 <= port <= 65_535:
        raise StartFailed(f"--port: must be a port from 0 (any free one) to 65535, not {port}")
    listener = bind(host, port)
    line = f"demo model on {_base_url(listener)}"
    from .demo import app

    stdin = sys.stdin.fileno() if until_stdin_closes else None
    return 0 if serve(app, listener, lambda: print(line, flush=True), stdin) else 1


@contextlib.contextmanager
def _demo_model() -> Iterator[str]:
    """The demo model as a child; its URL. It ends with this process, however that ends.

    Its own session: Ctrl-C in a terminal must not take it away from streams that are ending.
    """
    command = [sys.executable, "-m", "responses_gw", "demo", "--port", "0", "--until-stdin-closes"]
    child = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert child.stdin is not None
    assert child.stdout is not None
    try:
        ready, _, _ = select.select([child.stdout], [], [], DEMO_START_SECONDS)
        line = child.stdout.readline().decode() if ready else ""
        url = line.rpartition(" ")[2].strip()
        if not urlsplit(url).port:
            raise StartFailed("the demo model did not start")
        yield url
    finally:
        child.stdin.close()
        try:
            child.wait(DEMO_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        child.stdout.close()


def _migrate() -> int:
    settings = load(os.environ).database
    try:
        applied = asyncio.run(_apply_migrations(settings))
    except DATABASE_FAULTS as error:
        raise StartFailed(shown_fault(error, settings.url)) from error
    print(f"database {shown_url(settings.url)}: {_listed(applied)}")
    return 0


async def _apply_migrations(settings: DatabaseSettings) -> list[int]:
    async with database_url(settings) as url:
        return await migrate(url)


def _listed(applied: list[int]) -> str:
    if not applied:
        return "nothing to apply"
    return f"applied {', '.join(f'{version:04}' for version in applied)}"


def _doctor() -> int:
    try:
        settings = load(os.environ)
    except SettingsError as error:
        print(Check("settings", str(error), "the other checks need valid settings"))
        return 1

    async def show() -> bool:
        well = True
        async for check in examine(settings, os.environ):
            print(check, flush=True)
            well = well and check.ok
        return well

    return 0 if asyncio.run(show()) else 1
