"""What a run writes once all its parts are there: maps, accuracy, pictures."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from landcover.analysis.imagery import imagery_on
from landcover.analysis.true_labels import accuracy
from landcover.config.settings import OutputSettings
from landcover.contracts import Backend
from landcover.errors import OutputError
from landcover.local_files import scratch
from landcover.models.recipe import Recipe
from landcover.runs.directory import RunDirectory
from landcover.runs.map_format.area import Area
from landcover.runs.map_format.grid import Output, SceneGrid
from landcover.runs.maps.maker import MapMaker, Maps
from landcover.runs.maps.origins import PartPlace
from landcover.tiles.images import ImageSource
from landcover.tiles.rasters import RasterSource, RasterTask
from landcover.tiles.rasters.scene import Scene


def write_outcome(
    run: RunDirectory,
    source: RasterSource | ImageSource,
    recipe: Recipe,
    pool: Backend,
    wanted: OutputSettings,
) -> dict[str, Any]:
    """Make maps and pictures of the parts of a run.

    Args:
        run: the directory.
        source: of the tasks.
        recipe: the model's.
        pool: whose workers make the maps.
        wanted: what the mosaic of several scenes is and shows, and whether pictures show the imagery.

    Returns:
        what ``run.json`` says of them: ``files``, relative to the directory, ``accuracy`` where the
        true labels are known, ``dates``: which maps show a date, where scenes have dates, and
        ``note``: what could not be made, and why.
    """
    if isinstance(source, ImageSource):
        return _accuracy(run)
    scenes = [scene_grid(scene) for scene in source.scenes()]
    places = (part_place(task, recipe.output) for task in source.tasks())
    maker = MapMaker(run, pool, recipe.output, overlap=wanted.overlap)
    maps = maker.write(scenes, places, wanted.mosaic)
    return _told(run, maps, scenes, wanted.imagery)


def scene_grid(scene: Scene) -> SceneGrid:
    """A scene as its map sees it."""
    return SceneGrid(scene.name, scene.crs, scene.transform, scene.grid, scene.date)


def part_place(task: RasterTask, output: Output) -> PartPlace:
    """Where on the map of its scene the part of a task lies."""
    area = Area(*(task.written() if output == "pixel" else task.block))
    return PartPlace(task.scene.name, task.index, area)


def _told(run: RunDirectory, maps: Maps, scenes: list[SceneGrid], imagery: bool) -> dict[str, Any]:
    files, notes = list(maps.files), []
    if len(maps.dates) > 1:
        for date, of_date in maps.dates.items():
            dated = replace(run, date=date)
            notes += _drawn(dated, of_date, f"maps/{date}.png", date, files, imagery)
    else:
        title = scenes[0].name if len(scenes) == 1 else f"{len(scenes)} scenes"
        notes += _drawn(run, maps, "map.png", title, files, imagery)
    dates = {date: list(of_date.shown) for date, of_date in maps.dates.items()}
    return {
        "files": files,
        **({"dates": dates} if dates else {}),
        **({"note": "; ".join(notes)} if notes else {}),
    }


def _drawn(
    run: RunDirectory, maps: Maps, name: str, title: str, files: list[str], imagery: bool
) -> list[str]:
    """Draw the map of several scenes; the reason why there is none, or no picture of it."""
    if maps.note:
        return [maps.note]
    from landcover.report.figures import map_figure

    path = run.storage.where(maps.files[0])
    below = partial(imagery_on, run) if imagery else None
    what = (path, run.scheme, maps.counts)
    return _picture(run, name, lambda png: map_figure(*what, png, title, below), files)


def _accuracy(run: RunDirectory) -> dict[str, Any]:
    found = accuracy(run)
    if found is None:
        return {"files": []}
    from landcover.report.figures import confusion_figure

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
        with scratch() as folder:
            path = folder / "picture.png"
            draw(path)
            run.storage.put(name, path.read_bytes())
    except Exception as error:  # noqa: BLE001
        with suppress(OutputError):  # what an earlier attempt has drawn shows another map
            run.storage.remove(name)
        # What the disk said, without what helps there: nobody draws it again.
        cause = error.__cause__ if isinstance(error.__cause__, OSError) else error
        said = (cause.strerror if isinstance(cause, OSError) else None) or str(cause)
        return [f"{name}: cannot be drawn: {' '.join(said.split()) or type(cause).__name__}"]
    files.append(name)
    return []
