"""``nncost devices``."""

from __future__ import annotations

import json

import click

HELP = """Calibrated machines first, then the catalogue of accelerators that nncost predict --on NAME accepts.

\b
  nncost devices               names, dense peaks, memory, bandwidth and power
  nncost devices h100          everything known of one device, with its source
  nncost devices --json        all figures as JSON

A TOML file in the folder devices/ of nncost's cache or configuration adds a device: docs/devices.md.
"""


@click.command("devices", help=HELP)
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="All figures as JSON.")
def command(name: str | None, as_json: bool) -> None:
    """List devices, or show one."""
    from nncost.timing.devices.catalogue import catalogue, device_named
    from nncost.timing.devices.profile_store import profile_faults, stored_profiles
    from nncost.views.devices import device_text, devices_json, devices_text

    if name is not None:
        device = device_named(name)
        click.echo(json.dumps(device.to_dict()) if as_json else device_text(device))
        return
    profiles, devices = stored_profiles(), catalogue()
    for fault in profile_faults():
        click.echo(f"nncost: {fault}", err=True)
    click.echo(json.dumps(devices_json(profiles, devices)) if as_json else devices_text(profiles, devices))
