"""``nncost devices``."""

from __future__ import annotations

import click

from nncost.cli.messages import say
from nncost.cli.options import format_options, show
from nncost.errors import Instead, OptionError

FIT = "fit"
HELP = """Calibrated machines first, then the catalogue of accelerators that nncost predict --on NAME accepts.

\b
  nncost devices               names, dense peaks, memory, bandwidth and power
  nncost devices h100          everything known of one device, with its source
  nncost devices --json        all figures as JSON
  nncost devices fit times.csv --like a100 --name mine    constants from your own times: --on mine

A fit takes times of matrix products, m x k by k x n, as CSV with the header m,k,n,dtype,seconds[,copies]. A TOML file in the
folder devices/ of nncost's cache or configuration adds a device: nncost docs devices.
"""


@click.command("devices", help=HELP)
@click.argument("name", required=False)
@click.argument("times", required=False)
@click.option("--like", metavar="DEVICE", help="Of fit: the device that was timed, or the one nearest to it.")
@click.option("--name", "called", metavar="NAME", help="Of fit: what --on is to take (default: the device's own name).")
@format_options(json="All figures as JSON.")
def command(name: str | None, times: str | None, like: str | None, called: str | None, form: str | None) -> None:
    """List devices, show one, or fit one."""
    if name == FIT:
        _fit(times, like, called, form)
        return
    for option, value in (("--like", like), ("--name", called)):
        if value is not None:
            raise OptionError(
                f"{option} belongs to a fit.", hint="For example: nncost devices fit times.csv --like a100 --name mine"
            )
    if times is not None:
        raise OptionError(f"devices takes one name, received {times[:60]!r} as well.", instead=Instead(times, ""))
    _show(name, form)


def _show(name: str | None, form: str | None) -> None:
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


def _fit(times: str | None, like: str | None, called: str | None, form: str | None) -> None:
    """Fit a device's constants to a file of times and keep them."""
    if times is None or like is None:
        missing = "a file of times" if times is None else "the device that was timed"
        raise OptionError(
            f"a fit needs {missing}.", hint="For example: nncost devices fit times.csv --like a100 --name mine"
        )
    from nncost.timing.devices.catalogue import device_named
    from nncost.timing.fitting.device_file import check_name, write_device
    from nncost.timing.fitting.fitted_device import fit_device, start_of
    from nncost.timing.fitting.times import read_times
    from nncost.views.device_fit import device_fit_document

    device = device_named(like)
    chosen = device.name if called is None else called
    check_name(chosen, device)
    start_of(device)
    measured = read_times(times, device)
    fitted = fit_device(device, chosen, measured, f"{len(measured)} timed products of {times[-200:]}")
    path = write_device(fitted.device)
    show(form, lambda: device_fit_document(fitted, path), json=lambda: {**fitted.to_dict(), "path": str(path)})
