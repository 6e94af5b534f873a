"""MCP: servers whose tools the gateway calls, as their client.

``servers.py`` is the way in, ``kind.py`` what one turn has of it. A ``server.py`` names a server;
``policy.py`` says what may be called, ``pool.py`` keeps sessions, ``catalog.py`` lists of tools;
``results.py`` says what a call gave. Only ``session.py``, ``listing.py``, ``wire.py``,
``stdio.py`` and ``oauth.py`` know the SDK: it is large, and imported at the first use of a server.
"""

from .kind import McpKind
from .server import Server
from .servers import McpServers

__all__ = ["McpKind", "McpServers", "Server"]
