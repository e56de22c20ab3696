"""All that a report page says of its sources: each counted, worked out and, where a device is known, predicted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from nncost.errors import OptionError, SymbolError
from nncost.explaining import explain_source
from nncost.pipeline.report_on import report_on
from nncost.pipeline.settings import Settings, shared
from nncost.records import replace
from nncost.timing.predict import predict_this
from nncost.timing.predict_source import predict_source
from nncost.timing.prediction import Prediction
from nncost.views.report_page.network import Network


def gather(
    sources: Sequence[Any],
    settings: Settings,
    device: str | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> list[Network]:
    """Return what is known of each source; ``progress(what, done, of)`` is called on the way.

    Raise OptionError without a source, and whatever counting or predicting on the named device raises.
    """
    if not sources:
        raise OptionError("a report needs a source.", hint="For example: 784-16-16-10")
    said = progress or (lambda what, done, of: None)
    networks = []
    for number, (source, chosen) in enumerate(zip(sources, shared(sources, settings), strict=True)):
        said(f"counting {number + 1} of {len(sources)}", 2 * number, 2 * len(sources))
        report = report_on(source, chosen)
        said(f"working out {number + 1} of {len(sources)}", 2 * number + 1, 2 * len(sources))
        networks.append(
            Network(report)
            if report.storage is not None
            else Network(report, explain_source(source, None, chosen), _seconds(source, chosen, device))
        )
    return networks


def _seconds(source: Any, settings: Settings, device: str | None) -> Prediction | None:
    """Seconds on a device; where none was named, those of this machine, if its profile and the sizes suffice for them."""
    plain = Settings()  # seconds do not depend on what a flop is called, nor on which taps are counted
    chosen = replace(settings, convention=plain.convention, taps=plain.taps)
    if device is not None:
        return predict_source(source, chosen, device)
    try:
        return predict_this(source, chosen)
    except (OptionError, SymbolError):
        return None
