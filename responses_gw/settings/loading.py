"""Settings from the file and the environment, checked key by key."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Callable, Iterable, Mapping
from typing import get_args, get_origin, get_type_hints

import msgspec

from .hints import allowed_by, entry_type, extra_of, is_secret, keys_of, tables_of
from .sections import (
    McpServerSettings,
    Section,
    Settings,
)

__all__ = ["CONFIG", "LISTS", "SECTIONS", "SettingsError", "load"]

PREFIX = "RESPONSES_GW_"
CONFIG = PREFIX + "CONFIG"
SHORT = {PREFIX + "UPSTREAM": PREFIX + "UPSTREAM_URL"}


class SettingsError(Exception):
    """A key or value that cannot be used; names the key, where it stood and what is allowed."""


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
        wanted = keys_of(SECTIONS[section])[key]
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
    section: type[msgspec.Struct], name: str, tables: object, path: str
) -> list[dict[str, object]]:
    if not isinstance(tables, list):
        raise SettingsError(f"{name} in {path} must be a list of tables: write [[{name}]]")
    found = []
    for number, table in enumerate(tables):
        place = f"{name}[{number}]"
        found.append(_checked_table(section, place, table, path, write=f"[[{name}]]"))
        for field in msgspec.structs.fields(section):
            if field.required and field.name not in found[-1]:
                allowed = allowed_by(keys_of(section)[field.name])
                raise SettingsError(f"{place}.{field.name} in {path}: is missing: {allowed}")
    return found


def _checked_table(
    section: type[msgspec.Struct], place: str, table: object, path: str, write: str = ""
) -> dict[str, object]:
    """``place`` is the section's name or, in a list, ``name[number]``, counted from 0."""
    if not isinstance(table, dict):
        raise SettingsError(f"{place} in {path} must be a section: write {write or f'[{place}]'}")
    keys = keys_of(section)
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
        for key, wanted in keys_of(struct).items()
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
        found = "" if is_secret(wanted) else f", not {value!r}"
        raise SettingsError(f"{where} must be {allowed_by(wanted)}{found}")
    return result


def _converted(wanted: object, value: object, is_text: bool) -> tuple[object, bool]:
    """The value, and whether it (each of them, in a list) passes the check of its type.

    Raises :class:`ValueError` if it is not of that type.
    """
    entry = entry_type(wanted)
    if is_text and entry is not None:
        value = [part.strip() for part in str(value).split(",")]
    result = msgspec.convert(value, wanted, strict=not is_text)
    check: Callable[[object], bool] | None
    check = extra_of(entry or wanted).get("check")  # type: ignore[assignment]
    entries = (result,) if entry is None else result
    return result, check is None or all(check(one) for one in entries)


def _unknown(
    what: str, name: str, known: Iterable[str], source: str, shown: str | None = None
) -> SettingsError:
    close = difflib.get_close_matches(name, known := list(known), n=1)
    hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(sorted(known))}"
    return SettingsError(f"{shown or name} in {source}: no such {what}; {hint}")
