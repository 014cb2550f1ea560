"""What does a larger window bring, of a network that takes any?

    python -m benchmarks.windows --repeats 3

A small U-Net with random weights and free extents is told a halo of 32. In rounds, each in a process of
its own, it labels noise in memory: in windows of 256 pixels, in such windows that are computed as a whole (and
not only what is written of them), and in the window that a run chooses where nothing tells one. Pixels are those that get a label. Writes results/windows.json.
"""

from __future__ import annotations

import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import click
import numpy as np
import onnx
from onnx import helper, numpy_helper

from benchmarks import workloads
from benchmarks.measuring import apart, claim, in_rounds, middle
from benchmarks.record import write_results
from landcover.config import Config, load_config
from landcover.machine import usable_cpus
from landcover.models.model import open_model
from landcover.models.runtimes import openvino
from landcover.scoring.plan import as_written
from landcover.scoring.tuning import tuned
from landcover.scoring.window import recipe_of

HALO, GOAL = 32, 1.5


@click.command()
@click.option("--seconds", default=8.0, show_default=True, help="Of each, a round.")
@click.option("--repeats", default=3, show_default=True, help="Rounds; medians count.")
@click.option("--folder", default=workloads.FOLDER, type=click.Path(path_type=Path))
def main(seconds: float, repeats: int, folder: Path) -> None:
    """Measure both windows."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "unet-free.onnx"
    onnx.save(network(), str(path))
    ways = {
        name: partial(apart, _speed, str(path), tile, seconds, whole)
        for name, tile, whole in (
            *(("256", 256, False), ("256, all of it", 256, True)),
            ("chosen", None, False),
        )
    }
    ways["chosen"]()  # the choice itself is made once a host
    found = in_rounds(ways, repeats)
    rows: list[dict[str, Any]] = [
        {
            "name": name,
            "window": each[0]["window"],
            "pixels_per_second": middle([one["pixels_per_second"] for one in each]),
            "all": [one["pixels_per_second"] for one in each],
        }
        for name, each in found.items()
    ]
    rounds = list(zip(*(row["all"] for row in rows), strict=True))
    question = "a network of free extents, halo 32: window chosen / 256, pixels a second"
    claims = [
        claim(question, middle([chosen / told for told, _, chosen in rounds]), "", GOAL),
        claim(
            f"{question}, all of which is computed",
            middle([chosen / whole for _, whole, chosen in rounds]),
            "",
        ),
    ]
    for row in rows:
        click.echo(f"{row['name']:15} {row['window']:6} {row['pixels_per_second']:12,.0f} pixels/s")
    for one in claims:
        click.echo(f"{one['question']:90} {one['reached']:.3f}")
    conditions = {"repeats": repeats, "threads": usable_cpus(), "halo": HALO}
    click.echo(
        write_results("windows", rows, ["openvino", "numpy"], claims=claims, conditions=conditions)
    )


def _speed(path: str, tile: int | None, seconds: float, whole: bool) -> dict[str, Any]:
    """Labelled pixels a second of a window in memory; to be called in a new process.

    Args:
        path: of the network.
        tile: the edge of the window; None: as a run chooses it.
        seconds: to measure for.
        whole: all of a window is computed.
    """
    if whole:
        openvino.cropped = lambda model: None
    with tempfile.TemporaryDirectory() as folder:
        config = _config(path, tile, folder)
        recipe = as_written(config.source, recipe_of(config, here=True))
    model = open_model(recipe, usable_cpus())
    model.recipe = tuned(model, usable_cpus())
    shape = (model.batch, len(recipe.bands), *recipe.input_size)
    pixels = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    labelled = model.network.run(pixels)[:, 0].size
    started, done = time.perf_counter(), 0
    while time.perf_counter() - started < seconds:
        model.network.run(pixels)
        done += labelled
    speed = done / (time.perf_counter() - started)
    return {"pixels_per_second": speed, "window": recipe.input_size[0]}


def _config(path: str, tile: int | None, folder: str) -> Config:
    source = {"rasters": ["none.tif"], "halo": HALO, **({"tile": tile} if tile else {})}
    model = {"path": path, "runtime": "openvino", "scale": 1 / 255}
    return load_config({"source": source, "model": model, "output": {"path": f"{folder}/run"}})


def network() -> onnx.ModelProto:
    """Four bands to five classes by pixels within 22: twice halved, and joined again."""
    rng = np.random.default_rng(0)
    nodes: list[onnx.NodeProto] = []
    weights: list[onnx.TensorProto] = []

    def add(kind: str, inputs: list[str], shape: tuple[int, ...] = (), **told: Any) -> str:
        name = f"t{len(nodes)}"
        if shape:
            values = rng.normal(0, (2 / np.prod(shape[1:])) ** 0.5, shape).astype(np.float32)
            weights.append(numpy_helper.from_array(values, f"w{name}"))
            inputs = [*inputs, f"w{name}"]
        nodes.append(helper.make_node(kind, inputs, [name], name, **told))
        return name

    def conv(source: str, given: int, maps: int) -> str:
        return add("Relu", [add("Conv", [source], (maps, given, 3, 3), pads=[1, 1, 1, 1])])

    half: dict[str, Any] = {"kernel_shape": [2, 2], "strides": [2, 2]}
    first = conv(conv("image", 4, 16), 16, 16)
    second = conv(add("MaxPool", [first], **half), 16, 32)
    third = conv(conv(add("MaxPool", [second], **half), 32, 64), 64, 64)
    joined = add("Concat", [add("ConvTranspose", [third], (64, 32, 2, 2), **half), second], axis=1)
    back = conv(joined, 64, 32)
    joined = add("Concat", [add("ConvTranspose", [back], (32, 16, 2, 2), **half), first], axis=1)
    add("Conv", [conv(joined, 32, 16)], (5, 16, 1, 1))
    nodes[-1].output[0] = "scores"
    graph = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info("image", 1, ["n", 4, "height", "width"])],
        [helper.make_tensor_value_info("scores", 1, ["n", 5, "rows", "columns"])],
        weights,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


if __name__ == "__main__":
    main()
