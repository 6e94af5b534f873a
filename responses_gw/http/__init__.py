"""The edge, the only room that knows ASGI: routes, bodies, SSE senders, heartbeats, errors."""

from .edge import Edge

__all__ = ["Edge"]
