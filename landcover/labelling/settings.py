"""The configuration of ``landcover prepare``: strict and frozen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Self, TypeAlias, get_args

from pydantic import Field, model_validator

from landcover.config import (
    FIRST_KEYS,
    BackendSettings,
    RegionSettings,
    Section,
    SourceSettings,
    with_first_keys,
)
from landcover.redaction import redacted_values

Split: TypeAlias = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = get_args(Split)
"""The splits, in their order."""
Rule: TypeAlias = Literal["nine-point", "majority", "centre"]


class ReferenceSettings(Section):
    """What is held to be true of the ground.

    Args:
        path: a raster of class codes in any CRS and resolution (GeoTIFF, .img), or a vector file of
            points or polygons with a column of classes; local or an fsspec URL.
        scheme: its classes: "nlcd", "cdl", "nlcd6", "nlcd3".
        field: of a vector file: the column with the classes, by name or code; default: "reference",
            "label" or "class".
        ignore: codes of a raster that count as no reference.
    """

    path: str
    scheme: str = "nlcd"
    field: str | None = None
    ignore: tuple[int, ...] = ()


class LabelSettings(Section):
    """Which tiles get a label, and which.

    Args:
        rule: "nine-point": the classes at nine regularly spaced points are all the same. "majority":
            one class covers at least ``share`` of the tile. "centre": the class at its centre.
        share: of "majority", above 0 up to 1.
        scheme: the classes of the tiles; default: those of the reference, of an NLCD the six groups
            of the 2017 guide.
        groups: in place of a scheme: classes by name, each with the codes of the reference that it
            stands for.
        classes: only these of them are wanted, and each must have tiles; default: all that have.
    """

    rule: Rule = "nine-point"
    share: float = Field(0.75, gt=0, le=1)
    scheme: str | None = None
    groups: Mapping[str, tuple[int, ...]] | None = None
    classes: tuple[str, ...] | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.scheme is not None and self.groups is not None:
            raise ValueError("needs 'scheme' or 'groups', not both")
        return self


class SplitSettings(Section):
    """Which tiles are for training, validation and testing.

    Args:
        by: "blocks": squares of ground are dealt out. "scene": whole scenes are; those that show the
            same ground (on other dates) go together. "region": polygons say it.
        shares: of blocks or scenes, by split; one without a share is not made.
        regions: polygons by split, of "region"; what lies in none is for training, unless "train"
            has polygons as well.
        block: metres along the side of a block; default: 16 tiles.
        buffer: metres that tiles of different splits keep between them at least; default: a tile.
    """

    by: Literal["blocks", "scene", "region"] = "blocks"
    shares: Mapping[Split, float] = {"train": 0.8, "validation": 0.1, "test": 0.1}
    regions: Mapping[Split, RegionSettings] = {}
    block: float | None = Field(None, gt=0)
    buffer: float | None = Field(None, ge=0)

    @model_validator(mode="before")
    @classmethod
    def _short_forms(cls, values: Any) -> Any:
        if not isinstance(values, Mapping) or "regions" not in values:
            return values
        return {
            **values,
            "regions": with_first_keys(values["regions"], dict.fromkeys(SPLITS, "path")),
        }

    @model_validator(mode="after")
    def _sensible(self) -> Self:
        if any(share < 0 for share in self.shares.values()) or not sum(self.shares.values()):
            raise ValueError(f"shares are positive numbers, not {dict(self.shares)}")
        if (self.by == "region") != bool(self.regions):
            raise ValueError("'regions' is needed with by: region, and has no meaning without")
        if self.by == "region" and not {*self.regions} - {"train"}:
            raise ValueError("'regions' must name the ground of 'validation' or 'test'")
        return self

    def wanted(self) -> tuple[Split, ...]:
        """The splits that are made, in their order."""
        named = {"train", *self.regions} if self.by == "region" else {*self.shares}
        return tuple(
            one
            for one in SPLITS
            if one in named and (self.by == "region" or self.shares.get(one, 0) > 0)
        )


class DrawSettings(Section):
    """How many of the tiles that have a label are written.

    Args:
        balance: "equal": of each split as many of every class as of its rarest; "none": all.
        most: tiles of a class in the largest split at most; of the other splits in the proportion
            of the tiles that they have.
        seed: another one draws other tiles, and deals blocks and scenes out in another way.
    """

    balance: Literal["equal", "none"] = "equal"
    most: int | None = Field(None, ge=1)
    seed: int = Field(0, ge=0)


class PrepareOutput(Section):
    """Where the tiles go, and what is written beside them.

    Args:
        path: a folder or an fsspec URL.
        pixels: the class of every pixel too, as a raster of codes beside each tile (for networks
            that label pixels).
        tfrecord: shards for TensorFlow, with labels.txt and dataset_split_info.csv.
        cntk: map files for CNTK.
    """

    path: str
    pixels: bool = False
    tfrecord: bool = False
    cntk: bool = False


class PrepareConfig(Section):
    """Labelled tiles from imagery and a reference."""

    source: SourceSettings
    reference: ReferenceSettings
    labels: LabelSettings = LabelSettings()
    split: SplitSettings = SplitSettings()
    draw: DrawSettings = DrawSettings()
    output: PrepareOutput
    backend: BackendSettings = BackendSettings()

    @model_validator(mode="before")
    @classmethod
    def _short_forms(cls, values: Any) -> Any:
        """``reference: path``, ``backend: name`` and ``output: path`` stand for their first keys."""
        return with_first_keys(values, FIRST_KEYS)

    @model_validator(mode="after")
    def _of_scenes(self) -> Self:
        source = self.source
        if source.images:
            raise ValueError(
                "source.images have no place on the ground that a reference could tell of: name "
                "scenes as source.rasters (images in folders by class are labelled tiles already)"
            )
        if source.tile is None:
            raise ValueError("source.tile is missing: the edge of a tile in pixels, such as 224")
        if source.halo or source.labels:
            raise ValueError("source.halo and source.labels have no meaning for labelled tiles")
        return self

    def recorded(self) -> dict[str, Any]:
        """What decides which tiles there are, as plain JSON values without secrets."""
        values = self.model_dump(mode="json", exclude_none=True, exclude={"backend"})
        found: dict[str, Any] = redacted_values(values)
        return found
