"""Hostile imagery: damaged files, names that promise something else, files that name others."""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from hostile.cases import SCORE, Case, Ground, write_config
from hostile.mutating import mutated

_IMAGES = ("score", "images.yaml", "--quiet")
_VIRTUAL = (
    '<VRTDataset rasterXSize="64" rasterYSize="64"><SRS>EPSG:26918</SRS>'
    "<GeoTransform>500000, 1, 0, 4500000, 0, -1</GeoTransform>{bands}</VRTDataset>"
)
_BAND = (
    '<VRTRasterBand dataType="Byte" band="{band}"{more}><{kind}Source>'
    '<SourceFilename relativeToVRT="{relative}">{name}</SourceFilename><SourceBand>{band}</SourceBand>'
    "</{kind}Source></VRTRasterBand>"
)


def cases() -> Iterator[Case]:
    """Some 500 of them."""
    yield from _mutants()
    yield from _virtual()
    yield from _disguised()
    yield from _beside()
    yield from _sizes()
    yield from _no_files()


def _mutants() -> Iterator[Case]:
    def damage(name: str, seed: int, ground: Ground) -> None:
        file = ground.folder / name
        file.write_bytes(mutated(file.read_bytes(), seed))

    for seed in range(150):
        make = partial(damage, "scene.tif", seed)
        yield Case("imagery", f"scene {seed}", make, SCORE, ("scene",))
    for name in ("0.png", "1.jpg", "2.tif"):
        for seed in range(60):
            make = partial(damage, f"images/{name}", seed)
            yield Case("imagery", f"{name} {seed}", make, _IMAGES, ("images",))


def virtual(name: str, relative: int = 1, kind: str = "Simple", more: str = "") -> str:
    """A virtual raster of three bands, which are those of a file."""
    bands = (
        _BAND.format(band=band, name=name, relative=relative, kind=kind, more=more)
        for band in (1, 2, 3)
    )
    return _VIRTUAL.format(bands="".join(bands))


def _named(suffix: str, text: Callable[[Ground], str], ground: Ground) -> None:
    """A file of some suffix for the only scene."""
    file = ground.folder / f"hostile{suffix}"
    file.write_text(text(ground))
    write_config(ground.folder / "config.yaml", source={"rasters": [file.name]})


def _virtual() -> Iterator[Case]:
    places = {
        "outside": lambda g: f"{g.outside}/scene.tif",
        "relative": lambda g: f"../{g.outside.name}/scene.tif",
        "server": lambda g: f"/vsicurl/{g.url}/scene.tif",
        "server by its URL": lambda g: f"{g.url}/scene.tif",
        "server with options": lambda g: f"/vsicurl?max_retry=0&amp;url={g.url}/a.tif",
        "store": lambda g: "/vsis3/bucket/a.tif",
        "archive": lambda g: f"/vsizip//vsicurl/{g.url}/a.zip/a.tif",
        "memory": lambda g: "/vsimem/a.tif",
        "standard input": lambda g: "/vsistdin/",
        "device": lambda g: "/dev/zero",
        "password": lambda g: "/etc/passwd",
        "XML": lambda g: "&lt;VRTDataset/&gt;",
        "map service": lambda g: f"WMS:{g.url}/wms?SERVICE=WMS&amp;LAYERS=a",
        "connection": lambda g: f"vrt://{g.outside}/scene.tif",
        "subdataset": lambda g: f'NETCDF:"{g.outside}/a.nc":red',
        "itself": lambda g: "hostile.vrt",
        "nothing": lambda g: "",
        "absent": lambda g: "absent.tif",
    }
    for what, place in places.items():
        for relative in (0, 1):
            for kind in ("Simple", "Complex", "Averaged"):
                text = lambda g, p=place, r=relative, k=kind: virtual(p(g), r, k)
                make = partial(_named, ".vrt", text)
                yield Case("imagery", f"virtual {what} {relative} {kind}", make, names=("hostile",))
    python = (
        ' subClass="VRTDerivedRasterBand"><PixelFunctionType>f</PixelFunctionType>'
        "<PixelFunctionLanguage>Python</PixelFunctionLanguage><PixelFunctionCode><![CDATA[\n"
        "def f(*a, **k):\n  open('{canary}', 'w')\n]]></PixelFunctionCode"
    )
    more = {
        "python": lambda g: python.format(canary=g.canary),
        "module": lambda g: (
            ' subClass="VRTDerivedRasterBand"><PixelFunctionType>os.getcwd'
            "</PixelFunctionType><PixelFunctionLanguage>Python</PixelFunctionLanguage"
        ),
        "raw": lambda g: ' subClass="VRTRawRasterBand"><ImageOffset>0</ImageOffset',
        "attribute": lambda g: ' SourceFilename="/etc/passwd"',
        "case": lambda g: "><sourcefilename>/etc/passwd</sourcefilename",
        "instruction": lambda g: "><?x ><SourceFilename>/etc/passwd</SourceFilename><y ?",
    }
    for what, added in more.items():
        text = lambda g, a=added: virtual("scene.tif", more=a(g))
        yield Case("imagery", f"virtual {what}", partial(_named, ".vrt", text), names=("hostile",))
    texts = {
        "entities": lambda g: '<!DOCTYPE a [<!ENTITY a "b">]>' + virtual("&a;"),
        "external entity": lambda g: (
            f'<!DOCTYPE a [<!ENTITY a SYSTEM "{g.url}">]>' + virtual("&a;")
        ),
        "laughs": lambda g: _laughs(),
        "deep": lambda g: "<VRTDataset>" * 100_000,
        "wide": lambda g: _VIRTUAL.replace("64", "2000000000").format(bands=""),
        "size": lambda g: virtual("scene.tif").replace('XSize="64"', 'XSize="2147483647"'),
        "negative": lambda g: virtual("scene.tif").replace('XSize="64"', 'XSize="-64"'),
        "not XML": lambda g: "<VRTDataset><",
        "empty": lambda g: "",
        "UTF-16": lambda g: virtual("scene.tif").encode("utf-16").decode("latin-1"),
    }
    for what, text in texts.items():
        yield Case("imagery", f"virtual {what}", partial(_named, ".vrt", text), names=("hostile",))


def _laughs() -> str:
    declared = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 12))
    return f'<!DOCTYPE a [<!ENTITY l0 "ha">{declared}]><VRTDataset>&l11;</VRTDataset>'


def _disguised() -> Iterator[Case]:
    texts = {
        "virtual": lambda g: virtual(f"{g.outside}/scene.tif", 0),
        "wms": lambda g: (
            f"<GDAL_WMS><Service name='TMS'><ServerUrl>{g.url}/${{z}}</ServerUrl></Service>"
            "<DataWindow><SizeX>64</SizeX><SizeY>64</SizeY></DataWindow></GDAL_WMS>"
        ),
        "wcs": lambda g: (
            f"<WCS_GDAL><ServiceURL>{g.url}</ServiceURL><CoverageName>a</CoverageName></WCS_GDAL>"
        ),
        "wmts": lambda g: (
            f"<GDAL_WMTS><GetCapabilitiesUrl>{g.url}</GetCapabilitiesUrl></GDAL_WMTS>"
        ),
        "index": lambda g: (
            f"<GDALTileIndexDataset><IndexDataset>{g.url}</IndexDataset></GDALTileIndexDataset>"
        ),
        "stacta": lambda g: (
            '{"type": "Feature", "stac_version": "1.0.0", "stac_extensions": '
            f'["tiled-assets"], "assets": {{"a": {{"href": "{g.url}"}}}}, "asset_templates": {{}}}}'
        ),
        "stacit": lambda g: (
            '{"type": "FeatureCollection", "stac_version": "1.0.0", "features": '
            f'[{{"type": "Feature", "assets": {{"a": {{"href": "{g.url}/a.tif"}}}}}}]}}'
        ),
        "postscript": lambda g: (
            "%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 32 32\n%%EndComments\n"
            f"({g.canary}) (w) file closefile\nshowpage\n"
        ),
        "pdf": lambda g: "%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF",
        "svg": lambda g: f'<svg xmlns="http://www.w3.org/2000/svg"><image href="{g.url}"/></svg>',
        "html": lambda g: "<html></html>",
        "xyz": lambda g: "1 1 1\n2 1 1\n1 2 1\n2 2 1\n",
    }
    for what, text in texts.items():
        for suffix in (".tif", ".img", ".jp2", ".png", ".xml", ".json", ".eps"):
            make = partial(_named, suffix, text)
            yield Case("imagery", f"{what} as {suffix}", make, names=("hostile",))
        for suffix in ("png", "jpg", "tif"):
            make = partial(_image, suffix, text)
            yield Case("imagery", f"{what} as image {suffix}", make, _IMAGES, ("hostile",))


def _image(suffix: str, text: Callable[[Ground], str], ground: Ground) -> None:
    (ground.folder / f"images/hostile.{suffix}").write_text(text(ground))


def _beside() -> Iterator[Case]:
    def put(name: str, text: Callable[[Ground], str], ground: Ground) -> None:
        (ground.folder / name).write_text(text(ground))

    pam = "<PAMDataset>{}</PAMDataset>"
    texts = {
        "scene.tif.msk": lambda g: virtual(f"{g.outside}/scene.tif", 0),
        "scene.tif.ovr": lambda g: virtual(f"/vsicurl/{g.url}/a.tif", 0),
        "scene.tif.aux.xml": lambda g: pam.format(
            f'<Metadata domain="OVERVIEWS"><MDI key="OVERVIEW_FILE">{g.outside}/scene.tif</MDI></Metadata>'
        ),
        "scene.tif.aux.xml ": lambda g: pam.format(f"<SRS>{g.url}/crs.wkt</SRS>"),
        "scene.tif.aux.xml  ": lambda g: pam.format(
            '<PAMRasterBand band="1"><Description>\x1b[2J\u202e</Description>'
            "<NoDataValue>nan</NoDataValue></PAMRasterBand>"
        ),
        "scene.tif.aux.xml   ": lambda g: "<PAMDataset>" * 50_000,
        "scene.aux": lambda g: "EHFA_HEADER_TAG" + "\xff" * 500,
        "scene.tfw": lambda g: "nan\n0\n0\ninf\n1e400\n0\n",
    }
    for name, text in texts.items():
        make = partial(put, name.strip(), text)
        yield Case("imagery", f"beside: {name!r}", make, names=("scene",))


def _sizes() -> Iterator[Case]:
    def tags(width: int, height: int, ground: Ground) -> None:
        """A TIFF of a few bytes that says it is so large."""
        entries = [(256, 4, 1, width), (257, 4, 1, height), (258, 3, 1, 8), (259, 3, 1, 5)]
        entries += [
            (262, 3, 1, 1),
            (273, 4, 1, 8),
            (277, 3, 1, 1),
            (278, 4, 1, height),
            (279, 4, 1, 8),
        ]
        body = struct.pack("<H", len(entries))
        body += b"".join(struct.pack("<HHII", *entry) for entry in entries) + b"\0" * 4
        (ground.folder / "scene.tif").write_bytes(b"II*\0" + struct.pack("<I", 8) + body)
        (ground.folder / "images/2.tif").write_bytes(b"II*\0" + struct.pack("<I", 8) + body)

    def bomb(width: int, height: int, ground: Ground) -> None:
        """A PNG of a few bytes that unpacks to gigabytes."""
        row = b"\0" * (1 + 3 * width)
        packer = zlib.compressobj(9)
        data = b"".join(packer.compress(row) for _ in range(min(height, 2000))) + packer.flush()

        def chunk(kind: bytes, content: bytes) -> bytes:
            crc = struct.pack(">I", zlib.crc32(kind + content))
            return struct.pack(">I", len(content)) + kind + content + crc

        header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
        (ground.folder / "images/0.png").write_bytes(
            b"\x89PNG\r\n\x1a\n"
            + chunk(b"IHDR", header)
            + chunk(b"IDAT", data)
            + chunk(b"IEND", b"")
        )

    sizes = (
        (2**31 - 1, 2**31 - 1),
        (2**31 - 1, 1),
        (1, 2**31 - 1),
        (10**5, 10**5),
        (0, 0),
        (2**32 - 1, 2**32 - 1),
    )
    for width, height in sizes:
        for command, what in (
            (SCORE, "scene"),
            (_IMAGES, "image"),
            (("plan", "config.yaml"), "plan"),
        ):
            make = partial(tags, width, height)
            yield Case(
                "imagery", f"{what} of {width} x {height}", make, command, ("scene", "images")
            )
    for width, height in ((30_000, 30_000), (2**31 - 1, 1), (0, 0), (8192, 8192), (32, 2**31 - 1)):
        make = partial(bomb, min(width, 2**20), height)
        yield Case("imagery", f"PNG of {width} x {height}", make, _IMAGES, ("images",))


def _no_files() -> Iterator[Case]:
    def pipe(name: str, ground: Ground) -> None:
        file = ground.folder / name
        file.unlink(missing_ok=True)
        os.mkfifo(file)

    def link(name: str, target: str, ground: Ground) -> None:
        file = ground.folder / name
        file.unlink(missing_ok=True)
        file.symlink_to(target)

    def folder(name: str, ground: Ground) -> None:
        file = ground.folder / name
        file.unlink(missing_ok=True)
        file.mkdir()

    def odd(name: bytes, ground: Ground) -> None:
        place = os.fsencode(ground.folder / "images")
        content = Path(ground.folder / "images/0.png").read_bytes()
        Path(os.fsdecode(place + b"/" + name)).write_bytes(content)

    for name in (
        "scene.tif",
        "scene.tif.aux.xml",
        "scene.tif.msk",
        "scene.tif.ovr",
        "scene.tfw",
        "images/0.png",
    ):
        command = _IMAGES if "images" in name else SCORE
        yield Case("imagery", f"pipe {name}", partial(pipe, name), command, (name.split(".")[0],))
        for target in (
            "/dev/zero",
            "/dev/urandom",
            "/dev/stdin",
            "/proc/self/mem",
            name.rpartition("/")[2],
        ):
            make = partial(link, name, target)
            yield Case("imagery", f"{name} -> {target}", make, command, (name.split(".")[0],))
        yield Case(
            "imagery", f"folder {name}", partial(folder, name), command, (name.split(".")[0],)
        )
    for name in (
        b"\xff\xfe.png",
        b"a\nb.png",
        b"\x1b[2J.png",
        b"-rf.png",
        b"%s%n.png",
        b"a\xe2\x80\xaeb.png",
        b"$(touch canary).png",
        b"<script>.png",
    ):
        yield Case("imagery", f"image called {name!r}", partial(odd, name), _IMAGES, ("images",))
