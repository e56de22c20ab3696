"""Seconds: predicted for a device or for this machine, and measured. Frameworks are imported where they are run."""

from collections.abc import Callable

from nncost.errors import MissingExtraError

Progress = Callable[[str, int, int], None]
"""``progress(what, done, of)`` is called while something is measured."""


def check_torch(purpose: str) -> None:
    """Raise MissingExtraError if PyTorch is not installed."""
    try:
        import torch as _  # noqa: F401
    except ImportError:
        raise MissingExtraError(purpose, "torch", "torch") from None
