"""The API is what its description says: requests made from it, good and bad, are answered as it says."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable

schemathesis = pytest.importorskip("schemathesis")

from schemathesis import GenerationMode  # noqa: E402
from schemathesis.specs.openapi.checks import positive_data_acceptance  # noqa: E402

from nncost.web.answers.settings import SETTINGS  # noqa: E402
from nncost.web.server.app import application  # noqa: E402
from nncost.web.server.models import EXAMPLES  # noqa: E402
from tests.web.serving import PATIENCE, Serving, send  # noqa: E402


def _described() -> Any:
    """The description, without answers whose rooms are not in this installation."""
    described = application().application.openapi()  # type: ignore[attr-defined]
    for name, needed in (("plot", "nncost.views.charts"), ("calculator", "nncost.web.answers.calculator")):
        if find_spec(needed) is None:
            del described["paths"][f"/api/{name}"]
    return described


OPERATIONS = {each.ok().label: each.ok() for each in schemathesis.openapi.from_dict(_described()).get_all_operations()}


@pytest.mark.parametrize("label", OPERATIONS)
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_every_answer_is_as_described(server: Serving, label: str, mode: GenerationMode) -> None:
    """No request makes it fail, each answer has one of the forms that are described, and what is not as described is refused.

    A text may be of the right length and be no spec all the same, so that not each request that is as described is accepted.
    """
    statuses: set[int] = set()

    @given(case=OPERATIONS[label].as_strategy(generation_mode=mode))
    @settings(max_examples=40, suppress_health_check=list(HealthCheck))
    def ask(case: schemathesis.Case) -> None:
        answer = case.call_and_validate(
            base_url=server.url.rstrip("/"), timeout=PATIENCE, excluded_checks=[positive_data_acceptance]
        )
        statuses.add(answer.status_code)

    try:
        ask()
    except Unsatisfiable:
        pytest.skip("there is no such request")
    assert statuses
    assert mode is GenerationMode.POSITIVE or statuses <= {400, 404, 405, 413, 415, 422}


SIZES = ("batch", "examples", "accumulate", "symbols")
"""Settings of which every value that is as described is accepted with a fitting spec."""


@pytest.mark.parametrize("name", ["count", "explain", "formula"])
def test_every_size_that_is_as_described_is_accepted(server: Serving, name: str) -> None:
    operation = OPERATIONS[f"POST /api/{name}"]

    @given(case=operation.as_strategy(generation_mode=GenerationMode.POSITIVE))
    @settings(max_examples=40, suppress_health_check=list(HealthCheck))
    def ask(case: schemathesis.Case) -> None:
        given_sizes = {key: value for key, value in case.body.items() if key in SIZES and value is not None}
        symbols = given_sizes.pop("symbols", {})
        case.body = given_sizes | {"source": "784-16-10"}
        for size in symbols.values():
            case.body |= {"source": "784-h-10", "symbols": {"h": size}}
        case.call_and_validate(base_url=server.url.rstrip("/"), timeout=PATIENCE)

    ask()


def test_every_setting_is_described(server: Serving) -> None:
    found = send("GET", f"{server.url}openapi.json", timeout=PATIENCE).json()["components"]["schemas"]
    for name in EXAMPLES:
        model = found[f"{name.capitalize()}Request"]
        assert set(model["properties"]) == set(SETTINGS[name])
        assert all(each["description"] for each in model["properties"].values())
        assert model["additionalProperties"] is False


@pytest.mark.parametrize("name", EXAMPLES)
def test_examples_are_answered(server: Serving, name: str) -> None:
    if find_spec(f"nncost.web.answers.{name}") is None or (name == "plot" and find_spec("nncost.views.charts") is None):
        pytest.skip(f"{name} is not in this installation")
    assert server.post(name, EXAMPLES[name]).status_code == 200
