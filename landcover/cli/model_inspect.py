"""``landcover model inspect``: what is in a model file, and what its sidecar needs."""

from __future__ import annotations

import json

import click

from landcover.cli.model_head import head_option
from landcover.cli.saying import say, say_lines
from landcover.cli.tables import new_table, show
from landcover.models.graph_analysis.onnx_layers import Layer
from landcover.models.inspection.description import Port
from landcover.models.inspection.inspection import Inspection, inspect_model


@click.command()
@click.argument("file")
@head_option
@click.option(
    "--window",
    type=click.IntRange(1),
    default=256,
    show_default=True,
    help="Rows and columns to compute with, for a network that reads any.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def inspect(file: str, head: str | int | None, window: int, as_json: bool) -> None:
    """Say what is in FILE: inputs, outputs, layers, and what its sidecar needs.

    FILE is a model of CNTK, ONNX, Keras or TensorFlow. The receptive field of an output is how
    many pixels of the window one of its labels can depend on.
    """
    found = inspect_model(file, head, window)
    if as_json:
        say(json.dumps(found.as_dict(), indent=2, ensure_ascii=False))
        return
    _tell(found)


def _tell(found: Inspection) -> None:
    network = found.network
    say_lines(f"file      {found.path}, {found.size:,} bytes, SHA-256 {found.digest[:12]}...")
    say_lines(f"format    {found.written_by} ({found.format})")
    for port in network.inputs:
        say_lines(f"input     {_port(port)}")
    for port in network.outputs:
        say_lines(f"output    {_port(port)}{_field(port, network.window)}")
    for note in network.notes:
        say_lines(f"note      {note}")
    for name, count in network.not_numbers.items():
        say_lines(f"NaN       {name!r} holds {count:,} NaN: the training diverged")
    if network.layers:
        _tell_layers(found)
    if network.refusal:
        say_lines(f"\nThis network cannot be run: {network.refusal}")
    _tell_sidecar(found)


def _port(port: Port) -> str:
    shape = "of unknown shape" if port.shape is None else _shape(port.shape)
    return f"{port.name!r} {shape}" + (f" {port.dtype}" if port.dtype else "")


def _shape(shape: tuple[int | None, ...]) -> str:
    return f"({', '.join('any' if extent is None else str(extent) for extent in shape)})"


def _field(port: Port, window: tuple[int, ...]) -> str:
    if port.field is None:
        return "; its receptive field is not known"
    rows, columns = port.field
    whole = len(window) > 2 and set(port.field) <= set(window)
    return f"; receptive field {rows} x {columns} pixels" + (", all of the window" if whole else "")


def _tell_layers(found: Inspection) -> None:
    table = new_table(("layer", "operation", "output"), ("parameters", "multiply-adds"))
    for layer in found.network.layers:
        table.add_row(layer.name, layer.operation, *_numbers(layer))
    window = _shape(found.network.window)
    total = _count(found.multiply_adds)
    table.add_row(f"{len(found.network.layers)} layers", "", "", f"{found.parameters:,}", total)
    say_lines(f"\nlayers for an input of {window}:")
    show(table)


def _numbers(layer: Layer) -> tuple[str, str, str]:
    shape = "" if layer.shape is None else _shape(layer.shape)
    parameters = f"{layer.parameters:,}" if layer.parameters else ""
    return shape, parameters, _count(layer.multiply_adds) if layer.multiply_adds != 0 else ""


def _count(number: int | None) -> str:
    return "not known" if number is None else f"{number:,}"


def _tell_sidecar(found: Inspection) -> None:
    proposal = found.proposal
    if proposal is None:
        return
    if proposal.refusal:
        say_lines(f"\nIt cannot be tried yet: {proposal.refusal}")
    if proposal.exists:
        say_lines(f"\nsidecar   {proposal.path}, which with what was found means:")
    else:
        unknown = f"only you can tell: {', '.join(proposal.missing)}"
        told = unknown if proposal.missing else "the file itself tells what it has to"
        say_lines(f"\nno sidecar yet; {told}. Save as {proposal.path}:")
    say_lines(f"\n{proposal.text.rstrip()}")
