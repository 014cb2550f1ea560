"""Score one raster on a Dask cluster that is there already, and leave it as it was.

    python examples/raster_on_dask.py [RASTER] [MODEL] [--address tcp://HOST:8786] [--output DIRECTORY]

Without an address two workers are started on this machine. Without a raster and a model it takes what
``landcover demo`` has left in ``demo/``. Imagery, model and output must be where workers reach them.
"""

from __future__ import annotations

import argparse
from contextlib import ExitStack
from pathlib import Path

from dask.distributed import Client, LocalCluster

import landcover as lc
from landcover.backends.dask import DaskBackend


def main() -> None:
    """Score, and say who did it."""
    parser = argparse.ArgumentParser(description="Score one raster on a Dask cluster.")
    parser.add_argument("raster", nargs="?", default="demo/scene/imagery.tif")
    parser.add_argument("model", nargs="?", default="demo/model/model.keras")
    parser.add_argument("--address", help="of a scheduler; default: two workers on this machine")
    parser.add_argument("--output", default="runs/on-dask")
    given = parser.parse_args()
    for path in (given.raster, given.model):
        if not Path(path).exists():
            parser.error(f"{path} is not there: run `landcover demo` first, or name another one")

    with ExitStack() as stack:
        cluster = given.address or stack.enter_context(
            LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None)
        )
        client = stack.enter_context(Client(cluster))
        run = lc.score(
            rasters=given.raster,
            model=given.model,
            output=given.output,
            backend=DaskBackend(client=client),  # goes on after the run, for other work
        )
        print(f"{len(client.scheduler_info()['workers'])} workers are still there")
    print(f"{run.summary['tiles']['scored']:,} tiles, {run.summary['model_loads']} models loaded")
    print(run.tiles()["label"].value_counts(normalize=True).round(3).to_string())
    print(f"the map: {run.path}/map.tif")


if __name__ == "__main__":
    main()
