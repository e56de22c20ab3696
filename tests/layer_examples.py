"""The examples of every layer of the spec language, with numbers for their symbols."""

from __future__ import annotations

import re

from nncost.frontends.spec.kinds import layer_table

SIZES = {"N": 6, "M": 3, "C": 4, "K": 3, "H": 4, "W": 5, "T": 3, "D": 4, "V": 5, "F": 2}


def with_numbers(example: str) -> str:
    """The example with a number for each symbol, which is a single capital."""
    return re.sub("[A-Z]", lambda match: str(SIZES[match[0]]), example)


EXAMPLES = {name: [with_numbers(example) for example in kind.examples] for name, kind in layer_table().items()}
