"""What is in a model file: inputs, outputs, layers, receptive field, and what a sidecar needs."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from onnx import helper

from landcover.errors import ModelError
from landcover.models.fetch import local_path, shown
from landcover.models.formats import ModelFile, detect
from landcover.models.layers import Layer, layers_of, not_numbers, shapes_of
from landcover.models.proposal import Proposal, propose
from landcover.models.receptive_field import receptive_fields
from landcover.models.wrapping import Shape
from landcover.models.writers import written_by

_IMAGE_RANKS = (3, 4)


@dataclass(frozen=True)
class Port:
    """An input or output.

    Args:
        name: in the file.
        shape: the batch first; None for a free extent. For outputs that of one window.
        dtype: as numpy names it.
        field: of an output: how many rows and columns of pixels one of its labels depends on at
            most; None where it is not known, or for an input.
    """

    name: str
    shape: Shape | None
    dtype: str | None
    field: tuple[int, int] | None = None


@dataclass(frozen=True)
class Insides:
    """What a format tells of its network.

    Args:
        inputs, outputs: in the order of the file.
        layers: in the order in which they are computed.
        window: the shape of the image input that layers and outputs were computed for.
        not_numbers: how many NaN a weight holds, by weight.
        notes: what else is worth knowing, a sentence each.
        refusal: why the network cannot be run; None if nothing is known against it.
    """

    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...] = ()
    layers: tuple[Layer, ...] = ()
    window: tuple[int, ...] = ()
    not_numbers: dict[str, int] = dataclasses.field(default_factory=dict)
    notes: tuple[str, ...] = ()
    refusal: str | None = None


@dataclass(frozen=True)
class Inspection:
    """All that is found out about a model file.

    Args:
        path: as it was asked for.
        format: see :data:`landcover.models.formats.Format`.
        written_by: the format in words, with the version of what wrote it.
        size: bytes of all its files.
        digest: SHA-256 of its content.
        insides: its network.
        proposal: for its sidecar; None where the network cannot be run.
    """

    path: str
    format: str
    written_by: str
    size: int
    digest: str
    insides: Insides
    proposal: Proposal | None

    @property
    def parameters(self) -> int:
        """How many numbers the network holds."""
        return sum(layer.parameters for layer in self.insides.layers)

    @property
    def multiply_adds(self) -> int | None:
        """For one image; None where one layer's are not known."""
        counts = [layer.multiply_adds for layer in self.insides.layers]
        return None if None in counts else sum(count for count in counts if count is not None)

    def as_dict(self) -> dict[str, Any]:
        """All of it as plain JSON values."""
        totals = {"parameters": self.parameters, "multiply_adds": self.multiply_adds}
        return {**dataclasses.asdict(self), **totals}


def inspect_model(path: str, head: str | int | None = None, window: int = 256) -> Inspection:
    """Look into a model file.

    A network that cannot be run is still described, as far as it can be read, with the reason.

    Args:
        path: the model, local or an fsspec URL.
        head: the output that counts; default: the one that would be run.
        window: rows and columns to compute shapes for, where the network reads any.

    Raises:
        ModelError: there is no such file, it is damaged, or no model.
        ConfigError: mistakes in its sidecar.
        MissingExtra: a library that reads it is not installed.
    """
    file = detect(local_path(path), shown(path))
    insides = _insides(file, head, window)
    proposal = None
    if insides.refusal is None:
        heads = [output.name for output in insides.outputs]
        proposal = propose(file, path, head, window, heads)
    return Inspection(
        path=shown(path),
        format=file.format,
        written_by=written_by(file),
        size=sum(each.stat().st_size for each in file.files),
        digest=file.digest,
        insides=insides,
        proposal=proposal,
    )


def _insides(file: ModelFile, head: str | int | None, window: int) -> Insides:
    if file.format in ("cntk", "cntk-v1"):
        from landcover.models.cntk.inspection import cntk_insides

        return cntk_insides(file, head, window)
    if file.format == "onnx":
        return onnx_insides(onnx.load(str(file.path)), window)
    from landcover.models.tensorflow_inspection import tensorflow_insides

    return tensorflow_insides(file, head, window)


def onnx_insides(model: onnx.ModelProto, window: int) -> Insides:
    """What an ONNX network tells.

    Args:
        model: the network.
        window: for free extents of rows and columns.
    """
    weights = {tensor.name for tensor in model.graph.initializer}
    inputs = tuple(_port(v) for v in model.graph.input if v.name not in weights)
    images = [port for port in inputs if port.shape and len(port.shape) in _IMAGE_RANKS]
    if not images:
        listed = ", ".join(f"{p.name!r} {p.shape}" for p in inputs) or "none"
        return Insides(inputs, refusal=f"reads no batch of images; its inputs: {listed}")
    fixed = {port.name: fixed_shape(port.shape, window) for port in (images[0], *inputs)}
    shapes = shapes_of(model, fixed)
    fields = receptive_fields(model, fixed, space_axes(fixed[images[0].name]))
    outputs = tuple(
        dataclasses.replace(_port(v), shape=shapes.get(v.name), field=fields.get(v.name))
        for v in model.graph.output
    )
    layers = tuple(layers_of(model, fixed))
    shape = fixed[images[0].name]
    return Insides(
        inputs, outputs, layers, shape, not_numbers(model), _arithmetic(model, images[0])
    )


def space_axes(shape: Sequence[int]) -> tuple[int, int]:
    """Which axes of an image batch are rows and columns: the bands are the smaller of the rest."""
    if len(shape) == 3:
        return 1, 2
    return (1, 2) if shape[3] < shape[1] else (2, 3)


def fixed_shape(shape: Shape | None, window: int) -> tuple[int, ...]:
    """A shape without free extents: one image, and the given rows and columns."""
    if not shape:
        return ()
    return tuple(
        (window if at else 1) if extent is None else extent for at, extent in enumerate(shape)
    )


def _port(value: onnx.ValueInfoProto) -> Port:
    kind = value.type.tensor_type
    dims = kind.shape.dim
    shape = tuple(
        d.dim_value if d.HasField("dim_value") and d.dim_value > 0 else None for d in dims
    )
    dtype = str(np.dtype(helper.tensor_dtype_to_np_dtype(kind.elem_type)))
    return Port(value.name, shape, dtype)


def _arithmetic(model: onnx.ModelProto, image: Port) -> tuple[str, ...]:
    """What the network itself does to pixels first, so that a sidecar must not do it again."""
    value, steps = image.name, []
    constants = {tensor.name for tensor in model.graph.initializer}
    while True:
        users = [node for node in model.graph.node if value in node.input]
        done = len(users) != 1 or users[0].op_type not in ("Sub", "Mul", "Add", "Div")
        if done or not set(users[0].input) <= constants | {value}:
            break
        steps.append(users[0].op_type)
        value = users[0].output[0]
    words = {"Sub": "subtracts", "Mul": "multiplies", "Add": "adds", "Div": "divides"}
    if not steps:
        return ()
    listed = " and ".join(words[step] for step in steps)
    return (f"the network itself {listed} numbers first: mean and scale come before that",)


def refused(
    inputs: tuple[Port, ...], notes: tuple[str, ...], error: ModelError, nan: dict[str, int]
) -> Insides:
    """What is left to tell of a network that cannot be run."""
    return Insides(inputs, not_numbers=nan, notes=notes, refusal=error.reason)
