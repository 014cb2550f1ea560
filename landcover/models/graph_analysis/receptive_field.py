"""How much of its window a network looks at for one label, read from its graph."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

from landcover.models.formats.onnx_untold import Read, most_made
from landcover.models.formats.sizes import numbers_in
from landcover.models.graph_analysis import pixel_dependencies as pixels
from landcover.models.graph_analysis.onnx_layers import shapes_of
from landcover.models.graph_analysis.pixel_dependencies import Spans
from landcover.models.graph_analysis.sliding_windows import RULES as WINDOWS

log = logging.getLogger(__name__)

Array: TypeAlias = npt.NDArray[Any]

# Operations that put elements elsewhere and compute nothing: ONNX's own reference moves the pixels.
_MOVING: Final = frozenset(
    [
        "Reshape",
        "Flatten",
        "Squeeze",
        "Unsqueeze",
        "Transpose",
        "Slice",
        "Split",
        "Gather",
        "Concat",
        "Expand",
        "Tile",
        "DepthToSpace",
        "SpaceToDepth",
        "Identity",
    ]
)
_REDUCING: Final = frozenset(
    [
        "ReduceMean",
        "ReduceSum",
        "ReduceMax",
        "ReduceMin",
        "ReduceProd",
        "ReduceL1",
        "ReduceL2",
        "ReduceLogSum",
        "ReduceLogSumExp",
        "ReduceSumSquare",
    ]
)
_ALONG_AXIS: Final = frozenset(("Softmax", "LogSoftmax", "Hardmax"))


def receptive_fields(
    model: onnx.ModelProto, window: Mapping[str, Sequence[int]], axes: tuple[int, int]
) -> dict[str, tuple[int, int] | None]:
    """How many rows and columns of pixels an element of each output depends on at most.

    Found by following, operation by operation, which pixels each element can depend on: it holds
    for the structure of the network, whatever its weights, and never exceeds the window.

    Args:
        model: the network.
        window: the shape of every input, without free extents; the first is that of the images.
        axes: which axes of the first input are rows and columns.

    Returns:
        by output; None where an operation hides what depends on what.
    """
    found = dependencies(model, window, axes)
    names = [output.name for output in model.graph.output]
    return {name: pixels.extent(found[name]) if name in found else None for name in names}


def dependencies(
    model: onnx.ModelProto, window: Mapping[str, Sequence[int]], axes: tuple[int, int]
) -> dict[str, Spans]:
    """The pixels that each element of each output depends on; see :func:`receptive_fields`.

    Returns:
        by output; those where an operation hides what depends on what are left out.
    """
    walk = _Walk(model, window)
    image = next(iter(window))
    walk.spans[image] = pixels.of_window(window[image], *axes)
    for node in model.graph.node:
        walk.visit(node)
    return {v.name: walk.spans[v.name] for v in model.graph.output if v.name in walk.spans}


class _Walk:
    """What is known of each tensor: its value, or what its elements depend on."""

    def __init__(self, model: onnx.ModelProto, window: Mapping[str, Sequence[int]]) -> None:
        self.values: dict[str, Array] = {
            tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer
        }
        self.spans: dict[str, Spans] = {
            name: pixels.of_nothing(shape) for name, shape in window.items()
        }
        self._shapes = shapes_of(model, window)
        self._opsets = model.opset_import

    def visit(self, node: onnx.NodeProto) -> None:
        """Find out about what a node makes."""
        live = [name for name in node.input if name in self.spans]
        unknown = [n for n in node.input if n and n not in self.spans and n not in self.values]
        if unknown:
            return
        try:
            self._follow(node, live)
        except (ValueError, KeyError, IndexError, TypeError, RuntimeError) as error:
            log.debug("receptive field: %s %s: %s", node.op_type, node.name, error)
            self._give_up(node, live)

    def _follow(self, node: onnx.NodeProto, live: Sequence[str]) -> None:
        if not live:
            self.values.update(self._evaluated(node, {}))
        elif node.op_type in ("Shape", "Size"):
            shape = np.array(self.spans[live[0]].shape[1:], np.int64)
            start, end = _attribute(node, "start", 0), _attribute(node, "end", None)
            whole = np.array(shape.prod(), np.int64)
            self.values[node.output[0]] = shape[start:end] if node.op_type == "Shape" else whole
        elif self._moves(node):
            self.spans.update(self._moved(node, live))
        else:
            found = self._computed(node, [self.spans[name] for name in live])
            self.spans.update({name: found for name in node.output if name})

    def _moves(self, node: onnx.NodeProto) -> bool:
        nearest = node.op_type in ("Resize", "Upsample") and (
            _attribute(node, "mode", b"nearest") == b"nearest"
        )
        return node.op_type in _MOVING or nearest

    def _moved(self, node: onnx.NodeProto, live: Sequence[str]) -> dict[str, Spans]:
        planes = []
        for plane in range(4):
            feeds = {name: self.spans[name][plane] for name in live}
            if node.op_type == "Concat":
                # Weights among what is joined depend on no pixel.
                weights = [name for name in node.input if name not in feeds]
                feeds |= {n: np.full(self.values[n].shape, pixels.NOTHING) for n in weights}
            planes.append(self._evaluated(node, feeds))
        return {name: np.stack([plane[name] for plane in planes]) for name in planes[0]}

    def _evaluated(self, node: onnx.NodeProto, feeds: Mapping[str, Array]) -> dict[str, Array]:
        """The node's results by ONNX's reference implementation."""
        from onnx.reference import ReferenceEvaluator  # imports hundreds of modules

        inputs = {name: feeds.get(name, self.values.get(name)) for name in node.input if name}
        self._check_made(node, inputs.values())
        outputs = [name for name in node.output if name]
        given, made = ([onnx.ValueInfoProto(name=n) for n in each] for each in (inputs, outputs))
        graph = helper.make_graph([node], "one", given, made)
        one = helper.make_model(graph, opset_imports=self._opsets)
        return dict(zip(outputs, ReferenceEvaluator(one).run(None, inputs), strict=True))

    def _check_made(self, node: onnx.NodeProto, inputs: Iterable[Any]) -> None:
        """Refuse what makes too much, or what nobody can tell how much."""
        read = [Read(np.shape(each), np.size(each)) for each in inputs]
        for name in node.output:
            extents = self._shapes.get(name)
            made = most_made(node, None, read) if extents is None else numbers_in(extents)
            if made is None:
                raise ValueError("makes any number of elements")
            pixels.check_followed([made])

    def _computed(self, node: onnx.NodeProto, live: Sequence[Spans]) -> Spans:
        if node.op_type in WINDOWS:
            constants = [self.values.get(name) for name in node.input[1:]]
            found = WINDOWS[node.op_type](node, live[0], constants)
        elif node.op_type in _RULES:
            found = _RULES[node.op_type](self, node)
        else:
            found = _broadcast(live)
        expected = self._shapes.get(node.output[0])
        if expected is not None and expected != found.shape[1:]:
            # A constant may be the larger of two that are combined element by element.
            others = [self.values[name] for name in node.input if name in self.values]
            found = _broadcast([*live, *(pixels.of_nothing(other.shape) for other in others)])
        if expected is not None and expected != found.shape[1:]:
            raise ValueError(f"results in {expected}, not {found.shape[1:]}")
        return found

    def _give_up(self, node: onnx.NodeProto, live: Sequence[str]) -> None:
        """An operation that is none of those known: a result may depend on everything it reads."""
        parts = [self.spans[name].reshape(4, -1).min(axis=1) for name in live]
        for name in node.output:
            expected = self._shapes.get(name)
            if parts and expected is not None:
                whole = np.stack(parts).min(axis=0).reshape(4, *[1] * len(expected))
                self.spans[name] = np.broadcast_to(whole, (4, *expected))

    def reduced(self, node: onnx.NodeProto) -> Spans:
        """Reductions: the axes are an attribute, or since opset 13 or 18 an input."""
        source = self.spans[node.input[0]]
        axes = _attribute(node, "axes", None)
        if axes is None and len(node.input) > 1 and node.input[1]:
            axes = self.values[node.input[1]].tolist()
        rank = source.ndim - 1
        if not axes and _attribute(node, "noop_with_empty_axes", 0):
            return source
        whole = [axis % rank for axis in axes] if axes else list(range(rank))
        found = pixels.union(source, whole)
        if _attribute(node, "keepdims", 1):
            return found
        return found.squeeze(tuple(axis + 1 for axis in whole))

    def along_axis(self, node: onnx.NodeProto) -> Spans:
        """Softmax and its like: each result depends on all elements along an axis."""
        source = self.spans[node.input[0]]
        axis = _attribute(node, "axis", -1) % (source.ndim - 1)
        return np.broadcast_to(pixels.union(source, [axis]), source.shape)

    def over_space(self, node: onnx.NodeProto) -> Spans:
        """Normalization of each channel by all of its elements."""
        source = self.spans[node.input[0]]
        return np.broadcast_to(pixels.union(source, range(2, source.ndim - 1)), source.shape)

    def over_all(self, node: onnx.NodeProto) -> Spans:
        """Normalization by everything of a sample but the batch."""
        source = self.spans[node.input[0]]
        return np.broadcast_to(pixels.union(source, range(1, source.ndim - 1)), source.shape)

    def pooled(self, node: onnx.NodeProto) -> Spans:
        """Global pooling."""
        source = self.spans[node.input[0]]
        return pixels.union(source, range(2, source.ndim - 1))

    def product(self, node: onnx.NodeProto) -> Spans:
        """Matrix products: a result depends on a row of the first and a column of the second."""
        parts = [self._factor(node, at) for at in (0, 1)]
        rest = [self.spans[name] for name in node.input[2:] if name in self.spans]
        return _broadcast([*parts, *rest])

    def _factor(self, node: onnx.NodeProto, at: int) -> Spans:
        name = node.input[at]
        value = self.spans.get(name)
        if value is None:
            value = pixels.of_nothing(self.values[name].shape)
        if _attribute(node, ("transA", "transB")[at], 0):
            value = value.swapaxes(-1, -2)
        return pixels.union(value, [value.ndim - 2 - at])


_RULES: Final[Mapping[str, Callable[[_Walk, onnx.NodeProto], Spans]]] = {
    **dict.fromkeys(_REDUCING, _Walk.reduced),
    **dict.fromkeys(_ALONG_AXIS, _Walk.along_axis),
    **dict.fromkeys(("InstanceNormalization", "MeanVarianceNormalization"), _Walk.over_space),
    **dict.fromkeys(("LayerNormalization", "GroupNormalization"), _Walk.over_all),
    **dict.fromkeys(("GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool"), _Walk.pooled),
    **dict.fromkeys(("Gemm", "MatMul"), _Walk.product),
}


def _broadcast(live: Sequence[Spans]) -> Spans:
    """Element by element, with numpy's rules for shapes (which align from the last axis)."""
    rank = max(span.ndim for span in live)
    full = [s.reshape(4, *[1] * (rank - s.ndim), *s.shape[1:]) for s in live]
    pixels.check_followed(np.broadcast_shapes(*(span.shape[1:] for span in full)))
    found = full[0]
    for other in full[1:]:
        found = np.minimum(found, other)
    return found


def _attribute(node: onnx.NodeProto, name: str, default: Any) -> Any:
    for attribute in node.attribute:
        if attribute.name == name:
            return helper.get_attribute_value(attribute)
    return default
