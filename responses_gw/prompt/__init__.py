"""Items into chat messages, tools into chat functions, a request into a chat completion request.

Pure functions and values. The same history gives the same bytes on every turn.
"""
