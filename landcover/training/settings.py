"""What is to be trained: strict and frozen, every mistake named at once."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field, model_validator

from landcover.config import Section, with_first_keys


class Base(Section):
    """A network that was trained for something else.

    Args:
        base: a network of keras.applications by its name, such as MobileNetV3Small, or a file of
            Keras (.keras, .h5); what a file's sidecar says of pixels is done to the tiles too.
        weights: a file of weights of that network, as Keras writes them (.weights.h5, .h5), or an
            fsspec URL; None: a file's own, and for a name of keras.applications random ones.
        cut: the layer of a file whose answer is learned from; None: the last but one.
    """

    base: str
    weights: str | None = None
    cut: str | None = None


class ProbeSettings(Section):
    """For few labels: a logistic regression on features that are not learned.

    Args:
        name: "probe".
        features: of a network of one's own; None: the answers of random filters, which need no
            weights.
        filters: at each scale: patches of the imagery itself.
        copies: how often each tile is shown turned, mirrored and in other light, beside as it is.
        variation: how much brightness, contrast and colours of the copies vary, in deviations of
            the imagery.
    """

    name: Literal["probe"] = "probe"
    features: Base | None = None
    filters: int = Field(128, ge=1, le=10_000)
    copies: int = Field(8, ge=0, le=100)
    variation: float = Field(0.3, ge=0, le=2)


class FittedSettings(Section):
    """How a network is fitted in epochs.

    Args:
        epochs: how often every tile is shown, at most.
        patience: epochs without a better validation loss after which training stops.
        batch: tiles a step.
        rate: the largest step width, reached after a tenth of the steps; it ends at 0.
        variation: how much brightness, contrast and colours vary as tiles are shown, in deviations
            of the imagery.
        crop: by what part of its edge a tile is moved at most as it is shown, along either side; it
            is mirrored beyond its edge.
        precision: "bf16": most of the network computes in bfloat16 as it learns, which is quicker
            on a GPU; its weights and its file are float32 all the same.
    """

    epochs: int = Field(40, ge=1)
    patience: int = Field(10, ge=1)
    batch: int = Field(32, ge=1)
    rate: float = Field(3e-3, gt=0, le=1)
    variation: float = Field(0.3, ge=0, le=2)
    crop: float = Field(0.1, ge=0, lt=0.5)
    precision: Literal["f32", "bf16"] = "f32"


class NetworkSettings(FittedSettings):
    """A small convolutional network, trained from scratch.

    Args:
        name: "network".
        width: filters of the first stage.
    """

    name: Literal["network"] = "network"
    width: int = Field(24, ge=1, le=1024)


class UnetSettings(FittedSettings):
    """A U-Net, trained from scratch: it labels pixels, and learns from tiles of ``prepare --pixels``.

    Args:
        name: "unet".
        width: filters of the first stage; each deeper one has twice as many.
        depth: how often the image is halved.
    """

    name: Literal["unet"] = "unet"
    width: int = Field(16, ge=1, le=1024)
    depth: int = Field(2, ge=1, le=6)
    batch: int = Field(16, ge=1)


class TransferSettings(FittedSettings, Base):
    """A network that was trained for something else, with a new last layer; then its last layers too.

    Args:
        name: "transfer".
        epochs: how often every tile is shown while only the new layer learns, at most.
        then: how often while the last layers of the base learn too, at most.
        layers: how many layers of the base learn then, from its end.
        rate: the largest step width of the new layer; the base takes a tenth of it.
    """

    name: Literal["transfer"]
    epochs: int = Field(20, ge=1)
    then: int = Field(10, ge=0)
    layers: int = Field(30, ge=1)
    patience: int = Field(5, ge=1)
    rate: float = Field(1e-3, gt=0, le=1)


class CurveSettings(Section):
    """How accuracy grows with the number of labels.

    Args:
        labels: tiles of each class that are drawn to learn from; none: 5, 10, 20, 50 and so on, as
            far as the rarest class has them.
        seeds: draws of each number.
    """

    labels: tuple[Annotated[int, Field(ge=2)], ...] = ()
    seeds: int = Field(3, ge=1, le=100)


Method: TypeAlias = Annotated[
    ProbeSettings | NetworkSettings | UnetSettings | TransferSettings,
    Field(discriminator="name"),
]


class TrainSettings(Section):
    """One training.

    Args:
        data: a local folder with a folder of images for each class, or with such folders in
            ``train/``, ``validation/`` and ``test/``.
        output: the folder that gets the model and all that is told of it.
        method: what is trained; a name alone stands for its defaults.
        classes: names in the order of the output, or of a scheme such as nlcd6; None: the names of
            the folders, sorted. These, ``bands`` and ``resolution`` are told by tiles of ``prepare``.
        bands: which bands of the imagery the images' bands are, from 1 or by name; None: its first
            ones.
        resolution: metres a pixel of the images; None: not known.
        validation: share of the images of each class that is drawn to measure with, where the folder
            holds no validation split.
        curve: measures how accuracy grows with labels, by the tiles of test/ or else validation/,
            which tiles of ``prepare`` have on ground of their own; None: it is not measured.
        seed: makes chance repeatable.
        license: of the model, for its card.
    """

    data: str
    output: str
    method: Method = ProbeSettings()
    classes: str | tuple[str, ...] | None = None
    bands: tuple[int | str, ...] | None = None
    resolution: float | None = Field(None, gt=0.0001, le=1e6)
    validation: float = Field(0.15, gt=0, lt=1)
    curve: CurveSettings | None = None
    seed: int = Field(0, ge=0, lt=2**32)
    license: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _short_forms(cls, values: Any) -> Any:
        """``method: probe`` stands for its defaults, keys without a name for those of the probe.

        ``output: {path: ...}`` is what other commands' configurations say.
        """
        if not isinstance(values, Mapping):
            return values
        found = dict(with_first_keys(values, {"method": "name"}))
        if isinstance(method := found.get("method"), Mapping):
            found["method"] = {"name": "probe", **method}
        if isinstance(output := found.get("output"), Mapping) and {*output} == {"path"}:
            found["output"] = output["path"]
        for key in {"data", "output"} & found.keys():
            if isinstance(found[key], os.PathLike):
                found[key] = str(found[key])
        return found
