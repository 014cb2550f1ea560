"""A network that labels tiles by their names, and imagery that nobody reads: what is simulated is the rest."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal

import numpy as np
from support.rasters import imagery, write

from landcover.contracts import Failure, Read, Tile
from landcover.models.recipe import Recipe
from landcover.scoring.labels import Labels
from landcover.scoring.pipeline import Batch, Tally
from landcover.scoring.readers import Limits
from landcover.tiles.rasters import RasterSource

CLASSES = ("water", "forest", "field")
EDGE, ROWS, COLS, TASK = 4, 4, 5, 4
# Of 1,000: tiles that are damaged, and those without data.
_DAMAGED, _EMPTY = 150, 100


def recipe_of(output: Literal["tile", "pixel"]) -> Recipe:
    """What a model that the network stands for would be opened by."""
    return Recipe(
        path="simulated.onnx",
        format="onnx",
        digest="0" * 64,
        runtime="onnxruntime",
        precision="f32",
        batch=3,
        head=None,
        classes=CLASSES,
        scheme=None,
        bands=(1,),
        channel_order="rgb",
        mean=(0.0,),
        scale=(1.0,),
        input_size=(EDGE, EDGE),
        halo=0,
        resolution=None,
        output=output,
        form="scores",
        activation="none",
        threshold=None,
        layout="NCHW",
        reads="float32",
        class_axis=1,
        rank=4 if output == "pixel" else 2,
        cells=(EDGE, EDGE) if output == "pixel" else None,
        output_stride=1,
        quantization=None,
    )


def source_of(folder: Path, output: str) -> RasterSource:
    """One scene."""
    path = folder / "scene.tif"
    if not path.exists():
        write(path, imagery(1, ROWS * EDGE, COLS * EDGE))
    return RasterSource([str(path)], tile=EDGE, bands=(1,), mask=output == "pixel")


class Models:
    """Stands in for the models that are open in a process.

    Args:
        fails: whether a tile cannot be read at this moment.
    """

    def __init__(self, fails: Callable[[], bool]) -> None:
        self._fails = fails

    @contextmanager
    def use(self, recipe: Recipe, threads: int) -> Iterator[Any]:
        yield SimpleNamespace(
            device="cpu",
            take_load=lambda: 0.0,
            model=SimpleNamespace(batch=recipe.batch, recipe=recipe, arithmetic=None),
            pipeline=_Pipeline(recipe.output, self._fails),
        )

    def close(self, recipe: Recipe, threads: int) -> None:
        pass


class _Pipeline:
    """Labels tiles by their names, and fails some of them."""

    def __init__(self, output: str, fails: Callable[[], bool]) -> None:
        self._output, self._fails = output, fails

    def score(
        self, reads: Sequence[Read], infer: Any, tally: Tally, limits: Limits
    ) -> Iterator[tuple[Batch, Labels]]:
        for read in reads:
            limits.stop.check()
            kept = [tile for tile in read.tiles() if self._is_read(tile, tally)]
            if kept:
                yield Batch(kept, np.empty(0), None), self._labels(kept)

    def _is_read(self, tile: Tile, tally: Tally) -> bool:
        chance = zlib.crc32(tile.tile.encode()) % 1000
        if chance < _DAMAGED:
            tally.failures.append(Failure(tile, f"{tile.source}: is damaged", False))
        elif chance < _DAMAGED + _EMPTY:
            tally.skipped += 1
        elif self._fails():
            tally.failures.append(Failure(tile, f"{tile.source}: does not answer", True))
        else:
            return True
        return False

    def _labels(self, tiles: Sequence[Tile]) -> Labels:
        draws = [np.random.default_rng(zlib.crc32(tile.tile.encode())) for tile in tiles]
        labels = np.array([draw.integers(len(CLASSES)) for draw in draws], np.intp)
        scores = np.full(len(tiles), 0.5, np.float32)
        probabilities = np.full((len(tiles), len(CLASSES)), 1 / 3, np.float32)
        if self._output == "tile":
            return Labels(labels, scores, probabilities)
        shape = EDGE, EDGE
        pixels = np.stack([draw.integers(0, len(CLASSES), shape, np.int16) for draw in draws])
        nothing = np.zeros(len(tiles), np.intp)
        return Labels(labels, scores, probabilities, pixels, nothing, np.ones(pixels.shape, "f4"))
