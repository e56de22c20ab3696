"""Faults of requests as answers: every one is JSON of the same form, and none shows where it was raised."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from http import HTTPStatus
from typing import Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from nncost.errors import MissingExtraError, NncostError, OptionError
from nncost.web.answers import told
from nncost.web.answers.settings import SETTINGS, checked
from nncost.web.server.errors import Refusal, RefusedError, busy, too_large
from nncost.web.server.pool import BusyError
from nncost.web.server.uploads import TooManyUploadsError, UploadTooLargeError

_NOT_JSON = ("json_invalid", "bytes_type")


def refused(refusal: Refusal) -> Response:
    """Return a refusal as an answer."""
    answer = Response(refusal.body(), refusal.status)
    answer.raw_headers = refusal.headers()
    return answer


async def _of_nncost(request: Request, error: Any) -> Response:
    status = HTTPStatus.NOT_IMPLEMENTED if isinstance(error, MissingExtraError) else HTTPStatus.UNPROCESSABLE_ENTITY
    return JSONResponse(told(error), status)


async def _of_form(request: Request, error: Any) -> Response:
    """A body that is not what a route takes, told as the answers themselves tell it."""
    fault = error.errors()[0]
    if fault["type"] in _NOT_JSON:
        reason = str(fault.get("ctx", {}).get("error", "")) or "it is empty"
        return refused(Refusal(400, "request", f"the body is not JSON: {reason}."))
    name = request.url.path.rpartition("/")[2]
    try:
        if name in SETTINGS:
            checked(name, error.body)
    except OptionError as told_by_answers:
        return await _of_nncost(request, told_by_answers)
    return await _of_nncost(request, OptionError(f"this is no request of {name}: {fault['msg']}."))


async def _of_http(request: Request, error: Any) -> Response:
    status = HTTPStatus(error.status_code)
    path = request.url.path[:200]
    messages = {
        HTTPStatus.NOT_FOUND: f"there is no {path!r} here.",
        HTTPStatus.METHOD_NOT_ALLOWED: f"{path!r} does not take {request.method[:20]}.",
        HTTPStatus.BAD_REQUEST: "the body cannot be read as JSON.",
    }
    answer = refused(Refusal(status, "request", messages.get(status, status.phrase), "What there is: /openapi.json"))
    for name, value in (error.headers or {}).items():
        answer.headers[name] = value
    return answer


async def _of_refusal(request: Request, error: Any) -> Response:
    return refused(error.refusal)


async def _of_crowd(request: Request, error: Any) -> Response:
    return refused(busy(request.app.state.limits.retry_after_seconds, closes=isinstance(error, TooManyUploadsError)))


async def _of_size(request: Request, error: Any) -> Response:
    return refused(too_large(request.app.state.limits.upload_bytes))


FAULTS: dict[int | type[Exception], Callable[[Request, Any], Coroutine[Any, Any, Response]]] = {
    NncostError: _of_nncost, RequestValidationError: _of_form, HTTPException: _of_http, RefusedError: _of_refusal,
    BusyError: _of_crowd, TooManyUploadsError: _of_crowd, UploadTooLargeError: _of_size,
}  # fmt: skip
"""What answers each kind of exception."""
