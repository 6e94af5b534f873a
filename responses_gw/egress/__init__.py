"""THE GUARD of everything that the service reaches for a client at a URL that the client chose.

``guard.py`` judges URLs and hosts, ``addresses.py`` says which addresses are public,
``fetching.py`` gets one body. ``http_client.py`` makes clients for the MCP SDK; it is imported by
its own name, when there is a server to reach, because its libraries are slow to load.
"""

from .fetching import Egress
from .guard import EgressError, Guard

__all__ = ["Egress", "EgressError", "Guard"]
