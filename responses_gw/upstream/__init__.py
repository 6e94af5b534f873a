"""The model server's side: one streaming call at a time over a shared aiohttp session.

Bytes go in and bytes come out; what they mean is known in ``machine`` and ``prompt``. What a client
has us fetch elsewhere goes through the guard of ``egress``.
"""

from .chat import ChatStream
from .client import UpstreamClient
from .egress import Egress, EgressError
from .models import ModelList

__all__ = ["ChatStream", "Egress", "EgressError", "ModelList", "UpstreamClient"]
