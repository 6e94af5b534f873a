"""The settings: defaults, then a TOML file, then the environment; frozen and checked.

Every key stands once, here, with its default and its bounds; ``conf/responses-gw.toml`` explains
them to the operator. ``RESPONSES_GW_CONFIG`` names the file. A key ``[section] key`` is
``RESPONSES_GW_SECTION_KEY`` in the environment, where an empty value counts as not set;
a list is separated by commas. ``RESPONSES_GW_UPSTREAM`` is short for ``RESPONSES_GW_UPSTREAM_URL``.
``RESPONSES_GW_TEST_*`` belongs to the tests and is not looked at.
Lists of tables (``[[models]]``, ``[[mcp.servers]]``) are for the file alone.
"""

from __future__ import annotations

import base64
import difflib
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from functools import reduce
from ipaddress import ip_network
from operator import or_
from typing import Annotated, Literal, get_args, get_origin, get_type_hints
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

__all__ = [
    "DatabaseSettings",
    "EgressSettings",
    "FileSettings",
    "LogSettings",
    "McpServerSettings",
    "McpSettings",
    "ModelSettings",
    "ResponsesSettings",
    "ServerSettings",
    "Settings",
    "SettingsError",
    "UpstreamSettings",
    "load",
    "sealing_key",
]

PREFIX = "RESPONSES_GW_"
CONFIG = PREFIX + "CONFIG"
SHORT = {PREFIX + "UPSTREAM": PREFIX + "UPSTREAM_URL"}
DAY = 86_400


class SettingsError(Exception):
    """A key or value that cannot be used; names the key, where it stood and what is allowed."""


def _is_upstream_url(text: str) -> bool:
    url = urlsplit(text)
    extra = url.username or url.password or url.query or url.fragment
    return url.scheme in ("http", "https") and bool(url.hostname) and not extra and url.port != 0


def _is_database_url(text: str) -> bool:
    # A host may also be missing (a socket directory in the query) or a list, which asyncpg reads.
    # After an unescaped / ? or # in a password, its rest would be taken for a path and be shown.
    if not text.startswith(("postgresql://", "postgres://")):
        return False
    _, *rest = re.split("[/?#]", text.partition("://")[2], maxsplit=1)
    return "@" not in "".join(rest)


def _is_token(text: str) -> bool:
    return bool(text) and text.isascii() and text.isprintable() and " " not in text


def sealing_key(text: str) -> bytes:
    """The bytes of a key in hex or in base64 of either alphabet, padded or not.

    Raises :class:`ValueError`, without the text, if it is none of 32 bytes.
    """
    if re.fullmatch("[0-9A-Fa-f]{64}", text):
        return bytes.fromhex(text)
    if not re.fullmatch("[0-9A-Za-z+/_-]{43}=?", text):
        raise ValueError("no sealing key")
    return base64.b64decode(text.replace("-", "+").replace("_", "/").rstrip("=") + "=")


def _is_sealing_key(text: str) -> bool:
    return bool(sealing_key(text))


def _sends_something_or_false(efforts: Mapping[str, object]) -> bool:
    return all(sent is not True and sent != "" for sent in efforts.values())


def _is_mcp_url(text: str) -> bool:
    url = urlsplit(text)
    return (
        text.isascii()
        and text.isprintable()
        and " " not in text
        and url.scheme in ("http", "https")
        and bool(url.hostname)
        and not (url.username or url.password or url.fragment)
        and url.port != 0
    )


def _are_headers(headers: Mapping[str, str]) -> bool:
    return all(
        re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name)
        and re.fullmatch(r"[\t\x20-\x7e]*", value)
        for name, value in headers.items()
    )


def _is_environment(variables: Mapping[str, str]) -> bool:
    return all(
        re.fullmatch(r"[A-Za-z_]\w*", name) and "\0" not in value
        for name, value in variables.items()
    )


def _is_host(text: str) -> bool:
    return re.fullmatch(r"[^\s\[\]/@]+", text) is not None


def _is_network(text: str) -> bool:
    return bool(ip_network(text))  # raises ValueError, also for bits of a host


# `check` decides what the bounds cannot say. The value of a key with `secret` is never shown,
# because it may hold a password even where it should not.
Host = Annotated[str, Meta(pattern=r"^[^\s\[\]/]+$", description="a host name or an IP address")]
Port = Annotated[int, Meta(ge=0, le=65_535, description="a port from 0 (any free one) to 65535")]
Seconds = Annotated[float, Meta(gt=0, le=DAY, description=f"seconds above 0, at most {DAY}")]
Bytes = Annotated[int, Meta(ge=0, le=2**40, description=f"a number of bytes from 0 to {2**40}")]
BodyBytes = Annotated[
    int, Meta(ge=1024, le=2**40, description=f"a number of bytes from 1024 to {2**40}")
]
PoolSize = Annotated[int, Meta(ge=1, le=1000, description="a number of connections from 1 to 1000")]
Count = Annotated[int, Meta(ge=1, le=10_000_000, description="a number from 1 to 10000000")]
Workers = Annotated[int, Meta(ge=1, le=64, description="a number of processes from 1 to 64")]
WorkerBytes = Annotated[
    int, Meta(ge=2**27, le=2**40, description=f"a number of bytes from {2**27} to {2**40}")
]
Hosts = Annotated[
    tuple[Annotated[str, Meta(extra={"check": _is_host})], ...],
    Meta(description="a list of host names or IP addresses"),
]
Networks = Annotated[
    tuple[Annotated[str, Meta(extra={"check": _is_network})], ...],
    Meta(description="a list of networks such as 10.1.0.0/16 or fd00:1::/64"),
]
Ports = Annotated[
    tuple[Annotated[int, Meta(ge=1, le=65_535)], ...],
    Meta(min_length=1, description="a list of ports from 1 to 65535"),
]
Directory = Annotated[str, Meta(pattern="^/", description="an absolute path of a directory")]
UpstreamUrl = Annotated[
    str,
    Meta(
        description="an http:// or https:// URL with a host and no user, query or fragment",
        extra={"check": _is_upstream_url, "secret": True},
    ),
]
DatabaseUrl = Annotated[
    str,
    Meta(
        description="a URL that starts with postgresql://, its user and password percent-encoded",
        extra={"check": _is_database_url, "secret": True},
    ),
]
Token = Annotated[
    str,
    Meta(
        description="visible ASCII characters without spaces",
        extra={"check": _is_token, "secret": True},
    ),
]
SealingKeys = Annotated[
    tuple[Annotated[str, Meta(extra={"check": _is_sealing_key})], ...],
    Meta(
        min_length=1,
        description="a list of keys, each 32 random bytes in base64 or hex",
        extra={"secret": True},
    ),
]

Name = Annotated[str, Meta(min_length=1, description="a text that is not empty")]
Names = Annotated[tuple[str, ...], Meta(description="a list of texts")]
Label = Annotated[
    str,
    Meta(
        pattern="^[a-zA-Z][a-zA-Z0-9_-]{0,63}$",
        description="a letter and at most 63 more letters, digits, - and _",
    ),
]
McpUrl = Annotated[
    str,
    Meta(
        description="an http:// or https:// URL with a host and no user or fragment",
        extra={"check": _is_mcp_url, "secret": True},
    ),
]
HttpHeaders = Annotated[
    dict[str, str],
    Meta(description="a table of HTTP headers", extra={"check": _are_headers, "secret": True}),
]
Environment = Annotated[
    dict[str, str],
    Meta(
        description="a table of environment variables",
        extra={"check": _is_environment, "secret": True},
    ),
]
Sessions = Annotated[int, Meta(ge=1, le=10_000, description="a number from 1 to 10000")]
OutputBytes = Annotated[
    int, Meta(ge=1024, le=2**25, description=f"a number of bytes from 1024 to {2**25}")
]
Glob = Annotated[str, Meta(min_length=1, description="a glob on the model's name, such as *qwen3*")]
EffortName = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]
Efforts = Annotated[
    dict[EffortName, str | bool | dict[str, object]],
    Meta(
        description="a table from none, minimal, low, medium, high, xhigh or max to what is sent: "
        "a text, false (nothing) or a table of chat_template_kwargs",
        extra={"check": _sends_something_or_false},
    ),
]


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One ``[section]``. Its repr masks secrets."""

    def __repr__(self) -> str:
        shown = (
            f"{name}={'***' if self._masks(name) else repr(getattr(self, name))}"
            for name in self.__struct_fields__
        )
        return f"{type(self).__name__}({', '.join(shown)})"

    def _masks(self, name: str) -> bool:
        return getattr(self, name) is not None and _is_secret(_keys(type(self))[name])


class ServerSettings(Section, frozen=True):
    host: Host = "127.0.0.1"
    port: Port = 8080
    max_body_bytes: BodyBytes = 67_108_864
    body_timeout_seconds: Seconds = 60.0
    heartbeat_seconds: Seconds = 15.0


class UpstreamSettings(Section, frozen=True):
    url: UpstreamUrl = "http://127.0.0.1:8000/v1"
    api_key: Token | None = None
    dialect: Literal["vllm", "openai"] = "vllm"
    connect_timeout_seconds: Seconds = 10.0
    idle_timeout_seconds: Seconds = 300.0


class DatabaseSettings(Section, frozen=True):
    """``url`` None: an embedded PostgreSQL in ``embedded_dir``, None: its default."""

    url: DatabaseUrl | None = None
    embedded_dir: Directory | None = None
    pool_max: PoolSize = 8
    acquire_timeout_seconds: Seconds = 5.0
    statement_timeout_seconds: Seconds = 30.0
    lease_seconds: Seconds = 30.0
    history_cache_bytes: Bytes = 67_108_864


class ResponsesSettings(Section, frozen=True):
    reasoning_events: Literal["openai", "open_responses"] = "openai"
    reasoning_summary: Literal["verbatim", "off"] = "verbatim"
    obfuscation: bool = True
    sealing_keys: SealingKeys | None = None
    prompts_dir: Directory | None = None


class FileSettings(Section, frozen=True):
    """Of an ``input_file``. ``pdf_*`` bound the processes that read PDFs."""

    max_files: Count = 20
    max_bytes: Bytes = 33_554_432
    max_characters: Count = 2_000_000
    max_pages: Count = 1000
    read_seconds: Seconds = 60.0
    fetch_seconds: Seconds = 20.0
    pdf_seconds: Seconds = 15.0
    pdf_memory_bytes: WorkerBytes = 1_073_741_824
    pdf_workers: Workers = 2
    pdf_cache_bytes: Bytes = 16_777_216


class EgressSettings(Section, frozen=True):
    """What the service itself may fetch from the network on behalf of a client."""

    ports: Ports = (80, 443)
    allowed_hosts: Hosts = ()
    allowed_networks: Networks = ()
    allow_private_networks: bool = False


class McpServerSettings(Section, frozen=True):
    """One ``[[mcp.servers]]`` table: ``url`` or ``command``. ``transport`` None: what fits."""

    label: Label
    url: McpUrl | None = None
    command: Name | None = None
    args: Names = ()
    env: Environment | None = None
    transport: Literal["streamable_http", "sse", "stdio"] | None = None
    headers: HttpHeaders | None = None
    description: Name | None = None
    allowed_tools: Names | None = None
    require_approval: Literal["never", "always"] = "never"
    connector: Name | None = None
    token_url: McpUrl | None = None
    client_id: Name | None = None
    client_secret: Token | None = None
    scope: Name | None = None

    @property
    def fault(self) -> str | None:
        """What is wrong with the keys together, as the end of "… must"; None: nothing."""
        oauth = (self.token_url, self.client_id, self.client_secret)
        if (self.url is None) is (self.command is None):
            return "have either url or command"
        if self.transport is not None and (self.transport == "stdio") is (self.command is None):
            return "have the transport stdio with a command, and another one with a url"
        if self.command is None and (self.args or self.env is not None):
            return "have args and env only with a command"
        if self.url is None and (self.headers is not None or any(oauth)):
            return "have headers and OAuth credentials only with a url"
        if any(oauth) and None in oauth:
            return "have token_url, client_id and client_secret, or none of them"
        if self.scope is not None and self.token_url is None:
            return "have a scope only with a token_url"
        return None


class ToolSettings(Section, frozen=True):
    """Bounds of the calls that the gateway runs for one response."""

    parallel_calls: Count = 5
    max_rounds: Count = 32
    max_seconds: Seconds = 600.0
    max_output_bytes: Bytes = 4_194_304
    max_failures: Count = 8


class McpSettings(Section, frozen=True):
    """MCP servers whose tools the gateway calls."""

    request_declared: bool = True
    idle_seconds: Seconds = 300.0
    list_ttl_seconds: Seconds = 300.0
    connect_seconds: Seconds = 30.0
    list_seconds: Seconds = 30.0
    call_seconds: Seconds = 120.0
    max_output_bytes: OutputBytes = 262_144
    max_sessions: Sessions = 256
    servers: tuple[McpServerSettings, ...] = ()


class LogSettings(Section, frozen=True):
    level: Literal["debug", "info", "warning", "error", "critical"] = "info"


class ModelSettings(Section, frozen=True):
    """One ``[[models]]`` table. What is None stays as the gateway knows the model; the keys are
    those of ``prompt.profile.ModelProfile``.
    """

    match: Glob
    dialect: Literal["vllm", "openai"] | None = None
    reasoning_replay: Literal["current_turn", "all", "none"] | None = None
    reasoning_field: Literal["reasoning", "reasoning_content"] | None = None
    reasoning_summary: Literal["verbatim", "off"] | None = None
    effort: Efforts | None = None
    leading_system: Literal["system", "user"] | None = None
    late_system: Literal["fold", "system", "user"] | None = None
    developer: Literal["system", "user"] | None = None
    merge_user_messages: bool | None = None
    calls_per_message: Literal["all", "one"] | None = None
    tool_results: Literal["tool", "user"] | None = None
    tool_images: Literal["user", "tool"] | None = None
    tool_call_ids: Literal["as_given", "nine_characters"] | None = None
    message_phases: bool | None = None
    cache_salt: Literal["off", "prompt_cache_key"] | None = None

    @property
    def changes(self) -> dict[str, object]:
        """The keys that are set, without ``match``."""
        values = {name: getattr(self, name) for name in self.__struct_fields__}
        return {k: value for k, value in values.items() if k != "match" and value is not None}


class Settings(Section, frozen=True):
    server: ServerSettings = ServerSettings()
    upstream: UpstreamSettings = UpstreamSettings()
    database: DatabaseSettings = DatabaseSettings()
    responses: ResponsesSettings = ResponsesSettings()
    files: FileSettings = FileSettings()
    egress: EgressSettings = EgressSettings()
    tools: ToolSettings = ToolSettings()
    mcp: McpSettings = McpSettings()
    log: LogSettings = LogSettings()
    models: tuple[ModelSettings, ...] = ()


def _kinds(of_lists: bool) -> dict[str, type[Section]]:
    hints = get_type_hints(Settings)
    return {
        name: get_args(hint)[0] if of_lists else hint
        for name, hint in hints.items()
        if (get_origin(hint) is tuple) is of_lists
    }


SECTIONS = _kinds(of_lists=False)
LISTS = _kinds(of_lists=True)
"""Fields of Settings that are a list of tables, by name, with the Section of one table."""


def load(environ: Mapping[str, str]) -> Settings:
    """The settings of this environment and of the file that it names. Raises `SettingsError`."""
    values: dict[str, dict[str, object]] = {name: {} for name in SECTIONS}
    lists: dict[str, list[dict[str, object]]] = {}
    path = environ.get(CONFIG)
    if path:
        for name, content in _from_file(path).items():
            if name in LISTS:
                lists[name] = _checked_tables(LISTS[name], name, content, path)
            else:
                values[name] = _checked_table(SECTIONS[name], name, content, path)
    for section, key, text, variable in _from_environment(environ):
        wanted = _keys(SECTIONS[section])[key]
        values[section][key] = _checked(wanted, text, f"{variable}:", is_text=True)
    settings = msgspec.convert({**values, **lists}, Settings)
    _check_mcp_servers(settings.mcp.servers, path or "")
    return settings


def _check_mcp_servers(servers: tuple[McpServerSettings, ...], path: str) -> None:
    """What no key can say alone."""
    for number, server in enumerate(servers):
        place = f"mcp.servers[{number}] in {path}"
        if server.fault is not None:
            raise SettingsError(f"{place}: must {server.fault}")
        for key in ("label", "connector"):
            name = getattr(server, key)
            if name is not None and name in (getattr(one, key) for one in servers[:number]):
                raise SettingsError(f"{place}: has the {key} of another server, {name!r}")


def _from_file(path: str) -> dict[str, object]:
    try:
        with open(path, "rb") as file:
            document: dict[str, object] = tomllib.load(file)
    except OSError as error:
        raise SettingsError(f"{CONFIG}: cannot read {path}: {error.strerror}") from error
    except ValueError as error:  # not TOML, or not UTF-8
        raise SettingsError(f"{CONFIG}: {path} is not a TOML file: {error}") from error
    for name in document:
        if name not in SECTIONS and name not in LISTS:
            raise _unknown("section", name, [*SECTIONS, *LISTS], path)
    return document


def _checked_tables(
    section: type[Section], name: str, tables: object, path: str
) -> list[dict[str, object]]:
    if not isinstance(tables, list):
        raise SettingsError(f"{name} in {path} must be a list of tables: write [[{name}]]")
    found = []
    for number, table in enumerate(tables):
        place = f"{name}[{number}]"
        found.append(_checked_table(section, place, table, path, write=f"[[{name}]]"))
        for field in msgspec.structs.fields(section):
            if field.required and field.name not in found[-1]:
                allowed = _allowed(_keys(section)[field.name])
                raise SettingsError(f"{place}.{field.name} in {path}: is missing: {allowed}")
    return found


def _checked_table(
    section: type[Section], place: str, table: object, path: str, write: str = ""
) -> dict[str, object]:
    """``place`` is the section's name or, in a list, ``name[number]``, counted from 0."""
    if not isinstance(table, dict):
        raise SettingsError(f"{place} in {path} must be a section: write {write or f'[{place}]'}")
    keys = _keys(section)
    for key in table:
        if key not in keys:
            shown = f"{place}.{key}" if write else key
            raise _unknown(f"key in {write or f'[{place}]'}", key, keys, path, shown)
    checked: dict[str, object] = {}
    for key, value in table.items():
        tables = tables_of(keys[key])
        checked[key] = (
            _checked(keys[key], value, f"{place}.{key} in {path}:")
            if tables is None
            else _checked_tables(tables, f"{place}.{key}", value, path)
        )
    return checked


def _from_environment(environ: Mapping[str, str]) -> Iterable[tuple[str, str, str, str]]:
    known = {
        f"{PREFIX}{section}_{key}".upper(): (section, key)
        for section, struct in SECTIONS.items()
        for key, wanted in _keys(struct).items()
        if tables_of(wanted) is None
    }
    for variable, text in sorted(environ.items()):
        if not variable.startswith(PREFIX) or variable.startswith(PREFIX + "TEST_"):
            continue
        name = SHORT.get(variable, variable)
        if variable == CONFIG or (name in known and not text):
            continue
        if name not in known:
            raise _unknown("setting", variable, [*known, *SHORT, CONFIG], "the environment")
        if name != variable and environ.get(name, text) not in ("", text):
            raise SettingsError(f"{variable} and {name} are both set, to different values")
        yield *known[name], text, variable


def _checked(wanted: object, value: object, where: str, *, is_text: bool = False) -> object:
    """The value as its key's type; text from the environment is parsed. Raises `SettingsError`
    that starts with ``where``.
    """
    try:
        result, valid = _converted(wanted, value, is_text)
    except ValueError:  # msgspec's is one; urlsplit raises it for a bad port or address
        result, valid = None, False
    if not valid:
        found = "" if _is_secret(wanted) else f", not {value!r}"
        raise SettingsError(f"{where} must be {_allowed(wanted)}{found}")
    return result


def _converted(wanted: object, value: object, is_text: bool) -> tuple[object, bool]:
    """The value, and whether it (each of them, in a list) passes the check of its type.

    Raises :class:`ValueError` if it is not of that type.
    """
    entry = _entry_type(wanted)
    if is_text and entry is not None:
        value = [part.strip() for part in str(value).split(",")]
    result = msgspec.convert(value, wanted, strict=not is_text)
    check: Callable[[object], bool] | None
    check = _extra(entry or wanted).get("check")  # type: ignore[assignment]
    entries = (result,) if entry is None else result
    return result, check is None or all(check(one) for one in entries)


def _unknown(
    what: str, name: str, known: Iterable[str], source: str, shown: str | None = None
) -> SettingsError:
    close = difflib.get_close_matches(name, known := list(known), n=1)
    hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(sorted(known))}"
    return SettingsError(f"{shown or name} in {source}: no such {what}; {hint}")


def _keys(section: type[Section]) -> dict[str, object]:
    """The keys of a section with their types, without the None of those that may stay unset."""
    hints = get_type_hints(section, include_extras=True)
    return {
        key: _without_none(hint) for key, hint in hints.items() if key in section.__struct_fields__
    }


def _entry_type(wanted: object) -> object | None:
    """The type of a list's entries; None for what is no list."""
    bare = get_args(wanted)[0] if get_origin(wanted) is Annotated else wanted
    return get_args(bare)[0] if get_origin(bare) is tuple else None


def tables_of(wanted: object) -> type[Section] | None:
    """The Section of one table, for a key that is a list of tables."""
    entry = _entry_type(wanted)
    return entry if isinstance(entry, type) and issubclass(entry, Section) else None


def _without_none(hint: object) -> object:
    if get_origin(hint) is Annotated or type(None) not in get_args(hint):
        return hint
    return reduce(or_, (arg for arg in get_args(hint) if arg is not type(None)))


def _meta(wanted: object) -> Meta | None:
    return next((arg for arg in get_args(wanted) if isinstance(arg, Meta)), None)


def _extra(wanted: object) -> Mapping[str, object]:
    meta = _meta(wanted)
    return meta.extra if meta is not None and meta.extra is not None else {}


def _is_secret(wanted: object) -> bool:
    return bool(_extra(wanted).get("secret"))


def _allowed(wanted: object) -> str:
    meta = _meta(wanted)
    if meta is not None and meta.description is not None:
        return meta.description
    if wanted is bool:
        return "true or false"
    return "one of " + ", ".join(str(value) for value in get_args(wanted))
