"""One network in several runtimes: do they agree, and how fast are they?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from landcover.config import PRECISIONS, ModelSettings
from landcover.errors import ConfigError, LandcoverError, ModelError, ScalingUntold
from landcover.models.comparison.agreement import Agreement, agreement, before_softmax
from landcover.models.comparison.stored_outputs import StoredOutputs, stored_beside
from landcover.models.comparison.timing import block_noise, interleaved
from landcover.models.fetch import local_path, shown
from landcover.models.formats.detection import ModelFile, detect
from landcover.models.network import Network
from landcover.models.preprocessing.specification import Pixels, Steps
from landcover.models.recipe import Recipe, make_recipe
from landcover.models.runtimes.facts import runtimes_for
from landcover.models.runtimes.registry import start_runtime
from landcover.plugins import runtime_names

Images = Callable[[Recipe], Pixels]
"""Makes the pixels to compare with, dims (n, band, y, x), for a model that is known."""


class Contender(NamedTuple):
    """A runtime in a precision."""

    runtime: str
    precision: str


@dataclass(frozen=True)
class Result:
    """What one contender made of a network.

    Args:
        runtime, precision: of the contender.
        agreement: with the reference; None where no output could be compared.
        outputs: how many outputs were compared.
        tiles_a_second: median over batches; None where it was not measured.
        reason: why an output could not be computed; None where all could.
    """

    runtime: str
    precision: str
    agreement: Agreement | None
    outputs: int
    tiles_a_second: float | None
    reason: str | None


@dataclass(frozen=True)
class Comparison:
    """One network in several runtimes.

    Args:
        path: as it was asked for.
        format: of the file.
        size: bytes of all its files.
        tiles: how many tiles were computed.
        outputs: how many outputs were asked for.
        reference: what the results are compared with.
        results: one a contender.
        as_they_are: pixels are given as they are because nothing tells mean and scale.
    """

    path: str
    format: str
    size: int
    tiles: int
    outputs: int
    reference: str
    results: tuple[Result, ...]
    as_they_are: bool


@dataclass(frozen=True)
class Conditions:
    """How networks are compared.

    Args:
        runtimes: their names; empty: all that run the file's format.
        precisions: "f32", "bf16", "f16".
        threads: CPU threads each; 0: as many as the runtime thinks fit.
        batch: tiles given at once when the speed is measured.
        speed: whether it is measured.
        references: whether outputs that are stored beside the model are the reference.
    """

    runtimes: Sequence[str] = ()
    precisions: Sequence[str] = ("f32",)
    threads: int = 0
    batch: int = 16
    speed: bool = True
    references: bool = True


def compare(
    settings: ModelSettings, conditions: Conditions, images: Images | None = None
) -> Comparison:
    """Run a network in several runtimes on the same tiles.

    The reference is what is stored beside the model; else CNTK itself for its own files, where it
    is installed; else the first runtime that runs the network. Probabilities are compared as their
    logarithms, unless outputs are stored: a softmax that saturates would hide what differs.

    Args:
        settings: the model; its sidecar counts, but not for stored inputs, which are the network's.
        conditions: of the comparison.
        images: the tiles; default: those stored beside the model, else noise.

    Raises:
        ModelError: the model cannot be read, or nothing runs it.
        ConfigError: mistakes in the sidecar.
    """
    name = shown(settings.path)
    file = detect(local_path(settings.path), name)
    trial = _trial(file, settings, conditions, images)
    contenders = _contenders(file, conditions)
    entries = [_Entry(contender, trial, conditions.threads) for contender in contenders]
    label, reference = _reference(trial, entries, name)
    measured = conditions.speed and len(trial.heads) == 1
    speeds = _speeds(entries, trial.pixels, conditions.batch) if measured else {}
    return Comparison(
        path=name,
        format=file.format,
        size=sum(part.stat().st_size for part in file.files),
        tiles=len(trial.pixels),
        outputs=len(trial.heads),
        reference=label,
        results=tuple(
            e.result(reference, trial.class_axis, speeds, trial.stored is not None) for e in entries
        ),
        as_they_are=trial.as_they_are,
    )


@dataclass(frozen=True, eq=False)
class _Trial:
    """What every contender computes."""

    file: ModelFile
    pixels: Pixels
    steps: Steps
    heads: tuple[str | int | None, ...]
    class_axis: int
    stored: StoredOutputs | None = None
    as_they_are: bool = False


def _trial(
    file: ModelFile, settings: ModelSettings, conditions: Conditions, images: Images | None
) -> _Trial:
    stored = stored_beside(local_path(settings.path)) if conditions.references else None
    if stored is not None and settings.head is not None:
        stored = stored.only(settings.head)
    if stored is not None and images is None:
        several = len(stored.outputs) > 1
        heads = tuple(range(len(stored.outputs))) if several else (settings.head,)
        axis = 1 if file.format in ("cntk", "cntk-v1", "onnx") else -1
        return _Trial(file, stored.pixels(), stored.steps(), heads, axis, stored)
    untold = False
    try:
        recipe = make_recipe(settings, conditions.threads, here=False)
    except ScalingUntold:  # runtimes agree on these pixels, or do not, as on any others
        untold = True
        plain = settings.model_copy(update={"mean": 0.0, "scale": 1.0})
        recipe = make_recipe(plain, conditions.threads, here=False)
    steps = recipe.steps()
    if images is not None:
        pixels = images(recipe)
    else:
        pixels = block_noise(conditions.batch, steps.bands, steps.size)
    return _Trial(file, pixels, steps, (recipe.head,), 1, as_they_are=untold)


def _contenders(file: ModelFile, conditions: Conditions) -> list[Contender]:
    names = list(conditions.runtimes) or _able(file)
    return [Contender(name, precision) for name in names for precision in conditions.precisions]


def _able(file: ModelFile) -> list[str]:
    """The runtimes for a file: CNTK first where it is the file's own.

    Keras has found out the recipe on TensorFlow, and computes with nothing else in this process.
    """
    able = [name for name in runtimes_for(file.format) if name not in ("jax", "torch")]
    return sorted(able, key=lambda name: name != "cntk")


class _Entry:
    """A contender with its networks, one a head, and what they returned."""

    def __init__(self, contender: Contender, trial: _Trial, threads: int) -> None:
        self.contender = contender
        self.networks: dict[int, Network] = {}
        self.outputs: dict[int, Pixels] = {}
        self.reason: str | None = None
        try:
            name = str(trial.file.path)
            runtime = start_runtime(
                contender.runtime, trial.file, contender.precision, threads, name
            )
        except LandcoverError as error:
            self.reason = _sentence(error, trial.file)
            return
        for at, head in enumerate(trial.heads):
            try:
                network = runtime.open(trial.file, head).compile(trial.steps)
                self.outputs[at] = network.run(trial.pixels)
                self.networks[at] = network
            except LandcoverError as error:
                self.reason = self.reason or _sentence(error, trial.file)

    def result(
        self,
        reference: Mapping[int, Pixels],
        axis: int,
        speeds: Mapping[Contender, float],
        stored: bool,
    ) -> Result:
        """What is to be told of it; stored outputs are compared as they are."""
        both = [at for at in self.outputs if at in reference]
        agreed, reason = None, self.reason
        if both:
            try:
                found = [self.outputs[at] for at in both]
                wanted = [reference[at] for at in both]
                if not stored:
                    found, wanted = before_softmax(found, wanted, axis)
                agreed = agreement(found, wanted, axis)
            except ValueError as error:
                reason = str(error)
        speed = speeds.get(self.contender)
        return Result(*self.contender, agreed, len(both), speed, reason)


def _sentence(error: LandcoverError, file: ModelFile) -> str:
    """An error without the name of the file, which stands beside it anyway."""
    return str(error).removeprefix(f"{file.path}: ").removeprefix(f"{file.path.name}: ")


def _reference(
    trial: _Trial, entries: Sequence[_Entry], name: str
) -> tuple[str, Mapping[int, Any]]:
    if trial.stored is not None:
        return f"what is stored in {trial.stored.path}", dict(enumerate(trial.stored.outputs))
    able = [entry for entry in entries if entry.outputs]
    if not able:
        reasons = "; ".join(f"{e.contender.runtime}: {e.reason}" for e in entries)
        raise ModelError(name, f"no runtime computes it: {reasons}")
    genuine = [entry for entry in able if entry.contender.runtime == "cntk"]
    first = (genuine or able)[0]
    return f"{first.contender.runtime} in {first.contender.precision}", first.outputs


def _speeds(entries: Sequence[_Entry], pixels: Pixels, batch: int) -> dict[Contender, float]:
    networks = {e.contender: e.networks[0] for e in entries if 0 in e.networks}
    tiles = np.ascontiguousarray(pixels[np.arange(batch) % len(pixels)])
    return {who: batch / seconds for who, seconds in interleaved(networks, tiles).items()}


def check_conditions(conditions: Conditions) -> None:
    """Complain about what no comparison can be made with.

    Raises:
        ConfigError: naming every mistake.
    """
    mistakes = [
        f"precision {p!r} is none of {', '.join(PRECISIONS)}"
        for p in conditions.precisions
        if p not in PRECISIONS
    ]
    mistakes += [
        f"no runtime is called {name!r}; registered: {', '.join(runtime_names())}"
        for name in conditions.runtimes
        if name not in runtime_names()
    ]
    if conditions.batch < 1:
        mistakes.append(f"batch must be 1 or more, and is {conditions.batch}")
    if mistakes:
        raise ConfigError(mistakes, "the arguments")
