"""How near does a run over small PNG files come to a bare reader and decoder of the same?

    python -m benchmarks.small_files --files 100000 --repeats 3

PNG files of 64 x 64 pixels lie in folders of a thousand. A bare loop reads and decodes them with a thread
a core, into the memory that a network would get, and does nothing with them. A run scores them with a
network that looks at one pixel; its start does not count. In rounds, each in a process of its own. Writes
results/small_files.json.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import Any

import click
import numpy as np
from PIL import Image

from benchmarks import workloads
from benchmarks.measuring import apart, claim, in_rounds, middle
from benchmarks.record import write_results
from landcover.machine import usable_cpus

EDGE, GOAL = 64, 0.85
# Files in a folder, and files that one thread reads before it asks for more.
A_FOLDER, A_TURN = 1000, 100


@click.command()
@click.option("--files", default=100_000, show_default=True)
@click.option("--repeats", default=3, show_default=True, help="Rounds; medians count.")
@click.option("--folder", default=workloads.FOLDER, type=click.Path(path_type=Path))
def main(files: int, repeats: int, folder: Path) -> None:
    """Read the same files in all ways."""
    place, network = small_images(files, folder), workloads.idle_network(folder, EDGE)
    decoders = list(_decoders())
    ways: dict[str, Callable[[], float]] = {
        f"bare, {name}": partial(apart, _bare, str(place), name) for name in decoders
    }
    ways["landcover"] = partial(apart, _scored, str(place), str(network))
    found = in_rounds(ways, repeats)
    rows: list[dict[str, Any]] = [
        {"name": name, "tiles_per_second": middle(each), "all": each}
        for name, each in found.items()
    ]
    for row in rows:
        click.echo(f"{row['name']:14} {row['tiles_per_second']:9,.0f} tiles/s")
    bare = [max(each) for each in zip(*(found[f"bare, {n}"] for n in decoders), strict=True)]
    ratio = middle([ours / best for ours, best in zip(found["landcover"], bare, strict=True)])
    question = f"{files:,} small PNG files, network idle / a bare concurrent reader and decoder"
    click.echo(f"{question}: {ratio:.3f}")
    libraries = ["imagecodecs", "pyspng", "pillow", "rasterio", "openvino", "numpy"]
    conditions = {"files": files, "edge": EDGE, "repeats": repeats, "threads": usable_cpus()}
    claims = [claim(question, ratio, "", GOAL)]
    click.echo(write_results("small_files", rows, libraries, claims=claims, conditions=conditions))


def small_images(files: int, folder: Path) -> Path:
    """A folder with folders of small PNG files, made once; each has other pixels."""
    place = folder / f"small-{files}"
    done = place / "done"
    if not done.exists():
        tiles = workloads.tiles(200, folder)
        places = np.random.default_rng(0).integers(0, workloads.EDGE - EDGE, (files, 2))
        for number, (row, col) in enumerate(places.tolist()):
            path = place / f"{number // A_FOLDER:04}" / f"{number:06}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            part = tiles[number % len(tiles)][:, row : row + EDGE, col : col + EDGE]
            Image.fromarray(np.ascontiguousarray(np.moveaxis(part, 0, 2))).save(path)
        done.touch()
    return place


def _bare(place: str, decoder: str) -> float:
    """Tiles a second that a loop with a thread a core reads and decodes."""
    paths = sorted(map(str, Path(place).rglob("*.png")))
    turns = [paths[start : start + A_TURN] for start in range(0, len(paths), A_TURN)]
    with ThreadPoolExecutor(usable_cpus()) as pool:
        list(pool.map(partial(_turn, _decoders()[decoder]), turns[:2]))
        started = time.perf_counter()
        done = sum(pool.map(partial(_turn, _decoders()[decoder]), turns))
        return done / (time.perf_counter() - started)


def _turn(decode: Callable[[bytes], Any], paths: list[str]) -> int:
    room = np.empty((len(paths), 3, EDGE, EDGE), np.uint8)
    for place, path in enumerate(paths):
        with open(path, "rb") as file:  # noqa: PTH123  (bare)
            room[place] = np.moveaxis(decode(file.read()), 2, 0)
    return len(paths)


def _decoders() -> dict[str, Callable[[bytes], Any]]:
    found: dict[str, Callable[[bytes], Any]] = {
        "pillow": lambda content: np.asarray(Image.open(BytesIO(content)))
    }
    # Both call libspng; one holds Python meanwhile, and is the quicker on a single core.
    if find_spec("imagecodecs"):
        import imagecodecs

        found["imagecodecs"] = imagecodecs.spng_decode
    if find_spec("pyspng"):
        import pyspng

        found["pyspng"] = pyspng.load
    return found


def _scored(place: str, network: str) -> float:
    """Tiles a second of a run, without its start."""
    from landcover.scoring.measurement import measure

    config = {
        "source": {"images": f"{place}/*/*.png"},
        "model": {"path": network, "runtime": "openvino"},
        "backend": {"name": "local"},
    }
    with tempfile.TemporaryDirectory() as folder:
        return measure(config, Path(folder, "run")).speed.tiles_per_second


if __name__ == "__main__":
    main()
