"""How much random tests try: what each change can afford, or a multiple of it, as ``NNCOST_TRIALS=10 make test``."""

from __future__ import annotations

import os


def trials(usual: int) -> int:
    """So many examples, times what the environment's ``NNCOST_TRIALS`` asks for."""
    return usual * int(os.environ.get("NNCOST_TRIALS", "1"))
