"""The sections of a configuration: strict and frozen."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias, get_args

from pydantic import BaseModel, ConfigDict, Field, model_validator

from landcover.redaction import redacted_values

# Sections that their first key alone may stand for.
FIRST_KEYS = {
    **dict.fromkeys(("model", "reference", "output", "region"), "path"),
    **dict.fromkeys(("backend", "method"), "name"),
}

BESIDE = "beside"
"""Of ``source.date.stac``: the item beside each scene."""

Device: TypeAlias = Literal["auto", "cpu", "gpu"]
Arithmetic: TypeAlias = Literal["f32", "bf16", "f16"]
PRECISIONS: tuple[Arithmetic, ...] = get_args(Arithmetic)
Precision: TypeAlias = Literal["f32", "bf16", "f16", "i8"]
Alpha: TypeAlias = Literal["mask", "imagery"]
Inside: TypeAlias = Literal["whole", "centre", "touch"]
Palette: TypeAlias = Literal["expand"]
Resize: TypeAlias = Literal["none", "fit", "crop", "pad"]
Number: TypeAlias = Annotated[float, Field(allow_inf_nan=False)]
PerBand: TypeAlias = Number | tuple[Number, ...]
# Rows or columns of one window: 3 GB of three bands in float32.
_MOST_PIXELS = 16_384
Edge: TypeAlias = Annotated[int, Field(ge=1, le=_MOST_PIXELS)]
Margin: TypeAlias = Annotated[int, Field(ge=0, le=_MOST_PIXELS)]
Names: TypeAlias = Annotated[tuple[str, ...], Field(min_length=1)]


class Section(BaseModel):
    """Keys that belong together: none but these, and none changes afterwards."""

    # The longest path that Linux has: 4096 bytes.
    model_config = ConfigDict(
        frozen=True, extra="forbid", arbitrary_types_allowed=True, str_max_length=4096
    )


class RegionSettings(Section):
    """The ground that is scored: polygons of a vector file, in any CRS.

    Args:
        path: GeoPackage, GeoJSON, shapefile, FlatGeobuf, file geodatabase or GeoParquet; local or an
            fsspec URL.
        layer: which layer of it; default: the only one.
        where: which features, as a condition in SQL (``NAME = 'Middlesex'``); default: all.
    """

    path: str
    layer: str | None = None
    where: str | None = None


class DateSettings(Section):
    """Where the date of a scene stands; nowhere said: in its file's name, as 20160915 or 2016-09-15.

    Args:
        pattern: a regular expression that is looked for in the path of the scene's first file; its
            group ``date`` is YYYY, YYYYMM or YYYYMMDD, with or without ``-`` between.
        tag: of the file, whose text is such a date, such as TIFFTAG_DATETIME.
        stac: "beside" for the STAC item beside each scene (SCENE.json, or FOLDER/FOLDER.json where
            that names it), or the path or URL of a document with the items of all: a collection or
            catalog that links to them, or what a search has found.
    """

    pattern: str | None = None
    tag: str | None = None
    stac: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, values: Any) -> Any:
        """``auto`` stands for none of them, any other text for a pattern."""
        if isinstance(values, str):
            return {} if values == "auto" else {"pattern": values}
        return values

    @model_validator(mode="after")
    def _one_place(self) -> DateSettings:
        if sum(one is not None for one in (self.pattern, self.tag, self.stac)) > 1:
            raise ValueError("needs one of 'pattern', 'tag' and 'stac', not several")
        if self.pattern is not None and "date" not in _groups(self.pattern):
            raise ValueError(
                f"{self.pattern!r} is neither 'auto' nor a regular expression with a group 'date', "
                r"such as '_(?P<date>\d{8})_'"
            )
        return self


class SourceSettings(Section):
    """Which imagery is scored, and how tiles cover it.

    Args:
        rasters: scenes: paths, globs, folders or fsspec URLs; an entry that is itself a list names
            the files of one scene that keeps a file per band, in the order of the bands.
        images: image files: paths, globs, folders or fsspec URLs.
        tile: edge of what the network sees, in pixels at ``resolution``; default: the model's.
        stride: distance between neighbouring tiles in pixels; default: the tile less its halo.
        halo: pixels read around what a tile writes; default: the model's.
        resolution: metres a pixel; default: the model's, else the scene's own.
        bands: bands in the order of the network, from 1 or by their names; default: the model's.
        grid: where tiles begin: at the corner of each "scene", or on one lattice on the "ground"
            for all scenes of one CRS and resolution.
        region: rasters only: nothing outside of these polygons is scored.
        inside: which tiles lie in the region: "whole" ones, those whose "centre" does, or all that
            "touch" it; default: centre, and for networks that label pixels touch: of these, only
            the labels of pixels whose centre lies in the region are kept.
        alpha: what a band is that its file declares alpha: a "mask" of the pixels, or "imagery";
            default: imagery if the network reads it, else a mask.
        palette: "expand": rasters of indices into a palette are read as the colours that these stand
            for; default: they are refused.
        resize: what to do with images of another size than the network's window: "none" (they are
            not scored), "fit" (resampled), "crop" (their middle), "pad" (mirrored at their edges).
        date: rasters only: where the date of a scene stands; scenes of several dates get a map a date.
        labels: "parent": the true label of an image is the name of its folder.
        formats: what files may be beyond the usual: drivers of GDAL for rasters, formats of Pillow
            for images.
        outside: rasters only: virtual rasters may name files anywhere, not only in the folders and
            stores that are named here.
        task: tiles a task; default: chosen for the model.
        most_tiles: rasters only: a plan of more tiles is refused, as it is rather a mistake in a file.
    """

    rasters: tuple[str | Names, ...] = ()
    images: tuple[str, ...] = ()
    tile: Edge | None = None
    stride: Edge | None = None
    halo: Margin | None = None
    resolution: float | None = Field(None, gt=0.0001, le=1e6)
    bands: tuple[int | str, ...] | None = None
    grid: Literal["scene", "ground"] = "scene"
    region: RegionSettings | None = None
    inside: Inside | None = None
    alpha: Alpha | None = None
    palette: Palette | None = None
    resize: Resize = "none"
    date: DateSettings | None = None
    labels: Literal["parent"] | None = None
    formats: tuple[str, ...] = ()
    outside: bool = False
    task: int | None = Field(None, ge=1, le=1_000_000)
    most_tiles: int = Field(100_000_000, ge=1, le=10**15)

    @model_validator(mode="before")
    @classmethod
    def _one_or_many(cls, values: Any) -> Any:
        return with_first_keys(_listed(values, "rasters", "images", "formats"), {"region": "path"})

    @model_validator(mode="after")
    def _exactly_one(self) -> SourceSettings:
        if bool(self.rasters) == bool(self.images):
            raise ValueError("needs either 'rasters' or 'images'")
        if self.labels and self.rasters:
            raise ValueError("'labels' goes with 'images': a raster has no folder per class")
        if self.region and self.images:
            raise ValueError("'region' goes with 'rasters': image files have no place on earth")
        if self.date and self.images:
            raise ValueError("'date' goes with 'rasters': image files have no map")
        if self.inside and not self.region:
            raise ValueError(
                "'inside' says which tiles of a 'region' are scored, and there is none"
            )
        if self.outside and self.images:
            raise ValueError("'outside' goes with 'rasters': image files name no others")
        if self.resize != "none" and self.rasters:
            raise ValueError("'resize' goes with 'images'; rasters have 'resolution'")
        return self


class ModelSettings(Section):
    """Which network is applied, and everything between pixels and probabilities.

    All but ``path`` may also stand in the sidecar, a YAML file of the model's name beside it; what
    is set here wins.

    Args:
        path: the model file or folder, local or an fsspec URL.
        runtime: what executes the network; "auto" chooses by a stated rule.
        precision: arithmetic of the network. "i8" is calibrated on a sample of the run's imagery and
            kept only where its labels are those of f32 (``precision_check``); "fastest" is the fastest
            of all that are.
        device: what the network runs on: "auto" is a GPU on hosts that have any which the runtime
            can use, one for each worker process, and the CPU on others.
        batch: tiles given to the network at once.
        head: which of several outputs: its name or its index from 0.
        classes: names in the order of the network's output, or the name of a scheme.
        bands: bands of the imagery that the network reads, from 1 or by name, in its order.
        channel_order: "bgr" where the network wants the three colours in reverse.
        mean: subtracted from pixels, one number or one a band.
        mean_image: in place of ``mean``: a mean file of CNTK (.xml), with a number for every pixel.
        scale: the network gets (pixel - mean) * scale; one number or one a band.
        input_size: edge of what the network sees, in pixels.
        resolution: metres a pixel that the network was trained at.
        output: "tile" for a label a tile, "pixel" for a label a pixel.
        activation: what the network leaves to do: "softmax" where it ends in the logits of classes
            of which one is true, "sigmoid" where in logits of single ones, "none" where in
            probabilities.
        threshold: of a network with one output: from which probability on the label is the second
            of two classes.
        output_stride: pixels of the window from one label of the network to the next; the
            probabilities are interpolated between them.
        halo: pixels on each side of the window that get no label.
    """

    path: str
    runtime: str = "auto"
    precision: Precision | Literal["fastest"] = "f32"
    device: Device = "auto"
    batch: Annotated[int, Field(ge=1, le=1_000_000)] | Literal["auto"] = "auto"
    head: str | int | None = None
    classes: str | tuple[str, ...] | None = None
    bands: tuple[int | str, ...] | None = None
    channel_order: Literal["rgb", "bgr"] | None = None
    mean: PerBand | None = None
    mean_image: str | None = None
    scale: PerBand | None = None
    input_size: Edge | None = None
    resolution: float | None = Field(None, gt=0.0001, le=1e6)
    output: Literal["tile", "pixel"] | None = None
    activation: Literal["softmax", "sigmoid", "none"] | None = None
    threshold: float | None = Field(None, gt=0, lt=1)
    output_stride: Edge | None = None
    halo: Margin | None = None


class BackendSettings(BaseModel):
    """What spreads the work: a name, and the options of that backend by name."""

    model_config = ConfigDict(frozen=True, extra="allow")

    name: str = "local"

    @property
    def options(self) -> dict[str, Any]:
        """The options that are set, to be given to the backend's constructor."""
        return {key: value for key, value in (self.model_extra or {}).items() if value is not None}

    def recorded(self) -> dict[str, Any]:
        """Name and options as plain JSON values; objects stand there as their kind."""
        options = {key: _recorded(value) for key, value in self.options.items()}
        return {"name": self.name, **options}


class OutputSettings(Section):
    """Where the run's directory is, and what it holds beyond the usual.

    Args:
        path: a local folder or an fsspec URL.
        probabilities: whether tables hold the probabilities of all classes.
        mosaic: of several scenes: "index" for a virtual raster that shows their maps as one, "cog"
            for one map of them all.
        overlap: what the map shows where scenes overlap: the "first" listed one that has a class there,
            the one whose "centre" is nearest, or the "newest" (with ``source.date``; scenes of all
            dates are then one map). Each scene is scored as a whole, whatever the map shows of it.
        imagery: whether the picture of the map shows the imagery below the classes.
    """

    path: str
    probabilities: bool = False
    mosaic: Literal["index", "cog"] = "index"
    overlap: Literal["first", "centre", "newest"] = "first"
    imagery: bool = False


class FailureSettings(Section):
    """What to do with tiles that fail: set them aside up to a share of the plan, or stop.

    Args:
        policy: whether a tile that fails is set aside, or ends the run.
        at_most: share of the plan that may fail.
        timeout: seconds that one read may take; its tiles are then set aside, to be tried again.
        patience: seconds for which workers wait for a store that is down before the run stops; 0:
            not at all, and its tiles are set aside, to be tried again.
    """

    policy: Literal["quarantine", "fail"] = "quarantine"
    at_most: float = Field(0.01, ge=0, le=1)
    timeout: float = Field(600, gt=0)
    patience: float = Field(120, ge=0)


class PlanSettings(Section):
    """What workers cost, so that a plan and a run can say what they take.

    Args:
        price: of a worker for an hour.
        currency: of the price, as it is to be told.
        watts: that a worker draws.
    """

    price: float | None = Field(None, ge=0, allow_inf_nan=False)
    currency: str = Field("", max_length=12)
    watts: float | None = Field(None, ge=0, allow_inf_nan=False)


class PrecisionSettings(Section):
    """What the precisions i8 and fastest must keep.

    Args:
        at_least: share of labels that are those of f32, as the lower end of its interval of 95 % says
            it of a sample of the run's imagery that nothing was chosen by.
    """

    at_least: float = Field(0.99, gt=0, lt=1)


class Config(Section):
    """One scoring run."""

    source: SourceSettings
    model: ModelSettings
    backend: BackendSettings = BackendSettings()
    output: OutputSettings
    failures: FailureSettings = FailureSettings()
    plan: PlanSettings = PlanSettings()
    precision_check: PrecisionSettings = PrecisionSettings()

    @model_validator(mode="before")
    @classmethod
    def _short_forms(cls, values: Any) -> Any:
        """``model: path``, ``backend: name`` and ``output: path`` stand for their first keys."""
        if not isinstance(values, Mapping):
            raise ValueError("must hold the keys source, model, backend, output")  # noqa: TRY004
        return with_first_keys(values, FIRST_KEYS)

    @model_validator(mode="after")
    def _dates_of_the_newest(self) -> Config:
        if self.output.overlap == "newest" and self.source.date is None:
            raise ValueError("output.overlap: 'newest' needs the dates of scenes: set source.date")
        if self.output.overlap != "first" and self.source.images:
            raise ValueError("output.overlap goes with 'rasters': image files have no map")
        return self

    def recorded(self) -> dict[str, Any]:
        """All that is set as plain JSON values, for ``run.json``.

        Secrets are left out, and objects handed to a backend (a client, a session) stand there as
        their kind.
        """
        values = self.model_dump(mode="json", exclude_none=True, exclude={"backend"})
        found: dict[str, Any] = redacted_values({**values, "backend": self.backend.recorded()})
        return found


def _recorded(value: Any) -> Any:
    """An option of a backend as a plain JSON value."""
    if isinstance(value, (str, int, float)):
        return value
    if isinstance(value, (list, tuple)):
        return [_recorded(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): _recorded(item) for key, item in value.items()}
    return f"{type(value).__module__}.{type(value).__qualname__}"


def _groups(pattern: str) -> Iterable[str]:
    """The names of a regular expression's groups; none where it is no such expression."""
    try:
        return re.compile(pattern).groupindex
    except re.error:
        return ()


def _listed(values: Any, *keys: str) -> Any:
    if not isinstance(values, Mapping):
        return values
    single = (str, Path)
    return {
        key: [str(value)] if key in keys and isinstance(value, single) else value
        for key, value in values.items()
    }


def with_first_keys(values: Any, first: Mapping[str, str]) -> Any:
    """Values in which a section that is a text is one whose first key has it.

    Args:
        values: of a section, or of the whole; what is no mapping comes back as it is.
        first: the first key by the name of the section.
    """
    if not isinstance(values, Mapping):
        return values
    return {
        key: {first[key]: str(value)} if key in first and isinstance(value, (str, Path)) else value
        for key, value in values.items()
    }
