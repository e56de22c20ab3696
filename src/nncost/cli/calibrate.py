"""``nncost calibrate``."""

from __future__ import annotations

import click

from nncost.cli.messages import say
from nncost.cli.options import format_options, show

HELP = """Measure this machine once, so that nncost predict knows it. Takes up to 5 minutes.

\b
  nncost calibrate              measure, or resume a calibration that was stopped
  nncost calibrate --fresh      measure everything anew
  nncost calibrate --json       the profile as JSON
  nncost devices                what is calibrated, and the catalogue

Matrix products and convolutions by size, bandwidth by working set, page faults, cold caches and what
PyTorch itself takes. Close other programs: they use the caches and cores that are measured.
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
    show(form, lambda: calibrate_document(profile), json=lambda: {"schema": "nncost.profile/1", **asdict(profile)})
    if form != "json":
        say(f"kept in {path}")
    return 0
