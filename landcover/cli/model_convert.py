"""``landcover model convert``: a CNTK or ONNX model as an ONNX file."""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np

from landcover.cli.model_head import head_option
from landcover.cli.saying import say
from landcover.config import ModelSettings, checked
from landcover.models.export import as_onnx, save_onnx, with_preprocessing


@click.command()
@click.argument("file")
@click.argument("out", type=click.Path(dir_okay=False, path_type=Path))
@head_option
@click.option(
    "--with-preprocessing",
    "whole",
    is_flag=True,
    help="Put the steps that the sidecar names inside: pixels go in, probabilities come out.",
)
@click.option(
    "--pixels",
    type=click.Choice(["uint8", "uint16", "float32"]),
    default="uint8",
    show_default=True,
    help="Type of the pixels that go in; with --with-preprocessing only.",
)
@click.option("--force", is_flag=True, help="Replace OUT if it is there already.")
def convert(
    file: str, out: Path, head: str | int | None, whole: bool, pixels: str, force: bool
) -> None:
    """Write the network in FILE (CNTK, or one output of an ONNX file) to OUT, an ONNX file."""
    network = as_onnx(file, head)
    if whole:
        settings = checked(ModelSettings, {"path": file, "head": head})
        network = with_preprocessing(network, settings, np.dtype(pixels))
    save_onnx(network, out, force)
    ends = ", ".join(value.name for value in (*network.graph.input, *network.graph.output))
    size = out.stat().st_size
    say(f"{out}: {len(network.graph.node)} operations, {size:,} bytes ({ends})")
