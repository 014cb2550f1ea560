"""Places that changed, put together of the blocks that have cut them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import shapely

from landcover.analysis.change.decision import Judged
from landcover.analysis.change.places import FOLDER, joined, place_file, places_of
from landcover.classes import scheme
from landcover.runs.directory import RunDirectory
from landcover.runs.map_format.area import Area

NLCD6 = scheme("nlcd6")


def _joined(folder: Path, areas: Sequence[Area], codes: Sequence[int]) -> list[dict[str, Any]]:
    """The places of blocks of which each is one transition."""
    output = RunDirectory(str(folder), NLCD6)
    output.storage.prepare(FOLDER)
    for area, code in zip(areas, codes, strict=True):
        true, false = np.ones(area.shape, bool), np.zeros(area.shape, bool)
        judged = Judged(
            *(true, true, false, np.zeros(area.shape, np.uint16)),
            score=np.full(area.shape, 0.5, np.float32),
            neighbours=np.full(area.shape, 8, np.uint8),
        )
        content = places_of(np.full(area.shape, code, np.uint8), judged, np.array([[0.25]]), area)
        output.storage.put(place_file(area), content)
    return list(joined(output, sorted(areas)))


def _boxes(places: Sequence[dict[str, Any]]) -> dict[tuple[float, ...], float]:
    return {one["outline"].bounds: one["pixels"] for one in places}


def test_blocks_of_one_transition_that_touch_are_one_place_without_seams(tmp_path: Path) -> None:
    areas = [Area(0, 4, 0, 4), Area(0, 4, 4, 8), Area(4, 8, 0, 4), Area(4, 8, 4, 8)]
    [place] = _joined(tmp_path, areas, [2, 2, 2, 2])
    assert place["outline"].equals(shapely.box(0, 0, 8, 8))
    assert len(place["outline"].exterior.coords) == 5
    assert (place["code"], place["pixels"], place["hectares"]) == (2, 64, 16)
    assert (place["score"], place["neighbours"]) == (32, 512)
    three = _joined(tmp_path, areas, [2, 3, 2, 2])
    assert sorted(one["pixels"] for one in three) == [16, 48]


def test_blocks_that_touch_at_a_corner_or_with_others_between_them_are_places_of_their_own(
    tmp_path: Path,
) -> None:
    areas = [Area(0, 4, 0, 4), Area(0, 4, 8, 12), Area(8, 12, 0, 4), Area(12, 16, 4, 8)]
    assert _boxes(_joined(tmp_path, areas, [2, 2, 2, 2])) == {
        (0, 0, 4, 4): 16,
        (8, 0, 12, 4): 16,
        (0, 8, 4, 12): 16,
        (4, 12, 8, 16): 16,
    }
