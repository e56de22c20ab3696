"""The routes of the API, each with its documented answers."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import asdict
from typing import Any

from fastapi import FastAPI, Request
from pydantic import BaseModel
from starlette.responses import Response

from nncost.version import __version__
from nncost.web.answers.sources import accepted
from nncost.web.server.connected import while_connected
from nncost.web.server.errors import JSON
from nncost.web.server.guard import UPLOAD
from nncost.web.server.models import ANSWERS, DevicesAnswer, ErrorAnswer, HealthAnswer, UploadAnswer, request_model
from nncost.web.server.service import Service
from nncost.web.server.upload import received

SUMMARIES: Mapping[str, str] = {
    "count": "Parameters and every operation: forward, backward, update, run",
    "explain": "The worked arithmetic, as a part of a page or as text",
    "formula": "Closed forms in every symbol of the source",
    "predict": "Seconds of a step and a run on a device of the catalogue",
    "plot": "A picture of a network or of its costs",
    "calculator": "What a page needs to show a network and to let its sizes be dragged",
}
_FAULTS: Mapping[int, str] = {
    400: "The request is not JSON, or no HTTP",
    403: "It comes from a page of another origin",
    404: "There is nothing at this path",
    405: "The path takes another method",
    408: "It did not come in time",
    413: "It is too large",
    415: "It is of another type",
    421: "It names a host that is not this server",
    422: "A spec, a file or a setting cannot be read (code `spec`, `source`, `option`, …), or it is over a limit (`limit`)",
    429: "Too many requests wait; `Retry-After` says when to ask again",
    500: "A fault of the server",
    501: "A package that this needs is not installed",
}


def add_routes(app: FastAPI) -> None:
    """Add the routes to an application."""
    for name in ANSWERS:
        app.post(
            f"/api/{name}", summary=SUMMARIES[name], operation_id=name, response_class=Response, response_model=None,
            responses=_answers(ANSWERS[name], *_FAULTS),
        )(_question(name))  # fmt: skip
    app.get(
        "/api/devices", summary="The catalogue of devices", operation_id="devices",
        responses=_answers(DevicesAnswer, 421, 429, 500), response_class=Response, response_model=None,
    )(_devices)  # fmt: skip
    app.post(
        UPLOAD, summary="Hand over a file", operation_id="upload", description=_about_uploads(), openapi_extra=_FORM,
        responses=_answers(UploadAnswer, *(status for status in _FAULTS if status != 501)), response_class=Response, response_model=None,
    )(_upload)  # fmt: skip
    app.get(
        "/health", summary="Whether it runs, and its limits", operation_id="health", response_model=HealthAnswer,
        responses=_answers(HealthAnswer, 421),
    )(_health)  # fmt: skip


def _question(name: str) -> Callable[..., Coroutine[Any, Any, Response]]:
    """The route of an answer. What was answered before is given at once."""

    async def question(body: BaseModel, request: Request) -> Response:
        asked = {key: value for key, value in body if value is not None}
        return await _answered(name, asked, request)

    question.__annotations__["body"] = request_model(name)
    question.__annotations__["request"] = Request
    question.__annotations__["return"] = Response
    return question


async def _answered(name: str, asked: Mapping[str, Any], request: Request) -> Response:
    service: Service = request.app.state.service
    known = service.remembered(name, asked)
    if known is not None:
        return Response(known, media_type=JSON)
    reply = await while_connected(request, service.answer(name, asked))
    return Response(reply.body, reply.status, media_type=JSON)


async def _devices(request: Request) -> Response:
    return await _answered("devices", {}, request)


async def _upload(request: Request) -> Response:
    service: Service = request.app.state.service
    upload = await received(request, service)
    answer = UploadAnswer(source=upload.source, name=upload.name, bytes=upload.size)
    return Response(answer.model_dump_json(), media_type=JSON)


async def _health(request: Request) -> HealthAnswer:
    service: Service = request.app.state.service
    pool = service.pool
    return HealthAnswer(
        status="ok", version=__version__, workers=pool.ready, waiting=pool.waiting, uploads=len(service.uploads),
        limits=asdict(service.limits),
    )  # fmt: skip


def _answers(model: type[BaseModel], *faults: int) -> dict[int | str, dict[str, Any]]:
    found: dict[int | str, dict[str, Any]] = {200: {"model": model, "description": "The answer"}}
    for status in faults:
        found[status] = {"model": ErrorAnswer, "description": _FAULTS[status]}
        if status == 429:
            found[status]["headers"] = {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds"}}
    return found


def _about_uploads() -> str:
    return (
        f"One file in the field `file` of a form; its ending says what it is: {accepted()}. Of checkpoints the headers are read, "
        "nothing in a file is executed, and what it refers to outside of it is not followed. Files are removed when they are old, "
        "when others need the room and when the server ends."
    )


_FORM = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": {"file": {"type": "string", "format": "binary"}},
                    "required": ["file"],
                    "additionalProperties": False,
                }
            }
        },
    }
}
