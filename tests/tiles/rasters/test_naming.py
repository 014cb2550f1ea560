"""Which scenes there are, in which order, and what they are called."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.rasters import imagery, write

from landcover.errors import SourceError
from landcover.tiles.rasters.naming import named_scenes


def test_scenes_are_in_the_order_of_their_entries_those_with_a_file_a_band_too(
    tmp_path: Path,
) -> None:
    for name in ("one", "two", "red", "nir", "folder/b", "folder/a"):
        write(tmp_path / f"{name}.tif", imagery(1, 8, 8))
    one, two, red, nir = (str(tmp_path / f"{n}.tif") for n in ("one", "two", "red", "nir"))
    entries = [two, (red, nir), str(tmp_path / "folder"), one]
    found = named_scenes(entries).scenes
    assert [name for name, _ in found] == ["two", "red", "folder/a", "folder/b", "one"]
    assert dict(found)["red"] == (red, nir)


def test_a_scene_with_a_file_a_band_that_is_given_twice_is_refused(tmp_path: Path) -> None:
    red, nir = (write(tmp_path / f"{n}.tif", imagery(1, 8, 8)) for n in ("red", "nir"))
    with pytest.raises(SourceError, match=r"red\.tif: is given twice"):
        named_scenes([(red, nir), (red, nir)])
