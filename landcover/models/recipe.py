"""The recipe: everything that a worker needs to open a model, found out once by the driver."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

from landcover.config import PRECISIONS, Device, ModelSettings, Precision
from landcover.models.fetch import local_path, shown
from landcover.models.formats.detection import Format, ModelFile, detect
from landcover.models.network import Graph
from landcover.models.output_side.probe import find_output
from landcover.models.preprocessing.input_side import fit_input, network_order
from landcover.models.preprocessing.mean_image import read_mean_image
from landcover.models.preprocessing.specification import (
    Activation,
    Form,
    Layout,
    Output,
    Size,
    Steps,
)
from landcover.models.proposal import says_scaling, scaling_untold
from landcover.models.remembered import recalled, remember
from landcover.models.runtimes.facts import facts_of, is_foreign
from landcover.models.runtimes.placement import place
from landcover.models.runtimes.registry import choose_runtime, start_runtime
from landcover.models.sidecar import with_notes, with_sidecar
from landcover.plugins import keras_layer_names

log = logging.getLogger(__name__)

# What a run writes does not depend on these, or (batch, device) on no more than rounding.
_NOT_IDENTITY = {"path", "batch", "device", "mean_image", "quantized"}

_USUAL_BATCH = 16


@dataclass(frozen=True)
class Recipe:
    """How a worker opens a model; a few hundred bytes that pickle.

    Args:
        path: the model file or folder, local or an fsspec URL.
        format: of the file.
        digest: SHA-256 of its content.
        runtime: the name of what executes it.
        precision: arithmetic of the network; "i8" without ``quantized``, and "fastest": what was
            asked for, before a run has settled it.
        batch: tiles given to the network at once.
        head: which of several outputs: its name or its index from 0.
        classes: names in the order of the network's output.
        scheme: the scheme that the names come from; None: they are the model's own.
        bands: bands of the imagery that the network reads, from 1 or by name; pixels are given in
            this order.
        channel_order: "bgr": the network gets the first three bands in reverse.
        mean: subtracted from pixels, a number a band, in the order of ``bands``.
        scale: the network gets (pixel - mean) * scale; a number a band, likewise.
        input_size: rows and columns of the window that the network reads, in pixels.
        halo: pixels on each side of the window that a network which labels pixels does not
            return; 0 for a label a tile.
        resolution: metres a pixel that the network was trained at; None: not known.
        output: "tile" for a label a tile, "pixel" for a label a pixel.
        form: what the network returns for each label: "scores", a number a class; "probability",
            one number, of the second of two classes; "numbers": the number of the class.
        activation: "softmax" or "sigmoid" where the network ends in logits, "none" where in
            probabilities.
        threshold: of a single probability, from which on the label is the second class; None: the
            network returns no such.
        layout: order of the dimensions of the network's input.
        reads: dtype of the network's input, as numpy names it.
        class_axis: axis of the network's output that runs over the classes; None: it has none.
        rank: how many axes that output has, the batch included.
        cells: rows and columns of what the network returns; None for a label a tile.
        output_stride: pixels of the window from one of these to the next; 1: each is a pixel.
        quantization: scale and zero point of an output of whole numbers; None: it has none.
        device: what each worker process is to run it on, as the settings say it.
        mean_image: in place of ``mean``: the file of a mean image, local or an fsspec URL.
        mean_digest: SHA-256 of its content.
        quantized: in i8: the file of the network in 8-bit integers, local or an fsspec URL.
        quantized_digest: SHA-256 of its content.
    """

    path: str
    format: Format
    digest: str
    runtime: str
    precision: Precision | Literal["fastest"]
    batch: int
    head: str | int | None
    classes: tuple[str, ...]
    scheme: str | None
    bands: tuple[int | str, ...]
    channel_order: Literal["rgb", "bgr"]
    mean: tuple[float, ...]
    scale: tuple[float, ...]
    input_size: Size
    halo: int
    resolution: float | None
    output: Literal["tile", "pixel"]
    form: Form
    activation: Activation
    threshold: float | None
    layout: Layout
    reads: str
    class_axis: int | None
    rank: int
    cells: Size | None
    output_stride: int
    quantization: tuple[float, float] | None
    device: Device = "auto"
    mean_image: str | None = None
    mean_digest: str | None = None
    # Wherever it lies, it is the same network.
    quantized: str | None = dataclasses.field(default=None, compare=False)
    quantized_digest: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """All of it as plain JSON values, without secrets that a URL may hold."""
        values = {**dataclasses.asdict(self), "path": shown(self.path)}
        for key in ("mean_image", "quantized"):
            if values[key] is not None:
                values[key] = shown(values[key])
        return {k: list(v) if isinstance(v, tuple) else v for k, v in values.items()}

    def identity(self) -> dict[str, Any]:
        """What decides the results of a run, as plain JSON values: not where the model lies."""
        left_out = {*_NOT_IDENTITY, *(() if self.quantized_digest else ("quantized_digest",))}
        return {k: v for k, v in self.as_dict().items() if k not in left_out}

    def steps(self) -> Steps:
        """The steps that are put around the network.

        Raises:
            ModelError: the mean image cannot be read here, or has changed.
        """
        output = Output(
            form=self.form,
            classes=len(self.classes),
            rank=self.rank,
            class_axis=self.class_axis,
            cells=self.cells,
            activation=self.activation,
            threshold=0.5 if self.threshold is None else self.threshold,
            quantization=self.quantization,
            stride=self.output_stride,
            halo=self.halo,
        )
        order = network_order(len(self.bands), self.channel_order)
        pixels = None
        if self.mean_image is not None:
            pixels = read_mean_image(self.mean_image, self.mean_digest).for_bands(order)
        return Steps(self.layout, self.input_size, self.mean, self.scale, order, output, pixels)


def make_recipe(settings: ModelSettings, threads: int = 0, here: bool = True) -> Recipe:
    """Find out all that is to be known about a model, by its sidecar and by opening it once.

    What neither the settings nor the sidecar tell is read from the network's graph: the number of
    bands and the window from the shape of its input; whether it returns probabilities from its last
    operations; and where in its window the labels of a network lie that returns fewer than it reads
    pixels, from which pixels each depends on. Where there is no graph that says it, the network is
    tried on noise, and what stays open is asked for. Classes without names are called "0", "1" and
    so on. Notes that a file holds of itself count as if its sidecar said them. Which numbers the
    network wants is asked for, unless it does arithmetic with pixels first or reads whole numbers.
    What was found out is remembered on this host, so that it is not opened for it again.

    Args:
        settings: which model, and what is told about it; wins over the sidecar.
        threads: CPU threads to find out with; 0: as many as the runtime thinks fit.
        here: this process will run the model as well, so that it is opened on the device that the
            settings mean; else it is opened on the CPU, and no GPU is taken.

    Raises:
        ScalingUntold: nothing says whether pixels are to be scaled, not even that they are not.
        ModelError: the model cannot be used, or not in the way that is told, or no GPU is left.
        ConfigError: mistakes in the sidecar, or an unknown scheme.
        PluginNotFound: no runtime has the wanted name.
        MissingExtra: the runtime's library is not installed.
    """
    told = with_sidecar(settings)
    name = shown(told.path)
    file = detect(local_path(told.path), name)
    told, stated = with_notes(told, file)
    # Only openvino computes in less than f32, and only on CPUs; the fastest may be a GPU.
    device = told.device if told.precision in ("f32", "fastest") else "cpu"
    chosen = choose_runtime(told.runtime, file.format, device)
    usual = choose_runtime(settings.runtime, file.format, device)
    if chosen != usual:  # a sidecar may come from where the model does: it decides nothing unseen
        log.warning("%s: its sidecar chooses runtime %r in place of %r", name, chosen, usual)
    gpu = place(told.device, chosen, name) if here else None
    # What is quantized, or chosen, later is looked at in f32 here.
    arithmetic = told.precision if told.precision in PRECISIONS else "f32"

    def find_out() -> tuple[Recipe, bool]:
        runtime = start_runtime(chosen, file, arithmetic, threads, name, gpu)
        return _found_out(told, stated, file, chosen, runtime.open(file, told.head))

    return replace(_remembered(told, file, chosen, find_out), path=told.path)


def _remembered(
    told: ModelSettings,
    file: ModelFile,
    runtime: str,
    find_out: Callable[[], tuple[Recipe, bool]],
) -> Recipe:
    """What was found out before, or is now, and then remembered if nothing was warned of."""
    libraries = facts_of(runtime).libraries
    if told.mean_image or is_foreign(runtime) or not libraries or keras_layer_names():
        return find_out()[0]  # another file decides, too, or code of others: both change unseen
    settings = told.model_dump(mode="json", exclude={"path"})  # a path may hold a secret
    what = {"file": file.digest, "format": file.format, "runtime": runtime, "told": settings}
    known = recalled(Recipe, what, libraries)
    if known is not None:
        return known
    found, certain = find_out()
    if certain and replace(file).digest == file.digest:  # it may have been replaced meanwhile
        remember(replace(found, path=""), what, libraries)
    return found


def _found_out(
    told: ModelSettings, stated: list[str], file: ModelFile, chosen: str, graph: Graph
) -> tuple[Recipe, bool]:
    """What a network says of itself and what running it says; and whether nothing was warned of."""
    name = shown(told.path)
    reads = fit_input(graph.signature, told, name)
    facts = graph.facts()
    returns = find_output(graph, facts, reads.steps, told, name)
    if not says_scaling(told, reads, facts.arithmetic):
        raise scaling_untold(told, stated, reads, returns)
    output = returns.output
    found = Recipe(
        path=told.path,
        format=file.format,
        digest=file.digest,
        runtime=chosen,
        precision=told.precision,
        batch=_batch(told, graph.signature.batch),
        head=told.head,
        classes=returns.classes,
        scheme=told.classes if isinstance(told.classes, str) else None,
        bands=reads.bands,
        channel_order=told.channel_order or "rgb",
        mean=reads.steps.mean,
        scale=reads.steps.scale,
        input_size=reads.steps.size,
        halo=returns.halo,
        resolution=told.resolution,
        output="pixel" if output.pixel else "tile",
        form=output.form,
        activation=output.activation,
        threshold=output.threshold if output.form == "probability" else None,
        layout=reads.steps.layout,
        reads=graph.signature.dtype,
        class_axis=output.class_axis,
        rank=output.rank,
        cells=output.cells,
        output_stride=output.stride,
        quantization=output.quantization,
        device=told.device,
        mean_image=told.mean_image,
        mean_digest=None if reads.mean_image is None else reads.mean_image.digest,
    )
    return found, not returns.doubted


def _batch(told: ModelSettings, fixed: int | None) -> int:
    return max(_USUAL_BATCH, fixed or 0) if told.batch == "auto" else told.batch
