"""What runs in the sandbox's own interpreter: the fork server, the walls and the worker.

It imports the standard library and itself, nothing of the gateway: it is run by path, by whichever
Python the operator gives the sandbox (``__main__.py``).
"""
