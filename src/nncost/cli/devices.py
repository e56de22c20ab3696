"""``nncost devices``."""

from __future__ import annotations

import click

from nncost.cli.messages import say
from nncost.cli.options import format_options, show

HELP = """Calibrated machines first, then the catalogue of accelerators that nncost predict --on NAME accepts.

\b
  nncost devices               names, dense peaks, memory, bandwidth and power
  nncost devices h100          everything known of one device, with its source
  nncost devices --json        all figures as JSON

A TOML file in the folder devices/ of nncost's cache or configuration adds a device: nncost docs devices.
"""


@click.command("devices", help=HELP)
@click.argument("name", required=False)
@format_options(json="All figures as JSON.")
def command(name: str | None, form: str | None) -> None:
    """List devices, or show one."""
    from nncost.timing.devices.catalogue import catalogue, device_named
    from nncost.timing.devices.profile_store import profile_faults, stored_profiles
    from nncost.views.devices import device_document, devices_document, devices_json

    if name is not None:
        device = device_named(name)
        show(form, lambda: device_document(device), json=device.to_dict)
        return
    profiles, devices = stored_profiles(), catalogue()
    for fault in profile_faults():
        say(f"nncost: {fault}")
    show(form, lambda: devices_document(profiles, devices), json=lambda: devices_json(profiles, devices))
