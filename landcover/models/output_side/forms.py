"""What the axes of a network's output are: classes, rows and columns, or all pixels in one row."""

from __future__ import annotations

from landcover.config import ModelSettings
from landcover.errors import ModelError
from landcover.models.graph_analysis.ending import Ending, head_for
from landcover.models.preprocessing.specification import Form, Output, Size, Steps


def form_of(
    shape: tuple[int, ...],
    steps: Steps,
    ending: Ending,
    named: int | None,
    told: ModelSettings,
    shown: str,
) -> Output:
    """Read an output from its shape, as far as that is clear.

    Args:
        shape: of the output, the batch first.
        steps: the steps before the network.
        ending: what its last operations say.
        named: how many classes are named.
        told: what is told about the network.
        shown: the model's name in messages.

    Raises:
        ModelError: it is nothing that labels tiles or pixels.
    """
    numbered = ending.kind == "numbers"
    axis, cells = _axes(shape, steps, numbered, named, told, shown)
    count = 1 if axis is None else shape[axis]
    if numbered and count > 1:
        raise ModelError(
            shown,
            f"returns {count} numbers of classes for each label: {head_for(ending.source)}, the "
            "scores that they are chosen by, or export it with the largest alone",
        )
    if numbered or (ending.whole and count == 1 and ending.quantization is None):
        return _with(shape, axis, cells, "numbers", ending.classes or named or 0)
    if ending.whole and ending.quantization is None:
        raise ModelError(
            shown,
            "returns whole numbers, and does not say what scale they have: "
            f"{head_for(ending.probabilities)}, or export it with an output of floats",
        )
    if count == 1:
        return _with(shape, axis, cells, "probability", 2)
    return _with(shape, axis, cells, "scores", count)


def _with(
    shape: tuple[int, ...], axis: int | None, cells: Size | None, form: Form, classes: int
) -> Output:
    return Output(form, classes, len(shape), axis, cells)


def _axes(
    shape: tuple[int, ...],
    steps: Steps,
    numbered: bool,
    named: int | None,
    told: ModelSettings,
    shown: str,
) -> tuple[int | None, Size | None]:
    """The axis of the classes, and the rows and columns of what is returned; None: there is none."""
    size, rest = steps.size, shape[1:]
    area = size[0] * size[1]
    if len(shape) == 1:
        return None, None
    if len(shape) == 2:
        whole = rest[0] == area > 1 and named != rest[0] and told.output != "tile"
        return (None, size) if whole else (1, None)
    if len(shape) == 3:
        return _three(rest, size, numbered, told, shape, shown)
    if len(shape) == 4:
        axis = _class_axis(rest, steps, named, numbered)
        cells = rest[1:] if axis == 1 else rest[:2]
        tile = cells == (1, 1) and told.output != "pixel"
        return axis, None if tile else (cells[0], cells[1])
    raise _neither(shape, shown)


def _three(
    rest: tuple[int, ...],
    size: Size,
    numbered: bool,
    told: ModelSettings,
    shape: tuple[int, ...],
    shown: str,
) -> tuple[int | None, Size | None]:
    stride = told.output_stride or 1
    cells = (size[0] // stride, size[1] // stride)
    area = cells[0] * cells[1]
    if rest == cells or (numbered and rest[0] * size[1] == rest[1] * size[0]):
        return None, (rest[0], rest[1])
    if area > 1 and (rest[0] == area) != (rest[1] == area):
        return (2 if rest[0] == area else 1), cells
    if 1 in rest and told.output != "pixel":
        return (2 if rest[0] == 1 else 1), None
    if told.output == "pixel" and rest[0] <= size[0] and rest[1] <= size[1]:
        return None, (rest[0], rest[1])
    raise _neither(shape, shown)


def _class_axis(rest: tuple[int, ...], steps: Steps, named: int | None, numbered: bool) -> int:
    """Which of axes 1 and 3 runs over the classes."""
    first, middle, last = rest
    if (first == 1) != (last == 1):
        # (n, class, 1, 1) has a 1 in the middle too.
        single = 1 if first == 1 else 3
        return 4 - single if middle == 1 and not numbered else single
    square = [(middle, last) == steps.size, (first, middle) == steps.size]
    if square[0] != square[1]:
        return 1 if square[0] else 3
    if named is not None and (first == named) != (last == named):
        return 1 if first == named else 3
    alike = [_is_alike((middle, last), steps.size), _is_alike((first, middle), steps.size)]
    if alike[0] != alike[1]:
        return 1 if alike[0] else 3
    return 3 if steps.layout == "NHWC" else 1


def _is_alike(cells: Size, size: Size) -> bool:
    """Whether rows and columns are as many parts of the window's, or as many less on each side."""
    parts = cells[0] * size[1] == cells[1] * size[0]
    return parts or size[0] - cells[0] == size[1] - cells[1]


def _neither(shape: tuple[int, ...], shown: str) -> ModelError:
    return ModelError(
        shown,
        f"returns an output of shape {shape}: neither (tile, class) nor a map of classes; if "
        "another output or layer is meant, name it in 'head'; if it is a map, say so with 'output: "
        "pixel' and 'output_stride'",
    )
