"""THE GUARD of everything that the service reaches for a client at a URL that the client chose.

``addresses.py`` says which addresses are public, ``fetching.py`` gets one body.
"""

from .fetching import Egress, EgressError

__all__ = ["Egress", "EgressError"]
