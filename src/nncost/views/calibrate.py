"""A calibration as a document: what this machine reaches."""

from __future__ import annotations

from nncost.documents.document import Document, Facts, Section
from nncost.timing.devices.profile import Profile
from nncost.units import rate_text, seconds_text


def calibrate_document(profile: Profile) -> Document:
    """Return the fastest rates, the bandwidth and what the framework takes per operation."""
    facts = [("fastest matrix product", rate_text(profile.peak_flops_per_second, "flop/s"))]
    if profile.convolution:
        facts.append(("fastest convolution", rate_text(max(r.per_second for r in profile.convolution), "flop/s")))
    fastest = max(rate.per_second for rate in profile.bandwidth)
    largest = max(profile.bandwidth, key=lambda rate: rate.size)
    reach = f"{rate_text(largest.per_second, 'B/s')} from main memory, {rate_text(fastest, 'B/s')} from cache"
    facts += [("bandwidth", reach), ("page fault", seconds_text(profile.page_fault))]
    for phase in ("forward", "backward", "update"):
        facts.append((f"{phase} operation", f"{seconds_text(profile.overheads[phase])} at least"))
    title = f"{profile.name}: calibrated {profile.fingerprint['date']} with {profile.engine}"
    return Document(title, (Section("", (Facts(tuple(facts)),)),))
