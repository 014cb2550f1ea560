"""What a run writes once all its parts are there: maps, accuracy, pictures."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from landcover.analysis.true_labels import accuracy
from landcover.contracts import Backend
from landcover.errors import OutputError
from landcover.models.recipe import Recipe
from landcover.report.figures import confusion_figure, map_figure
from landcover.runs.directory import RunDirectory
from landcover.runs.map_format.area import Area
from landcover.runs.map_format.grid import Output, SceneGrid
from landcover.runs.maps.maker import Form, MapMaker, Maps
from landcover.runs.maps.origins import PartPlace
from landcover.tiles.images import ImageSource
from landcover.tiles.rasters import RasterSource


def write_outcome(
    run: RunDirectory,
    source: RasterSource | ImageSource,
    recipe: Recipe,
    pool: Backend,
    mosaic: Form,
) -> dict[str, Any]:
    """Make maps and pictures of the parts of a run.

    Args:
        run: the directory.
        source: of the tasks.
        recipe: the model's.
        pool: whose workers make the maps.
        mosaic: what the mosaic of several scenes is.

    Returns:
        what ``run.json`` says of them: ``files``, relative to the directory, ``accuracy`` where the
        true labels are known, and ``note``: what could not be made, and why.
    """
    if isinstance(source, ImageSource):
        return _accuracy(run)
    scenes = [SceneGrid(s.name, s.crs, s.transform, s.grid) for s in source.scenes()]
    maps = MapMaker(run, pool, recipe.output).write(scenes, _places(source, recipe.output), mosaic)
    return _told(run, maps, scenes)


def _places(source: RasterSource, output: Output) -> Iterator[PartPlace]:
    """Where on the maps of scenes the parts of all tasks lie."""
    for task in source.tasks():
        area = Area(*(task.written() if output == "pixel" else task.block))
        yield PartPlace(task.scene.name, task.index, area)


def _told(run: RunDirectory, maps: Maps, scenes: list[SceneGrid]) -> dict[str, Any]:
    files, notes = list(maps.files), [maps.note] if maps.note else []
    if not maps.note:
        title = scenes[0].name if len(scenes) == 1 else f"{len(scenes)} scenes"
        path = run.storage.where(files[0])
        notes += _picture(
            run, "map.png", lambda png: map_figure(path, run.scheme, maps.counts, png, title), files
        )
    return {"files": files, **({"note": "; ".join(notes)} if notes else {})}


def _accuracy(run: RunDirectory) -> dict[str, Any]:
    found = accuracy(run)
    if found is None:
        return {"files": []}
    files: list[str] = []
    names = list(found.names)
    notes = _picture(
        run, "confusion.png", lambda png: confusion_figure(found.matrix, names, png), files
    )
    told = {"files": files, "accuracy": found.to_json()}
    return told | ({"note": "; ".join(notes)} if notes else {})


def _picture(
    run: RunDirectory, name: str, draw: Callable[[Path], object], files: list[str]
) -> list[str]:
    """Draw a picture and add it to the files of a run.

    Returns:
        why there is none. A picture is no reason to fail a run after all its work: whatever goes
        wrong with it is said, and the run goes on.
    """
    try:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, name)
            draw(path)
            run.storage.put(name, path.read_bytes())
    except Exception as error:  # noqa: BLE001
        with suppress(OutputError):  # what an earlier attempt has drawn shows another map
            run.storage.remove(name)
        return [f"{name}: cannot be drawn: {' '.join(str(error).split()) or type(error).__name__}"]
    files.append(name)
    return []
