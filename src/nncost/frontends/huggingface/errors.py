"""Whatever transformers or torch raises becomes one sentence."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from nncost.errors import NncostError, SourceError
from nncost.frontends.huggingface.transformers import transformers

LONGEST = 300
HUB = "nncost downloads nothing: the configuration must hold everything, backbone_config included."


@contextmanager
def as_source_error(attempt: str, source: str) -> Iterator[None]:
    """Turn whatever goes wrong in the attempt to ``build`` or ``run`` the model into a SourceError."""
    try:
        yield
    except NncostError:
        raise
    except ConnectionError as error:
        raise SourceError(f"{source!r} takes a part from the Hugging Face hub: {_short(error)}", hint=HUB) from None
    except Exception as error:
        kind = type(error).__name__
        version = transformers().__version__
        raise SourceError(f"transformers {version} cannot {attempt} {source!r}: {kind}: {_short(error)}") from error


def _short(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    lines += [note.removeprefix("nncost: ") for note in getattr(error, "__notes__", ())]
    return "; ".join(lines[:2])[:LONGEST] or "no reason given"
