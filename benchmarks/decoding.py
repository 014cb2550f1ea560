"""How fast are PNG and JPEG tiles decoded, beside Pillow?

    python -m benchmarks.decoding --tiles 400 --repeats 3

Tiles of 224 x 224 pixels of a generated landscape, in memory, as PNG and as JPEG of quality 90, from the
bytes of the file to what a network is given (band, row, column), with a thread a core: by Pillow and
numpy alone, by landcover's careful decoders, and by those that the extra "fast" brings. In rounds.
Writes results/decoding.json.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any
from unittest import mock

import click
import numpy as np
from PIL import Image

from benchmarks import workloads
from benchmarks.measuring import claim, in_rounds, middle
from benchmarks.record import write_results
from landcover.machine import usable_cpus
from landcover.tiles.grid import Size
from landcover.tiles.images.decoding import Expected, Wanted, decode

GOALS = {"PNG": 1.7, "JPEG": 1.6}
EXPECTED = Expected(Wanted(Size.of(workloads.EDGE)), 3, "uint8")
# Threads do some files a turn, into the same memory, as a run's readers do.
A_TURN = 10


@click.command()
@click.option("--tiles", default=400, show_default=True)
@click.option("--seconds", default=4.0, show_default=True, help="Of each, a round.")
@click.option("--repeats", default=3, show_default=True, help="Rounds; medians count.")
@click.option("--folder", default=workloads.FOLDER, type=click.Path(path_type=Path))
def main(tiles: int, seconds: float, repeats: int, folder: Path) -> None:
    """Decode the same files in all ways."""
    pixels = workloads.tiles(tiles, folder)
    rows: list[dict[str, Any]] = []
    claims = []
    for kind, goal in GOALS.items():
        files = [_file(kind, one) for one in pixels]
        ways = {name: partial(_speed, files, way, seconds) for name, way in _WAYS.items()}
        found = in_rounds(ways, repeats)
        rows += [
            {"kind": kind, "name": name, "tiles_per_second": middle(each), "all": each}
            for name, each in found.items()
        ]
        pairs = zip(found["landcover, fast"], found["Pillow"], strict=True)
        ratio = middle([ours / theirs for ours, theirs in pairs])
        claims.append(claim(f"{kind} tiles decoded on all cores / Pillow", ratio, "", goal))
    for row in rows:
        click.echo(f"{row['kind']:5} {row['name']:20} {row['tiles_per_second']:9,.0f} tiles/s")
    for one in claims:
        click.echo(f"{one['question']:50} {one['reached']:.3g}")
    libraries = ["simplejpeg", "imagecodecs", "rasterio", "pillow", "numpy"]
    conditions = {"tiles": tiles, "repeats": repeats, "threads": usable_cpus()}
    click.echo(write_results("decoding", rows, libraries, claims=claims, conditions=conditions))


def _file(kind: str, pixels: Any) -> bytes:
    file = BytesIO()
    told = {"quality": 90} if kind == "JPEG" else {}
    Image.fromarray(np.ascontiguousarray(np.moveaxis(pixels, 0, 2))).save(file, kind, **told)
    return file.getvalue()


def _speed(files: list[bytes], way: Callable[..., Any], seconds: float) -> float:
    """Tiles a second with a thread a core."""
    turns = [files[start : start + A_TURN] for start in range(0, len(files), A_TURN)]
    done = 0
    with way() as decoder, ThreadPoolExecutor(usable_cpus()) as pool:
        started = time.perf_counter()
        while time.perf_counter() - started < seconds:
            done += sum(pool.map(partial(_turn, decoder), turns))
        return done / (time.perf_counter() - started)


def _turn(decoder: Callable[[bytes], Any], files: list[bytes]) -> int:
    room = np.empty((A_TURN, *EXPECTED.shape), np.uint8)
    for place, content in enumerate(files):
        room[place] = decoder(content)
    return len(files)


def _by_pillow(content: bytes) -> Any:
    return np.moveaxis(np.asarray(Image.open(BytesIO(content))), 2, 0)


def _by_us(content: bytes) -> Any:
    return decode(content, EXPECTED)


@contextmanager
def _pillow() -> Iterator[Callable[[bytes], Any]]:
    yield _by_pillow


@contextmanager
def _careful() -> Iterator[Callable[[bytes], Any]]:
    with (
        mock.patch("landcover.tiles.codecs._decoder", return_value=None),
        mock.patch("landcover.tiles.codecs._png_decoder", return_value=None),
    ):
        yield _by_us


@contextmanager
def _fast() -> Iterator[Callable[[bytes], Any]]:
    yield _by_us


_WAYS = {"Pillow": _pillow, "landcover": _careful, "landcover, fast": _fast}


if __name__ == "__main__":
    main()
