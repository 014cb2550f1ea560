"""A network that computes only what its result needs: a crop is pushed up through its graph.

What of the result is kept says what is needed of the tensor before it, and so on to the pixels. Each
operation then makes just that: convolutions get the padding that is left at the edges of the window
and none elsewhere, so that every number is computed from the same ones as before. What no part of the
result needs is gone. An operation that needs all of the window (a mean over it, softmax over space)
gets it, and the crop goes on above as far as that allows.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import onnx
from onnx import helper

from landcover.models.cropping import in_place, moving, windows
from landcover.models.cropping.known import (
    as_tensor,
    known_values,
    shapes_for,
    without_weights,
)
from landcover.models.cropping.parts import (
    Cut,
    Indivisible,
    Node,
    Part,
    Rule,
    Shape,
    both,
    holds,
    whole,
)
from landcover.models.graph_analysis.onnx_layers import layers_of

log = logging.getLogger(__name__)

_RULES: Final[Mapping[str, Rule]] = {**in_place.RULES, **moving.RULES, **windows.RULES}
_STANDARD: Final = ("", "ai.onnx")
_OURS: Final = "landcover__crop"
# Where less than this share of the arithmetic goes, a network is left as it is.
_LEAST: Final = 0.01
_SLICE_BY_INPUTS: Final = 10  # the first version of the operator set that slices so


@dataclass(frozen=True)
class Arithmetic:
    """What a network computes of one window, in multiply-adds of convolutions and products.

    Args:
        whole: as its file has it.
        computed: of it, what the labels that are written need.
    """

    whole: int
    computed: int


@dataclass(frozen=True)
class Cropped:
    """A network that computes no more than it must.

    Args:
        model: with the same input and output, and the same results.
        arithmetic: how much less it computes.
    """

    model: onnx.ModelProto
    arithmetic: Arithmetic


def cropped(model: onnx.ModelProto) -> Cropped | None:
    """Leave out of a network what its output does not need.

    Args:
        model: with one input, whose extents but for the batch are known; left as it is.

    Returns:
        None where nothing is to be gained, or the graph cannot be followed.
    """
    try:
        found = _cropped(model)
    except (Indivisible, ValueError, KeyError, IndexError, TypeError, RuntimeError) as error:
        log.debug("nothing is cropped: %s %s", type(error).__name__, error)
        return None
    least = (1 - _LEAST) * found.arithmetic.whole
    return found if found.arithmetic.computed < least else None


def _cropped(model: onnx.ModelProto) -> Cropped:
    light = without_weights(model)
    weights = {value.name for value in light.graph.input} & {
        tensor.name for tensor in model.graph.initializer
    }
    [image] = [value for value in light.graph.input if value.name not in weights]
    dims = image.type.tensor_type.shape.dim
    shape = (dims[0].dim_value or 1, *(dim.dim_value for dim in dims[1:]))
    shapes = shapes_for(light, image.name, shape)
    if not dims[0].dim_value:
        more = shapes_for(light, image.name, (shape[0] + 1, *shape[1:]))
        shapes = _by_image(shapes, more)
    values = known_values(light, image.name, shape, shapes)
    plan = _Plan(light, shapes, values)
    result = _Drawing(model, plan).model()
    given = {image.name: shape}
    before, after = (
        sum(layer.multiply_adds or 0 for layer in layers_of(without_weights(each), given))
        for each in (model, result)
    )
    return Cropped(result, Arithmetic(before, after))


def _by_image(one: Mapping[str, Shape], more: Mapping[str, Shape]) -> dict[str, Shape]:
    """Shapes of tensors that hold image after image: of one image more, the first axis alone differs.

    What mixes images cannot be followed by the shapes for one of them.
    """
    return {
        name: shape
        for name, shape in one.items()
        if name in more and len(shape) == len(more[name]) and shape[1:] == more[name][1:]
    }


class _Plan:
    """How each node of a graph that is still needed makes its part, from the last to the first.

    Args:
        light: the network without weights.
        shapes: of its tensors.
        values: the numbers of small ones.

    Attributes:
        steps: nodes with their cuts, in the order of the graph; None: the node is left as it is.
    """

    def __init__(
        self, light: onnx.ModelProto, shapes: Mapping[str, Shape], values: Mapping[str, np.ndarray]
    ) -> None:
        self.shapes, self.values = shapes, values
        self.steps: list[tuple[onnx.NodeProto, Cut | None]] = []
        self.opset = max(o.version for o in light.opset_import if o.domain in _STANDARD)
        self._needed: dict[str, Part | None] = {}
        for output in light.graph.output:
            self._need(output.name, None)
        for node in reversed(light.graph.node):
            if any(name in self._needed for name in node.output):
                self._add(node)
        self.steps.reverse()

    def _add(self, node: onnx.NodeProto) -> None:
        cut = self._cut(node)
        self.steps.append((node, cut))
        reads: Sequence[Part | None] = [None] * len(node.input) if cut is None else cut.reads
        gone = {} if cut is None else cut.numbers
        for place, name in enumerate(node.input):
            if name and place not in gone:
                self._need(name, reads[place])
        for name in _read_inside(node):
            self._need(name, None)

    def _cut(self, node: onnx.NodeProto) -> Cut | None:
        wanted = [name for name in node.output if name in self._needed]
        rule = _RULES.get(node.op_type) if node.domain in _STANDARD else None
        part = self._needed[wanted[0]]
        if rule is None or wanted != [node.output[0]] or part is None:
            return None
        try:
            cut = rule(Node(node, self.shapes, self.values, self.opset), part)
        except Indivisible:
            return None
        read = zip(node.input, cut.reads, strict=True)
        if any(part is not None and name not in self.shapes for name, part in read):
            return None
        if not holds(cut.makes, part):
            raise ValueError(f"{node.op_type} {node.name} makes {cut.makes}, needed is {part}")
        return cut

    def _need(self, name: str, part: Part | None) -> None:
        """Add to what is needed of a tensor; None: all of it."""
        if name in self.values:
            return
        shape = self.shapes.get(name)
        if part is None and shape is not None:
            part = whole(shape)
        known = self._needed.get(name, part)
        self._needed[name] = None if known is None or part is None else both(known, part)


class _Drawing:
    """Writes the nodes of a plan as a network.

    Args:
        model: the whole one.
        plan: of it.
    """

    def __init__(self, model: onnx.ModelProto, plan: _Plan) -> None:
        self._model, self._plan = model, plan
        self._held: dict[str, Part] = {}
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []
        self._views: dict[tuple[str, Part], str] = {}
        for node, cut in plan.steps:
            self._draw(node, cut)

    def model(self) -> onnx.ModelProto:
        """The network, with those of its weights that are still read."""
        found = onnx.ModelProto()
        whole_graph, graph = self._model.graph, found.graph
        read = {name for node in self._nodes for name in (*node.input, *_read_inside(node))}
        held = {tensor.name for tensor in whole_graph.initializer}
        graph.node.extend(self._nodes)
        graph.input.extend(value for value in whole_graph.input if value.name not in held)
        graph.output.extend(whole_graph.output)
        graph.initializer.extend(t for t in whole_graph.initializer if t.name in read)
        graph.initializer.extend(self._constants)
        for name in sorted((read & self._plan.values.keys()) - held):
            graph.initializer.append(as_tensor(self._plan.values[name], name))
        graph.name, found.ir_version = whole_graph.name or "network", self._model.ir_version
        found.opset_import.extend(self._model.opset_import)
        found.functions.extend(self._model.functions)
        return found

    def _draw(self, node: onnx.NodeProto, cut: Cut | None) -> None:
        if all(name in self._plan.values for name in node.output):
            return
        drawn = onnx.NodeProto()
        drawn.CopyFrom(node)
        if cut is None:
            drawn.input[:] = [self._view(name, None) for name in node.input]
        else:
            drawn.input[:] = self._inputs(node, cut)
            _change(drawn, cut.attributes)
            self._held[node.output[0]] = cut.makes
        self._nodes.append(drawn)

    def _inputs(self, node: onnx.NodeProto, cut: Cut) -> list[str]:
        names = []
        for place, (name, part) in enumerate(zip(node.input, cut.reads, strict=True)):
            names.append(self._view(name, part) if place not in cut.numbers else "")
        for place, numbers in cut.numbers.items():
            names += [""] * (place + 1 - len(names))
            names[place] = "" if numbers is None else self._constant(numbers)
        while names and not names[-1]:
            names.pop()
        return names

    def _view(self, name: str, part: Part | None) -> str:
        """The name of a part of a tensor; where more of it is held, it is cut out first."""
        shape = self._plan.shapes.get(name)
        if not name or shape is None:
            return name
        part = whole(shape) if part is None else part
        held = self._held.get(name, whole(shape))
        if held == part:
            return name
        if not holds(held, part):
            raise ValueError(f"{name}: {held} is there, needed is {part}")
        if (name, part) not in self._views:
            self._views[name, part] = self._sliced(name, held, part)
        return self._views[name, part]

    def _sliced(self, name: str, held: Part, part: Part) -> str:
        axes = [axis for axis in range(len(part)) if held[axis] != part[axis]]
        starts = [part[axis][0] - held[axis][0] for axis in axes]
        ends = [part[axis][1] - held[axis][0] for axis in axes]
        made = f"{_OURS}{len(self._views)}_part"
        if self._plan.opset < _SLICE_BY_INPUTS:
            told: dict[str, Any] = {"starts": starts, "ends": ends, "axes": axes}
            self._nodes.append(helper.make_node("Slice", [name], [made], name=made, **told))
        else:
            given = [self._constant(np.asarray(n, np.int64)) for n in (starts, ends, axes)]
            self._nodes.append(helper.make_node("Slice", [name, *given], [made], made))
        return made

    def _constant(self, numbers: np.ndarray) -> str:
        name = f"{_OURS}{len(self._constants)}_numbers"
        self._constants.append(as_tensor(numbers, name))
        return name


def _change(node: onnx.NodeProto, attributes: Mapping[str, object]) -> None:
    kept = [attribute for attribute in node.attribute if attribute.name not in attributes]
    told = [helper.make_attribute(n, v) for n, v in attributes.items() if v is not None]
    del node.attribute[:]
    node.attribute.extend([*kept, *told])


def _read_inside(node: onnx.NodeProto) -> Iterable[str]:
    """What the graphs inside of a node read of the tensors around it."""
    for attribute in node.attribute:
        for graph in (attribute.g, *attribute.graphs):
            for inner in graph.node:
                yield from inner.input
                yield from _read_inside(inner)
            yield from (value.name for value in graph.output)
