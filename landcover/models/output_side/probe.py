"""What a network returns: read from its graph, and from what it makes of an image of noise."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TypeAlias, TypeVar

import numpy as np

from landcover.classes import classes_of, scheme
from landcover.config import ModelSettings
from landcover.errors import ConfigError, LandcoverError, ModelError
from landcover.models.graph_analysis.ending import head_for
from landcover.models.graph_analysis.facts import Facts
from landcover.models.graph_analysis.orientation import is_turned
from landcover.models.graph_analysis.output_stride import Cells, followed, tried
from landcover.models.network import Graph, Network
from landcover.models.output_side.activations import activation_of
from landcover.models.output_side.forms import form_of
from landcover.models.output_side.stride_and_halo import Place, place_of
from landcover.models.preprocessing.numpy import NumpyOperations
from landcover.models.preprocessing.rendering import arranged
from landcover.models.preprocessing.specification import Output, Pixels, Probabilities, Steps

# Codes of maps have two bytes, of which one value stands for no data.
_MOST_CLASSES = 65_535
_PIECE = 2**20  # pixels
_LONGEST = 500  # characters of what a library says
# By how much results of the same pixels may differ, of how far their numbers lie apart: sums are
# added up in any order. Numbers of bf16 have eight binary digits.
_ROUNDING, _ROUNDING_BELOW_F32 = 1e-3, 2e-2


@dataclass(frozen=True)
class Returned:
    """What a network returns.

    Args:
        classes: their names, in its order.
        output: how what it returns becomes probabilities.
        doubted: what is told of it was warned of.
    """

    classes: tuple[str, ...]
    output: Output
    doubted: bool = False

    @property
    def halo(self) -> int:
        """Pixels on each side of its window that get no label."""
        return self.output.halo


def find_output(
    graph: Graph, facts: Facts, steps: Steps, told: ModelSettings, shown: str
) -> Returned:
    """Find out what a network returns, from its graph, from what is told, and from noise.

    The noise is given to the network as it is: nothing that is found out depends on mean and scale.

    Args:
        graph: the network.
        facts: what its graph says.
        steps: the steps before it.
        told: what is told about it.
        shown: the model's name in messages.

    Raises:
        ModelError: it returns something other than what is told, or nothing that labels tiles or
            pixels, or what it returns cannot be told.
        ConfigError: the classes are no scheme's, or one is named twice.
    """
    probe = _Probe(graph, steps)
    images = graph.signature.batch or 2
    pixels = probe.noise((images, steps.bands, *steps.size))
    if graph.signature.batch is None:
        # Who gives it one image at a time does not mind what it would make of more. Else there are
        # three: a runtime may halve them, and then two are together.
        pixels = pixels[:1] if told.batch == 1 else pixels[[0, 1, 0]]
    try:
        raw = probe.run(pixels)
    except (LandcoverError, MemoryError):
        raise
    except Exception as error:  # the libraries have no error in common
        reason = str(error)[:_LONGEST]
        raise ModelError(shown, f"does not run on an image of noise: {reason}") from error
    if len(raw) != len(pixels):
        reason = "what it reads and returns needs an axis for images in front: export it with one"
        raise ModelError(shown, f"returns {len(raw)} results for {len(pixels)} images: {reason}")
    names = _told_classes(told, shown)
    named = None if names is None else len(names)
    output = form_of(raw.shape, steps, facts.ending, named, told, shown)
    if told.output is not None and (told.output == "pixel") != output.pixel:
        raise ModelError(
            shown,
            f"returns an output of shape {raw.shape}: no label a {told.output} as told: take "
            "'output' out, or name another output in 'head'",
        )
    if told.threshold is not None and output.form != "probability":
        reason = "returns more than one number a label: threshold is for one, take it out"
        raise ModelError(shown, reason)
    classes = _classes(names, output, facts, told, shown)
    _check_repeatable(probe, pixels, raw, told, graph.signature.batch, shown)
    activation, doubted = activation_of(raw, output, facts.ending, told, shown)
    output = replace(
        output,
        classes=len(classes),
        activation=activation,
        threshold=0.5 if told.threshold is None else told.threshold,
        quantization=facts.ending.quantization,
    )
    if output.cells is not None:
        place = _place(probe, graph, facts, output, told, shown)
        output = replace(output, stride=place.stride, halo=place.halo)
    return Returned(classes, output, doubted)


_T = TypeVar("_T")
_Run: TypeAlias = Callable[[Pixels], Probabilities]
_Noise: TypeAlias = Callable[[Sequence[int]], Pixels]


class _Probe:
    """Runs a network on noise, without mean and scale.

    Args:
        graph: the network.
        steps: the steps before it.
    """

    def __init__(self, graph: Graph, steps: Steps) -> None:
        bands = steps.bands
        self.steps = replace(
            steps, mean=(0.0,) * bands, scale=(1.0,) * bands, mean_image=None, output=None
        )
        self._dtype = np.dtype(graph.signature.dtype)
        self._network: Network = graph.compile(self.steps)
        self._rng = np.random.default_rng(2017)

    def noise(self, shape: Sequence[int]) -> Pixels:
        """Pixels above zero, by which networks divide, and no larger than those most are trained on."""
        whole = self._dtype.kind in "iu"
        pixels: Pixels = np.empty(shape, self._dtype if whole else np.float32)
        flat = pixels.reshape(-1)
        # Drawn in pieces: the generator's own numbers take up to eight times the room.
        for start in range(0, flat.size, _PIECE):
            count = min(_PIECE, flat.size - start)
            drawn = (
                self._rng.integers(1, 127, count) if whole else self._rng.uniform(0.05, 1, count)
            )
            flat[start : start + count] = drawn
        return pixels

    def run(self, pixels: Pixels) -> Probabilities:
        """What the network returns, as float32 and nothing else."""
        with np.errstate(all="ignore"):
            return self._network.run(pixels)

    def cells(self, output: Output, axis: int) -> Cells | None:
        """Stride and place of what it returns, from where the answer to noise changes."""
        return self._heard(output, lambda run, image, noise: tried(run, image, 2 + axis, noise))

    def is_turned(self, output: Output, stride: int) -> bool:
        """Whether its map is seen to lie otherwise than its image."""
        return bool(
            self._heard(output, lambda run, image, noise: is_turned(run, image, noise, stride))
        )

    def _heard(
        self, output: Output, trial: Callable[[_Run, Pixels, _Noise], _T | None]
    ) -> _T | None:
        """What a trial with noise finds; networks that scale their input themselves hear louder noise."""
        operations = NumpyOperations()

        def answer(pixels: Pixels) -> Probabilities:
            found = arranged(operations, self.run(pixels), output)
            return np.asarray(found, np.float32)

        for loud in (1, 255):
            times = 1 if self._dtype.kind in "iu" else loud

            def noise(shape: Sequence[int], times: int = times) -> Pixels:
                return np.asarray(self.noise(shape) * times, self.pixels)

            shape = (1, self.steps.bands, *self.steps.size)
            found = trial(answer, noise(shape), noise)
            if found is not None or times != loud:
                return found
        return None

    @property
    def pixels(self) -> np.dtype[np.generic]:
        """The dtype of the noise."""
        return self._dtype if self._dtype.kind in "iu" else np.dtype(np.float32)


def _check_repeatable(
    probe: _Probe,
    pixels: Pixels,
    raw: Probabilities,
    told: ModelSettings,
    insisted: int | None,
    shown: str,
) -> None:
    """Refuse a network that makes something else of an image by chance, or by the rest of its batch.

    Args:
        probe: runs it.
        pixels: of some images.
        raw: what it has returned for them.
        told: what is told about it.
        insisted: on how many images at once; None: any number.
        shown: the model's name in messages.

    Raises:
        ModelError: saying what settles it.
    """
    others = pixels.copy()
    others[1:] = np.maximum(others[1:] / 4, 1 / 16 if pixels.dtype.kind == "f" else 1)
    share = _ROUNDING if told.precision == "f32" else _ROUNDING_BELOW_F32
    if _alike(raw[:1], probe.run(others)[:1], share):
        return
    if not _alike(raw[:1], probe.run(pixels)[:1], share):
        raise ModelError(
            shown,
            "returns something else for the same image each time that it runs: there is chance in it "
            "(dropout of a training, mostly): export it for inference",
        )
    alone = "" if insisted else ", or set model.batch to 1, which gives it one image at a time"
    raise ModelError(
        shown,
        "returns something else for an image where others are in its batch (batch normalization in "
        "training mode, or dynamic quantization, mostly), so that its labels would depend on chance: "
        f"export it for inference{alone}",
    )


def _alike(one: Probabilities, other: Probabilities, share: float) -> bool:
    """Whether two results are the same but for rounding, a share of how far their numbers lie apart."""
    known = one[np.isfinite(one)]
    if not known.size:
        return True  # what is no number is looked at where it is scored
    room = share * float(np.ptp(known)) + _ROUNDING**2 * float(np.abs(known).max())
    return bool(np.allclose(one, other, rtol=0, atol=room, equal_nan=True))


def _place(
    probe: _Probe, graph: Graph, facts: Facts, output: Output, told: ModelSettings, shown: str
) -> Place:
    steps = probe.steps
    assert output.cells is not None
    find: Callable[[int], Cells | None] = _found_by(probe, graph, facts, output)
    place = place_of(steps.size, output.cells, find, told, shown)
    flat = output.rank == 1 + (output.class_axis is not None) + 1
    if flat and place.stride == 1 and not _in_rows(find, steps.size):
        raise ModelError(
            shown,
            "returns all pixels along one axis, and not row by row: name the layer before in 'head'",
        )
    if probe.is_turned(output, place.stride):
        raise ModelError(
            shown,
            "returns a map that lies otherwise than its image, which is transposed or mirrored: name "
            "the layer before that in 'head', or export it without",
        )
    return place


def _in_rows(find: Callable[[int], Cells | None], size: tuple[int, int]) -> bool:
    """Whether pixels that are returned along one axis come row by row, as far as can be told."""
    found = [find(axis) for axis in (0, 1) if size[axis] > 1]
    return all(cells is None or abs(cells.stride - 1) < 0.1 for cells in found)


def _found_by(
    probe: _Probe, graph: Graph, facts: Facts, output: Output
) -> Callable[[int], Cells | None]:
    """Finds the cells of an axis: from the graph where it can be followed, else by trying."""
    steps = probe.steps
    where = {"NCHW": (2, 3), "NHWC": (1, 2), "NHW": (1, 2)}[steps.layout]
    shape = {
        "NCHW": (1, steps.bands, *steps.size),
        "NHWC": (1, *steps.size, steps.bands),
        "NHW": (1, *steps.size),
    }[steps.layout]
    shape = (graph.signature.batch or 1, *shape[1:])
    spans: list[object] = []

    def find(axis: int) -> Cells | None:
        if not spans:
            spans.append(facts.dependencies(shape, where))
        known = spans[0]
        if isinstance(known, np.ndarray) and known.ndim == 1 + output.rank:
            planes = [arranged(NumpyOperations(), plane, output) for plane in known]
            found = followed(np.stack(planes), 2 + axis, steps.size, axis)
            if found is not None:
                return found
        return probe.cells(output, axis)

    return find


def _told_classes(told: ModelSettings, shown: str) -> tuple[str, ...] | None:
    with _of_model(shown):
        return scheme(told.classes).names if isinstance(told.classes, str) else told.classes


@contextmanager
def _of_model(shown: str) -> Iterator[None]:
    """Mistakes in classes, with the name of the model that they are told of."""
    try:
        yield
    except ConfigError as error:
        raise ConfigError(error.mistakes, f"{shown}: {error.origin}") from None


def _classes(
    names: tuple[str, ...] | None, output: Output, facts: Facts, told: ModelSettings, shown: str
) -> tuple[str, ...]:
    count = output.classes
    moved = output.form == "numbers" and facts.ending.moved_by is not None
    scores = f"{head_for(facts.ending.source)}, the scores that they are chosen by"
    if output.form == "numbers":
        if moved and facts.ending.classes is None:
            reason = f"numbers its classes otherwise than from 0 on ({facts.ending.operation})"
            raise ModelError(
                shown, f"{reason}: {scores}, or export it with their numbers from 0 on"
            )
        if names is None and not count:
            raise ModelError(
                shown, "returns the numbers of classes, not how many: set classes, from number 0 on"
            )
        count = facts.ending.classes or count
    if names is not None and len(names) != count:
        origin = f" of scheme {told.classes!r}" if isinstance(told.classes, str) else ""
        what = "one number for two" if output.form == "probability" else str(count)
        also = f"; numbers that it never returns want names as well, or {scores}" if moved else ""
        raise ModelError(
            shown,
            f"returns {what} classes, but {len(names)}{origin} are named: correct 'classes' in "
            f"the sidecar or the configuration{also}",
        )
    if count > _MOST_CLASSES:
        raise ModelError(
            shown, f"returns {count:,} classes; the most that a map can hold is {_MOST_CLASSES:,}"
        )
    names = names or tuple(map(str, range(count)))
    with _of_model(shown):
        return classes_of(names, told.classes if isinstance(told.classes, str) else None).names
