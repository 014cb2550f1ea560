"""What a run writes once all its parts are there: maps, accuracy, pictures."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from landcover.analysis.accuracy import accuracy
from landcover.models.recipe import Recipe
from landcover.report.figures import confusion_figure, map_figure
from landcover.runs.directory import RunDirectory
from landcover.runs.mosaic import write_maps
from landcover.runs.scene_grid import SceneGrid
from landcover.tiles.images import ImageSource
from landcover.tiles.rasters import RasterSource


def write_outcome(
    run: RunDirectory, source: RasterSource | ImageSource, recipe: Recipe
) -> dict[str, Any]:
    """Make maps and pictures of the parts of a run.

    Returns:
        what ``run.json`` says of them: ``files``, relative to the directory, and ``accuracy``
        where the true labels are known.
    """
    if isinstance(source, RasterSource):
        return _maps(run, source, recipe)
    return _accuracy(run)


def _maps(run: RunDirectory, source: RasterSource, recipe: Recipe) -> dict[str, Any]:
    scenes = [SceneGrid(s.name, s.crs, s.transform, s.grid) for s in source.scenes()]
    maps = write_maps(run, scenes, recipe.output)
    files = list(maps.files)
    if not maps.note:
        title = scenes[0].name if len(scenes) == 1 else f"{len(scenes)} scenes"
        path = run.storage.where("map.tif")
        _picture(run, "map.png", lambda png: map_figure(path, run.scheme, png, title))
        files.append("map.png")
    return {"files": files, **({"note": maps.note} if maps.note else {})}


def _accuracy(run: RunDirectory) -> dict[str, Any]:
    found = accuracy(run)
    if found is None:
        return {"files": []}
    _picture(
        run, "confusion.png", lambda png: confusion_figure(found.matrix, list(found.names), png)
    )
    return {"files": ["confusion.png"], "accuracy": found.to_json()}


def _picture(run: RunDirectory, name: str, draw: Callable[[Path], object]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, name)
        draw(path)
        run.storage.put_file(name, path)
