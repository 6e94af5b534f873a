"""One response's life: hydrate → round (model) → terminal → stored.

This room brings the others together; it knows nothing of HTTP.
"""

from .engine import Engine, ItemsQuery
from .parts import Caller
from .sink import EventSink, NoSink
from .turn import Turn

__all__ = ["Caller", "Engine", "EventSink", "ItemsQuery", "NoSink", "Turn"]
