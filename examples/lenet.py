"""LeNet-5 (LeCun et al. 1998) with the layers of today; ``build`` is an entry point that the command line can count."""

from torch import nn


def build() -> nn.Module:
    """The network, for images of 1x28x28."""
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10),
    )  # fmt: skip
