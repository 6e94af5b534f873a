"""What single values may be: each type says what is allowed, in words that an operator reads."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from ipaddress import ip_network
from typing import Annotated, Literal
from urllib.parse import urlsplit

from msgspec import Meta

__all__ = [
    "DAY",
    "BodyBytes",
    "Bytes",
    "Count",
    "DatabaseUrl",
    "Directory",
    "EffortName",
    "Efforts",
    "Environment",
    "Glob",
    "Host",
    "Hosts",
    "HttpHeaders",
    "Label",
    "McpUrl",
    "Name",
    "Names",
    "Networks",
    "OutputBytes",
    "PoolSize",
    "Port",
    "Ports",
    "SealingKeys",
    "Seconds",
    "Sessions",
    "Token",
    "UpstreamUrl",
    "WorkerBytes",
    "Workers",
    "sealing_key",
]

DAY = 86_400


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
