"""Which operators of the installed ``onnx`` are counted, and which of onnxruntime's own."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

import onnx

from nncost.frontends.lowering import ONNX
from nncost.frontends.onnx import lowerings as _lowerings  # noqa: F401 - registers every lowering
from nncost.frontends.onnx.functions import Functions
from nncost.frontends.onnx.lowering import full_name, lowering_for
from nncost.frontends.onnx.treatments import BOUNDED, FREE, REFUSED, WITH_BODIES
from nncost.frontends.operators import BOUNDED as IS_BOUNDED
from nncost.frontends.operators import COUNTED, DECOMPOSED, TREATMENTS, UNKNOWN, Coverage, Operator
from nncost.frontends.operators import FREE as IS_FREE

STANDARD = "ai.onnx"
MEANINGS: Mapping[str, str] = {
    COUNTED: TREATMENTS[COUNTED],
    DECOMPOSED: "counted as the operators of the function that the standard defines it by, or of its own body",
    IS_FREE: "no arithmetic: a move, a shape, a sequence, an operation on bits, a conversion",
    IS_BOUNDED: "data decide: an upper bound is counted, and the report says so, unless the file tells",
    UNKNOWN: TREATMENTS[UNKNOWN],
}


def coverage() -> Coverage:
    """Every operator of the standard, and those of onnxruntime that have a rule, with how they are treated."""
    found = {(o.domain, o.name): o for o in (*_ruled(), *_standard())}
    return Coverage("onnx", onnx.__version__, tuple(found[key] for key in sorted(found)), MEANINGS, overloaded=False)


def _ruled() -> Iterator[Operator]:
    """Operators that have a rule of ours, in the standard or not."""
    for full, rules in ONNX.ours.items():
        domain, _, name = full.rpartition(".")
        yield _operator(domain, name, (min(rules),))


def _standard() -> Iterator[Operator]:
    """Operators of the standard, with the opset of each of their versions."""
    versions: dict[tuple[str, str], list[int]] = defaultdict(list)
    for schema in onnx.defs.get_all_schemas_with_history():
        versions[schema.domain, schema.name].append(schema.since_version)
    for (domain, name), opsets in versions.items():
        yield _operator(domain, name, sorted(opsets))


def _operator(domain: str, name: str, opsets: Sequence[int]) -> Operator:
    full = full_name(domain, name)
    counted = [opset for opset in opsets if full not in REFUSED and _is_counted(domain, name, opset)]
    treatment = _treatment(full, domain, name, counted[-1]) if counted else UNKNOWN
    return Operator(
        full, "", treatment, domain or STANDARD, opsets[0], counted[0] if counted else None, REFUSED.get(full, "")
    )


def _is_counted(domain: str, name: str, opset: int) -> bool:
    return lowering_for(domain, name, opset) is not None or Functions(()).of_standard(domain, name, opset) is not None


def _treatment(full: str, domain: str, name: str, opset: int) -> str:
    if full in WITH_BODIES or lowering_for(domain, name, opset) is None:
        return DECOMPOSED
    return IS_FREE if full in FREE else IS_BOUNDED if full in BOUNDED else COUNTED
