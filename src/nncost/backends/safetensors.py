"""Parameters as a ``.safetensors`` file and back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np

from nncost.backends.initial_values import shape_of
from nncost.errors import MissingExtraError, ShapeError, SourceError
from nncost.ir.graph import Graph, Parameter

Array = Any
FORMAT = "nncost"


def names_of(graph: Graph) -> dict[Parameter, str]:
    """A name per parameter: its layer's path and its own, numbered if several have the same."""
    taken: Counter[str] = Counter()
    found = {}
    for parameter in graph.parameters:
        taken[parameter.name] += 1
        number = taken[parameter.name]
        found[parameter] = parameter.name if number == 1 else f"{parameter.name}.{number}"
    return found


def safetensors_bytes(
    graph: Graph, values: Mapping[Parameter, Array], *, metadata: Mapping[str, str] | None = None
) -> bytes:
    """Every parameter and buffer under its layer's path, with texts about the file.

    Raise MissingExtraError without the package ``safetensors``.
    """
    numpy_flavour = _package()
    arrays = {name: np.ascontiguousarray(values[parameter]) for parameter, name in names_of(graph).items()}
    return cast("bytes", numpy_flavour.save(arrays, {"format": FORMAT, **(metadata or {})}))


def read_safetensors(graph: Graph, path: str | Path) -> dict[Parameter, Array]:
    """The values of the graph's parameters in a file.

    Raise SourceError for a file that cannot be read or lacks a parameter, ShapeError if a shape differs.
    """
    numpy_flavour = _package()
    try:
        arrays = numpy_flavour.load(Path(path).read_bytes())
    except FileNotFoundError:
        raise SourceError(f"there is no file {str(path)!r}.") from None
    except OSError as error:
        raise SourceError(f"cannot read {str(path)!r}: {error.strerror}.") from None
    except Exception as error:  # noqa: BLE001 - the package's own error derives from nothing but Exception
        raise SourceError(f"{str(path)!r} is not a safetensors file, or is cut short: {error}.") from None
    names = names_of(graph)
    _check_names(set(names.values()), set(arrays), str(path))
    for parameter, name in names.items():
        if arrays[name].shape != shape_of(parameter):
            raise ShapeError(
                f"{str(path)!r}: {name} has the shape {arrays[name].shape}, the network's is {shape_of(parameter)}.",
                hint="The file belongs to another network.",
            )
    return {parameter: arrays[name] for parameter, name in names.items()}


def _check_names(wanted: set[str], held: set[str], path: str) -> None:
    missing, unknown = sorted(wanted - held), sorted(held - wanted)
    if missing or unknown:
        first = f"it lacks {missing[0]!r}" if missing else f"the network has no {unknown[0]!r}"
        more = len(missing) + len(unknown) - 1
        raise SourceError(
            f"{path!r} does not fit the network: {first}" + (f" and {more} more differ." if more else "."),
            hint="The file belongs to another network.",
        )


def _package() -> Any:
    try:
        import safetensors.numpy
    except ImportError:
        raise MissingExtraError("reading or writing weights", "safetensors", "weights") from None
    return safetensors.numpy
