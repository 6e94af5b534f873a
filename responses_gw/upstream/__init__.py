"""The model server's side: one streaming call at a time over a shared aiohttp session.

Bytes go in and bytes come out; what they mean is known in ``machine`` and ``prompt``.
"""

from .chat import ChatStream
from .client import UpstreamClient
from .models import ModelList

__all__ = ["ChatStream", "ModelList", "UpstreamClient"]
