"""What a tool that the gateway runs takes and gives."""

from __future__ import annotations

from msgspec import Raw, Struct

from ..api.tools import CallTarget

__all__ = ["HostedCall", "HostedResult"]


class HostedCall(Struct, frozen=True):
    """One call by the model. ``id`` is its item's; ``arguments`` is what the model wrote, which may
    be no JSON at all.
    """

    id: str
    target: CallTarget
    arguments: str


class HostedResult(Struct, frozen=True):
    """What came of a call: ``output`` for the model and the client, or the JSON of an ``error`` in
    the form of the item's type. A call with an error has failed; the response goes on.
    """

    output: str | None = None
    error: Raw | None = None
