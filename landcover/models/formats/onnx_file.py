"""ONNX files: read whole with their weights, and refused where one look tells what they would do.

Weights may lie in other files; those must be regular files of the model's own folder. What a network
would take before it has seen a pixel (constants that nodes grow, loops, chains of operations that
libraries walk by recursion) is bounded here, so that no library has to find out.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import onnx
from google.protobuf.message import DecodeError
from onnx import TensorProto, helper, numpy_helper

from landcover.errors import ModelError

# Numbers in one tensor: half a gigabyte of float32, 11,585 x 11,585 pixels of one band.
_MOST_NUMBERS: Final = 2**27
# Operations on the longest way through a network; OpenVINO walks it by recursion, and ends the
# process at 30,000. The deepest networks for images have some 1,000.
_LONGEST_WAY: Final = 10_000
# Turns of loops within loops, all together.
_MOST_TURNS: Final = 1_000_000
# Versions of a set of operators; libraries look through all that came before. ONNX is at 26.
_LATEST: Final = 1_000
_LOOPS: Final = ("Loop", "Scan", "SequenceMap")


def read_onnx(path: Path, shown: str) -> onnx.ModelProto:
    """A model with all of its weights.

    Args:
        path: the file.
        shown: the model's name in messages.

    Raises:
        ModelError: it cannot be decoded, keeps weights where it must not, or would exhaust the host.
    """
    model = _parsed(path, shown)
    with valid_onnx(shown):
        for tensor in _tensors(model):
            if tensor.data_location == TensorProto.EXTERNAL:
                _fetch(tensor, path, shown)
        _check_bounds(model, shown)
    return model


def weight_files(path: Path, shown: str) -> set[Path]:
    """The files beside an ONNX file that hold some of its weights.

    Raises:
        ModelError: as :func:`read_onnx`.
    """
    model = _parsed(path, shown)
    with valid_onnx(shown):
        found = {
            _place(tensor, path, shown)[0]
            for tensor in _tensors(model)
            if tensor.data_location == TensorProto.EXTERNAL
        }
        _check_bounds(model, shown)
    return found


@contextmanager
def valid_onnx(shown: str) -> Iterator[None]:
    """What the library of ONNX complains of, as a sentence about the file.

    Raises:
        ModelError: in place of the library's own errors, which have no root in common.
    """
    try:
        yield
    except ModelError:
        raise
    except (
        onnx.checker.ValidationError,
        onnx.shape_inference.InferenceError,
        *(DecodeError, ValueError, TypeError, KeyError, IndexError, AttributeError, RuntimeError),
    ) as error:
        reason = next(iter(str(error).splitlines()), "") or type(error).__name__
        raise ModelError(shown, f"is not valid ONNX: {reason}") from error


def _parsed(path: Path, shown: str) -> onnx.ModelProto:
    try:
        return onnx.ModelProto.FromString(path.read_bytes())
    except DecodeError:
        raise ModelError(shown, "begins like an ONNX model but cannot be decoded") from None


def _graphs(model: onnx.ModelProto) -> Iterator[onnx.GraphProto | onnx.FunctionProto]:
    """Every graph of a model: its own, those inside of nodes, of functions and for training."""
    waiting: list[Any] = [model.graph, *model.functions]
    waiting += [g for info in model.training_info for g in (info.initialization, info.algorithm)]
    while waiting:
        graph = waiting.pop()
        yield graph
        for node in graph.node:
            waiting += _inner(node)


def _inner(node: onnx.NodeProto) -> list[onnx.GraphProto]:
    """The graphs inside of a node."""
    found = []
    for attribute in node.attribute:
        found += [attribute.g] if attribute.HasField("g") else []
        found += attribute.graphs
    return found


def _tensors(model: onnx.ModelProto) -> Iterator[onnx.TensorProto]:
    """Every tensor of a model, wherever it sits."""
    for graph in _graphs(model):
        if isinstance(graph, onnx.GraphProto):
            yield from graph.initializer
            yield from _of_sparse(graph.sparse_initializer)
        for node in graph.node:
            for attribute in node.attribute:
                yield from [attribute.t] if attribute.HasField("t") else []
                yield from attribute.tensors
                yield from _of_sparse(attribute.sparse_tensors)
                yield from _of_sparse([attribute.sparse_tensor])
        if isinstance(graph, onnx.FunctionProto):
            for attribute in graph.attribute_proto:
                yield from [attribute.t] if attribute.HasField("t") else []


def _of_sparse(tensors: Any) -> Iterator[onnx.TensorProto]:
    for tensor in tensors:
        yield tensor.values
        yield tensor.indices


def _place(tensor: onnx.TensorProto, path: Path, shown: str) -> tuple[Path, int, int | None]:
    """The file that holds a tensor, where it begins in it, and how many bytes it takes."""
    told = {entry.key: entry.value for entry in tensor.external_data}
    name = told.get("location", "")
    if not name or len(told) < len(tensor.external_data):
        raise ModelError(shown, f"does not say clearly where its weight {tensor.name!r} lies")
    file = path.parent / name
    # Caches of hubs are links to files that lie together elsewhere: where they lead is what counts.
    homes = path.parent.resolve(), path.resolve().parent
    outside = Path(name).is_absolute() or ".." in Path(name).parts
    if outside or not any(file.resolve().is_relative_to(home) for home in homes):
        raise ModelError(shown, f"keeps weights outside its folder, in {name!r}")
    if not file.exists():
        raise ModelError(shown, f"keeps weights in {name!r}, which is not beside it")
    if not file.is_file():
        raise ModelError(shown, f"keeps weights in {name!r}, which is no regular file")
    length = told.get("length")
    return file, int(told.get("offset", 0)), None if length is None else int(length)


def _fetch(tensor: onnx.TensorProto, path: Path, shown: str) -> None:
    """Read a tensor that lies in another file."""
    file, start, length = _place(tensor, path, shown)
    item = helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize
    needed = _count(tensor.dims) * item
    packed = tensor.data_type in (TensorProto.INT4, TensorProto.UINT4)
    taken = length if length is not None else needed
    there = file.stat().st_size
    if start < 0 or taken < 0 or start + taken > there or not (packed or taken == needed):
        raise ModelError(
            shown,
            f"its weight {tensor.name!r} should take {needed:,} bytes from byte {start:,} of "
            f"{file.name!r}, which holds {there:,}",
        )
    with file.open("rb") as stream:
        stream.seek(start)
        tensor.raw_data = stream.read(taken)
    tensor.data_location = TensorProto.DEFAULT
    del tensor.external_data[:]


def _count(dims: Any) -> int:
    return math.prod(max(int(dim), 0) for dim in dims)


def _check_bounds(model: onnx.ModelProto, shown: str) -> None:
    for opset in (*model.opset_import, *(o for f in model.functions for o in f.opset_import)):
        if not 0 <= opset.version <= _LATEST:
            reason = f"is of operators of version {opset.version:,}, which there are not"
            raise ModelError(shown, reason)
    for value in model.graph.input:
        dims = [dim.dim_value for dim in value.type.tensor_type.shape.dim]
        _check_size(_count(dim for dim in dims[1:] if dim > 0), f"input {value.name!r}", shown)
    for tensor in _tensors(model):
        _check_size(_count(tensor.dims), f"weight {tensor.name!r}", shown)
    for graph in _graphs(model):
        constants = _constants(graph)
        for node in graph.node:
            _check_grown(node, constants, shown)
        _check_way(graph, shown)
    _check_loops(model.graph, shown)
    for function in model.functions:
        _check_loops(function, shown)


def _check_size(numbers: int, what: str, shown: str) -> None:
    if numbers > _MOST_NUMBERS:
        raise ModelError(
            shown, f"{what} would hold {numbers:,} numbers; the most of one is {_MOST_NUMBERS:,}"
        )


def _constants(graph: Any) -> Mapping[str, onnx.TensorProto]:
    """The tensors of a graph that its file holds, by name."""
    held = {tensor.name: tensor for tensor in getattr(graph, "initializer", ())}
    for node in graph.node:
        if node.op_type == "Constant" and node.attribute and node.attribute[0].HasField("t"):
            held[node.output[0]] = node.attribute[0].t
    return held


# Which input of a node says how large its result is, where it is known: a shape, or factors.
_SHAPES: Final = {"ConstantOfShape": 0, "Expand": 1, "Tile": 1}


def _check_grown(node: onnx.NodeProto, constants: Mapping[str, Any], shown: str) -> None:
    """Refuse a node that makes a huge tensor of a few numbers in the file."""
    label = f"the result of {node.op_type} {node.name or next(iter(node.output), '')!r}"
    at = _SHAPES.get(node.op_type)
    if at is not None and at < len(node.input):
        _check_size(_count(_numbers(constants.get(node.input[at]))), label, shown)
    if node.op_type == "Range" and len(node.input) == 3:
        start, limit, step = (_numbers(constants.get(name)) for name in node.input)
        if start and limit and step and step[0]:
            _check_size(int(abs((limit[0] - start[0]) / step[0])), label, shown)
    if node.op_type in ("RandomNormal", "RandomUniform"):
        shape = next((a.ints for a in node.attribute if a.name == "shape"), ())
        _check_size(_count(shape), label, shown)


def _numbers(tensor: onnx.TensorProto | None) -> list[float]:
    if tensor is None or _count(tensor.dims) > 64:
        return []
    if tensor.data_location == TensorProto.EXTERNAL:
        return []
    return [float(number) for number in numpy_helper.to_array(tensor).reshape(-1)]


def _check_way(graph: Any, shown: str) -> None:
    """Refuse a chain of operations that is longer than what libraries can walk."""
    steps: dict[str, int] = {}
    for node in graph.node:
        way = 1 + max((steps.get(name, 0) for name in node.input), default=0)
        if way > _LONGEST_WAY:
            raise ModelError(
                shown,
                f"is a chain of more than {_LONGEST_WAY:,} operations, one after the other: no "
                "network for images is",
            )
        steps.update(dict.fromkeys(node.output, way))


def _check_loops(graph: Any, shown: str) -> None:
    """Refuse loops that turn without end, or too often, as far as the file tells."""
    waiting: list[tuple[Any, int]] = [(graph, 1)]
    while waiting:
        inside, turns = waiting.pop()
        constants = _constants(inside)
        for node in inside.node:
            times = turns
            if node.op_type in _LOOPS:
                told = _numbers(constants.get(node.input[0])) if len(node.input) else []
                endless = node.op_type == "Loop" and not (node.input and node.input[0])
                # Where the number is computed, loops within that loop are not accepted.
                times *= int(told[0]) if node.op_type == "Loop" and told else 1_001
                if endless or times > _MOST_TURNS:
                    raise ModelError(
                        shown,
                        f"holds a loop {node.name!r} that may turn more than {_MOST_TURNS:,} times: "
                        "no network for images needs it",
                    )
            waiting += [(inner, times) for inner in _inner(node)]
