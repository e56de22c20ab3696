"""A machine that is made up, so that predictions need no calibration."""

from __future__ import annotations

from nncost.timing.devices.fingerprint import fingerprint
from nncost.timing.devices.profile import Profile, Rate

OVERHEADS = {
    "python_call": 1e-7, "module": 1e-6, "forward_view": 1e-6, "forward_operator": 0.0, "forward_call": 2e-5, "node": 2e-6,
    "backward_operator": 0.0, "gradient": 2e-6, "backward_call": 3e-5, "parameter": 1e-6, "update_operator": 0.0,
    "update_call": 3e-5, "forward": 7e-6, "backward": 9e-6, "update": 6e-6, "step": 3e-5,
}  # fmt: skip


def made_up() -> Profile:
    """This machine, with round numbers."""
    return Profile(
        name="made up", fingerprint=fingerprint(), engine="torch", contraction=[Rate(2_000, 1e9), Rate(2_000_000, 1e11)],
        convolution=[Rate(2_000_000, 1e11)], bandwidth=[Rate(2**14, 1e11), Rate(2**28, 1e10)], overheads=OVERHEADS,
        page_fault=1e-6, page_bytes=4096, cold=2.0, spread=0.1,
    )  # fmt: skip
