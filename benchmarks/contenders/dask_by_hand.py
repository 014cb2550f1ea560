"""Dask by hand: futures of chunks, and a model a worker.

As https://docs.dask.org/en/stable/best-practices.html advises: nothing large in the graph, tasks of
about a second, and the model loaded once a worker process (a plug-in keeps it), not sent.
"""

# mypy: allow-untyped-calls

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import numpy as np
from distributed import Client, LocalCluster, Worker, WorkerPlugin, get_worker

from benchmarks.contenders.asked import (
    BATCH,
    CORES,
    asked,
    network_input,
    open_network,
    pixels_of,
    write_labels,
)


class Network(WorkerPlugin):
    """Opens the network when a worker starts."""

    name = "network"

    def __init__(self, path: str) -> None:
        self.path = path
        self.model: Any = None

    def setup(self, worker: Worker) -> None:
        """Open the network."""
        self.model = open_network(self.path, 1)


def label(paths: list[str]) -> list[int]:
    """Label a chunk of tiles."""
    tiles = np.stack([pixels_of(Path(path).read_bytes()) for path in paths])
    model = cast(Network, get_worker().plugins["network"]).model
    found: list[int] = model.predict_on_batch(network_input(tiles)).argmax(1).tolist()
    return found


def main() -> None:
    """Label the tiles."""
    paths, network, output = asked()
    chunks = [paths[start : start + BATCH] for start in range(0, len(paths), BATCH)]
    with (
        LocalCluster(n_workers=CORES, threads_per_worker=1, dashboard_address=":0") as cluster,
        Client(cluster) as client,
    ):
        client.register_plugin(Network(network))
        found = client.gather(client.map(label, chunks, pure=False))
    write_labels(output, paths, [one for part in found for one in part])


if __name__ == "__main__":
    main()
