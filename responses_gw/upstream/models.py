"""The model server's list of models, in OpenAI's shape."""

from __future__ import annotations

import msgspec
from msgspec import Struct

from ..api.errors import server_error

__all__ = ["Model", "ModelList", "decode_models"]


class Model(Struct, frozen=True):
    """``created`` is in seconds since 1970; ``max_model_len`` in tokens, if the server tells it."""

    id: str
    object: str = "model"
    created: int = 0
    owned_by: str = "vllm"
    max_model_len: int | None = None


class ModelList(Struct, frozen=True):
    data: tuple[Model, ...]
    object: str = "list"

    def find(self, id: str) -> Model | None:
        return next((model for model in self.data if model.id == id), None)


_decode = msgspec.json.Decoder(ModelList).decode


def decode_models(body: bytes) -> ModelList:
    """Raises :class:`~responses_gw.api.errors.ApiError` (502) if it is no list of models."""
    try:
        return _decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise server_error("The model server sent no list of models.", status=502) from error
