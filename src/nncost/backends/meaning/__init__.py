"""What a region of a graph means as a layer, read off its core operations, free of any framework.

``meaning_of`` gives one of the dataclasses of :mod:`~nncost.backends.meaning.layers`, or None for a
region that is no layer a framework has: its core operations are then what is run.
"""

from nncost.backends.meaning.constants import Constants as Constants
from nncost.backends.meaning.layers import Meaning as Meaning
from nncost.backends.meaning.reading import meaning_of as meaning_of
