"""Requests and answers as FastAPI describes and checks them; settings are those of the answers' own table."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, WithJsonSchema, create_model

from nncost.web.answers.settings import SETTINGS, Setting

EXAMPLES: dict[str, dict[str, Any]] = {
    "count": {"source": "784-16-16-10", "batch": 32},
    "explain": {"source": "784-16-16-10", "topic": "parameters"},
    "formula": {"source": "784-h-10", "quantity": "parameters.total", "at": {"h": 128}},
    "predict": {"source": "784-512-512-10", "on": "h100", "batch": 64},
    "plot": {"source": "784-16-16-10", "kind": "layers"},
    "calculator": {"source": "784-16-16-10"},
}


class Fault(BaseModel):
    """What is wrong; codes are stable."""

    code: str = Field(
        description="spec, source, option, …: those of nncost's errors; limit, busy and request are the server's own."
    )
    message: str
    hint: str | None = Field(None, description="What is accepted, or what to do next.")
    position: int | None = Field(None, ge=0, description="The first character of the source that is at fault, from 0.")
    length: int | None = Field(None, ge=1, description="How many characters are at fault.")
    instead: str | None = Field(None, description="What may be meant in its place.")


class ErrorAnswer(BaseModel):
    """Why there is no answer."""

    error: Fault


class _Open(BaseModel):
    """An answer of which a part is described; the rest is described in the documents."""

    model_config = ConfigDict(extra="allow")


class CountAnswer(_Open):
    """The report, as ``nncost count --json`` prints it; integers are exact, whatever their size."""

    schema_: str = Field(alias="schema", description="nncost.report/1")
    source: dict[str, Any]
    settings: dict[str, Any]
    complete: bool = Field(description="False where an operation is unknown; unknown is listed, never zero.")
    unknown: list[dict[str, Any]]
    parameters: dict[str, Any]
    totals: dict[str, dict[str, Any]]
    rows: list[dict[str, Any]]


class ExplainAnswer(BaseModel):
    """The worked arithmetic; HTML is a part of a page, without scripts."""

    form: str
    title: str
    text: str


class FormulaAnswer(BaseModel):
    """Closed forms."""

    complete: bool
    formulas: list[dict[str, Any]]
    notes: list[str]


class PredictAnswer(_Open):
    """The prediction, as ``nncost predict --json`` prints it."""

    schema_: str = Field(alias="schema", description="nncost.prediction/1")
    device: dict[str, Any]
    seconds: dict[str, Any]


class DeviceAnswer(BaseModel):
    """A device that a prediction can be for."""

    name: str
    title: str
    vendor: str
    kind: str
    memory_bytes: int
    dtypes: list[str]


class DevicesAnswer(BaseModel):
    """The catalogue."""

    devices: list[DeviceAnswer]


class UploadAnswer(BaseModel):
    """A file that was received: ``source`` names it in requests."""

    source: str = Field(pattern="^upload:[0-9a-f]+$")
    name: str = Field(description="What it was called, to be shown as text.")
    bytes: int


class HealthAnswer(BaseModel):
    """What the server is doing."""

    status: str
    version: str
    workers: int = Field(description="Processes that are ready; none in the first second.")
    waiting: int = Field(description="Requests that wait for one.")
    uploads: int = Field(description="Files that are kept.")
    limits: dict[str, float]


ANSWERS: dict[str, type[BaseModel]] = {
    "count": CountAnswer, "explain": ExplainAnswer, "formula": FormulaAnswer, "predict": PredictAnswer,
    "plot": _Open, "calculator": _Open,
}  # fmt: skip


def request_model(name: str) -> type[BaseModel]:
    """Return the model of a request, with the settings of that answer."""
    fields: dict[str, Any] = {key: _field(key, setting) for key, setting in SETTINGS[name].items()}
    strict = ConfigDict(extra="forbid", json_schema_extra={"examples": [EXAMPLES[name]]})
    return create_model(f"{name.capitalize()}Request", __config__=strict, __doc__=f"A request of {name}.", **fields)


def _field(key: str, setting: Setting) -> tuple[Any, Any]:
    def check(value: Any) -> Any:
        """Raise OptionError for another kind of value; the value stays as it was sent."""
        if value is not None:
            setting.kind.read(key, value)
        return value

    schema = dict(setting.kind.schema)
    if not setting.required:
        schema = {"anyOf": [*schema.pop("anyOf", [schema]), {"type": "null"}]}
    kind = Annotated[Any, WithJsonSchema(schema), AfterValidator(check)]
    return kind, Field(... if setting.required else None, description=setting.help)
