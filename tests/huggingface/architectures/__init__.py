"""Tiny configurations of real architectures, with parameters and multiplications worked out by hand.

``CASES[name]`` has the module on the meta device, the shapes of its inputs, and both numbers, derived
from the configuration alone: matrix sizes, tokens, windows. ``tests/huggingface/test_architectures.py``
compares them with the modules and with PyTorch's own counter.
"""

from __future__ import annotations

from tests.huggingface.architectures.case import Case
from tests.huggingface.architectures.contrastive import CLIP
from tests.huggingface.architectures.decoders import DECODERS
from tests.huggingface.architectures.detection import DETR
from tests.huggingface.architectures.encoders import ENCODERS
from tests.huggingface.architectures.experts import EXPERTS
from tests.huggingface.architectures.images import IMAGES
from tests.huggingface.architectures.pyramids import PYRAMIDS
from tests.huggingface.architectures.sequences import SEQUENCES
from tests.huggingface.architectures.sounds import SOUNDS

CASES: dict[str, Case] = {
    case.name: case for case in (*DECODERS, *EXPERTS, *ENCODERS, *SEQUENCES, *IMAGES, *PYRAMIDS, CLIP, DETR, *SOUNDS)
}
