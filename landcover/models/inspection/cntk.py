"""What is in a CNTK file, also where the network in it cannot be run."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Final

import numpy as np

from landcover.errors import ModelError
from landcover.models.cntk.conversion.converter import to_onnx
from landcover.models.cntk.reader.dictionary import FREE
from landcover.models.cntk.reader.graph import Graph, Output
from landcover.models.cntk.reader.model_file import mapped, read
from landcover.models.cntk.reader.outputs import choose
from landcover.models.formats.detection import ModelFile
from landcover.models.inspection.description import NetworkDescription, Port, refused
from landcover.models.inspection.onnx import describe_onnx

_MOST_OPERATIONS: Final = 8


def describe_cntk(file: ModelFile, head: str | int | None, window: int) -> NetworkDescription:
    """What a CNTK file tells: its inputs, and its network as it is converted.

    Args:
        file: a CNTK file.
        head: the wanted output; by default all that read the same as the one that would be run.
        window: for free extents of rows and columns.

    Raises:
        ModelError: the file is damaged, or has no such output.
    """
    graph = read(mapped(file.path), file.path.name)
    inputs = tuple(_port_of(leaf.label, leaf.shape, leaf.dtype.name) for leaf in graph.inputs)
    notes, nan = _notes(graph), _not_numbers(graph)
    try:
        chosen = choose(graph, head)
    except ModelError as error:
        return refused(inputs, notes, error, nan)
    outputs = [chosen] if head is not None else _alike(graph, chosen)
    try:
        network = describe_onnx(to_onnx(graph, outputs), window)
    except ModelError as error:
        return refused(inputs, notes, error, nan)
    left_out = [o.name for o in graph.outputs if o not in outputs]
    if left_out:
        named = ", ".join(map(repr, left_out[:_MOST_OPERATIONS]))
        notes = (*notes, f"its other outputs: {named}")
    return replace(network, inputs=inputs, not_numbers=nan, notes=(*network.notes, *notes))


def _port_of(name: str, shape: tuple[int, ...], dtype: str) -> Port:
    return Port(name, (None, *(None if extent == FREE else extent for extent in shape)), dtype)


def _notes(graph: Graph) -> tuple[str, ...]:
    kinds = Counter(function.operation for function in graph.functions.values())
    numbers = sum(leaf.tensor.array().size for leaf in graph.leaves.values() if leaf.tensor)
    most = ", ".join(f"{name} x {count}" for name, count in kinds.most_common(_MOST_OPERATIONS))
    more = (
        f" and {len(kinds) - _MOST_OPERATIONS} more kinds" if len(kinds) > _MOST_OPERATIONS else ""
    )
    held = (
        f"the file holds {kinds.total()} operations ({most}{more}) and {numbers:,} numbers; the "
        "layers are those of the converted network, with batch normalization folded into weights"
    )
    return (held,)


def _not_numbers(graph: Graph) -> dict[str, int]:
    counts = {
        leaf.label: int(np.isnan(leaf.tensor.array()).sum())
        for leaf in graph.leaves.values()
        if leaf.tensor is not None
    }
    return {name: count for name, count in counts.items() if count}


def _alike(graph: Graph, chosen: Output) -> list[Output]:
    """The outputs that read what the chosen one reads: losses read labels too."""
    wanted = _read(graph, chosen)
    alike = [output for output in graph.outputs if _read(graph, output) == wanted]
    return alike if chosen in alike else [chosen]


def _read(graph: Graph, output: Output) -> set[str]:
    fed = {ref.uid for function in graph.order([output.ref]) for ref in function.inputs}
    return {leaf.uid for leaf in graph.inputs if leaf.uid in fed}
