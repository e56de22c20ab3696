"""The header of the array in a ``.npy`` file."""

from __future__ import annotations

from pathlib import Path

from nncost.frontends.weights.contents import Contents
from nncost.frontends.weights.files import NUMPY, damaged, opened
from nncost.frontends.weights.npz import only_array


def read(path: str) -> Contents:
    """Return the one array, under the name of its file. Raise SourceError."""
    with opened(path, NUMPY) as (file, size):
        try:
            return only_array(path, Path(path).stem, file, size)
        except ValueError as error:
            raise damaged(path, ".npy", error) from None
