"""The network alone, on tiles in memory: what no way with this runtime and precision can exceed.

It computes the first hundred tiles over and over, so that memory does not limit how many are asked.
"""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from benchmarks.contenders.asked import CORES, asked, pixels_of, write_labels
from landcover.config import ModelSettings
from landcover.models.model import open_model
from landcover.models.recipe import make_recipe
from landcover.scoring.tuning import tuned

_IN_MEMORY = 100


def main() -> None:
    """Label the tiles."""
    paths, network, output = asked()
    runtime, precision = sys.argv[5:7]
    settings = {"path": network, "runtime": runtime, "precision": precision}
    model = open_model(make_recipe(ModelSettings.model_validate(settings)), CORES)
    model.recipe = tuned(model, CORES)
    kept = paths[:_IN_MEMORY]
    tiles = np.stack([pixels_of(Path(path).read_bytes()).transpose(2, 0, 1) for path in kept])

    def label(start: int) -> list[int]:
        wanted = np.arange(start, min(start + model.batch, len(paths))) % len(kept)
        found: list[int] = model.network.run(tiles[wanted]).argmax(1).tolist()
        return found

    with ThreadPoolExecutor(2) as pool:  # two batches at a time, as in a run
        labels = [
            one for part in pool.map(label, range(0, len(paths), model.batch)) for one in part
        ]
    write_labels(output, kept, labels[: len(kept)])


if __name__ == "__main__":
    main()
