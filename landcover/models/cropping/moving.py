"""Operations that put elements elsewhere, and compute nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import lcm, prod
from typing import Final

import numpy as np

from landcover.models.cropping.parts import (
    Cut,
    Indivisible,
    Node,
    Part,
    Rule,
    Shape,
    same_elements,
    size,
    whole,
    widened,
)

_TO_END: Final = np.iinfo(np.int64).max
_AXES_AS_INPUTS = 10  # of Slice
_TIMES_AS_INPUT = 6  # of Tile


def _transposed(node: Node, part: Part) -> Cut:
    rank = len(part)
    order = node.attribute("perm", list(range(rank))[::-1])
    return Cut(part, (tuple(part[order.index(axis)] for axis in range(rank)),))


def _joined(node: Node, part: Part) -> Cut:
    axis = node.attribute("axis", 1) % len(part)
    made = widened(part, node.result, [axis])
    return Cut(made, tuple(widened(part, node.shape(at), [axis]) for at in range(len(node.inputs))))


def _sliced(node: Node, part: Part) -> Cut:
    shape, needed = node.shape(0), list(part)
    starts, ends, axes, steps = _slices(node, len(shape))
    for place, axis in enumerate(axes):
        if steps[place] < 1:
            raise Indivisible
        if axis == 0:  # how many images there are stays open: it is cut as it was
            needed[axis] = (0, shape[axis])
            continue
        start, step, (low, high) = starts[place], steps[place], part[axis]
        first = max(start + shape[axis], 0) if start < 0 else min(start, shape[axis])
        needed[axis] = (first + low * step, first + (high - 1) * step + 1)
        starts[place], ends[place] = 0, _TO_END
    if node.opset < _AXES_AS_INPUTS:
        told = {"starts": starts, "ends": ends, "axes": axes}
        return Cut(part, (tuple(needed),), told)
    placed = {
        at: np.asarray(each, np.int64) for at, each in enumerate((starts, ends, axes, steps), 1)
    }
    return Cut(part, (tuple(needed), *(None for _ in node.inputs[1:])), numbers=placed)


def _slices(node: Node, rank: int) -> tuple[list[int], list[int], list[int], list[int]]:
    """Where a Slice begins and ends, along which axes, and in which steps."""
    if node.opset < _AXES_AS_INPUTS:
        starts, ends, axes = (node.attribute(name) for name in ("starts", "ends", "axes"))
        steps = None
    else:
        given = [node.numbers(at) for at in (1, 2, 3, 4)]
        starts, ends, axes, steps = (None if g is None else g.tolist() for g in given)
    count = len(starts)
    axes = list(range(count)) if axes is None else [axis % rank for axis in axes]
    return list(starts), list(ends), axes, [1] * count if steps is None else steps


def _taken(node: Node, part: Part) -> Cut:
    """Elements of an axis by their places."""
    shape, places = node.shape(0), node.numbers(1)
    axis = node.attribute("axis", 0) % len(shape)
    if places is None or places.ndim > 1 or not places.size:
        raise Indivisible
    wanted = part[axis] if places.ndim else (0, 1)
    chosen = np.atleast_1d(places)[slice(*wanted)] % shape[axis]
    low, high = int(chosen.min()), int(chosen.max()) + 1
    around = list(part)
    around[axis : axis + places.ndim] = [(low, high)]
    moved = (chosen - low).reshape(-1 if places.ndim else ()).astype(places.dtype)
    return Cut(part, (tuple(around), None), numbers={1: moved})


def _reshaped(node: Node, part: Part) -> Cut:
    """Another shape: axes that hold the same elements as before may be cut, the others are needed whole."""
    if len(node.inputs) < 2:  # of old, to numbers among its attributes
        raise Indivisible
    made, reads = _through(node.shape(0), node.result, part)
    # How many images there are follows from the rest, whatever the network works it out from.
    return Cut(made, (reads, None), numbers={1: np.asarray([-1, *size(made)[1:]], np.int64)})


def _renumbered(node: Node, part: Part) -> Cut:
    """Axes of one element more or less."""
    made, reads = _through(node.shape(0), node.result, part)
    anywhere = node.proto.op_type == "Squeeze" and not node.axes(1)
    if anywhere and 1 in size(reads):  # what is cut to one element is not to go as well
        raise Indivisible
    return Cut(made, (reads, *(None for _ in node.inputs[1:])))


def _through(given: Shape, wanted: Shape, part: Part) -> tuple[Part, Part]:
    """What is made of a wanted shape, and what is read for it of the given one.

    Axes that hold the same elements are one group. Of a group the first axis that counts at all may be
    cut, in steps that are whole along the others of it, which are needed whole.
    """
    made, reads = list(whole(wanted)), list(whole(given))
    for before, after in same_elements(given, wanted):
        first, inner = _leading(given, before)
        place, within = _leading(wanted, after)
        if 0 in after or first is None or place is None:  # how many images there are stays open
            continue
        low, high = part[place]
        step = lcm(inner, within)
        low, high = low * within // step * step, -(-high * within // step) * step
        made[place], reads[first] = (low // within, high // within), (low // inner, high // inner)
    return tuple(made), tuple(reads)


def _leading(shape: Shape, axes: Sequence[int]) -> tuple[int | None, int]:
    """The first axis that has more than one element, and how many one of its elements holds."""
    long = [axis for axis in axes if shape[axis] > 1]
    return (long[0], prod(shape[axis] for axis in long[1:])) if long else (None, 1)


def _repeated(node: Node, part: Part) -> Cut:
    """Copies beside each other: axes along which there are any are needed whole."""
    times = node.numbers(1)
    if times is None or node.opset < _TIMES_AS_INPUT:
        raise Indivisible
    axes = [axis for axis, count in enumerate(times) if count != 1]
    made, reads = (widened(part, shape, axes) for shape in (node.result, node.shape(0)))
    return Cut(made, (reads, None))


def _padded(node: Node, part: Part) -> Cut:
    shape = node.shape(0)
    pads = node.attribute("pads")
    told = pads if pads is not None else _numbers(node)
    axes = list(range(len(shape)))
    if node.opset >= 18 and (chosen := node.numbers(3)) is not None:
        axes = [int(axis) % len(shape) for axis in chosen]
    mode = node.attribute("mode", b"constant")
    made, reads = list(part), list(part)
    before, after = [0] * len(axes), [0] * len(axes)
    for place, axis in enumerate(axes):
        low, high = part[axis][0] - told[place], part[axis][1] - told[place]
        inside = max(low, 0), min(high, shape[axis])
        if inside[0] >= inside[1]:
            raise Indivisible
        lacking = inside[0] - low, high - inside[1]
        if any(lacking) and mode not in (b"constant", b"edge"):
            inside, made[axis] = (0, shape[axis]), (0, node.result[axis])
            lacking = told[place], told[place + len(axes)]
            if min(lacking) < 0:
                raise Indivisible
        reads[axis] = inside
        before[place], after[place] = lacking
    rest = (None for _ in node.inputs[1:])
    if pads is not None:
        return Cut(tuple(made), (tuple(reads), *rest), {"pads": [*before, *after]})
    new = np.asarray([*before, *after], np.int64)
    return Cut(tuple(made), (tuple(reads), *rest), numbers={1: new})


def _numbers(node: Node) -> list[int]:
    told = node.numbers(1)
    if told is None:
        raise Indivisible
    return [int(number) for number in told]


def _to_space(node: Node, part: Part) -> Cut:
    edge = node.attribute("blocksize")
    reads = widened(part, node.shape(0), [0, 1])
    inner = tuple((low // edge, -(-high // edge)) for low, high in part[2:])
    made = widened(part, node.result, [0, 1])[:2] + tuple((a * edge, b * edge) for a, b in inner)
    return Cut(made, (reads[:2] + inner,))


def _to_depth(node: Node, part: Part) -> Cut:
    edge = node.attribute("blocksize")
    reads = widened(part, node.shape(0), [0, 1])[:2]
    made = widened(part, node.result, [0, 1])[:2] + part[2:]
    return Cut(made, (reads + tuple((low * edge, high * edge) for low, high in part[2:]),))


RULES: Final[Mapping[str, Rule]] = {
    "Transpose": _transposed,
    "Concat": _joined,
    "Slice": _sliced,
    "Gather": _taken,
    "Reshape": _reshaped,
    **dict.fromkeys(("Squeeze", "Unsqueeze"), _renumbered),
    "Tile": _repeated,
    "Pad": _padded,
    "DepthToSpace": _to_space,
    "SpaceToDepth": _to_depth,
}
