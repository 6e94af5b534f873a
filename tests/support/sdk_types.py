"""Values of the openai SDK's parameter types, as JSON, for Hypothesis.

Theory of operation. ``strategies.from_type`` knows such types, too, but gives any text for a
``call_id`` and a ``name``: every request would be refused for its first field. So the hints are
walked here, with two tables by the name of the field: what a good text is and which numbers are in
bounds. A ``Drawer`` that is *wild* takes any text and any number now and then; it never leaves
the type.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from types import NoneType
from typing import (
    Any,
    Literal,
    NamedTuple,
    NotRequired,
    Protocol,
    Required,
    TypeVar,
    Union,
    get_args,
    get_origin,
)

from hypothesis import strategies as st
from typing_extensions import get_type_hints, is_typeddict

__all__ = ["WILD_TEXTS", "Draw", "Drawer", "Json"]

Json = dict[str, Any]
T = TypeVar("T")
MAX_LIST = 3
MAX_OPTIONAL = 3
MAX_DEPTH = 9
"""Below it lists are empty and optional fields are left out."""

URLS = (
    "https://example.invalid/a.png",
    "http://files.invalid:8080/a.txt?q=1",
    "https://127.0.0.1:9/x",
    "http://[::1]/x",
    "http://169.254.169.254/latest",
    "http://10.0.0.1/",
    "data:image/png;base64,iVBORw0KGgo=",
)
SCHEMAS: tuple[Json, ...] = (
    {},
    {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]},
    {"type": "object", "properties": {}, "additionalProperties": False},
)
TEXTS: Mapping[str, Sequence[str]] = {
    "arguments": ("{}", '{"a":1}', '{"a": "\\u00e4\\n"}', "", "not json", "[1]"),
    "call_id": ("call_1", "call_2", "call_3"),
    "encrypted_content": ("", "gAAAAABsomebody", "rg1.AAAA.BBBB"),
    "file_data": ("aGVsbG8=", "data:text/plain;base64,aGVsbG8=", ""),
    "file_url": URLS,
    "filename": ("a.txt", "b.json", "c"),
    "id": ("item_1", "item_2", "item_3"),
    "image_url": URLS,
    "mode": ("standard", "pro"),
    "model": ("tiny",),
    "name": ("f", "g", "read_file", "shell", "ns__f"),
    "namespace": ("ns", "mcp__files__"),
    "pattern": ("^a+$", "("),
    "server_label": ("files", "Deep_wiki-2"),
    "server_url": URLS,
    "tunnel_id": ("tunnel_1",),
    "url": URLS,
}
ANY_TEXT = ("q", "Grüße, 世界 🌍", "two\nlines", "", "{{city}}", "`x`", "<|im_end|>", "a\u2028b")
WILD_TEXTS = (
    "\x00", "\ud800", "\udc00\ud800", "a" * 200, "\x1b[0m\r\n", "\"'\\", "x" * 20_000, " ", "../..",
    "data: [DONE]\n\n", "None", "%s%d{}", "ns__", "__", "tool\x7f",
)  # fmt: skip
BOUNDS: Mapping[str, tuple[int, int]] = {
    "display_height": (1, 4000),
    "display_width": (1, 4000),
    "max_num_results": (1, 50),
    "max_output_tokens": (16, 4096),
    "max_tool_calls": (1, 100),
    "output_compression": (0, 100),
    "partial_images": (0, 3),
    "temperature": (0, 2),
    "top_logprobs": (0, 20),
    "top_p": (0, 1),
}
WILD_INTEGERS = (-1, 0, 2**31, 2**53 + 1, 2**63, 2**64, -(2**63) - 1, 10**30)
OBJECTS = st.sampled_from(
    [*SCHEMAS, {"type": "object", "deep": {"list": [1, 2.5, None, True, {"": "x"}]}}]
)
WILD_VALUES = st.sampled_from([None, True, 0, -1.5, "x", "", [], [None], {}, 2**70, {"type": None}])


class Draw(Protocol):
    def __call__(self, strategy: st.SearchStrategy[T], /) -> T: ...


class Field(NamedTuple):
    """One key of a TypedDict."""

    name: str
    hint: Any
    is_required: bool


@cache
def fields_of(kind: Any) -> tuple[Field, ...]:
    """The keys of a TypedDict. ``__required_keys__`` alone does not know: where annotations are
    strings it does not see ``Required``.
    """
    found = []
    for name, hint in get_type_hints(kind, include_extras=True).items():
        is_required = name in kind.__required_keys__
        wrapper: Any = get_origin(hint)
        if wrapper in (Required, NotRequired):
            is_required = wrapper is Required
            (hint,) = get_args(hint)
        found.append(Field(name, hint, is_required))
    return tuple(found)


@cache
def _sampled(values: tuple[Any, ...]) -> st.SearchStrategy[Any]:
    return st.sampled_from(values)


@cache
def _some(names: tuple[str, ...], most: int) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(names), unique=True, max_size=most)


_booleans = st.booleans()
_rarely = st.integers(0, 24).map(lambda drawn: drawn == 24)
_sizes = st.integers(0, MAX_LIST)
_integers = st.integers(-(2**65), 2**65)
_floats = st.floats(allow_nan=False, allow_infinity=False)
_text = st.text(max_size=12)


class Drawer:
    """Draws values of a hint. ``draw`` is that of a composite strategy."""

    def __init__(self, draw: Draw, *, is_wild: bool) -> None:
        self._draw = draw
        self._is_wild = is_wild

    def one(self, values: Iterable[Any]) -> Any:
        return self._draw(_sampled(tuple(values)))

    def chance(self) -> bool:
        return self._draw(_booleans)

    def value(self, hint: Any, name: str = "", depth: int = 0) -> Any:
        """A value of the type ``hint``, for the field ``name``."""
        if is_typeddict(hint):
            return self.object(hint, depth)
        origin, args = get_origin(hint), get_args(hint)
        if origin is Literal:
            return self._draw(_sampled(args))
        if origin is Union:
            return self.value(self._chosen(args), name, depth)
        if origin is dict:
            keys = self._draw(_some(("city", "x-key"), 2))
            return {key: self.value(args[1], "", depth + 1) for key in keys}
        if origin in (list, Sequence, Iterable):
            size = 0 if depth >= MAX_DEPTH else self._draw(_sizes)
            return [self.value(args[0], name, depth + 1) for _ in range(size)]
        return self._leaf(hint, name)

    def object(
        self, kind: Any, depth: int = 0, *, most: int = MAX_OPTIONAL, without: Sequence[str] = ()
    ) -> Json:
        """A TypedDict with up to ``most`` of its optional keys."""
        fields = [field for field in fields_of(kind) if field.name not in without]
        optional = tuple(field.name for field in fields if not field.is_required)
        chosen = self._draw(_some(optional, most)) if optional and depth < MAX_DEPTH else ()
        return {
            field.name: self.value(field.hint, field.name, depth + 1)
            for field in fields
            if field.is_required or field.name in chosen
        }

    def _chosen(self, args: tuple[Any, ...]) -> Any:
        """Null is one of many: one time in five where it may be."""
        others = tuple(arg for arg in args if arg is not NoneType)
        if len(others) < len(args) and self._draw(_sampled((False, False, False, False, True))):
            return NoneType
        return self._draw(_sampled(others))

    def _leaf(self, hint: Any, name: str) -> Any:
        is_wild = self._is_wild and self._draw(_rarely)
        if hint is str:
            return self._text(name, is_wild)
        if hint is bool:
            return self._draw(_booleans)
        if hint is NoneType:
            return None
        if hint is int or hint is float:
            return self._number(hint, name, is_wild)
        assert hint is object, f"a type that nobody has seen here before: {hint!r}"
        return self._draw(WILD_VALUES if is_wild else OBJECTS)

    def _text(self, name: str, is_wild: bool) -> str:
        if is_wild:
            return str(self._draw(_sampled(WILD_TEXTS) if self.chance() else _text))
        return str(self._draw(_sampled(tuple(TEXTS.get(name, ANY_TEXT)))))

    def _number(self, hint: type[int | float], name: str, is_wild: bool) -> int | float:
        if is_wild and hint is int:
            return int(self._draw(_sampled(WILD_INTEGERS) if self.chance() else _integers))
        if is_wild:
            return self._draw(_floats)
        low, high = BOUNDS.get(name, (0, 1000))
        if hint is float:
            return float(self.one((low, (low + high) / 2, high)))
        return int(self.one((low, min(low + 7, high), high)))
