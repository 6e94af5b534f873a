"""The laws of a Responses event stream, as a checker that shares no code with the gateway.

Theory of operation. :func:`parse_sse` turns bytes into events; :func:`check` walks them with one
open item and, in it, one open part, and remembers what the deltas said. Every later statement
about the same thing (``*.done``, the part, the item, the final output) has to repeat it exactly.
What each event, item and response must carry stands in ``tables.py``. All complaints are
:class:`GrammarError` and name one of ``RULES``. :func:`check_sdk` and
:func:`check_open_responses` ask two other authorities.
"""

from __future__ import annotations

from .authorities import check_open_responses, check_sdk
from .objects import check_response_object
from .rules import RULES, GrammarError
from .sse import parse_sse
from .stream import check

__all__ = [
    "RULES",
    "GrammarError",
    "check",
    "check_open_responses",
    "check_response_object",
    "check_sdk",
    "parse_sse",
]
