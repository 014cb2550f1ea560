"""Ray Data: images read and decoded in tasks, scored by a pool of actors.

As in https://docs.ray.io/en/latest/data/batch_inference.html: a class whose ``__init__`` loads the
model and whose ``__call__`` takes a batch. Ray is told twice the cores, so that reading tasks find a
place beside the actors that compute.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

os.environ["RAY_AIR_NEW_OUTPUT"] = "0"

import ray

from benchmarks.contenders.asked import BATCH, CORES, asked, network_input, open_network


class Label:
    """Labels batches of tiles."""

    def __init__(self, network: str) -> None:
        self.model = open_network(network, 1)

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Label a batch."""
        return {
            "path": batch["path"],
            "label": self.model.predict_on_batch(network_input(batch["image"])).argmax(1),
        }


def main() -> None:
    """Label the tiles."""
    paths, network, output = asked()
    root = str(Path(__file__).resolve().parent.parent.parent)
    ray.init(
        num_cpus=2 * CORES,
        include_dashboard=False,
        log_to_driver=False,
        runtime_env={"env_vars": {"PYTHONPATH": root}},
    )
    ray.data.DataContext.get_current().enable_progress_bars = False
    tiles = ray.data.read_images(paths, mode="RGB", include_paths=True)
    found = tiles.map_batches(
        Label, fn_constructor_args=(network,), batch_size=BATCH, concurrency=CORES, num_cpus=1
    )
    found.write_parquet(str(Path(output).absolute()))
    ray.shutdown()


if __name__ == "__main__":
    main()
