"""Small tables on disk."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

import nncost
from nncost.trainer.outcome import Training

DIGITS = Path(__file__).resolve().parents[2] / "examples" / "digits.csv"


def blobs(path: Path, rows: int = 90, *, classes: int = 3, text: bool = True) -> Path:
    """Points around as many centres as there are classes."""
    rng = np.random.default_rng(0)
    lines = ["a,b,c,kind"]
    for row in range(rows):
        kind = row % classes
        point = rng.normal(size=3) + 4 * np.eye(3)[kind % 3] + kind // 3
        lines.append(",".join(f"{value:.6f}" for value in point) + f",{'xyzuvw'[kind] if text else kind}")
    path.write_text("\n".join(lines) + "\n")
    return path


def line(path: Path, rows: int = 80) -> Path:
    """A number that is a sum of two others."""
    rng = np.random.default_rng(0)
    points = rng.normal(size=(rows, 2)) * [1, 50] + [3, -20]
    amounts = 1000 + 30 * points[:, 0] + points[:, 1]
    text = [f"{a:.6f};{b:.6f};{y:.6f}" for (a, b), y in zip(points, amounts, strict=True)]
    path.write_text("\n".join(["a;b;price", *text]) + "\n")
    return path


def quick(path: Path, spec: str = "3-8:relu-3:softmax", **settings: object) -> Training:
    chosen: dict[str, object] = {"target": "kind", "epochs": 2, "batch": 8, "engine": "numpy", **settings}
    train: Callable[..., Training] = nncost.train
    return train(spec, path, **chosen)
