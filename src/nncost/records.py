"""Records: frozen dataclasses with slots that take a fifth of the time to define and to make.

``dataclasses.dataclass(frozen=True, slots=True)`` compiles six functions per class, and each new object looks its setter
up once per field. A command that counts a spec defines more than a hundred classes, which took a third of its time. A
record is a dataclass too (``fields``, ``asdict``, patterns and type checkers take it for one), but only its ``__init__``
is compiled; the other methods are shared.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, Field, FrozenInstanceError, dataclass, fields
from dataclasses import field as field  # noqa: PLC0414 - handed on
from operator import attrgetter
from typing import Any, TypeVar, dataclass_transform, overload

Class = TypeVar("Class", bound=type)
Record = TypeVar("Record")


@overload
def record(cls: Class, /) -> Class: ...
@overload
def record(cls: None = None, /, *, eq: bool = True) -> Callable[[Class], Class]: ...
@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def record(cls: Any = None, /, *, eq: bool = True) -> Any:
    """Make a class a frozen dataclass with slots; with ``eq`` it compares and hashes by its fields, else by identity."""
    return (lambda given: _record(given, eq)) if cls is None else _record(cls, eq)


def replace(original: Record, /, **changes: Any) -> Record:
    """Return a copy with other values for some fields. Raise TypeError for a name that is no field."""
    kept = {name: getattr(original, name) for name in original.__dataclass_fields__ if name not in changes}  # type: ignore[attr-defined]
    return type(original)(**kept, **changes)


def _record(cls: Any, eq: bool) -> Any:
    own = cls.__dict__
    methods: dict[str, Any] = {
        "__setattr__": _refuse, "__delattr__": _refuse, "__getstate__": _state, "__setstate__": _set_state,
    }  # fmt: skip
    if "__repr__" not in own:
        methods["__repr__"] = _text
    if eq:
        methods |= {name: method for name, method in (("__eq__", _equal), ("__hash__", _hash)) if name not in own}
    made: Any = dataclass(init=False, repr=False, eq=False, slots=True)(cls)
    parts = fields(made)
    for name, method in methods.items():
        setattr(made, name, method)
    made.__init__ = _initializer(made, parts)
    made._key = staticmethod(_getter([part.name for part in parts if part.compare]))
    return made


def _initializer(cls: Any, parts: tuple[Field[Any], ...]) -> Any:
    """``__init__`` of a class with these fields; each value goes straight into its slot."""
    names: dict[str, Any] = {"MISSING": MISSING}
    parameters, lines = ["self"], []
    for part in sorted(parts, key=lambda part: bool(part.kw_only)):
        name, value = part.name, part.name
        if part.kw_only and "*" not in parameters:
            parameters.append("*")
        names[f"set_{name}"] = getattr(cls, name).__set__
        if part.default_factory is not MISSING:
            names[f"make_{name}"] = part.default_factory
            parameters.append(f"{name}=MISSING")
            value = f"make_{name}() if {name} is MISSING else {name}"
        elif part.default is not MISSING:
            names[f"default_{name}"] = part.default
            parameters.append(f"{name}=default_{name}")
        else:
            parameters.append(name)
        lines.append(f" set_{name}(self, {value})")
    if hasattr(cls, "__post_init__"):
        lines.append(" self.__post_init__()")
    exec(f"def __init__({', '.join(parameters)}):\n" + "\n".join(lines or [" pass"]), names)  # noqa: S102 - names of fields
    return names["__init__"]


def _getter(names: list[str]) -> Callable[[Any], Any]:
    return attrgetter(*names) if names else lambda _: ()


def _refuse(self: Any, name: str, value: object = None) -> None:
    raise FrozenInstanceError(f"cannot assign to field {name!r} of a {type(self).__name__}")


def _equal(self: Any, other: Any) -> Any:
    return self._key(self) == self._key(other) if other.__class__ is self.__class__ else NotImplemented


def _hash(self: Any) -> int:
    return hash(self._key(self))


def _text(self: Any) -> str:
    values = ", ".join(f"{part.name}={getattr(self, part.name)!r}" for part in fields(self) if part.repr)
    return f"{type(self).__qualname__}({values})"


def _state(self: Any) -> list[Any]:
    return [getattr(self, part.name) for part in fields(self)]


def _set_state(self: Any, state: list[Any]) -> None:
    for part, value in zip(fields(self), state, strict=True):
        object.__setattr__(self, part.name, value)
