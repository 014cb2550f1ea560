"""How much an ONNX network makes of one window, worked out before any library computes it.

A few bytes of a file can ask for any amount of memory and time. What each operation returns is known
from the shapes; where a library computes what does not depend on the window at all (it does so as it opens
a file, and keeps it), that is held against the weights.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np
import onnx

from landcover.errors import ModelError
from landcover.models.formats.onnx_parts import extents_held, graphs_in, tensors_of
from landcover.models.formats.onnx_turns import grown_by_turns
from landcover.models.formats.onnx_untold import Read, most_made
from landcover.models.formats.onnx_values import (
    Array,
    Told,
    range_length,
    shapes_in,
    told_of,
    types_in,
    values_in,
)
from landcover.models.formats.sizes import (
    Extents,
    check_size,
    check_work,
    most_numbers,
    numbers_in,
)

# Results that are kept at once, as those are that lead past others; in the largest ones.
_KEPT: Final = 4
# Numbers that are made of weights alone: their turned and unpacked copies.
_COPIES: Final = 8

# What makes more of a few numbers, and which of its inputs say how many.
_SAID_BY: Final[Mapping[str, tuple[int, ...]]] = {
    **dict.fromkeys(("ConstantOfShape", "HannWindow", "HammingWindow", "BlackmanWindow"), (0,)),
    **dict.fromkeys(("Expand", "OneHot", "Pad", "Tile", "Upsample", "AffineGrid", "DFT"), (1,)),
    **dict.fromkeys(("CenterCropPad", "Col2Im"), (1,)),
    "Range": (0, 1, 2),
    "Resize": (1, 2, 3),
    "MaxUnpool": (2,),
    "MelWeightMatrix": (0, 1),
}
# What keeps as many numbers as pixels say.
_CHOOSING: Final = ("NonZero", "Compress", "Unique", "NonMaxSuppression")
_RANDOM: Final = ("RandomNormal", "RandomUniform")


def check_sizes(model: onnx.ModelProto, shown: str, *, to_run: bool = False) -> None:
    """Refuse a network whose results would not fit into memory, or take too long.

    Args:
        model: of bounded structure, with the extents of its window where they are known.
        shown: the model's name in messages.
        to_run: whether the window is set and the network runs next: of what may be any number then, it is
            none that is known.

    Raises:
        ModelError: naming the operation.
        onnx.shape_inference.InferenceError: the file is damaged.
    """
    told = told_of(model)
    weights = [numbers_in(tensor.dims) for tensor in tensors_of(model)]
    held = extents_held(model.graph)
    images = [value.name for value in told.graph.input if value.name not in held]
    read = sum(numbers_in(told.shapes.get(name, ())) for name in images)
    most = most_numbers(read, max(weights, default=0))
    limits = _Limits(most, most_numbers(0, 0) + _COPIES * sum(weights), shown, to_run)
    _Count(told, {*images}, {*images}, limits, model.opset_import).visit(told.graph)


@dataclass(frozen=True)
class _Limits:
    """Numbers of one result, and of all that is made of weights alone; whether each result must be bounded."""

    result: int
    constant: int
    shown: str
    to_run: bool


@dataclass
class _Count:
    """What the operations make that were looked at.

    Args:
        told: what can be told.
        varying: names of tensors that depend on the images.
        seen: those of them whose numbers depend on pixels, and not on how many there are alone.
        limits: what there may be of it.
        opsets: the versions of operators.
        chosen: names of tensors of which pixels say how many numbers they hold.
        most: the most numbers of each result so far, by name.
        constant: numbers so far that do not depend on the images.
        work: multiplications so far.
    """

    told: Told
    varying: set[str]
    seen: set[str]
    limits: _Limits
    opsets: Any
    chosen: set[str] = field(default_factory=set)
    most: dict[str, int] = field(default_factory=dict)
    constant: int = 0
    work: int = 0
    kept: dict[str, int] = field(default_factory=dict)

    def visit(self, graph: onnx.GraphProto, turns: int = 1) -> None:
        """Count a graph, computed so many times."""
        left = _readers(graph)
        for node in graph.node:
            self._look_at_pixels(node)
            inside = [self._inside(inner, node, turns) for inner in graphs_in(node)]
            made = [self._numbers(name, node, inside) for name in node.output]
            self.most.update(zip(node.output, made, strict=True))
            depends = not {*node.input}.isdisjoint(self.varying) or bool(graphs_in(node))
            if depends:
                self.varying.update(node.output)
            for name, numbers in zip(node.output, made, strict=True):
                label = f"the result of {node.op_type} {node.name or name!r}"
                check_size(numbers, label, self.limits.shown, self.limits.result)
                if name in left:
                    self.kept[name] = numbers
            if not depends and node.op_type in _SAID_BY:
                self._refuse_untold(node)
            if node.op_type == "SequenceInsert" and turns > 1:
                numbers = turns * numbers_in(self.told.shapes.get(node.input[1], ()))
                label = f"what SequenceInsert {node.name!r} puts into a list"
                check_size(numbers, label, self.limits.shown, self.limits.result)
            self.constant += 0 if depends else sum(made)
            check_size(self.constant, "what it makes of its weights alone", *self._constants())
            self.work += turns * max(sum(made), self._multiplications(node))
            self._check(node)
            for name in node.input:
                left[name] = left.get(name, 0) - 1
                if left[name] <= 0:
                    self.kept.pop(name, None)

    def _constants(self) -> tuple[str, int]:
        return self.limits.shown, self.limits.constant

    def _look_at_pixels(self, node: onnx.NodeProto) -> None:
        """Follow what the numbers of pixels decide, and refuse that they say how large a result is."""
        captured = {name for inner in graphs_in(node) for one in inner.node for name in one.input}
        reads = {*node.input} | captured
        by_extents = node.op_type in ("Shape", "Size")
        if not reads.isdisjoint(self.chosen if by_extents else self.seen):
            self.seen.update(node.output)
        if node.op_type in _CHOOSING or not reads.isdisjoint(self.chosen):
            self.chosen.update(name for name in node.output if not self._is_told(name))
        told_by = [node.input[at] for at in _SAID_BY.get(node.op_type, ()) if at < len(node.input)]
        if not self.seen.isdisjoint(told_by) and not self._is_told(next(iter(node.output), "")):
            reason = f"lets pixels say how large the result of {node.op_type} {node.name!r} is"
            raise ModelError(self.limits.shown, f"{reason}: no network for images does")
        if node.op_type == "Loop" and (self._said_by_pixels(node) or self._untold_turns(node)):
            reason = f"does not say how often its loop {node.name!r} turns"
            raise ModelError(self.limits.shown, f"{reason}: write the number into the file")

    def _said_by_pixels(self, loop: onnx.NodeProto) -> bool:
        return loop.input[0] in self.seen

    def _untold_turns(self, loop: onnx.NodeProto) -> bool:
        return loop.input[0] not in self.varying and loop.input[0] not in self.told.values

    def _is_told(self, name: str) -> bool:
        return None not in self.told.shapes.get(name, (None,))

    def _inside(self, inner: onnx.GraphProto, node: onnx.NodeProto, turns: int) -> int:
        """Count a graph of a node, by what is told of it and of what lies around it: the most numbers that it returns."""
        times = _turns(node, self.told)
        shapes = {**self.told.shapes, **shapes_in(inner)}
        values = dict(self.told.values)
        values |= values_in(inner, shapes, self.opsets, values)
        told = Told(inner, shapes, values, {**self.told.types, **types_in(inner)})
        if node.op_type == "Loop":
            carried = [self.told.shapes.get(name) for name in node.input[2:]]
            label = f"what loop {node.name!r} carries"
            for extents in grown_by_turns(told, carried, times, self.opsets):
                numbers = max(map(numbers_in, extents.values()), default=0)
                check_size(numbers, label, self.limits.shown, self.limits.result)
                told = replace(told, shapes={**told.shapes, **extents})
        given = {value.name for value in inner.input}
        most = max([1, *map(self._most, node.input)])
        reads = {name for one in inner.node for name in one.input} | {*node.input}
        count = replace(
            self,
            told=told,
            varying=self.varying | given,
            seen=self.seen | (set() if self.seen.isdisjoint(reads) else given),
            chosen=self.chosen | (set() if self.chosen.isdisjoint(reads) else given),
            most=self.most | {name: most for name in given if None in shapes.get(name, (None,))},
            kept={},
        )
        count.visit(inner, turns * times)
        self.constant, self.work = count.constant, count.work
        made = times * sum(count._most(value.name) for value in inner.output)
        if times > 1:  # a loop may keep a copy of each turn
            label = f"the result of {node.op_type} {node.name!r}"
            check_size(made, label, self.limits.shown, self.limits.result)
        return made

    def _most(self, name: str) -> int:
        return self.most.get(name, 0) or numbers_in(self.told.shapes.get(name, ()))

    def _check(self, node: onnx.NodeProto) -> None:
        limits = self.limits
        label = f"what it keeps until {node.op_type} {node.name or next(iter(node.output), '')!r}"
        check_size(sum(self.kept.values()), label, limits.shown, _KEPT * limits.result)
        check_work(self.work, node.op_type, node.name, limits.shown)

    def _refuse_untold(self, node: onnx.NodeProto) -> None:
        """What is made of weights alone is made as the file is opened: its size must be told."""
        extents = self.told.shapes.get(next(iter(node.output), ""))
        if extents is None or None in extents:
            reason = f"how large the result of {node.op_type} {node.name!r} is cannot be told"
            raise ModelError(self.limits.shown, f"{reason}: write its extents into the file")

    def _numbers(self, name: str, node: onnx.NodeProto, inside: Sequence[int]) -> int:
        """How many numbers a result has: by its shape, else by what its operation makes of numbers, else at most.

        Args:
            name: of the result.
            node: that makes it.
            inside: the most numbers that each of its graphs returns.
        """
        extents = self.told.shapes.get(name)
        if extents is not None and None not in extents:
            return numbers_in(extents)
        grown = _grown(node, self.told.values, self.told.shapes)
        known = max(grown, numbers_in(extents or ()))
        if grown > 1 or not name or not self.limits.to_run:
            return known
        if inside:
            return max(known, *inside)
        read = [Read(self.told.shapes.get(one), self._most(one)) for one in node.input if one]
        most = most_made(node, extents, read)
        if most is None:
            whose = f"{node.domain}'s " if node.domain else ""
            reason = f"how large the result of {whose}{node.op_type} {node.name or name!r} is cannot be told"
            hint = "where it takes any window, set model.input_size to one that all of its layers fit (a multiple of 32, say); else "
            hint += "write its extents into the file, in ONNX's own operators"
            raise ModelError(self.limits.shown, f"{reason}: {hint}")
        return most

    def _multiplications(self, node: onnx.NodeProto) -> int:
        shapes = [self.told.shapes.get(name, ()) for name in node.input]
        result = numbers_in(self.told.shapes.get(next(iter(node.output), ""), ()))
        if node.op_type in ("Conv", "ConvInteger", "QLinearConv"):
            return result * numbers_in(shapes[3 if node.op_type == "QLinearConv" else 1][1:])
        if node.op_type == "ConvTranspose":
            return numbers_in(shapes[0]) * numbers_in(shapes[1][1:])
        if node.op_type in ("MatMul", "MatMulInteger", "Gemm") and shapes[0]:
            across = any(a.name == "transA" and a.i for a in node.attribute)
            return result * (shapes[0][0 if across else -1] or 1)
        window = next((a.ints for a in node.attribute if a.name == "kernel_shape"), ())
        return result * numbers_in(window)


def _readers(graph: onnx.GraphProto) -> dict[str, int]:
    """How often each tensor is read; what graphs within nodes read, and what is returned, is kept."""
    found: dict[str, int] = {}
    for node in graph.node:
        for name in node.input:
            found[name] = found.get(name, 0) + 1
        for inner in graphs_in(node):
            for read in (name for one in inner.node for name in one.input):
                found[read] = found.get(read, 0) + 1
    return found


def _turns(node: onnx.NodeProto, told: Told) -> int:
    """How often a graph of a node is computed, as far as it can be told."""
    if node.op_type == "Loop" and node.input:
        return max(1, *_whole(told.values.get(node.input[0])), 1)
    if node.op_type == "Scan":
        extents = told.shapes.get(next(reversed(node.input), ""), ())
        return max(1, (extents or (1,))[0] or 1)
    return 1


def _grown(node: onnx.NodeProto, values: Mapping[str, Array], shapes: Mapping[str, Extents]) -> int:
    """The numbers of a result whose size other numbers say."""
    named = [_whole(values.get(name)) for name in node.input]
    source = numbers_in(shapes.get(node.input[0], ())) if node.input else 1
    match node.op_type:
        case "ConstantOfShape" if named:
            return numbers_in(named[0])
        case "Expand" if len(named) > 1:
            return numbers_in(named[1])
        case "Tile" if len(named) > 1:
            return source * numbers_in(named[1])
        case "Range" if len(named) == 3:
            return range_length(node, values)
        case kind if kind in _RANDOM:
            return numbers_in(next((a.ints for a in node.attribute if a.name == "shape"), ()))
    return 1


def _whole(array: Array | None) -> Sequence[int]:
    """The numbers of an array as Python's own, which do not overflow."""
    if array is None:
        return []
    return [int(number) if np.isfinite(number) else 2**63 for number in array.reshape(-1).tolist()]
