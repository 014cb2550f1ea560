"""Imagery by somebody who knows the formats: directories in circles, counts without content, names that are more than
names."""

from __future__ import annotations

import io
import os
import struct
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from PIL import Image

from hostile.cases import SCORE, STRANGE_CRS, Case, Ground, move, write_config

_PLAN = ("plan", "config.yaml")
_IMAGES = ("score", "images.yaml", "--quiet")


def cases() -> Iterator[Case]:
    """Some 70 of them."""
    yield from _rasters()
    yield from _images()


def _rasters() -> Iterator[Case]:
    def xml(text: str) -> Callable[[Ground], None]:
        def put(ground: Ground) -> None:
            told = text.replace("{outside}", str(ground.outside)).replace("{url}", ground.url)
            (ground.folder / "scene.tif.aux.xml").write_text(f"<PAMDataset>{told}</PAMDataset>")

        return put

    def offsets(change: Callable[[bytearray, int, int], None]) -> Callable[[Ground], None]:
        """Change the directory of the scene: where it begins, and how many entries it has."""

        def put(ground: Ground) -> None:
            found = bytearray((ground.folder / "scene.tif").read_bytes())
            (start,) = struct.unpack_from("<I", found, 4)
            (count,) = struct.unpack_from("<H", found, start)
            change(found, start, count)
            (ground.folder / "scene.tif").write_bytes(found)

        return put

    def turning(found: bytearray, start: int, count: int) -> None:
        struct.pack_into("<I", found, start + 2 + 12 * count, start)

    def long_way(found: bytearray, start: int, count: int) -> None:
        """A chain of ten thousand directories, each of one entry."""
        struct.pack_into("<I", found, start + 2 + 12 * count, len(found))
        for number in range(10_000):
            after = len(found) + 18 if number < 9_999 else 0
            found += struct.pack("<HHHIII", 1, 256, 4, 1, 64, after)

    def tag(number: int, value: int) -> Callable[[Ground], None]:
        def change(found: bytearray, start: int, count: int) -> None:
            for at in range(start + 2, start + 2 + 12 * count, 12):
                if struct.unpack_from("<H", found, at)[0] == number:
                    struct.pack_into("<I", found, at + 8, value)

        return offsets(change)

    def moved(crs: str, ground: Ground) -> None:
        move(ground.folder / "scene.tif", crs)

    wkt = 'GEOGCS["x",DATUM["x",SPHEROID["x",6378137,298],EXTENSION["PROJ4_GRIDS","{}"]]]'
    made: dict[str, Callable[[Ground], None]] = {
        "directory in a circle": offsets(turning),
        "directories without end": offsets(long_way),
        "no rows a strip": tag(278, 0),
        "tiles of no width": tag(322, 0),
        "tiles of 2^31": tag(323, 2**31 - 1),
        "samples 65535": tag(277, 65535),
        "65 bits": tag(258, 65),
        "grid of a file": xml(f"<SRS>{wkt.format('/etc/passwd')}</SRS>"),
        "grid of a device": xml(f"<SRS>{wkt.format('/dev/zero')}</SRS>"),
        "grid of a server": xml(f"<SRS>{wkt.format('{url}/a.tif')}</SRS>"),
        "PROJ of a file": xml("<SRS>+proj=longlat +nadgrids=/dev/zero +no_defs</SRS>"),
        "PROJ of a pipeline": xml("<SRS>+proj=pipeline +step +init=/dev/zero:1</SRS>"),
        "CRS of no end": xml(f"<SRS>{'PROJCS[' * 20_000}</SRS>"),
        "CRS of text": xml(f"<SRS>{'x' * 1_000_000}</SRS>"),
        "geotransform of no numbers": xml(
            "<GeoTransform>nan, nan, nan, nan, nan, nan</GeoTransform>"
        ),
        "geotransform without end": xml(
            "<GeoTransform>1e308, 1e308, 0, 1e308, 0, -1e308</GeoTransform>"
        ),
        "geotransform of nothing": xml("<GeoTransform>0, 0, 0, 0, 0, 0</GeoTransform>"),
        "geolocation of others": xml(
            '<Metadata domain="GEOLOCATION"><MDI key="X_DATASET">{outside}/scene.tif</MDI>'
            '<MDI key="Y_DATASET">/vsicurl/{url}/a.tif</MDI></Metadata>'
        ),
        "RPC of others": xml('<Metadata domain="RPC"><MDI key="LINE_OFF">nan</MDI></Metadata>'),
        "VRT within": xml(
            '<Metadata domain="xml:VRT" format="xml"><VRTDataset rasterXSize="1" rasterYSize="1"/>'
            "</Metadata>"
        ),
        "a mask of others": xml(
            '<Metadata domain="DERIVED_SUBDATASETS"><MDI key="MASK">{outside}</MDI></Metadata>'
        ),
        "a million points": xml(
            "<GCPList>" + '<GCP Pixel="1" Line="1" X="1" Y="1"/>' * 100_000 + "</GCPList>"
        ),
        "categories of scripts": xml(
            '<PAMRasterBand band="1"><CategoryNames><Category>&lt;canary&gt;</Category>'
            "</CategoryNames></PAMRasterBand>"
        ),
    }
    for what, make in made.items():
        for command in (SCORE, _PLAN):
            yield Case("imagery", f"scene with {what} {command[0]}", make, command, ("scene",))

    for what, crs in STRANGE_CRS.items():
        for command in (SCORE, _PLAN):
            place = partial(moved, crs)
            yield Case("imagery", f"scene of {what} {command[0]}", place, command, ("scene",))

    def renamed(name: bytes, ground: Ground) -> None:
        there = os.fsencode(ground.folder) + b"/"
        Path(ground.folder / "scene.tif").rename(os.fsdecode(there + name))
        write_config(ground.folder / "config.yaml", source={"rasters": ["*.tif"]})

    for name in (
        *(b"a\nb.tif", b"\x1b[2J.tif", b"\xff\xfe.tif", b"a\xe2\x80\xaeb.tif", b"-rf.tif"),
        *(b"%s%n.tif", b"<canary>.tif", b"a b.tif", b"a;touch canary.tif", b"zip:..tif"),
        *(b"a::b.tif", b"vrt:.tif", b"&amp;.tif", b"[x].tif", b"a'\".tif", b"x" * 250 + b".tif"),
    ):
        yield Case("imagery", f"scene called {name!r}", partial(renamed, name), SCORE, ("tif",))


def _images() -> Iterator[Case]:
    def write(name: str, content: Callable[[], bytes]) -> Callable[[Ground], None]:
        return lambda ground: (ground.folder / f"images/{name}").write_bytes(content()) and None

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    def png(*more: bytes) -> bytes:
        held = io.BytesIO()
        Image.new("RGB", (32, 32)).save(held, "PNG")
        whole = held.getvalue()
        return whole[:33] + b"".join(more) + whole[33:]

    def scans() -> bytes:
        """A progressive JPEG whose last scan comes a thousand times."""
        held = io.BytesIO()
        Image.new("RGB", (4000, 4000), (9, 9, 9)).save(held, "JPEG", progressive=True)
        whole = held.getvalue()
        last = whole.rindex(b"\xff\xda")
        return whole[:-2] + whole[last:-2] * 1000 + b"\xff\xd9"

    def wide(width: int, height: int) -> bytes:
        held = io.BytesIO()
        Image.new("RGB", (8, 8)).save(held, "JPEG")
        found = bytearray(held.getvalue())
        at = found.index(b"\xff\xc0")
        struct.pack_into(">HH", found, at + 5, height, width)
        return bytes(found)

    bomb = zlib.compress(bytes(200_000_000), 9)
    made: dict[str, Callable[[Ground], None]] = {
        "text bomb": write("x.png", lambda: png(chunk(b"zTXt", b"a\0\0" + bomb))),
        "profile bomb": write("x.png", lambda: png(chunk(b"iCCP", b"a\0\0" + bomb))),
        "international bomb": write("x.png", lambda: png(chunk(b"iTXt", b"a\0\1\0\0\0" + bomb))),
        "many chunks": write("x.png", lambda: png(chunk(b"tEXt", b"a\0b") * 200_000)),
        "animation": write("x.png", lambda: png(chunk(b"acTL", b"\xff" * 8))),
        "scans": write("x.jpg", scans),
        "65500 x 65500": write("x.jpg", lambda: wide(65_500, 65_500)),
        "0 x 0": write("x.jpg", lambda: wide(0, 0)),
        "EXIF without end": write(
            "x.jpg",
            lambda: wide(8, 8).replace(
                b"\xff\xd8", b"\xff\xd8\xff\xe1\0\x10Exif\0\0II*\0\x08\0\0\0", 1
            ),
        ),
    }
    for what, make in made.items():
        yield Case("imagery", f"image with {what}", make, _IMAGES, ("images",))
