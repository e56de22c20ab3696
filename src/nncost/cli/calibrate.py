"""``nncost calibrate``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from nncost.cli.messages import say
from nncost.cli.options import format_options, show

if TYPE_CHECKING:
    from nncost.timing.calibration.accelerators import Calibrated

HELP = """Measure this machine once, so that nncost predict knows it. Takes up to 5 minutes.

\b
  nncost calibrate              measure, or resume a calibration that was stopped
  nncost calibrate --fresh      measure everything anew
  nncost calibrate --json       the profile as JSON
  nncost devices                what is calibrated, and the catalogue

Matrix products and convolutions by size, bandwidth by working set, page faults, cold caches and what
PyTorch itself takes. Where there is a CUDA device that the catalogue knows, the constants of its matrix products are fitted,
for --on its name and for modules that are on it. Close other programs: they use the caches and cores that are measured.
"""


@click.command("calibrate", help=HELP)
@click.option("--fresh", is_flag=True, help="Forget what was measured before, times of operators too.")
@format_options("csv", json="The profile as JSON.")
def command(fresh: bool, form: str | None) -> int:
    """Calibrate and say what was found."""
    from dataclasses import asdict

    from nncost.cli.progress import progress_bar
    from nncost.timing.calibration.calibrate import calibrate
    from nncost.views.calibrate import calibrate_document

    with progress_bar("calibrating") as progress:
        profile, path = calibrate(progress, fresh=fresh)
        from nncost.timing.calibration.accelerators import calibrate_accelerators

        accelerators = calibrate_accelerators(progress)
    show(form, lambda: calibrate_document(profile), json=lambda: {"schema": "nncost.profile/1", **asdict(profile)})
    if form != "json":
        say(f"kept in {path}")
    for each in accelerators:
        say(f"{each.title}: {each.reason}" if each.fitted is None else _fit_text(each))
    return 0


def _fit_text(each: Calibrated) -> str:
    """The name that --on takes, how far off its products are, and the file."""
    assert each.fitted is not None
    before, left_out = each.fitted.before.median, each.fitted.left_out.median
    return (
        f"{each.title}: products of {each.fitted.device.name} were {before:.0%} off, {left_out:.0%} as fitted and left out; "
        f"kept in {each.path}"
    )
