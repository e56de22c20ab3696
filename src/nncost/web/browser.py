"""What runs in the browser's Python: a name and a request as JSON in, an answer as JSON out."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from io import BytesIO
from pathlib import Path
from types import ModuleType
from typing import Any
from zipfile import ZipFile

import nncost
from nncost.errors import NncostError
from nncost.web.answers import answer, told

ARCHIVES = {"sympy": "symbols.zip", "mpmath": "symbols.zip"}
"""Packages that are fetched when they are imported for the first time, with the archive that holds them."""
_SHOWN = 400


class Fetching(MetaPathFinder):
    """Fetches packages that are not there yet, as a worker of a browser may: at once."""

    def __init__(self, fetch: Any) -> None:
        self._fetch = fetch
        self._archives = dict(ARCHIVES)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Unpack the archive that has a package, and find it as usual."""
        archive = self._archives.get(fullname)
        if archive is None:
            return None
        self._archives = {name: place for name, place in self._archives.items() if place != archive}
        ZipFile(BytesIO(self._fetch(archive).to_bytes())).extractall(Path(nncost.__file__).parents[1])
        importlib.invalidate_caches()
        return importlib.util.find_spec(fullname)


def begin() -> Any:
    """Return the function that answers; what it needs later is fetched by the worker's ``nncostFetch``."""
    sys.meta_path.append(Fetching(importlib.import_module("js").nncostFetch))
    return answered


def answered(name: str, request: str) -> str:
    """Return the answer, or what is wrong, as JSON. Nothing that a request does ends the worker."""
    try:
        found = answer(name, json.loads(request))
    except NncostError as error:
        found = told(error)
    except (MemoryError, RecursionError):
        found = {"error": {"code": "limit", "message": "This network is too large for Python in a browser."}}
    except Exception as error:  # noqa: BLE001 - a fault of ours is told, too
        message = f"Python failed: {type(error).__name__}: {error}"
        found = {"error": {"code": "error", "message": message[:_SHOWN]}}
    return json.dumps(found)
