"""Records are what frozen dataclasses with slots are, made in another way."""

from __future__ import annotations

import copy
import pickle
from dataclasses import FrozenInstanceError, asdict, dataclass, field, fields, is_dataclass
from typing import Any, ClassVar

import pytest

from nncost.records import record, replace


def _define(decorator: Any) -> Any:
    @decorator
    class Point:
        """A point."""

        x: int
        y: int = 2
        names: list[str] = field(default_factory=list)
        unseen: float = field(default=0.0, compare=False)
        last: int = field(default=7, kw_only=True)
        kind: ClassVar[str] = "point"

        @property
        def total(self) -> int:
            """The sum."""
            return self.x + self.y

    return Point


Ours, Theirs = _define(record), _define(dataclass(frozen=True, slots=True))


@record
class Kept:
    """A record that a pickle can find by its name."""

    x: int
    y: tuple[int, ...] = ()


@pytest.mark.parametrize(
    ("args", "kwargs"), [((1,), {}), ((1, 3, ["a"], 0.5), {"last": 9}), ((), {"y": 4, "x": 5, "names": ["b"]})]
)
def test_it_is_the_dataclass(args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    ours, theirs = Ours(*args, **kwargs), Theirs(*args, **kwargs)
    assert is_dataclass(ours)
    assert asdict(ours) == asdict(theirs)
    assert repr(ours) == repr(theirs)
    assert [part.name for part in fields(ours)] == [part.name for part in fields(theirs)]
    assert Ours.__match_args__ == Theirs.__match_args__
    assert (ours.total, ours.kind) == (theirs.total, theirs.kind)
    assert not hasattr(ours, "__dict__")


@pytest.mark.parametrize("arguments", [(), (1, 2, [], 0.0, 7), (1, 2, [], 0.0, 7, 8)])
def test_it_refuses_what_the_dataclass_refuses(arguments: tuple[Any, ...]) -> None:
    for cls in (Ours, Theirs):
        with pytest.raises(TypeError):
            cls(*arguments)


def test_equality_and_hash() -> None:
    assert Ours(1) == Ours(1, unseen=5.0) != Ours(2)
    assert Ours(1) != Theirs(1)
    assert len({Kept(1), Kept(1), Kept(2)}) == 2

    @record(eq=False)
    class Same:
        """Equal to itself only."""

        x: int

    assert Same(1) != Same(1)
    assert len({Same(1), Same(1)}) == 2


def test_defaults_are_not_shared() -> None:
    Ours(1).names.append("a")
    assert Ours(1).names == []


def test_nothing_is_assigned() -> None:
    point = Kept(1)
    for change in (lambda: setattr(point, "x", 2), lambda: setattr(point, "z", 2), lambda: delattr(point, "x")):
        with pytest.raises(FrozenInstanceError):
            change()
    assert point == Kept(1)


def test_copies() -> None:
    point = Kept(1, (2, 3))
    assert replace(point, x=4) == Kept(4, (2, 3))
    assert pickle.loads(pickle.dumps(point)) == copy.deepcopy(point) == copy.copy(point) == point
    with pytest.raises(TypeError):
        replace(point, z=1)
