"""What a region of a graph means as a layer, read off its core operations, free of any framework.

``meaning_of`` gives one of the dataclasses of :mod:`~nncost.running.meaning.layers`, or None for a
region that is no layer a framework has: its core operations are then what is run.
"""

from nncost.running.meaning.constants import Constants as Constants
from nncost.running.meaning.layers import Meaning as Meaning
from nncost.running.meaning.reading import meaning_of as meaning_of
