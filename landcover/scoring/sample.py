"""A sample of a run's imagery: tiles from all over the plan, the same ones every time."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby, islice

import numpy as np

from landcover.contracts import Strip, Task
from landcover.tiles.images import ImageSource
from landcover.tiles.rasters import RasterSource

# A plan is cut into so many tasks at most, to draw from; so many times the tasks that are needed are
# drawn, as some hold nothing but nodata.
_MOST_TASKS, _SPARE = 20_000, 4
# Of all tiles, those that a network is calibrated on; the others judge it.
_FOR_CALIBRATION = 0.2
# Tiles that are given to a network at once: few, as nobody knows yet how much memory they take.
_BATCH = 8
# What a sample may hold in memory.
_MOST_BYTES = 2**28


@dataclass(frozen=True, eq=False)
class Sample:
    """Tiles of a run, a few in each batch, in two parts that share none.

    Args:
        chosen_by: what a network is calibrated by, and its layers are chosen by.
        judged_by: what says whether it is good enough: nothing was chosen by them.
    """

    chosen_by: tuple[Strip, ...]
    judged_by: tuple[Strip, ...]

    @cached_property
    def digest(self) -> str:
        """What two samples share only if they have the same pixels."""
        total = hashlib.sha256()
        for part in (self.chosen_by, self.judged_by):
            total.update(b"part")
            for strip in part:
                total.update(f"{strip.pixels.dtype} {strip.pixels.shape}".encode())
                total.update(strip.pixels.tobytes())
                total.update(b"" if strip.valid is None else np.packbits(strip.valid).tobytes())
        return total.hexdigest()


def draw(source: RasterSource | ImageSource, planned: int, most: int) -> Sample:
    """Draw tiles that hold data, from all over a plan; the same plan gives the same ones.

    Args:
        source: of the plan.
        planned: tiles of the plan.
        most: tiles of the sample.
    """
    chance = random.Random(0)
    cut = source.divided(max(1, planned // _MOST_TASKS))
    tasks = _drawn(cut.tasks(), _SPARE * most, chance)
    tiles, held = list[Strip](), 0
    for tile in islice(_tiles(tasks, most, chance), most):
        held += tile.pixels.nbytes
        if held > _MOST_BYTES:
            break
        tiles.append(tile)
    split = round(len(tiles) * _FOR_CALIBRATION)
    return Sample(_batches(tiles[:split]), _batches(tiles[split:]))


def _drawn(tasks: Iterator[Task], number: int, chance: random.Random) -> list[Task]:
    """Tasks drawn with equal chances from a plan whose length is not known, in random order."""
    kept = list(islice(tasks, number))
    for seen, task in enumerate(tasks, number + 1):
        place = chance.randrange(seen)
        if place < number:
            kept[place] = task
    chance.shuffle(kept)
    return kept


def _tiles(tasks: Sequence[Task], most: int, chance: random.Random) -> Iterator[Strip]:
    """Tiles of the tasks, one of each; more where there are few tasks."""
    each = 1 if len(tasks) >= _SPARE * most else -(-2 * most // max(1, len(tasks)))
    for task in tasks:
        left, reads = each, list(task.reads())
        chance.shuffle(reads)
        for read in reads:
            strip = read()
            places = chance.sample(range(len(strip.tiles)), min(left, len(strip.tiles)))
            left -= len(places)
            for place in places:
                cut = slice(place, place + 1)
                valid = None if strip.valid is None else strip.valid[cut].copy()
                yield Strip(strip.tiles[cut], strip.pixels[cut].copy(), valid)
            if not left:
                break


def _batches(tiles: Sequence[Strip]) -> tuple[Strip, ...]:
    """A few tiles each, of one dtype."""
    batches = []
    for _, alike in groupby(tiles, lambda tile: (tile.pixels.dtype, tile.valid is None)):
        while some := list(islice(alike, _BATCH)):
            masks = [tile.valid for tile in some if tile.valid is not None]
            batches.append(
                Strip(
                    [tile for strip in some for tile in strip.tiles],
                    np.concatenate([strip.pixels for strip in some]),
                    np.concatenate(masks) if masks else None,
                )
            )
    return tuple(batches)
