"""The drawing of a network as textbooks have it: an SVG in pure Python, from a report alone."""

from __future__ import annotations

from nncost.views.drawing.network import network_chart as network_chart
