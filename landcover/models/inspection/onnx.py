"""What is in an ONNX network."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import onnx
from onnx import helper

from landcover.models.graph_analysis.onnx_layers import layers_of, not_numbers, shapes_of
from landcover.models.graph_analysis.receptive_field import receptive_fields
from landcover.models.inspection.description import NetworkDescription, Port, fixed_shape

_IMAGE_RANKS = (3, 4)


def describe_onnx(model: onnx.ModelProto, window: int) -> NetworkDescription:
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
        return NetworkDescription(inputs, refusal=f"reads no batch of images; its inputs: {listed}")
    fixed = {port.name: fixed_shape(port.shape, window) for port in (images[0], *inputs)}
    shapes = shapes_of(model, fixed)
    fields = receptive_fields(model, fixed, space_axes(fixed[images[0].name]))
    outputs = tuple(
        dataclasses.replace(_port(v), shape=shapes.get(v.name), field=fields.get(v.name))
        for v in model.graph.output
    )
    layers = tuple(layers_of(model, fixed))
    shape = fixed[images[0].name]
    return NetworkDescription(
        inputs, outputs, layers, shape, not_numbers(model), _arithmetic(model, images[0])
    )


def space_axes(shape: Sequence[int]) -> tuple[int, int]:
    """Which axes of an image batch are rows and columns: the bands are the smaller of the rest."""
    if len(shape) == 3:
        return 1, 2
    return (1, 2) if shape[3] < shape[1] else (2, 3)


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
