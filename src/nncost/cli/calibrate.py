"""``nncost calibrate``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from nncost.units import seconds_text

if TYPE_CHECKING:
    from nncost.timing.devices.profile import Profile

HELP = """Measure this machine once, so that nncost predict knows it. Takes up to 5 minutes.

\b
  nncost calibrate              measure, or go on where an earlier calibration was stopped
  nncost calibrate --fresh      measure everything anew
  nncost calibrate --json       the profile as JSON
  nncost devices                what is calibrated, and the catalogue

Matrix products and convolutions by size, bandwidth by working set, page faults, cold caches and what
PyTorch itself takes. Close other programs: they use the caches and cores that are measured.
"""


@click.command("calibrate", help=HELP)
@click.option("--fresh", is_flag=True, help="Forget what an earlier calibration measured.")
@click.option("--json", "as_json", is_flag=True, help="The profile as JSON.")
def command(fresh: bool, as_json: bool) -> int:
    """Calibrate and say what was found."""
    from dataclasses import asdict

    from nncost.cli.progress import progress_bar
    from nncost.timing.calibration.calibrate import calibrate

    with progress_bar("calibrating") as progress:
        profile, path = calibrate(progress, fresh=fresh)
    if as_json:
        click.echo(json.dumps({"schema": "nncost.profile/1", **asdict(profile)}))
        return 0
    for line in _lines(profile):
        click.echo(line)
    click.echo(f"kept in {path}", err=True)
    return 0


def _lines(profile: Profile) -> Iterator[str]:
    giga = 1e9
    yield f"{profile.name}: calibrated {profile.fingerprint['date']} with {profile.engine}"
    yield f"  fastest matrix product {profile.peak_flops_per_second / giga:12.4g} Gflop/s"
    if profile.convolution:
        yield f"  fastest convolution    {max(r.per_second for r in profile.convolution) / giga:12.4g} Gflop/s"
    fastest, slowest = (f(r.per_second for r in profile.bandwidth) / giga for f in (max, min))
    yield f"  bandwidth              {slowest:12.4g} GB/s from main memory, {fastest:.4g} GB/s from cache"
    yield f"  page fault             {seconds_text(profile.page_fault):>12}"
    for name, words in (
        ("forward", "forward operation"),
        ("backward", "backward operation"),
        ("update", "update operation"),
    ):
        yield f"  {words:22} {seconds_text(profile.overheads[name]):>12} at least"
