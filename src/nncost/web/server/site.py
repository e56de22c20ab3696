"""The page and its files, and the script that draws interactive charts."""

from __future__ import annotations

import asyncio
import mimetypes
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, Response
from starlette.staticfiles import StaticFiles

from nncost.errors import MissingExtraError

PAGE = Path(__file__).parent.parent / "page"
_TYPES = {".js": "text/javascript", ".mjs": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml",
          ".json": "application/json", ".html": "text/html"}  # fmt: skip
_CHECKED = {"cache-control": "no-cache"}
"""A browser asks whether a file is still the same, so that a newer nncost has a newer page."""


def add_site(app: FastAPI) -> None:
    """Add what a browser loads; nothing of it is in the description of the API."""
    for ending, kind in _TYPES.items():
        mimetypes.add_type(kind, ending)  # a system may call a script otherwise, which browsers then refuse
    app.get("/", include_in_schema=False, response_model=None)(_index)
    app.get("/vega.js", include_in_schema=False, response_model=None)(_vega)
    app.get("/page/documents.css", include_in_schema=False, response_model=None)(_style)
    if PAGE.is_dir():
        app.mount("/page", StaticFiles(directory=PAGE), name="page")


async def _index() -> Response:
    index = PAGE / "index.html"
    if not index.is_file():
        raise HTTPException(404)
    return FileResponse(index, headers=_CHECKED)


async def _style() -> Response:
    from nncost.documents.html import style

    return Response(style(), media_type="text/css", headers=_CHECKED)


async def _vega() -> Response:
    script = await asyncio.to_thread(vega_script)
    return Response(script, media_type="text/javascript", headers=_CHECKED)


@cache
def vega_script() -> bytes:
    """Return the script of Vega-Lite, as an ES module. Raise MissingExtraError without it."""
    if find_spec("vl_convert") is None:
        raise MissingExtraError("an interactive chart", "vl-convert-python", "charts")
    import vl_convert

    return vl_convert.javascript_bundle().encode()  # type: ignore[call-arg]  # its types demand what it does not
