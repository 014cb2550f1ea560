"""What a network returns, found out by giving it an image of noise."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace

import numpy as np

from landcover.classes import classes_of, scheme
from landcover.config import ModelSettings
from landcover.errors import ModelError
from landcover.models.network import Graph
from landcover.models.preprocessing.specification import Output, Pixels, Probabilities, Steps

log = logging.getLogger(__name__)

# How far the probabilities of an image may be from a sum of 1: rounding of half precision.
_TOLERANCE = 1e-3


@dataclass(frozen=True)
class Returned:
    """What a network returns.

    Args:
        classes: their names, in its order.
        halo: pixels on each side of its window that it does not return.
        output: how what it returns becomes probabilities.
    """

    classes: tuple[str, ...]
    halo: int
    output: Output


def find_output(graph: Graph, steps: Steps, told: ModelSettings, shown: str) -> Returned:
    """Run a network on noise and read from the result what is not told.

    Args:
        graph: the network.
        steps: the steps before it.
        told: what is told about it.
        shown: the model's name in messages.

    Raises:
        ModelError: it returns something other than what is told, or nothing that labels tiles or
            pixels.
        ConfigError: the classes are no scheme's, or one is named twice.
    """
    raw = graph.compile(steps).run(_noise(graph.signature.batch or 2, steps))
    names = _told_classes(told)
    output = _output(raw, steps, len(names) if names else None, shown)
    if not np.isfinite(raw).all():
        raise ModelError(shown, "returns infinite or undefined numbers for an image of noise")
    if told.output is not None and (told.output == "pixel") != output.pixel:
        raise ModelError(
            shown, f"returns an output of shape {raw.shape}: no label a {told.output} as told"
        )
    count = raw.shape[output.class_axis]
    classes = _classes(names, count, told, shown)
    halo = _halo(raw, output, steps, shown) if output.pixel else 0
    softmax = _needs_softmax(raw, output, told, shown)
    return Returned(classes, halo, replace(output, softmax=softmax))


def _noise(count: int, steps: Steps) -> Pixels:
    """The same images every time: the odd ones coarse, the even ones fine, in all of 0 to 255."""
    height, width = steps.size
    shape = (count, steps.bands, height, width)
    images = np.random.default_rng(2017).integers(0, 256, shape, np.uint8)
    coarse = images[1::2, :, ::8, ::8].repeat(8, axis=2).repeat(8, axis=3)
    images[1::2] = coarse[:, :, :height, :width]
    return images


def _output(raw: Probabilities, steps: Steps, classes: int | None, shown: str) -> Output:
    if raw.ndim == 2:
        return Output(class_axis=1, rank=2, pixel=False, softmax=False)
    if raw.ndim != 4:
        raise ModelError(
            shown,
            f"returns an output of shape {raw.shape}: neither (tile, class) nor a map of classes; "
            "if another output or layer is meant, name it in 'head'",
        )
    first, last = raw.shape[1], raw.shape[3]
    axis = 3 if steps.layout == "NHWC" else 1
    if classes is not None and (first == classes) != (last == classes):
        axis = 1 if first == classes else 3
    if raw.shape[2] == 1 and 1 in (first, last):  # (n, class, 1, 1) or (n, 1, 1, class)
        axis = 1 if last == 1 else 3
        return Output(class_axis=axis, rank=4, pixel=False, softmax=False)
    return Output(class_axis=axis, rank=4, pixel=True, softmax=False)


def _told_classes(told: ModelSettings) -> tuple[str, ...] | None:
    return scheme(told.classes).names if isinstance(told.classes, str) else told.classes


def _classes(
    names: tuple[str, ...] | None, count: int, told: ModelSettings, shown: str
) -> tuple[str, ...]:
    if count < 2:
        raise ModelError(shown, f"returns {count} class: a label needs at least two to choose from")
    if names is not None and len(names) != count:
        origin = f" of scheme {told.classes!r}" if isinstance(told.classes, str) else ""
        raise ModelError(
            shown,
            f"returns {count} classes, but {len(names)}{origin} are named: correct 'classes' in "
            "the sidecar or the configuration",
        )
    names = names or tuple(map(str, range(count)))
    return classes_of(names, told.classes if isinstance(told.classes, str) else None).names


def _halo(raw: Probabilities, output: Output, steps: Steps, shown: str) -> int:
    height, width = (raw.shape[axis] for axis in output.order()[2:])
    lost = {steps.size[0] - height, steps.size[1] - width}
    if len(lost) > 1 or min(lost) < 0 or min(lost) % 2:
        read = " x ".join(map(str, steps.size))
        raise ModelError(
            shown,
            f"reads {read} pixels and labels {height} x {width}: not the same number less on each "
            "side, so that the labels' places are not known",
        )
    return int(lost.pop() // 2)


def _needs_softmax(raw: Probabilities, output: Output, told: ModelSettings, shown: str) -> bool:
    sums = raw.sum(axis=output.class_axis)
    probable = bool(raw.min() >= 0 and np.abs(sums - 1).max() <= _TOLERANCE)
    if told.activation == "softmax" and probable:
        log.warning("%s: activation is 'softmax', but it ends in probabilities already", shown)
    return not probable if told.activation is None else told.activation == "softmax"
