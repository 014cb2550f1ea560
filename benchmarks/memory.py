"""How much memory does a large scene take, beside a small one?

    python -m benchmarks.memory --large 40000

Generates a scene of 1,000 x 1,000 pixels and one of 40,000 x 40,000 (three bands of uint8, tiled
and compressed), runs ``landcover score`` on each with a trivial network that labels tiles and with
one that labels pixels, on the local backend, and compares the peaks of resident memory, as the
operating system counts them. Writes results/memory.json.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import click
import numpy as np
import rasterio
from rasterio.transform import from_origin
from rasterio.windows import Window

from benchmarks.measuring import claim
from benchmarks.record import write_results
from benchmarks.workloads import colour_network

TILE, BANDS = 224, 3
# What a large scene may take beyond a small one, in MB.
ALLOWED = 700
_BLOCK = 512

# A process of a few megabytes between this one and the command: what a process has used when it
# starts another one counts as used by that one.
_MEASURE = """
import json, resource, subprocess, sys, time
started = time.perf_counter()
code = subprocess.call(sys.argv[1:])
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
print(json.dumps({"code": code, "peak": peak, "seconds": time.perf_counter() - started}))
"""


@click.command()
@click.option("--small", default=1_000, show_default=True, help="Edge of the small scene, pixels.")
@click.option("--large", default=40_000, show_default=True, help="Edge of the large scene, pixels.")
@click.option("--folder", type=click.Path(path_type=Path), help="Keep scenes and runs here.")
def main(small: int, large: int, folder: Path | None) -> None:
    """Measure, print and write down the peaks."""
    with tempfile.TemporaryDirectory() as temporary:
        place = folder or Path(temporary)
        place.mkdir(parents=True, exist_ok=True)
        scenes = {edge: _scene(place / f"scene-{edge}.tif", edge) for edge in (small, large)}
        rows: list[dict[str, Any]] = []
        claims: list[dict[str, Any]] = []
        for output in ("tile", "pixel"):
            model = colour_network(place / f"{output}s.onnx", TILE, pixel=output == "pixel")
            peaks = [_scored(scene, model, output, edge) for edge, scene in scenes.items()]
            rows += peaks
            more = peaks[-1]["peak_mb"] - peaks[0]["peak_mb"]
            question = f"a label a {output}: memory of a large scene beyond a small one's"
            claims.append(claim(question, more, "MB", ALLOWED, True))
            click.echo(f"{question}: {more:+,.0f} MB of {ALLOWED}")
    conditions = {"small": small, "large": large}
    libraries = ["rasterio", "onnxruntime", "openvino"]
    written = write_results("memory", rows, libraries, claims=claims, conditions=conditions)
    click.echo(f"wrote {written}")


def _scored(scene: Path, model: Path, output: str, edge: int) -> dict[str, Any]:
    run = scene.with_name(f"run-{output}-{edge}-{time.time_ns()}")
    config = scene.with_name(f"{output}-{edge}.yaml")
    wanted = {"source": {"rasters": [str(scene)]}, "model": str(model), "output": str(run)}
    config.write_text(json.dumps(wanted))
    command = [sys.executable, "-m", "landcover.cli.main", "score", str(config), "--quiet"]
    shim = [sys.executable, "-c", _MEASURE, *command]
    done = subprocess.run(shim, stdout=subprocess.PIPE, text=True, check=True)
    found = json.loads(done.stdout.splitlines()[-1])
    if found["code"]:
        raise click.ClickException(f"landcover score {config} ended with {found['code']}")
    said = json.loads((run / "run.json").read_text())
    row = {
        "output": output,
        "edge": edge,
        "tiles": said["tiles"],
        "peak_mb": round(found["peak"] / 1e6, 1),
        "seconds": round(found["seconds"], 1),
    }
    tiles = said["tiles"]["planned"]
    click.echo(
        f"{output:6} {edge:>7,} x {edge:,} pixels, {tiles:>7,} tiles: "
        f"{row['peak_mb']:8,.0f} MB, {row['seconds']:.0f} s"
    )
    return row


def _scene(path: Path, edge: int) -> Path:
    """Patches of colour, another pattern in each row of blocks, none of them 0."""
    if path.exists():
        return path
    shape = {"width": edge, "height": edge, "count": BANDS, "dtype": "uint8"}
    tiled = {"tiled": True, "blockxsize": _BLOCK, "blockysize": _BLOCK, "interleave": "pixel"}
    place = {"crs": "EPSG:26918", "transform": from_origin(300_000, 4_900_000, 1, 1)}
    options = {**shape, **tiled, **place, "compress": "deflate", "zlevel": 1, "bigtiff": "yes"}
    random, patch = np.random.default_rng(2017), 32
    with rasterio.Env(GDAL_NUM_THREADS="ALL_CPUS"), rasterio.open(path, "w", **options) as file:
        for top in range(0, edge, _BLOCK):
            rows = min(_BLOCK, edge - top)
            coarse = random.integers(1, 256, (BANDS, _BLOCK // patch, edge // patch + 1), np.uint8)
            pixels = coarse.repeat(patch, axis=1).repeat(patch, axis=2)[:, :rows, :edge]
            file.write(pixels, window=Window(0, top, edge, rows))
    return path


if __name__ == "__main__":
    main()
