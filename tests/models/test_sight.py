"""How far around a pixel a network looks, whatever it does at the edges of its window."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support import operations as small

from landcover.models.sight import sight


@pytest.mark.parametrize(
    ("rows", "cols", "pads", "found"),
    [
        (1, 1, (0, 0, 0, 0), 0),
        (3, 7, (1, 3, 1, 3), 3),
        (9, 3, (4, 1, 4, 1), 4),
        (5, 5, (0, 0, 0, 0), 2),
        (3, 11, (0, 0, 0, 0), 5),
        (5, 1, (4, 0, 0, 0), 4),  # upwards alone
        # Labels in the middle of the window depend on its edges, all of them or one.
        (63, 3, (31, 1, 31, 1), None),
        (49, 1, (48, 0, 0, 0), None),
    ],
)
def test_a_network_looks_as_far_as_its_widest_kernel(
    tmp_path: Path, rows: int, cols: int, pads: tuple[int, ...], found: int | None
) -> None:
    weights = np.random.default_rng(1).normal(0, 1, (5, 3, rows, cols)).astype(np.float32)
    nodes = [small.convolution(pads=list(pads)), *small.then("Softmax", axis=1)]
    path = small.saved(tmp_path / "net.onnx", nodes, w=weights)
    assert sight(small.recipe_of(path, output="pixel")) == found
