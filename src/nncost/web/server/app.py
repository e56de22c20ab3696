"""The application: what lives as long as it runs, how faults are told, and the guard before it."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from nncost.version import __version__
from nncost.web.server.faults import FAULTS
from nncost.web.server.folders import own_folder, remove_abandoned
from nncost.web.server.guard import Guard
from nncost.web.server.limits import Limits
from nncost.web.server.origins import Origins
from nncost.web.server.pool import Pool
from nncost.web.server.routes import add_routes
from nncost.web.server.service import Service
from nncost.web.server.site import add_site
from nncost.web.server.uploads import Uploads

TITLE = "nncost"
ABOUT = """What does this neural network cost? Every multiplication, addition and parameter, as JSON.

A source is a spec such as `784-16-16-10`, or `upload:TOKEN` of a file that `/api/upload` received. Integers are exact and may
have more than 53 bits. Every error has the form `{"error": {"code", "message", "hint", …}}`. Requests, time, memory and files are
limited; what is over a limit is answered with 408, 413, 422 (code `limit`) or 429, and `/health` lists the limits."""
_BETWEEN_LOOKS = 60.0
"""Seconds between two looks for files that have been kept long enough."""


def application(limits: Limits | None = None, host: str = "127.0.0.1") -> Guard:
    """Return the application that answers at ``host``, behind its guard: an ASGI application for any server."""
    limits = Limits() if limits is None else limits
    app = FastAPI(
        title=TITLE, description=ABOUT, version=__version__, docs_url=None, redoc_url=None, lifespan=_lifespan,
        exception_handlers=FAULTS, redirect_slashes=False,
    )  # fmt: skip
    app.state.limits = limits
    add_routes(app)
    add_site(app)
    return Guard(app, limits, Origins(host))


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Have workers and a folder for uploads; afterwards both are gone."""
    remove_abandoned()
    limits, empty = app.state.limits, own_folder()
    uploads = Uploads(limits)
    pool = Pool(limits, empty)
    app.state.service = Service(limits, pool, uploads)
    pool.start()
    looking = asyncio.create_task(_remove_old(uploads))
    try:
        yield
    finally:
        looking.cancel()
        await pool.stop()
        uploads.remove_all()
        shutil.rmtree(empty, ignore_errors=True)


async def _remove_old(uploads: Uploads) -> None:
    while True:
        await asyncio.sleep(_BETWEEN_LOOKS)
        uploads.remove_old()
