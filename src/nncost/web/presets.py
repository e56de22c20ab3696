"""The calculator's answers for its presets, kept beside the page so that it shows numbers before Python has started.

Written anew by ``python -m nncost.web.presets``; a test compares.
"""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

from nncost.web.answers.calculator import calculator

PAGE = Path(str(files("nncost.web") / "page"))
"""The files of the page."""


def presets() -> list[dict[str, Any]]:
    """Return the presets: name, title, source and settings."""
    return list(json.loads((PAGE / "presets.json").read_text("utf-8"))["presets"])


def answer_to(preset: dict[str, Any]) -> str:
    """Return the calculator's answer to a preset, as its file holds it."""
    settings = dict(preset.get("settings", {}))
    if "batch" in settings:
        settings["batch"] = int(settings["batch"])
    settings["symbols"] = {name: int(size) for name, size in settings.get("symbols", {}).items()}
    found = calculator({"source": preset["source"], **settings})
    return json.dumps(found, ensure_ascii=False, separators=(",", ":")) + "\n"


def place_of(preset: dict[str, Any]) -> Path:
    """Return the file of a preset's answer."""
    return PAGE / "answers" / f"{preset['name']}.json"


def choices() -> str:
    """Return what settings may be, and the devices of the catalogue, as their file holds them."""
    from nncost.ir.dtypes import CHOSEN_DTYPES
    from nncost.pipeline.choices import CHOICES
    from nncost.timing.devices.catalogue import shipped

    found: dict[str, Any] = {name: list(CHOICES[name]) for name in ("loss", "optimizer", "bias", "activation", "mode")}
    found["dtype"] = list(CHOSEN_DTYPES)
    found["devices"] = [{"name": d.name, "title": d.title, "vendor": d.vendor} for d in shipped()]
    return json.dumps(found, ensure_ascii=False, indent=1) + "\n"


def write() -> None:
    """Write the answers to all presets, and the choices."""
    (PAGE / "answers" / "choices.json").write_text(choices(), "utf-8")
    for preset in presets():
        place_of(preset).write_text(answer_to(preset), "utf-8")


if __name__ == "__main__":
    write()
