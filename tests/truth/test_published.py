"""Published figures of textbooks, benchmarks and papers, each with the network beside it as a spec.

Not here, because the spec language has no words for them:

- ResNet-34, -50, -101 and Xception: their shortcuts between stages are convolutions, and ``residual[…]``
  adds its input as it is.
- MobileNetV3, MnasNet-A1 and EfficientNet: squeeze-and-excitation multiplies a feature map by a vector.
- ShuffleNetV2, NASNet-A and YOLOv8n join and shuffle the outputs of parallel branches.
- Swin-S and ConvNeXt-T: shifted windows with position tables, norms over the channels of an image, learned scales.
- MobileNetV2 at width 1.4: its published figures do not say how the widths were rounded.
"""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

import nncost

ROWS = list(csv.DictReader(Path(__file__).with_name("published.csv").read_text(encoding="utf-8").splitlines()))


@pytest.mark.parametrize("row", ROWS, ids=[row["id"] for row in ROWS])
def test_published_figure(row: dict[str, str]) -> None:
    report = nncost.count(row["spec"], loss="none")
    counted = sum(int(report.quantity(quantity)) for quantity in row["quantity"].split(" + "))
    assert counted == int(row["answer"])
    assert report.complete
    if row["published"]:
        # A rounded figure: as many digits as were printed.
        digits = len(row["published"].split("e")[0].replace(".", ""))
        assert float(f"{counted:.{digits - 1}e}") == float(row["published"])


def test_every_row_has_a_source() -> None:
    assert len(ROWS) >= 35
    assert all(row["source"] and row["question"] for row in ROWS)
    assert len({row["id"] for row in ROWS}) == len(ROWS)


def test_batch_does_not_change_parameters_and_multiplies_macs() -> None:
    for row in ROWS:
        if row["id"].endswith("-macs"):
            assert nncost.count(row["spec"], batch=3, loss="none").forward.macs == 3 * int(row["answer"])
