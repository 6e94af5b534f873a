"""A scripted chat model that speaks chat completions as vLLM does: a first try without a GPU.

It is a server of its own (`hypercorn responses_gw.demo:app`); no other room imports it.
"""

from .app import app, create_app

__all__ = ["app", "create_app"]
