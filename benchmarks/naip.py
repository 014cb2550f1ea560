"""How fast is a CNTK network for NAIP from scene to map, beside CNTK itself on data in memory?

    python -m benchmarks.naip ../shared/models/public/naip_250epochs.model SCENE.tif

MODEL is the U-Net that Microsoft published for four-band NAIP (256 x 256 pixels in, 128 x 128
out), SCENE a real scene of it. A large scene is made of mirrored copies of that one. In rounds:
the genuine library alone (``landcover model install-cntk``) on windows in memory, and
``landcover.score`` from end to end on the large scene, in f32 and in bf16, all with the same number
of threads and each in a process of its own. Pixels are those that get a label. Then the scene itself
is scored by every runtime, and the maps are compared: all of them, and what of them comes from
windows inside the scene (at its rim the network also sees mirrored pixels, which it was not trained
on, and hesitates). Writes results/naip.json and .png.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import combinations
from math import ceil, sqrt
from pathlib import Path
from typing import Any

import click
import numpy as np
import rasterio

import landcover as lc
from benchmarks import workloads
from benchmarks.cntk import network_input, opened
from benchmarks.measuring import apart, claim, in_rounds, middle
from benchmarks.record import RESULTS, write_results
from landcover.errors import LandcoverError
from landcover.machine import usable_cpus
from landcover.models.formats.detection import detect
from landcover.plugins import load_runtime
from landcover.report.bars import bars_figure
from landcover.scoring.measurement import measure

# What the network labels of a window, and reads around it, pixels.
CORE, HALO = 128, 64
# The scripts that trained it scale pixels so (Azure/pixel_level_land_classification).
SCALE = 1 / 256
CLASSES = ["unknown", "water", "trees and shrubs", "herbaceous", "barren or impervious"]
# Times as fast as CNTK alone, by precision; shares of equal labels between runtimes in f32, and
# between bf16 and f32. The figures in bf16 presume a CPU with AMX.
GOALS = {"f32": 4.0, "bf16": 12.0, "i8": None, "fastest": 20.0}
# What i8 and the fastest precision must keep of the labels in f32, and what i8 should bring over bf16.
CHECK, OVER_BF16 = {"at_least": 0.995}, 1.5
SAME_F32, SAME_BF16 = 0.999, 0.995
_ALONE = "CNTK 2.7 alone"
# f32 in every runtime, and what is fast: (runtime, precision).
WAYS = (("onnxruntime", "f32"), ("openvino", "f32"), ("cntk", "f32"), ("openvino", "bf16"))


@click.command()
@click.argument("model", type=click.Path(exists=True, path_type=Path))
@click.argument("scene", type=click.Path(exists=True, path_type=Path))
@click.option("--tiles", default=2000, show_default=True, help="Of the large scene, in bf16.")
@click.option("--batch", default=16, show_default=True, help="Of CNTK alone.")
@click.option("--seconds", default=20.0, show_default=True, help="Of CNTK alone, a round.")
@click.option("--repeats", default=3, show_default=True, help="Rounds; medians count.")
@click.option("--folder", default=workloads.FOLDER, type=click.Path(path_type=Path))
def main(
    model: Path, scene: Path, tiles: int, batch: int, seconds: float, repeats: int, folder: Path
) -> None:
    """Measure, print and write down how MODEL labels SCENE."""
    large = _enlarged(scene, tiles, folder)
    ways: dict[str, tuple[str, str, Callable[[], float]]] = {
        _named(precision): (
            *("openvino", "f32" if precision == "fastest" else precision),
            partial(apart, _end_to_end, model, large, precision, tiles),
        )
        for precision in GOALS
    }
    alone = partial(apart, _cntk_alone, model, usable_cpus(), batch, seconds)
    ways[_ALONE] = ("cntk", "f32", alone)
    contenders = {
        name: measure for name, (*needs, measure) in ways.items() if _can_run(name, *needs)
    }
    found = in_rounds(_that_run(contenders), repeats)
    rows: list[dict[str, Any]] = [
        {"name": name, "pixels_per_second": middle(each), "all": each}
        for name, each in found.items()
    ]
    same = _agreements(model, scene)
    claims = [*_speeds(found), *_labels(same)]
    for one in claims:
        click.echo(f"{one['question']:56} {one['reached']:8.4g}")
    conditions = {"tiles": tiles, "batch": batch, "repeats": repeats, "threads": usable_cpus()}
    written = write_results(
        "naip",
        [*rows, *same],
        ["openvino", "onnxruntime", "rasterio", "numpy"],
        claims=claims,
        conditions=conditions,
    )
    speeds = {row["name"]: row["pixels_per_second"] for row in rows}
    bars_figure(speeds, "pixels a second", RESULTS / "naip.png", "A U-Net on four-band NAIP")
    click.echo(f"wrote {written}")


def _can_run(name: str, runtime: str, precision: str) -> bool:
    try:
        load_runtime(runtime, threads=0, precision=precision)
    except LandcoverError as error:
        click.echo(f"{name} is not measured: {error}")
        return False
    return True


def _that_run(contenders: dict[str, Callable[[], float]]) -> dict[str, Callable[[], float]]:
    """Those that do, and not those whose labels are not good enough; what they keep is made."""
    running = {}
    for name, once in contenders.items():
        try:
            once()
        except LandcoverError as error:
            click.echo(f"{name} is not measured: {error}")
            continue
        running[name] = once
    return running


def _cntk_alone(model: Path, threads: int, batch: int, seconds: float) -> float:
    """Pixels a second that the genuine library labels of windows in memory.

    To be called in a new process: the library's number of threads is fixed when it first computes.
    """
    graph = opened("cntk", detect(model), threads)
    pixels, steps = network_input(graph, batch)
    network = graph.compile(steps)
    network.run(pixels)
    started, done = time.perf_counter(), 0
    while time.perf_counter() - started < seconds:
        done += len(network.run(pixels))
    return done * CORE**2 / (time.perf_counter() - started)


def _end_to_end(model: Path, scene: Path, precision: str, tiles: int) -> float:
    """Pixels a second of a whole run in its steady state."""
    config = _config(model, scene, "openvino", precision)
    with tempfile.TemporaryDirectory() as folder:
        found = measure(config, Path(folder, "run"), tiles)
    return found.speed.tiles_per_second * CORE**2


def _config(model: Path, scene: Path, runtime: str, precision: str) -> dict[str, Any]:
    settings = {"scale": SCALE, "classes": CLASSES, "runtime": runtime, "precision": precision}
    return {
        "source": {"rasters": str(scene)},
        "model": {"path": str(model), **settings},
        "precision_check": CHECK,
    }


def _agreements(model: Path, scene: Path) -> list[dict[str, Any]]:
    """The share of pixels with the same label, by pair of ways; ways that cannot run are left out."""
    maps = {}
    with tempfile.TemporaryDirectory() as folder:
        for runtime, precision in WAYS:
            name = f"{runtime} {precision}"
            if _can_run(name, runtime, precision):
                config = _config(model, scene, runtime, precision)
                run = lc.score(config, output=Path(folder, name.replace(" ", "-")))
                maps[name] = np.asarray(run.map()).squeeze()
    return [
        {
            "name": f"{one} and {other}",
            "same_labels": float((maps[one] == maps[other]).mean()),
            "same_labels_inside": float((_inside(maps[one]) == _inside(maps[other])).mean()),
        }
        for one, other in combinations(maps, 2)
    ]


def _inside(codes: Any) -> Any:
    """The labels of windows that reach nowhere beyond the scene."""
    rows, cols = (slice(CORE, (extent - HALO) // CORE * CORE) for extent in codes.shape)
    return codes[rows, cols]


def _named(precision: str) -> str:
    return f"landcover, {precision}"


def _speeds(found: dict[str, list[float]]) -> Iterator[dict[str, Any]]:
    alone = found.get(_ALONE, [])
    for precision, goal in GOALS.items():
        ratios = [
            ours / theirs
            for ours, theirs in zip(found.get(_named(precision), []), alone, strict=False)
        ]
        if ratios:
            ratio = middle(ratios)
            yield claim(f"end to end in {precision} / CNTK alone, pixels a second", ratio, "", goal)
    pairs = zip(found.get(_named("i8"), []), found.get(_named("bf16"), []), strict=False)
    if ratios := [ours / theirs for ours, theirs in pairs]:
        yield claim("end to end, i8 / bf16", middle(ratios), "", OVER_BF16)


def _labels(same: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for lower, goal in ((False, SAME_F32), (True, SAME_BF16)):
        pairs = [row for row in same if ("bf16" in row["name"]) == lower]
        if not pairs:
            continue
        named = "bf16 and f32" if lower else "f32 in any two runtimes"
        inside = min(row["same_labels_inside"] for row in pairs)
        yield claim(f"equal labels inside the scene, {named}", inside, "", goal)
        whole = min(row["same_labels"] for row in pairs)
        yield claim(f"equal labels, rim included, {named}", whole, "")


def _enlarged(scene: Path, tiles: int, folder: Path) -> Path:
    """Copies of a scene, mirrored so that they meet without an edge, in one tiled GeoTIFF."""
    edge = ceil(sqrt(tiles)) * CORE
    path = folder / f"{scene.stem}-{edge}.tif"
    if path.exists():
        return path
    folder.mkdir(parents=True, exist_ok=True)
    with rasterio.open(scene) as file:
        pixels, profile = file.read(), file.profile
    margins = [(0, max(0, edge - extent)) for extent in pixels.shape[1:]]
    wide = np.pad(pixels, ((0, 0), *margins), mode="symmetric")[:, :edge, :edge]
    profile |= {"height": edge, "width": edge, "tiled": True, "compress": "deflate"}
    profile |= {"blockxsize": 512, "blockysize": 512}
    with rasterio.open(path, "w", **profile) as file:
        file.write(wide)
    return path


if __name__ == "__main__":
    main()
