"""The second half of a task: those of its tiles that are drawn are read, and written as files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import shapely

from landcover.classes import Scheme
from landcover.contracts import Failure, Tile
from landcover.labelling.chance import Numbers, key_of, numbers
from landcover.labelling.checking import MASKS, SIZE
from landcover.labelling.drawing import Draw
from landcover.labelling.finding import Item, chosen
from landcover.labelling.folder import Prepared, folder_of
from landcover.labelling.images import geotiff, png, suffix_of
from landcover.labelling.plane import outlines_of
from landcover.labelling.reference import Opened, Reference
from landcover.labelling.settings import SPLITS
from landcover.tiles.grid import Block
from landcover.tiles.rasters.scene import Scene


class Written(NamedTuple):
    """What came of a task.

    Args:
        task: its place in the plan.
        tiles: how many files were written.
        unreadable: how many tiles could not be read.
        reason: why the first of these could not; "" for none.
    """

    task: int
    tiles: int
    unreadable: int
    reason: str


@dataclass(frozen=True)
class Writer:
    """Writes the tiles of tasks that are drawn; sent to workers.

    Args:
        folder: where they go.
        scheme: the classes.
        draw: which tiles are drawn.
        seed: of the draw.
        crs: of the outlines in the manifest.
        masks: where the class of every pixel comes from, if it is written too.
    """

    folder: Prepared
    scheme: Scheme
    draw: Draw
    seed: int
    crs: str
    masks: Reference | None = None

    def __call__(self, item: Item) -> Written:
        """Write the tiles of a task.

        Raises:
            OutputError: if something cannot be written.
        """
        found = self.folder.part("labels", item.task.index, self.scheme)
        rows, cols, labels, splits = (
            found.column(name).to_numpy() for name in ("row", "col", "label", "split")
        )
        chance = chance_of(item.task.scene, rows, cols, self.seed)
        drawn = self.draw.drawn(splits, labels, chance)
        keys = zip(rows[drawn].tolist(), cols[drawn].tolist(), strict=True)
        values = zip(labels[drawn].tolist(), splits[drawn].tolist(), strict=True)
        wanted = dict(zip(keys, values, strict=True))
        failures: list[Failure] = []
        lines = list(self._lines(item, wanted, failures)) if wanted else []
        reason = failures[0].reason if failures else ""
        told = Written(item.task.index, len(lines), len(failures), reason)
        self.folder.put_part(
            "tiles", item.task.index, self._table(item.task.scene, lines), told._asdict()
        )
        return told

    def _lines(
        self, item: Item, wanted: dict[tuple[int, int], tuple[int, int]], failures: list[Failure]
    ) -> Iterator[dict[str, Any]]:
        """Read and write tiles: a line of the manifest for each."""
        block, scene = item.task.block, item.task.scene
        places = [(r - block.row0) * (block.col1 - block.col0) + c - block.col0 for r, c in wanted]
        mask = np.zeros(block.tiles, bool)
        mask[places] = True
        with self.masks.opened() if self.masks else nullcontext() as reference:
            for read in chosen(item.task, mask).reads():
                strip = read()
                failures += strip.failures
                for tile, pixels in zip(strip.tiles, strip.pixels, strict=True):
                    label, split = wanted[tile.row, tile.col]
                    yield self._write(item.stem, scene, tile, pixels, label, split, reference)

    def _write(
        self,
        stem: str,
        scene: Scene,
        tile: Tile,
        pixels: npt.NDArray[Any],
        label: int,
        split: int,
        reference: Opened | None,
    ) -> dict[str, Any]:
        item = self.scheme.classes[label]
        suffix = suffix_of(len(pixels), str(pixels.dtype))
        folder = folder_of(SPLITS[split], item)
        name = f"{folder}/{stem}_{tile.row}_{tile.col}"
        content = _encoded(pixels, scene, tile)
        self.folder.storage.put_quickly(name + suffix, content)
        line = {"path": name + suffix, "class": item.name, "code": item.code, "row": tile.row}
        line |= {
            "size": len(content),
            "col": tile.col,
            "scene": scene.name,
            "date": scene.date,
            "split": SPLITS[split],
        }
        if reference is not None:
            mask = line["mask"] = f"{MASKS}/{name}.png"
            codes = np.array([*self.scheme.codes, *[self.scheme.nodata] * 2], self.scheme.dtype)
            found = codes[reference.codes(scene, tile.row, tile.col)][None]
            self.folder.storage.put_quickly(mask, png(found))
        return line

    def _table(self, scene: Scene, lines: list[dict[str, Any]]) -> pa.Table:
        """The lines as a part of the manifest."""
        corners = [
            outlines_of(
                scene, Block(one["row"], one["row"] + 1, one["col"], one["col"] + 1), self.crs
            )[0]
            for one in lines
        ]
        wkb = shapely.to_wkb(shapely.polygons(corners), byte_order=1) if corners else []
        columns: dict[str, pa.Array] = {
            "path": pa.array([one["path"] for one in lines], pa.string()),
            "class": pa.array([one["class"] for one in lines], pa.string()),
            "code": pa.array([one["code"] for one in lines], pa.int32()),
            "geometry": pa.array(list(wkb), pa.binary()),
            SIZE: pa.array([one["size"] for one in lines], pa.int64()),
            **{
                name: pa.array([one[name] for one in lines], pa.string())
                for name in ("scene", "date", "split")
            },
        }
        if self.masks is not None:
            columns["mask"] = pa.array([one["mask"] for one in lines], pa.string())
        return pa.table(columns)


def chance_of(scene: Scene, rows: Any, cols: Any, seed: int) -> Numbers:
    """The numbers by which tiles of a scene are drawn: dims (tile,)."""
    return numbers(key_of(seed, scene.name), rows, cols)


def _encoded(pixels: npt.NDArray[Any], scene: Scene, tile: Tile) -> bytes:
    if suffix_of(len(pixels), str(pixels.dtype)) == ".png":
        return png(pixels)
    top, _, left, _ = scene.grid.read(Block(tile.row, tile.row + 1, tile.col, tile.col + 1))
    return geotiff(pixels, scene.crs, scene.transform_at(top, left))
