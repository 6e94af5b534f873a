"""The vocabulary: msgspec Structs for requests, items, tools, responses, events and errors.

No I/O in this room, and it imports nothing of ours.
"""
