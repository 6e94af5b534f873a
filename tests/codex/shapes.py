"""Requests of Codex as recordings: nothing of the machine in them, and not its long prompts."""

from __future__ import annotations

import json
import re
from pathlib import Path

from .relay import Json

__all__ = ["RECORDINGS", "Json", "neutral", "write"]

RECORDINGS = Path(__file__).parent.parent / "recordings" / "codex"
LONGEST_TEXT = 600  # characters
KEPT_TEXT = 200
_HEX = "[0-9a-f]"
_ID = re.compile(
    rf"{_HEX}{{8}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{12}}|(?<=_){_HEX}{{32}}\b"
)
_MOMENTS = (
    (re.compile(r"Chunk ID: \w+"), "Chunk ID: 000000"),
    (re.compile(r"Wall time:? [0-9.]+"), "Wall time 0.0"),
    (re.compile(r"(?<=<current_date>)[^<]+"), "2026-01-01"),
    (re.compile(r"(?<=<timezone>)[^<]+"), "Etc/UTC"),
    (re.compile(r'(?<=_ms\\":)\d{13}|(?<=_ms":)\d{13}'), "1767225600000"),
)


def neutral(body: Json, folder: Path) -> Json:
    """``body`` with ids counted from 1, ``folder`` under another name, and long texts cut."""
    ids: dict[str, str] = {}

    def numbered(found: re.Match[str]) -> str:
        number = ids.setdefault(found[0].replace("-", ""), f"{len(ids) + 1:032x}")
        if "-" not in found[0]:
            return number
        return "-".join((number[:8], number[8:12], number[12:16], number[16:20], number[20:]))

    def text(value: str) -> str:
        value = _ID.sub(numbered, value.replace(str(folder), "/srv/project"))
        for pattern, replaced in _MOMENTS:
            value = pattern.sub(replaced, value)
        return value

    def walk(value: object, key: str = "") -> object:
        match value:
            case dict() if key == "client_metadata":  # Codex keeps no order there
                return {name: walk(value[name], name) for name in sorted(value)}
            case dict():
                return {name: walk(one, name) for name, one in value.items()}
            case list():
                return [walk(one) for one in value]
            case str() if key == "encrypted_content":
                return "sealed by another service"
            case str():
                long = key in ("text", "description", "instructions") and len(value) > LONGEST_TEXT
                return text(value[:KEPT_TEXT] + " […]" if long else value)
        return value

    made = walk(body)
    assert isinstance(made, dict)
    return made


def write(path: Path, body: Json) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(body, indent=1, ensure_ascii=False) + "\n")
