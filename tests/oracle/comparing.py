"""A case is scored, and every difference from the reference told in a sentence."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import rasterio
import rioxarray
import shapely
import xarray as xr
import yaml
from rasterio.crs import CRS

import landcover as lc
from oracle.cases import Case
from oracle.mosaics import mosaic, share
from oracle.reference import NO_CLASS, Expected, Map, Tile, expected
from oracle.regions import save

_PLACE = 1e-6  # of a pixel, beside what a double of this size can tell
_FAR_APART = 20  # maps with more gap than this have no mosaic
_NEVER = 65535


def differences(case: Case, reference: Case | None = None) -> list[str]:
    """What is wrong with a case; nothing where all is as it should be.

    Args:
        case: what is scored.
        reference: what the reference takes it for; None: the same.
    """
    told = case if reference is None else reference
    with tempfile.TemporaryDirectory(prefix="oracle-") as name:
        folder = Path(name)
        (folder / "scenes").mkdir()
        paths = [scene.write(folder / "scenes") for scene in case.scenes]
        model = folder / "network.onnx"
        case.network.save(model)
        model.with_suffix(".yaml").write_text(yaml.safe_dump(case.sidecar))
        found = list(_of_run(case, told, paths, model, folder / "run"))
        if case.in_memory():
            found += _of_arrays(told, paths, model)
        return found


def _of_run(
    scored: Case, case: Case, paths: list[list[Path]], model: Path, output: Path
) -> Iterator[str]:
    rasters: Any = str(paths[0][0].parent)
    if not case.by_folder:
        named = [[str(path) for path in files] for files in paths]
        rasters = [files[0] if len(files) == 1 else files for files in named]
    asked = dict(scored.settings)
    if scored.region is not None:
        asked["source.region"] = str(output.with_name("region.gpkg"))
        save(scored, output.with_name("region.gpkg"))
    lc.score(rasters=rasters, model=model, output=output, overrides=asked)
    found = zip((scene.called for scene in case.scenes), expected(case, paths), strict=True)
    # Scenes without a tile in the region are no part of the run.
    names, scenes = zip(*((name, one) for name, one in found if one.planned), strict=True)
    yield from _counts(json.loads((output / "run.json").read_text()), scenes)
    tables = [pq.read_table(path) for path in sorted((output / "tiles").glob("*.parquet"))]
    rows = _rows(tables)
    for name, scene in zip(names, scenes, strict=True):
        own = [row for row in rows if row["source"] == name]
        yield from _table(case, name, scene, own)
    if others := {row["source"] for row in rows} - set(names):
        yield f"the table has scenes that nobody asked for: {others}"
    if len(scenes) == 1:
        yield from _map(case, output / "map.tif", scenes[0].map)
        return
    for name, scene in zip(names, scenes, strict=True):
        yield from _map(case, output / "maps" / f"{name}.tif", scene.map)
    maps = [scene.map for scene in scenes]
    if share(maps) <= _FAR_APART:
        yield from _map(case, output / "map.vrt", mosaic(maps))


def _counts(manifest: dict[str, Any], scenes: Sequence[Expected]) -> Iterator[str]:
    planned = sum(scene.planned for scene in scenes)
    scored = sum(len(scene.tiles) for scene in scenes)
    wanted = {"planned": planned, "scored": scored, "quarantined": 0, "skipped": planned - scored}
    said = {key: manifest["tiles"].get(key) for key in wanted}
    if (manifest["status"], said) != ("done", wanted):
        yield f"run.json says {manifest['status']}, {said}, not {wanted}"


def _rows(tables: list[pa.Table]) -> list[dict[str, Any]]:
    return [row for table in tables for row in table.to_pylist()]


def _table(case: Case, name: str, scene: Expected, rows: list[dict[str, Any]]) -> Iterator[str]:
    places = [(row["row"], row["col"]) for row in rows]
    wanted = [(tile.row, tile.col) for tile in scene.tiles]
    if sorted(places) != sorted(wanted):
        more, less = set(places) - set(wanted), set(wanted) - set(places)
        yield f"{name}: tiles too many {_some(more)}, missing {_some(less)}, of {len(wanted)}"
        return
    by_place = dict(zip(places, rows, strict=True))
    bad = [
        f"tile {tile.row}/{tile.col}: {what}"
        for tile in scene.tiles
        for what in _tile(case, name, scene.map, tile, by_place[tile.row, tile.col])
    ]
    if bad:
        yield f"{name}: {len(bad)} differences in {len(wanted)} tiles, such as {_some(bad)}"


def _tile(case: Case, name: str, on: Map, tile: Tile, row: dict[str, Any]) -> Iterator[str]:
    if row["tile"] != f"{name}/{tile.row}/{tile.col}":
        yield f"is called {row['tile']}"
    options = {case.names[label]: label for label in tile.labels}
    if row["label"] not in options:
        yield f"label {row['label']!r}, not {list(options)} (score {row['score']}, {tile.scores})"
        return
    label = options[row["label"]]
    if row["code"] != case.codes[label]:
        yield f"code {row['code']} for {row['label']!r}, not {case.codes[label]}"
    score, slack = (one[tile.labels.index(label)] for one in (tile.scores, tile.slacks))
    if abs(row["score"] - score) > slack:
        yield f"score {row['score']}, not {score}"
    bounds = [row[key] for key in ("xmin", "ymin", "xmax", "ymax")]
    if not _same_place(bounds, tile.bounds, on):
        yield f"bounds {bounds}, not {tile.bounds}"
    if not _same_place(shapely.from_wkb(row["geometry"]).bounds, tile.bounds, on):
        yield "its outline is not its bounds"
    if row["true_label"] is not None:
        yield f"true label {row['true_label']}"
    asked = case.settings["output.probabilities"]
    if (row.get("probabilities") is not None) != asked:
        yield f"probabilities are {row.get('probabilities')}, asked is {asked}"
    elif asked and not (np.abs(row["probabilities"] - tile.probabilities) <= tile.apart).all():
        yield f"probabilities {row['probabilities']}, not {tile.probabilities}"


def _same_place(found: Any, wanted: Any, on: Map) -> bool:
    """To a millionth of a pixel, and to the last digits of a double."""
    slack = _PLACE * on.transform[0] + 4 * np.spacing(np.abs(wanted).max())
    return bool(np.abs(np.subtract(found, wanted)).max() <= slack)


def _map(case: Case, path: Path, wanted: Map) -> Iterator[str]:
    with rasterio.open(path) as file:
        found, where, nodata = file.read(1), file.transform, file.nodata
        crs, dtype = file.crs, file.dtypes[0]
    empty = 255 if max(case.codes) < 255 else _NEVER
    if (nodata, dtype) != (empty, "uint8" if empty == 255 else "uint16"):
        yield f"{path.name}: {dtype} with nodata {nodata}"
    if crs != CRS.from_user_input(wanted.crs):
        yield f"{path.name}: CRS {crs}, not {wanted.crs}"
    place = (where.a, where.c, -where.e, where.f)
    if not _same_place(place, wanted.transform, wanted) or where.b or where.d:
        yield f"{path.name}: transform {place}, not {wanted.transform}"
    yield from _codes(case, path.name, found, wanted, empty)


def _codes(
    case: Case, name: str, found: npt.NDArray[Any], wanted: Map, empty: int
) -> Iterator[str]:
    codes = np.array([*case.codes, empty])[wanted.classes]  # NO_CLASS is the last
    if found.shape != codes.shape:
        yield f"{name}: {found.shape} pixels, not {codes.shape}"
        return
    bad = np.argwhere((found != codes) & ~wanted.open)
    if len(bad):
        y, x = bad[0]
        first = f"[{y}, {x}] is {found[y, x]}, not {codes[y, x]}"
        yield f"{name}: {len(bad)} of {codes.size} pixels differ: {first}"


def _of_arrays(case: Case, paths: list[list[Path]], model: Path) -> Iterator[str]:
    """The same scene as an array, in memory and as blocks that are read when they are needed."""
    [scene] = expected(case, paths, chosen_tell=True)
    opened: Any = rioxarray.open_rasterio(paths[0][0])
    array = opened.sel(band=list(case.bands)).load()
    for kind, given in (("array", array), ("lazy array", _in_blocks(case, array))):
        found = lc.score_array(given, {"path": str(model), **_model_keys(case)})
        yield from (f"{kind}: {what}" for what in _dataset(case, found.compute(), scene.map))


def _model_keys(case: Case) -> dict[str, Any]:
    keys = {key.partition(".")[2]: v for key, v in case.settings.items() if key.startswith("model")}
    tile = case.settings.get("source.tile")
    return {**keys, **({} if tile is None else {"input_size": tile})}


def _in_blocks(case: Case, array: xr.DataArray) -> xr.DataArray:
    rng = np.random.default_rng(case.seed)
    return array.chunk({dim: int(rng.integers(1, size + 1)) for dim, size in array.sizes.items()})


def _dataset(case: Case, found: xr.Dataset, wanted: Map) -> Iterator[str]:
    empty = found.label.attrs["nodata"]
    yield from _codes(case, "label", found.label.values, wanted, empty)
    held = (wanted.classes != NO_CLASS) & ~wanted.open
    if found.score.shape == held.shape:
        near = np.abs(found.score.values - wanted.scores) <= wanted.slack
        if not near[held].all():
            yield f"score: {int((~near[held]).sum())} of {int(held.sum())} differ"
        if not np.isnan(found.score.values[wanted.classes == NO_CLASS]).all():
            yield "score: is a number where there is no label"
    wide, left, high, top = wanted.transform
    rows, cols = wanted.classes.shape
    centres = {
        "y": top - high * (np.arange(rows) + 0.5),
        "x": left + wide * (np.arange(cols) + 0.5),
    }
    for name, values in centres.items():
        if found[name].shape != values.shape or not _same_place(found[name], values, wanted):
            yield f"{name}: {found[name].values[:3]}, not {values[:3]}"


def _some(items: Any) -> str:
    return "; ".join(str(item) for item in sorted(items, key=str)[:3])
