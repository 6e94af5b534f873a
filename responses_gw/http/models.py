"""``/v1/models``: the model server's list, in OpenAI's shape."""

from __future__ import annotations

import msgspec
from starlette.types import Receive, Scope, Send

from ..api.errors import ApiError
from ..engine import Engine
from .answers import send_json
from .requests import headers_of

__all__ = ["ModelDetail", "ModelIndex"]

_encode = msgspec.json.Encoder().encode


class ModelIndex:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send_json(scope, send, _encode(await self._engine.models(headers_of(scope))))


class ModelDetail:
    """Model names have slashes in them."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        id: str = scope["path_params"]["model_id"]
        model = (await self._engine.models(headers_of(scope))).find(id)
        if model is None:
            raise ApiError(
                f"The model '{id}' does not exist.",
                status=404,
                code="model_not_found",
                param="model",
            )
        await send_json(scope, send, _encode(model))
