"""Score one raster with one model, then look at the results in Python.

    python examples/score_one_raster.py [RASTER] [MODEL] [--output DIRECTORY]

Without arguments it takes what ``landcover demo`` has left in ``demo/``.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import landcover as lc


def main() -> None:
    """Score, and say what there is."""
    parser = argparse.ArgumentParser(description="Score one raster with one model.")
    parser.add_argument("raster", nargs="?", default="demo/scene/imagery.tif")
    parser.add_argument("model", nargs="?", default="demo/model/model.keras")
    parser.add_argument("--output", default="runs/one-raster")
    given = parser.parse_args()
    for path in (given.raster, given.model):
        if not Path(path).exists():
            parser.error(f"{path} is not there: run `landcover demo` first, or name another one")

    run = lc.score(rasters=given.raster, model=given.model, output=given.output)

    tiles = run.tiles()  # a GeoDataFrame, one row a tile
    print(f"{len(tiles):,} tiles at {run.summary['tiles_per_second']:,.0f} a second")
    for label, share in tiles["label"].value_counts(normalize=True).items():
        print(f"  {label:12} {share:6.1%} of the tiles")
    print("the five tiles that the network is least sure of:")
    print(tiles.nsmallest(5, "score")[["tile", "label", "score"]].to_string(index=False))
    codes = run.map()  # an xarray.DataArray of class codes, one pixel a tile
    print(f"the map, {codes.sizes['y']} x {codes.sizes['x']} pixels: {run.path}/map.png")


if __name__ == "__main__":
    main()
