"""What does it bring to compute only what is written?

    python -m benchmarks.crop MODEL --scale 0.00390625

MODEL is a network that labels pixels, in a file of CNTK or ONNX. In rounds, each in a process of its
own: the network as its file says it, and the network without what its labels do not need, on the same
windows in memory. Pixels are those that get a label. Writes results/crop.json.
"""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import click
import numpy as np

from benchmarks.measuring import apart, claim, in_rounds, middle
from benchmarks.record import write_results
from landcover.config import ModelSettings
from landcover.machine import usable_cpus
from landcover.models.model import open_model
from landcover.models.recipe import make_recipe

GOAL = 1.2


@click.command()
@click.argument("model", type=click.Path(exists=True, path_type=Path))
@click.option("--scale", default=1.0, show_default=True, help="Of the model's pixels.")
@click.option("--runtime", default="openvino", show_default=True)
@click.option("--batch", default=8, show_default=True)
@click.option("--seconds", default=10.0, show_default=True, help="Of each, a round.")
@click.option("--repeats", default=3, show_default=True, help="Rounds; medians count.")
def main(model: Path, scale: float, runtime: str, batch: int, seconds: float, repeats: int) -> None:
    """Measure MODEL with and without what its labels do not need."""
    told = ModelSettings(path=str(model), scale=scale, runtime=runtime)
    ways = {
        name: partial(apart, _speed, told, whole, batch, seconds)
        for name, whole in (("as in its file", True), ("only what is written", False))
    }
    found = in_rounds(ways, repeats)
    rows: list[dict[str, Any]] = [
        {
            "name": name,
            "pixels_per_second": middle([one["pixels_per_second"] for one in each]),
            "multiply_adds": each[0]["multiply_adds"],
            "all": [one["pixels_per_second"] for one in each],
        }
        for name, each in found.items()
    ]
    whole, less = ([one["pixels_per_second"] for one in each] for each in found.values())
    ratio = middle([b / a for a, b in zip(whole, less, strict=True)])
    question = f"{model.stem}: only what is written / all of the window, f32, pixels a second"
    claims = [claim(question, ratio, "", GOAL)]
    for row in rows:
        click.echo(f"{row['name']:24} {row['pixels_per_second']:12,.0f} pixels/s")
    click.echo(f"{ratio:.3f}")
    conditions = {"batch": batch, "repeats": repeats, "threads": usable_cpus(), "runtime": runtime}
    libraries = ["openvino", "onnxruntime", "numpy"]
    click.echo(write_results("crop", rows, libraries, claims=claims, conditions=conditions))


def _speed(told: ModelSettings, whole: bool, batch: int, seconds: float) -> dict[str, Any]:
    """Labelled pixels a second of windows in memory; to be called in a new process."""
    place = f"landcover.models.runtimes.{told.runtime}.cropped"
    with mock.patch(place, return_value=None) if whole else mock.MagicMock():
        model = open_model(make_recipe(told), usable_cpus())
        shape = (batch, len(model.recipe.bands), *model.recipe.input_size)
        pixels = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
        labelled = model.network.run(pixels)[:, 0].size
    started, done = time.perf_counter(), 0
    while time.perf_counter() - started < seconds:
        model.network.run(pixels)
        done += labelled
    speed = done / (time.perf_counter() - started)
    arithmetic = model.arithmetic
    counted = None if arithmetic is None else arithmetic.computed
    return {"pixels_per_second": speed, "multiply_adds": counted}


if __name__ == "__main__":
    main()
