"""Parts that get another place in the plan: all of each, whenever that is interrupted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from landcover.contracts import Failure, Tile
from landcover.errors import OutputError
from landcover.local_files import TEMPORARY
from landcover.runs.counts import counts_of
from landcover.runs.directory import RunDirectory
from landcover.runs.parts import Part, all_parts, write_part
from landcover.runs.pixels import PixelBlock, read_pixels
from landcover.runs.rearranging import rearrange
from landcover.runs.storage import Storage

MakePart = Callable[..., Part]
MakeTile = Callable[..., Tile]
CRS = "EPSG:26914"
# Of five tasks one is gone (b), one is new (f), and all others but one (e) move.
OLD, NEW = "abcde", ("c", "a", "d", "f", "e")


def _written(run: RunDirectory, make_part: MakePart, make_tile: MakeTile) -> dict[int, Any]:
    for index, digest in enumerate(OLD):
        values = np.full((2, 3), run.scheme.codes[index], np.uint8)
        block = PixelBlock("a.tif", values, index, 0, (1.0, 0.0, 5e5, 0.0, -1.0, 4.5e6), CRS)
        failures = [Failure(make_tile(index, 9), f"reason {digest}", retryable=False)]
        part = make_part(index, digest=digest, pixels=block, failures=failures)
        write_part(run, part)
    found = {index: counts_of(run, index) for index in all_parts(run)}
    assert [one.digest for one in found.values() if one] == [*OLD]
    return found


def _whole(run: RunDirectory) -> dict[int, str]:
    """The parts that are there, by their digests, each with what lies beside it."""
    found = {}
    for index in all_parts(run):
        counts = counts_of(run, index)
        assert counts is not None
        for kind in ("pixels", "quarantine"):
            assert (index, counts.mark) in run.marked_parts(kind)  # type: ignore[arg-type]
        block = read_pixels(run, index)
        assert block is not None
        assert set(block.values.ravel()) == {run.scheme.codes[OLD.index(counts.digest)]}
        found[index] = counts.digest
    return found


def test_parts_move_with_all_that_lies_beside_them_and_nothing_else_is_left(
    run: RunDirectory, make_part: MakePart, make_tile: MakeTile
) -> None:
    found = _written(run, make_part, make_tile)
    moved = rearrange(run, found, enumerate(NEW))
    expected = {0: "c", 1: "a", 2: "d", 4: "e"}
    assert _whole(run) == expected
    assert {index: counts.digest for index, counts in moved.items()} == expected
    marks = {(index, counts.mark) for index, counts in moved.items()}
    for kind in ("pixels", "quarantine"):
        assert {*run.marked_parts(kind)} == marks  # type: ignore[arg-type]
    assert not [name for name in run.storage.names("") if name.startswith(TEMPORARY)]
    assert rearrange(run, moved, enumerate(NEW)) == moved


def test_a_part_that_is_there_is_whole_wherever_moving_it_was_interrupted(
    run: RunDirectory,
    make_part: MakePart,
    make_tile: MakeTile,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    left, put = 0, Storage.put

    def failing(storage: Storage, name: str, content: bytes) -> None:
        nonlocal left
        if left == 0:
            raise OutputError(name, "the disk is full")
        left -= 1
        put(storage, name, content)

    for writes in range(100):
        for index in all_parts(run):
            run.storage.remove(run.part("tiles", index))
        found = _written(run, make_part, make_tile)
        left = writes
        with monkeypatch.context() as patch:
            patch.setattr(Storage, "put", failing)
            try:
                rearrange(run, found, enumerate(NEW))
                break
            except OutputError:
                pass
        there = _whole(run)
        assert {*there.values()} <= {*OLD}
        assert all(
            NEW[index] == digest for index, digest in there.items() if index in (0, 1, 2)
        ) or (there == dict(enumerate(OLD)))
    assert writes > 15
