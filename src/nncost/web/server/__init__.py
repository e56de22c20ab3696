"""The HTTP server of ``nncost web``: the answers over HTTP, safely, and the page that asks for them.

The event loop of one process reads requests, refuses what is over the limits, and answers from its memory what it has
answered before. Everything else is worked out in worker processes, which are limited and replaced (``pool.py``).
"""
