"""What the gateway runs itself, between two rounds of the model.

``hosted.py`` is the protocol that every such tool keeps; each tool has a folder.
"""

from .hosted import HostedCall, HostedResult

__all__ = ["HostedCall", "HostedResult"]
