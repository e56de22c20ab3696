"""Feature maps as boxes in oblique projection: as high and wide as the maps, as thick as there are channels."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt

from nncost.dims import Dim, Shape, is_symbolic
from nncost.views.drawing.layers import CONV, MOVE, POOL, UNKNOWN
from nncost.views.drawing.stages import INPUT, Volume
from nncost.views.drawing.svg import Canvas

LOWEST = 14.0
_HIGHEST, _USUAL_HEIGHT = 150.0, 90.0
_OBLIQUE = 0.36
FILLS = {INPUT: "soft", CONV: "forward", POOL: "loss", UNKNOWN: "alarm", MOVE: "other"}


class Scale:
    """How long sizes are drawn, so that the largest map has the greatest height."""

    def __init__(self, volumes: Sequence[Volume]) -> None:
        sizes = [size for volume in volumes for size in volume.space or () if isinstance(size, int)]
        self._largest = max(1, *sizes) if sizes else 1

    def side(self, size: Dim) -> float:
        """The length of a side of a map: by the square root, so that small ones are seen."""
        if is_symbolic(size):
            return _USUAL_HEIGHT
        share = int(size) / self._largest if self._largest < 10**300 else 1.0
        return max(LOWEST, _HIGHEST * sqrt(min(1.0, share)))

    @staticmethod
    def thickness(channels: Dim) -> float:
        """The thickness of so many maps."""
        return 26.0 if is_symbolic(channels) else min(64.0, max(5.0, 2.3 * sqrt(min(int(channels), 10**6))))

    def box(self, shape: Shape | None) -> tuple[float, float, float]:
        """Thickness, height and the step to the back of a volume."""
        if shape is None:
            return 40.0, 50.0, 16.0
        space = shape[1:]
        height = self.side(space[-2] if len(space) > 1 else space[0]) if space else LOWEST
        back = _OBLIQUE * self.side(space[-1]) if len(space) > 1 else 0.0 if space else 4.0
        return self.thickness(shape[0] if shape else 1), height, back


def draw_box(canvas: Canvas, x: float, y: float, thickness: float, height: float, back: float, volume: Volume) -> None:
    """One box: its front, its top and its side, where the maps are seen."""
    fill = FILLS.get(volume.family, "other")
    dashed = {"stroke_dasharray": "4 3"} if volume.family == UNKNOWN else {}
    right, bottom = x + thickness, y + height
    faces = (
        ([(x, y), (right, y), (right, bottom), (x, bottom)], "0.34"),
        ([(x, y), (x + back, y - back), (right + back, y - back), (right, y)], "0.18"),
        ([(right, y), (right + back, y - back), (right + back, bottom - back), (right, bottom)], "0.5"),
    )
    for points, opacity in faces if back else faces[:1]:
        canvas.shape(points, "paper", "paper", stroke_width="0.5")
        canvas.shape(points, fill, fill, fill_opacity=opacity, stroke_width="1.1", stroke_linejoin="round", **dashed)
