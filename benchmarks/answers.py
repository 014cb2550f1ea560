"""How much memory do smoothing, areas, change, polygons and a report of a very large map take?

    python -m benchmarks.answers --edge 50000 --backend dask --workers 2

Writes two run directories whose maps have 50,000 x 50,000 pixels (fields of 24 to 96 pixels in six
classes, 0.2 % of single pixels that are wrong, and on the second date blocks that are built over),
gives each command as a user does, and looks from outside at the peak of resident memory of every
process that it starts. Writes results/answers.json.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import click
import numpy as np
import numpy.typing as npt
import psutil
import rasterio
from rasterio.transform import from_origin
from rasterio.windows import Window

from benchmarks.measuring import claim as claimed
from benchmarks.record import write_results
from landcover.classes import scheme
from landcover.runs.claiming import claim

GOAL_PEAK = 1_500  # MB, of one process
_NLCD6 = scheme("nlcd6")
_CODES = np.array(_NLCD6.codes, np.uint8)
_EDGE = 2048  # of what is generated at a time
COMMANDS = ("areas", "smooth", "change", "vectorize", "report")
GOAL_REPORT = 20  # MB


@click.command()
@click.option("--edge", default=50_000, show_default=True, help="Of the maps, in pixels.")
@click.option("--backend", default="dask", show_default=True, help="local, dask, spark.")
@click.option("--workers", default=2, show_default=True, help="Of the backend.")
@click.option(
    "--only", multiple=True, type=click.Choice(COMMANDS), help="These commands.  [default: all]"
)
@click.option("--folder", type=click.Path(path_type=Path), help="Keep runs and results here.")
def main(edge: int, backend: str, workers: int, only: tuple[str, ...], folder: Path | None) -> None:
    """Write maps, give commands, look and write down."""
    with tempfile.TemporaryDirectory() as temporary:
        place = folder or Path(temporary)
        before, after = (_run(place / f"{year}-{edge}", edge, year) for year in (2010, 2016))
        how = ["--backend", backend, "--workers", str(workers)]
        commands = {
            "areas": ["areas", before, *how],
            "smooth": ["smooth", before, "-o", place / f"smooth-{edge}", *how],
            "change": ["change", before, after, "-o", place / f"change-{edge}", *how],
            "vectorize": ["vectorize", before, "-o", place / f"polygons-{edge}.gpkg", *how],
            "report": ["report", before, after, "-o", place / f"report-{edge}.html"],
        }
        rows = []
        for name in only or COMMANDS:
            rows.append({"command": name, **_watched([str(one) for one in commands[name]])})
            click.echo(json.dumps(rows[-1]))
        report = place / f"report-{edge}.html"
        size = report.stat().st_size / 1e6 if report.exists() else None
    peaks = [_claim(row["command"], max(row["peaks_mb"])) for row in rows if row["exit_code"] == 0]
    if size is not None:
        peaks.append(claimed("report: size of the file", size, "MB", GOAL_REPORT, True))
    conditions = {"edge": edge, "backend": backend, "workers": workers}
    libraries = ["rasterio", "dask", "pyspark"]
    written = write_results("answers", rows, libraries, claims=peaks, conditions=conditions)
    click.echo(f"wrote {written}")


def _claim(command: str, peak: float) -> Any:
    """That no process of a command holds more than is allowed."""
    return claimed(f"{command}: largest process", peak, "MB", GOAL_PEAK, True)


def _run(folder: Path, edge: int, year: int) -> Path:
    """A run directory of a map; one that is there is left as it is."""
    if (folder / "map.tif").exists():
        return folder
    profile = {
        "driver": "GTiff",
        "dtype": "uint8",
        "count": 1,
        "width": edge,
        "height": edge,
        "nodata": _NLCD6.nodata,
        "crs": "EPSG:26914",
        "transform": from_origin(2e5, 5e6, 1, 1),
        "tiled": True,
        "blockxsize": 512,
        "blockysize": 512,
        "compress": "deflate",
        "bigtiff": "if_safer",
    }
    told = {"model": {"output": "pixel"}}
    with claim(str(folder), {"model": str(year)}, _NLCD6, told) as run:
        with rasterio.open(folder / "map.tif", "w", **profile) as file:
            for row in range(0, edge, _EDGE):
                for col in range(0, edge, _EDGE):
                    width, height = min(_EDGE, edge - col), min(_EDGE, edge - row)
                    codes = _codes(row, col, year)[:height, :width]
                    file.write(codes, 1, window=Window(col, row, width, height))
        run.finish({"files": ["map.tif"], "tiles": {"quarantined": 0}})
    return folder


def _codes(row: int, col: int, year: int) -> npt.NDArray[np.uint8]:
    """A block of the map: fields are those of both years, errors and new buildings of one."""
    ground = np.random.default_rng([row, col])
    size = int(ground.choice([24, 48, 96]))
    fields = _CODES[ground.integers(0, len(_CODES), (_EDGE // size + 1, _EDGE // size + 1))]
    codes = np.kron(fields, np.ones((size, size), np.uint8))[:_EDGE, :_EDGE]
    own = np.random.default_rng([row, col, year])
    if year > 2010:
        for top, left in own.integers(0, _EDGE - 30, (20, 2)).tolist():
            codes[top : top + 30, left : left + 30] = _NLCD6.by_name["Developed"].code
    wrong = own.random(codes.shape) < 0.002
    codes[wrong] = own.choice(_CODES, int(wrong.sum()))
    return codes


def _watched(arguments: Sequence[str]) -> dict[str, Any]:
    """Give a command, and look at the memory of all its processes until it ends."""
    started = time.perf_counter()
    peaks: dict[int, float] = {}
    command = [sys.executable, "-m", "landcover.cli.main", *arguments]
    with psutil.Popen(command, stdout=-3) as process:
        while process.poll() is None:
            with suppress(psutil.Error):
                for one in (process, *process.children(recursive=True)):
                    with suppress(psutil.Error):
                        peaks[one.pid] = max(peaks.get(one.pid, 0), one.memory_info().rss / 1e6)
            time.sleep(0.2)
    largest = sorted((round(one) for one in peaks.values()), reverse=True)
    seconds = round(time.perf_counter() - started, 1)
    return {"exit_code": process.returncode, "seconds": seconds, "peaks_mb": largest}


if __name__ == "__main__":
    main()
