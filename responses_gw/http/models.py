"""``/v1/models``: the model server's list, in OpenAI's shape or in Codex's own."""

from __future__ import annotations

import msgspec
from starlette.types import Receive, Scope, Send

from ..api.codex_models import CodexModels, codex_model
from ..api.errors import ApiError
from ..engine import Engine
from .answers import send_json
from .requests import headers_of, query_of

__all__ = ["ModelDetail", "ModelIndex"]

CODEX_PARAMETER = "client_version"
_encode = msgspec.json.Encoder().encode


class ModelIndex:
    """Codex says its version where it wants more than names (CLIENTS §3)."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        found = await self._engine.models(headers_of(scope))
        if CODEX_PARAMETER not in query_of(scope):
            await send_json(scope, send, _encode(found))
            return
        models = tuple(
            codex_model(model.id, place, model.max_model_len)
            for place, model in enumerate(found.data)
        )
        await send_json(scope, send, _encode(CodexModels(models)))


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
