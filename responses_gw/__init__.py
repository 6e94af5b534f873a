"""The OpenAI Responses API in front of a vLLM server. Start at ``app.py``."""

__version__ = "0.1.0"
