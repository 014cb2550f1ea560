"""Run directories and caches by somebody who knows them: texts that would be pages, outlines without end, and links,
pipes and files of others where a command writes."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import onnx
import pyarrow as pa
import pyarrow.parquet as pq

from hostile import structure
from hostile.cases import SCORE, SCRIPT, STRANGE_CRS, Case, Ground, move, put_in_the_way
from hostile.makers.runs import put_run

_RUN = ("run", "scene", "colours", "config", "the sample")


def cases() -> Iterator[Case]:
    """Some 230 of them."""
    yield from _commands()
    yield from _tables()
    yield from _maps()
    yield from _outputs()
    yield from _caches()


_COMMANDS: dict[str, tuple[str, ...]] = {
    "score": SCORE,
    "areas": ("areas", "run"),
    "accuracy": ("accuracy", "run", "--reference", "scene.tif"),
    "smooth": ("smooth", "run", "--output", "smoothed"),
    "vectorize": ("vectorize", "run", "--output", "areas.gpkg"),
    "sample": ("sample", "run", "--size", "4", "--minimum", "1", "--output", "sample.gpkg"),
    "report": ("report", "run", "--output", "report.html"),
    "change": ("change", "run", "run", "--output", "changed"),
}


def _commands() -> Iterator[Case]:
    """Whatever reads a run, on runs of which one thing is wrong."""

    def part(seed: int, ground: Ground) -> None:
        file = put_run(ground) / "tiles/part-000000.parquet"
        file.write_bytes(structure.parquet(file.read_bytes(), random.Random(seed)))

    def said(change: Callable[[dict[str, Any]], None], ground: Ground) -> None:
        file = put_run(ground) / "run.json"
        told = json.loads(file.read_text())
        change(told)
        file.write_text(json.dumps(told).replace("{url}", ground.url))

    for number, (what, command) in enumerate(_COMMANDS.items()):
        for seed in range(100 * number, 100 * number + 8):
            yield Case("runs", f"part {seed} {what}", partial(part, seed), command, _RUN)

    def classes(told: dict[str, Any]) -> None:
        for number, one in enumerate(told["classes"]["classes"]):
            one["name"] = f"{SCRIPT}{number}"

    changes: dict[str, Callable[[dict[str, Any]], None]] = {
        "classes are scripts": classes,
        "colours are scripts": lambda told: told["classes"]["classes"][0].update(
            color='#fff"><canary>'
        ),
        "scheme is a script": lambda told: told["classes"].update(name=SCRIPT),
        "note is a script": lambda told: told.update(note=SCRIPT, advice=SCRIPT, reason=SCRIPT),
        "files are URLs": lambda told: told.update(files=["{url}/map.tif", "/vsicurl/{url}/a.tif"]),
        "files lie above": lambda told: told.update(files=["../../outside/scene.tif"]),
        "dates are paths": lambda told: told.update(dates={"../x": ["map.tif"]}),
        "made of a URL": lambda told: told.update(smoothed={"from": "{url}/run"}),
        "made of itself": lambda told: told.update(smoothed={"from": "run"}),
        "imagery is a URL": lambda told: told["config"]["source"].update(rasters=["{url}/a.tif"]),
        "imagery is a device": lambda told: told["config"]["source"].update(rasters=["/dev/zero"]),
        "a million classes": lambda told: told["classes"].update(
            classes=[{"code": n, "name": str(n), "color": "#000000"} for n in range(60_000)]
        ),
        "workers are scripts": lambda told: told.update(workers={SCRIPT: 1}, devices={SCRIPT: 1}),
        "versions are scripts": lambda told: told.update(versions={SCRIPT: SCRIPT}),
    }
    for what, change in changes.items():
        for name in ("report", "areas", "vectorize", "change", "score"):
            make = partial(said, change)
            yield Case("runs", f"{what} {name}", make, _COMMANDS[name], _RUN)


def _tables() -> Iterator[Case]:
    """Parts with texts, outlines and counts that only somebody on purpose writes."""

    def put(change: Callable[[pa.Table], pa.Table], ground: Ground) -> None:
        file = put_run(ground) / "tiles/part-000000.parquet"
        pq.write_table(change(pq.read_table(file)), file)

    def column(name: str, value: Any, kind: Any = None) -> Callable[[pa.Table], pa.Table]:
        def change(table: pa.Table) -> pa.Table:
            at = table.schema.get_field_index(name)
            held = pa.array([value] * table.num_rows, kind or table.schema.field(name).type)
            return table.set_column(at, name, held)

        return change

    deep = b"\x01\x07\0\0\0\x01\0\0\0" * 200_000
    changes = {
        "outlines within outlines": column("geometry", deep),
        "outlines of a million corners": column(
            "geometry", b"\x01\x03\0\0\0\x01\0\0\0\xff\xff\xff\x7f"
        ),
        "sources of URLs": column("source", "http://127.0.0.1:9/a.tif"),
        "sources of scripts": column("source", SCRIPT),
        "labels of scripts": column("label", SCRIPT),
        "true labels of scripts": column("true_label", SCRIPT),
        "codes of no class": column("code", 200),
        "codes below 0": column("code", -1),
        "scores of any size": column("score", 1e30),
        "rows of any size": column("row", 2**31 - 1),
        "places of any size": column("xmin", 1e300),
        "a million rows": lambda table: table.take([0] * 1_000_001),
    }
    for what, change in changes.items():
        for name, command in _COMMANDS.items():
            if name in ("score", "report", "smooth", "accuracy"):
                yield Case("runs", f"table with {what} {name}", partial(put, change), command, _RUN)


def _maps() -> Iterator[Case]:
    """Maps that lie elsewhere than their tiles."""

    def put(crs: str, ground: Ground) -> None:
        move(put_run(ground) / "map.tif", crs)

    for what, crs in STRANGE_CRS.items():
        for name in ("areas", "accuracy", "smooth", "vectorize", "sample", "report", "change"):
            make = partial(put, crs)
            yield Case("runs", f"map of {what} {name}", make, _COMMANDS[name], (*_RUN, "CRS"))


def _outputs() -> Iterator[Case]:
    """Where a run writes: links, pipes and files of others in the way."""

    outputs = {
        "areas.gpkg": _COMMANDS["vectorize"],
        "sample.gpkg": _COMMANDS["sample"],
        "report.html": _COMMANDS["report"],
        "smoothed": _COMMANDS["smooth"],
        "changed": _COMMANDS["change"],
        "run/map.png": SCORE,
        "run/map.tif.aux.xml": SCORE,
        "run/network.i8": SCORE,
        "run/region.parquet": SCORE,
    }
    for name, command in outputs.items():
        for target in ("{outside}", "{outside}/canary", "/dev/zero", None):
            whole = partial(_before_run, partial(put_in_the_way, name, target), command)
            yield Case("runs", f"{name} -> {target}", whole, command, (*_RUN, name.split("/")[0]))


def _before_run(put: Callable[[Ground], None], command: tuple[str, ...], ground: Ground) -> None:
    if command is not SCORE:
        put_run(ground)
    put(ground)


def _caches() -> Iterator[Case]:
    """Caches of others; each case has its own, since a process remembers what it has read of another."""

    def put(make: Callable[[Path, Ground], None], ground: Ground) -> None:
        folder = ground.folder / "cache"
        folder.mkdir(mode=0o700)
        make(folder, ground)
        # Another digest of the model: nothing of it is in the memory of the process.
        model = onnx.load(ground.folder / "colours.onnx")
        model.doc_string = ground.folder.name
        onnx.save(model, ground.folder / "colours.onnx")

    def filled(name: str) -> Callable[[Path, Ground], None]:
        def make(folder: Path, ground: Ground) -> None:
            (folder / name).symlink_to(ground.outside)

        return make

    makes: dict[str, Callable[[Path, Ground], None]] = {
        "for all to write": lambda folder, g: folder.chmod(0o777),
        "of another user": lambda folder, g: os.chown(folder, 65534, 65534),
        **{f"with {name} -> outside": filled(name) for name in ("tuning", "under-way", "openvino")},
        "that is a pipe": lambda folder, g: (folder.rmdir(), os.mkfifo(folder))[1],
        "that is a file": lambda folder, g: (folder.rmdir(), folder.write_text(""))[1] and None,
    }
    for what, make in makes.items():
        if what != "of another user" or os.geteuid() == 0:
            yield Case("caches", f"a cache {what}", partial(put, make), SCORE, (*_RUN, "cache"))
