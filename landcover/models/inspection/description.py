"""What a format tells of its network: the same words for all formats."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from landcover.errors import ModelError
from landcover.models.graph_analysis.onnx_layers import Layer
from landcover.models.preprocessing.specification import Shape


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
class NetworkDescription:
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


def fixed_shape(shape: Shape | None, window: int) -> tuple[int, ...]:
    """A shape without free extents: one image, and the given rows and columns."""
    if not shape:
        return ()
    return tuple(
        (window if at else 1) if extent is None else extent for at, extent in enumerate(shape)
    )


def refused(
    inputs: tuple[Port, ...], notes: tuple[str, ...], error: ModelError, nan: dict[str, int]
) -> NetworkDescription:
    """What is left to tell of a network that cannot be run."""
    return NetworkDescription(inputs, not_numbers=nan, notes=notes, refusal=error.reason)
