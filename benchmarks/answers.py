"""How much memory do smoothing, areas, change, polygons and a report of a very large map take?

    python -m benchmarks.answers --edge 50000 --backend local --backend dask --workers 2

Writes two run directories whose maps have 50,000 x 50,000 pixels (fields of 24 to 96 pixels in six
classes, 0.2 % of single pixels that are wrong, and on the second date blocks that are built over),
gives each command as a user does, and looks from outside at the peak of resident memory of every
process that it starts. Writes results/answers.json. Memory follows the width of a map: one of less
``--height`` takes as much, in less time.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache
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
from benchmarks.measuring import peak_memory
from benchmarks.record import write_results
from landcover.classes import scheme
from landcover.runs.claiming import claim

GOAL_PEAK = 1_500  # MB, of one process
_NLCD6 = scheme("nlcd6")
_CODES = np.array(_NLCD6.codes, np.uint8)
_EDGE, _KINDS = 2048, 8  # of what is generated at a time, and how many of these there are
_YEARS = (2010, 2016)
COMMANDS = ("areas", "smooth", "smooth-areas", "change", "vectorize", "report")
_BY_AREA = ("--rule", "area", "--minimum-area", "100")
GOAL_REPORT = 20  # MB


@click.command()
@click.option("--edge", default=50_000, show_default=True, help="Width of the maps, in pixels.")
@click.option("--height", type=int, help="Of the maps, in pixels.  [default: that of the edge]")
@click.option(
    "--backend",
    "backends",
    multiple=True,
    default=["local", "dask"],
    show_default=True,
    help="local, dask, spark. May be repeated.",
)
@click.option("--workers", default=2, show_default=True, help="Of the backend.")
@click.option(
    "--only", multiple=True, type=click.Choice(COMMANDS), help="These commands.  [default: all]"
)
@click.option("--folder", type=click.Path(path_type=Path), help="Keep runs and results here.")
def main(
    edge: int,
    height: int | None,
    backends: tuple[str, ...],
    workers: int,
    only: tuple[str, ...],
    folder: Path | None,
) -> None:
    """Write maps, give commands, look and write down."""
    size = edge, height or edge
    with tempfile.TemporaryDirectory() as temporary:
        place = folder or Path(temporary)
        runs = [_run(place / f"{year}-{'x'.join(map(str, size))}", size, year) for year in _YEARS]
        rows = []
        for backend in backends:
            results = place / f"{backend}-{time.time_ns()}"
            results.mkdir()
            for name, command in _commands(runs, results, backend, workers).items():
                if name in (only or COMMANDS):
                    rows.append({"command": name, "backend": backend, **_watched(command)})
                    click.echo(json.dumps(rows[-1]))
            if (report := results / "report.html").exists():
                rows[-1]["report_mb"] = report.stat().st_size / 1e6
            shutil.rmtree(results)
    conditions = {"width": size[0], "height": size[1], "workers": workers}
    libraries = ["rasterio", "dask", "pyspark"]
    written = write_results("answers", rows, libraries, claims=_claims(rows), conditions=conditions)
    click.echo(f"wrote {written}")


def _commands(
    runs: Sequence[Path], results: Path, backend: str, workers: int
) -> dict[str, list[str]]:
    """The commands, as a user gives them; a report reads overviews, and takes no backend."""
    before, after = map(str, runs)
    how = ["--backend", backend, "--workers", str(workers)]
    commands = {
        "areas": ["areas", before, *how],
        "smooth": ["smooth", before, "-o", f"{results}/smooth", *how],
        "smooth-areas": ["smooth", before, "-o", f"{results}/areas", *_BY_AREA, *how],
        "change": ["change", before, after, "-o", f"{results}/change", *how],
        "vectorize": ["vectorize", before, "-o", f"{results}/polygons.gpkg", *how],
    }
    if backend == "local":
        commands["report"] = ["report", before, after, "-o", f"{results}/report.html"]
    return commands


def _claims(rows: Sequence[dict[str, Any]]) -> list[Any]:
    """That no process of a command holds more than is allowed."""
    done = [row for row in rows if row["exit_code"] == 0]
    found = [
        claimed(
            f"{row['command']} on {row['backend']}: largest process",
            *(max(row["peaks_mb"]), "MB", GOAL_PEAK, True),
        )
        for row in done
    ]
    sizes = [row["report_mb"] for row in done if "report_mb" in row]
    return found + [
        claimed("report: size of the file", one, "MB", GOAL_REPORT, True) for one in sizes
    ]


def _run(folder: Path, size: tuple[int, int], year: int) -> Path:
    """A run directory of a map of some width and height; one that is there is left as it is."""
    edge, height = size
    if (folder / "map.tif").exists():
        return folder
    profile = {
        "driver": "GTiff",
        "dtype": "uint8",
        "count": 1,
        "width": edge,
        "height": height,
        "nodata": _NLCD6.nodata,
        "crs": "EPSG:26914",
        "transform": from_origin(2e5, 5e6, 1, 1),
        "tiled": True,
        "blockxsize": 512,
        "blockysize": 512,
        "compress": "deflate",
        "zlevel": 1,
        "bigtiff": "if_safer",
    }
    told = {"model": {"output": "pixel"}}
    with claim(str(folder), {"model": str(year)}, _NLCD6, told) as run:
        with rasterio.open(folder / "map.tif", "w", **profile) as file:
            for row in range(0, height, _EDGE):
                for col in range(0, edge, _EDGE):
                    across, down = min(_EDGE, edge - col), min(_EDGE, height - row)
                    kind = (7 * row + 3 * col) // _EDGE % _KINDS
                    codes = _codes(kind, year)[:down, :across]
                    file.write(codes, 1, window=Window(col, row, across, down))
        run.finish({"files": ["map.tif"], "tiles": {"quarantined": 0}})
    return folder


@lru_cache(2 * _KINDS)
def _codes(kind: int, year: int) -> npt.NDArray[np.uint8]:
    """A block of the map: fields are those of both years, errors and new buildings of one."""
    ground = np.random.default_rng(kind)
    size = (24, 48, 96)[kind % 3]
    fields = _CODES[ground.integers(0, len(_CODES), (_EDGE // size + 1, _EDGE // size + 1))]
    codes = np.kron(fields, np.ones((size, size), np.uint8))[:_EDGE, :_EDGE]
    own = np.random.default_rng([kind, year])
    if year > min(_YEARS):
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
                    with suppress(psutil.Error, OSError):
                        peaks[one.pid] = max(peaks.get(one.pid, 0), peak_memory(one.pid) / 1e6)
            time.sleep(0.2)
    largest = sorted((round(one) for one in peaks.values()), reverse=True)
    seconds = round(time.perf_counter() - started, 1)
    return {"exit_code": process.returncode, "seconds": seconds, "peaks_mb": largest}


if __name__ == "__main__":
    main()
