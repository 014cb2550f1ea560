"""Score one raster in a Spark session that is there already, and leave it as it was.

    python examples/raster_on_spark.py [RASTER] [MODEL] [--master spark://HOST:7077] [--output DIRECTORY]

Without a master Spark runs on this machine, with two workers; in a notebook of a Spark cluster the session
that is there is taken. Without a raster and a model it takes what ``landcover demo`` has left in ``demo/``.
Imagery, model and output must be where workers reach them.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from pyspark.sql import SparkSession

import landcover as lc
from landcover.backends.spark import SparkBackend


def main() -> None:
    """Score, and say who did it."""
    parser = argparse.ArgumentParser(description="Score one raster on Spark.")
    parser.add_argument("raster", nargs="?", default="demo/scene/imagery.tif")
    parser.add_argument("model", nargs="?", default="demo/model/model.keras")
    parser.add_argument("--master", default="local[2]")
    parser.add_argument("--output", default="runs/on-spark")
    given = parser.parse_args()
    for path in (given.raster, given.model):
        if not Path(path).exists():
            parser.error(f"{path} is not there: run `landcover demo` first, or name another one")

    if given.master.startswith("local"):  # its workers are to be this Python
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    builder = SparkSession.builder.master(given.master)
    session = builder.config("spark.ui.enabled", False).getOrCreate()
    run = lc.score(
        rasters=given.raster,
        model=given.model,
        output=given.output,
        backend=SparkBackend(session=session),  # goes on after the run, for other work
    )
    print(f"the session counts still: {session.range(1000).count():,}")
    session.stop()
    print(f"{run.summary['tiles']['scored']:,} tiles, {run.summary['model_loads']} models loaded")
    print(run.tiles()["label"].value_counts(normalize=True).round(3).to_string())
    print(f"the map: {run.path}/map.tif")


if __name__ == "__main__":
    main()
