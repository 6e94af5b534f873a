"""The event state machine: upstream bytes → frames → chunks → events → bytes.

No I/O in this room (sans-IO) and nothing is awaited. Only ``emitter.py`` makes events of a
response.
"""
