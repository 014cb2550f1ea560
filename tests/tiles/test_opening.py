"""Files of strangers are opened only as what they may be, and open only what the configuration names."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import h5py
import numpy as np
import pytest
import rasterio
import rasterio.shutil
import shapely
from rasterio.transform import from_origin
from rasterio.vrt import WarpedVRT
from support.rasters import imagery, write
from support.vectors import write_vectors

from landcover.errors import SourceError
from landcover.tiles.opening import Allowed, Refused, opened_raster, vector_file
from landcover.tiles.rasters import RasterSource

VRT = (
    '<VRTDataset rasterXSize="64" rasterYSize="64"><SRS>EPSG:26914</SRS>'
    "<GeoTransform>500000, 1, 0, 4000000, 0, -1</GeoTransform>"
    '<VRTRasterBand dataType="Byte" band="1"{more}><SimpleSource>{source}'
    "<SourceBand>1</SourceBand></SimpleSource></VRTRasterBand></VRTDataset>"
)


def virtual(file: Path, name: str, relative: int = 1, more: str = "") -> str:
    """A virtual raster of one band, which is that of a file."""
    source = f'<SourceFilename relativeToVRT="{relative}">{name}</SourceFilename>'
    file.write_text(VRT.format(source=source, more=more))
    return str(file)


def count(*entries: str, **options: object) -> int:
    return RasterSource(entries, tile=64, **options).count()  # type: ignore[arg-type]


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    """A folder of imagery, beside one that no configuration names."""
    for folder in ("named", "elsewhere"):
        (tmp_path / folder).mkdir()
        write(tmp_path / folder / "a.tif", imagery(1, 64, 64))
    return tmp_path / "named"


@pytest.fixture
def asked() -> Iterator[tuple[str, list[str]]]:
    """A server on this machine, and what it has been asked for."""
    requests: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            requests.append(self.path)
            self.send_error(404)

        do_HEAD = do_GET

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", requests
    server.shutdown()
    server.server_close()


def test_a_virtual_raster_reads_the_files_of_its_folder(scene: Path) -> None:
    assert count(virtual(scene / "m.vrt", "a.tif")) == 1
    assert count(virtual(scene / "absolute.vrt", str(scene / "a.tif"), relative=0)) == 1
    assert count(virtual(scene / "nested.vrt", "m.vrt")) == 1


def test_it_may_name_files_wherever_the_configuration_does(scene: Path) -> None:
    index = virtual(scene / "m.vrt", "../elsewhere/a.tif")
    with pytest.raises(
        SourceError,
        match=r"m.vrt names .*elsewhere/a.tif, which lies outside .*set source.outside: true",
    ):
        count(index)
    assert count(index, str(scene.parent / "elsewhere/*.tif")) == 2
    assert count(index, outside=True) == 1


@pytest.mark.parametrize(
    "name", ["../elsewhere/a.tif", "{root}/elsewhere/a.tif", "link/a.tif", "link.tif"]
)
def test_neither_paths_nor_links_lead_outside(scene: Path, name: str) -> None:
    (scene / "link").symlink_to("../elsewhere")
    (scene / "link.tif").symlink_to("../elsewhere/a.tif")
    inner = virtual(scene / "inner.vrt", name.format(root=scene.parent))
    for file in (inner, virtual(scene / "outer.vrt", "inner.vrt")):
        with pytest.raises(SourceError, match="lies outside the folders that are asked for"):
            count(file)


def test_a_virtual_raster_that_names_itself_is_refused(scene: Path) -> None:
    """GDAL would go round and round."""
    own = virtual(scene / "own.vrt", "own.vrt")
    virtual(scene / "first.vrt", "second.vrt")
    second = virtual(scene / "second.vrt", "first.vrt")
    for file in (own, second):
        with pytest.raises(SourceError, match="names itself, or one that names it"):
            count(file, outside=True)


@pytest.mark.parametrize(("threads", "fits"), [("ALL_CPUS", True), ("4", True), ("100000", False)])
def test_a_virtual_raster_asks_for_no_thousands_of_threads(
    scene: Path, threads: str, fits: bool
) -> None:
    path = scene / "m.vrt"
    virtual(path, "a.tif")
    asked = f'<OpenOptions><OOI key="num_threads">{threads}</OOI></OpenOptions></SimpleSource>'
    path.write_text(path.read_text().replace("</SimpleSource>", asked))
    if fits:
        assert count(str(path)) == 1
        return
    with pytest.raises(SourceError, match="asks for '100000' threads"):
        count(str(path))


@pytest.mark.parametrize(
    "name",
    [
        "/vsicurl/{url}/a.tif",
        "{url}/a.tif",
        "/vsicurl?url={url}/a.tif",
        "/vsis3/bucket/a.tif",
        "/vsizip/{here}/a.zip/a.tif",
        "vrt://{here}/a.tif",
        'NETCDF:"{url}/a.nc":red',
        "&lt;VRTDataset/&gt;",
        "WMS:{url}/wms?",
    ],
)
@pytest.mark.parametrize("relative", [0, 1])
def test_no_server_and_no_other_file_system_is_asked(
    scene: Path, asked: tuple[str, list[str]], name: str, relative: int
) -> None:
    text = name.format(url=asked[0], here=scene)
    with pytest.raises(
        SourceError, match=r"m.vrt names .*, which (is no path of a file|lies outside)"
    ):
        count(virtual(scene / "m.vrt", text, relative))
    assert not asked[1]


@pytest.mark.parametrize("suffix", [".tif", ".png", ".jpg", ".img", ".xml", ".TIF"])
def test_a_virtual_raster_is_one_by_its_name_alone(scene: Path, suffix: str) -> None:
    file = virtual(scene / f"m{suffix}", str(scene.parent / "elsewhere/a.tif"), relative=0)
    with pytest.raises(SourceError, match="not recognized as one of the formats that are allowed"):
        count(file)
    with pytest.raises(SourceError, match=rf"names .*m\{suffix}, which is no raster"):
        count(virtual(scene / "m.vrt", f"m{suffix}"))


@pytest.mark.parametrize("suffix", [".msk", ".ovr", ".msk.ovr", ".MSK"])
def test_masks_and_overviews_are_no_virtual_rasters(scene: Path, suffix: str) -> None:
    virtual(scene / f"a.tif{suffix}", str(scene.parent / "elsewhere/a.tif"), relative=0)
    with pytest.raises(SourceError, match=rf"is read with .*a.tif{suffix}, which is no TIFF"):
        count(str(scene / "a.tif"))


def test_overviews_lie_in_no_file_that_metadata_name(scene: Path) -> None:
    (scene / "a.tif.aux.xml").write_text(
        '<PAMDataset><Metadata domain="OVERVIEWS"><MDI key="OVERVIEW_FILE">/etc/passwd</MDI>'
        "</Metadata></PAMDataset>"
    )
    with pytest.raises(SourceError, match="names a file of overviews"):
        count(str(scene / "a.tif"))


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (' subClass="VRTRawRasterBand"><ImageOffset>0</ImageOffset', "holds <ImageOffset>"),
        (' SourceFilename="/etc/passwd"', "holds <VRTRasterBand SourceFilename=...>"),
        (
            ' subClass="VRTDerivedRasterBand"><PixelFunctionLanguage>Python</PixelFunctionLanguage',
            "holds a program",
        ),
        ("><PixelFunctionCode>import os</PixelFunctionCode", "holds <PixelFunctionCode>"),
        ("><sourcefilename>/etc/passwd</sourcefilename", "holds <sourcefilename>"),
        ("><?x ><SourceFilename>/etc/passwd</SourceFilename><y ?", "holds processing instructions"),
    ],
)
def test_whatever_else_gdal_would_read_in_a_virtual_raster_is_refused(
    scene: Path, more: str, says: str
) -> None:
    with pytest.raises(SourceError, match=says):
        count(virtual(scene / "m.vrt", "a.tif", more=more))


def test_programs_of_pixels_are_not_run_even_where_the_environment_allows_it(
    scene: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GDAL_VRT_ENABLE_PYTHON", "YES")
    canary = scene / "canary"
    code = f"def f(*a, **k):\n  open({str(canary)!r}, 'w')"
    file = scene / "m.vrt"
    virtual(
        file,
        "a.tif",
        more=' subClass="VRTDerivedRasterBand"><PixelFunctionType>f</PixelFunctionType>'
        f"<PixelFunctionLanguage>Python</PixelFunctionLanguage><PixelFunctionCode><![CDATA[{code}]]>"
        "</PixelFunctionCode",
    )
    with pytest.raises(SourceError):
        count(str(file), outside=True)
    assert not canary.exists()


def test_entities_and_deep_nesting_are_refused(scene: Path) -> None:
    (scene / "e.vrt").write_text('<!DOCTYPE a [<!ENTITY b "c">]><VRTDataset/>')
    with pytest.raises(SourceError, match="declares entities"):
        count(str(scene / "e.vrt"))
    virtual(scene / "v0.vrt", "a.tif")
    for depth in range(1, 12):
        virtual(scene / f"v{depth}.vrt", f"v{depth - 1}.vrt")
    with pytest.raises(SourceError, match="more than 8 deep"):
        count(str(scene / "v11.vrt"))


def test_a_pipe_is_no_raster(scene: Path) -> None:
    os.mkfifo(scene / "p.tif")
    with pytest.raises(SourceError, match=r"p.tif.*is no regular file"):
        count(str(scene / "p.tif"))
    with pytest.raises(SourceError, match=r"names .*p.tif, which is no regular file"):
        count(virtual(scene / "m.vrt", "p.tif"))


def test_what_gdal_itself_writes_is_read(scene: Path) -> None:
    """Virtual rasters that warp, and one that is copied of a file."""
    with rasterio.open(scene / "a.tif") as file:
        rasterio.shutil.copy(file, scene / "copy.vrt", driver="VRT")
        with WarpedVRT(file, crs="EPSG:4326") as warped:
            rasterio.shutil.copy(warped, scene / "warped.vrt", driver="VRT")
    for name in ("copy.vrt", "warped.vrt"):
        with opened_raster(str(scene / name)) as file:
            assert file.read(1).any()


def test_formats_beyond_the_usual_are_opened_where_they_are_asked_for(scene: Path) -> None:
    shape = {"width": 64, "height": 64, "count": 1, "dtype": "uint8"}
    place = {"crs": "EPSG:26914", "transform": from_origin(5e5, 4e6, 1, 1)}
    with rasterio.open(scene / "a.pix", "w", driver="PCIDSK", **shape, **place) as file:
        file.write(np.ones((1, 64, 64), "uint8"))
    with pytest.raises(SourceError, match=r"not recognized .*others: source.formats"):
        count(str(scene / "a.pix"))
    assert count(str(scene / "a.pix"), formats=["PCIDSK"]) == 1


def test_vectors_are_what_their_names_say(tmp_path: Path, asked: tuple[str, list[str]]) -> None:
    square = shapely.box(500000, 3999000, 501000, 4000000)
    pipeline = {"type": "gdal_streamed_alg", "command_line": f"gdal vector read {asked[0]}"}
    texts = {
        "v.gpkg": f"<OGRVRTDataSource><OGRVRTLayer name='a'><SrcDataSource>{asked[0]}"
        "</SrcDataSource></OGRVRTLayer></OGRVRTDataSource>",
        "p.geojson": json.dumps(pipeline),
        "q.json": json.dumps({"FeatureCollection": 1, **pipeline}),
        "w.gml": f'<a xsi:schemaLocation="a {asked[0]}/a.xsd"/>',
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
        with pytest.raises(Refused, match="none of the formats that are allowed"):
            vector_file(str(tmp_path / name))
    assert not asked[1]
    file = write_vectors(tmp_path / "a.gpkg", square)
    assert vector_file(file) == file


def test_of_an_archive_only_the_parts_of_a_shapefile_are_read(tmp_path: Path) -> None:
    write_vectors(tmp_path / "a.shp", shapely.box(500000, 3999000, 501000, 4000000))
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for part in tmp_path.glob("a.[sdp]*"):
            archive.write(part, f"deep/{part.name}")
        archive.writestr("b.vrt", "<OGRVRTDataSource/>")
    found = vector_file(str(tmp_path / "a.zip"))
    assert isinstance(found, bytes)
    (tmp_path / "kept.zip").write_bytes(found)
    with zipfile.ZipFile(tmp_path / "kept.zip") as kept:
        assert {Path(name).suffix for name in kept.namelist()} >= {".shp", ".dbf", ".shx"}
        assert "b.vrt" not in kept.namelist()
    with zipfile.ZipFile(tmp_path / "none.zip", "w") as archive:
        archive.writestr("b.vrt", "<OGRVRTDataSource/>")
    with pytest.raises(Refused, match=r"holds no .shp"):
        vector_file(str(tmp_path / "none.zip"))


def test_places_are_compared_without_dots_and_accounts() -> None:
    holds = partial(Allowed.holds, Allowed(roots=("abfs://naip@mine.dfs.core.windows.net/2016",)))
    assert holds("az://naip/2016/a.tif") and not holds("az://naip/2017/a.tif")
    assert not holds("az://naip/2016/../2017/a.tif") and not holds("s3://naip/2016/a.tif")


def _outside(file: Path, scene: Path) -> None:
    (scene.parent / "elsewhere/raw.bin").write_bytes(b"x" * 64 * 64)
    with h5py.File(file, "w") as made:
        place = [(str(scene.parent / "elsewhere/raw.bin"), 0, 64 * 64)]
        made.create_dataset("red", (64, 64), "uint8", external=place)


def _linked(file: Path, scene: Path) -> None:
    with h5py.File(scene.parent / "elsewhere/b.h5", "w") as other:
        other["red"] = np.ones((64, 64), np.uint8)
    with h5py.File(file, "w") as made:
        made["red"] = h5py.ExternalLink(str(scene.parent / "elsewhere/b.h5"), "/red")


def _composed(file: Path, scene: Path) -> None:
    _linked(file, scene)
    layout = h5py.VirtualLayout((64, 64), "uint8")
    layout[:] = h5py.VirtualSource(str(scene.parent / "elsewhere/b.h5"), "red", (64, 64))
    with h5py.File(file, "w") as made:
        made.create_virtual_dataset("red", layout)


@pytest.mark.parametrize("make", [_outside, _linked, _composed])
@pytest.mark.parametrize("name", ["a.h5", "a.nc", "a.tif", 'HDF5:"{folder}/a.h5"://red'])
def test_hdf5_that_keeps_its_pixels_in_another_file_is_refused(
    make: Callable[[Path, Path], None], name: str, scene: Path
) -> None:
    file = scene / ("a.h5" if ":" in name else name)
    file.unlink(missing_ok=True)
    make(file, scene)
    entry = name.format(folder=scene) if ":" in name else str(file)
    with pytest.raises(SourceError, match="another file"):
        count(entry)


def test_hdf5_that_begins_behind_a_block_of_its_user_is_looked_into_too(scene: Path) -> None:
    _outside(scene / "plain.h5", scene)
    (scene / "a.h5").write_bytes(b"\0" * 512 + (scene / "plain.h5").read_bytes())
    with pytest.raises(SourceError):
        count(str(scene / "a.h5"))


def imagine(path: Path, **options: str) -> Path:
    profile = {"width": 64, "height": 64, "count": 1, "dtype": "uint8"}
    with rasterio.open(path, "w", driver="HFA", **profile, **options) as file:
        file.write(np.ones((1, 64, 64), np.uint8))
    return path


def test_an_imagine_file_with_its_own_pixels_and_overviews_beside_it_is_read(
    tmp_path: Path,
) -> None:
    spilled = imagine(tmp_path / "spilled.img", USE_SPILL="YES")
    assert (tmp_path / "spilled.ige").exists()
    for name in ("spilled.img", "renamed.img"):
        spilled = spilled.rename(tmp_path / name)
        with opened_raster(str(spilled)) as file:
            assert file.read().sum() == 64 * 64
    path = imagine(tmp_path / "levels.img")
    with rasterio.Env(HFA_USE_RRD="YES"), rasterio.open(path, "r+") as file:
        file.build_overviews([2])
    assert (tmp_path / "levels.rrd").exists()
    with opened_raster(str(path)) as file:
        assert file.overviews(1) == [2]


def test_an_imagine_file_may_say_where_its_overviews_were_made(tmp_path: Path) -> None:
    """GDAL takes the last part of such a name alone."""
    path = imagine(tmp_path / "levels.img")
    with rasterio.Env(HFA_USE_RRD="YES"), rasterio.open(path, "r+") as file:
        file.build_overviews([2])
    content = path.read_bytes()
    assert content.count(b"levels.rrd(:") == 1
    moved = tmp_path / "a.img"
    moved.write_bytes(content.replace(b"levels.rrd(:", rb"D:\m\a.rrd(:"))
    (tmp_path / "levels.rrd").rename(tmp_path / "a.rrd")
    with opened_raster(str(moved)) as file:
        assert file.overviews(1) == [2]


def test_a_raster_that_is_not_there_is_named_whatever_its_name(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(OSError, match="No such file"):
        opened_raster(str(tmp_path / os.fsdecode(b"\xff.tif"))).__enter__()
    assert not capfd.readouterr().err


def test_an_imagine_file_whose_pixels_are_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    path = imagine(tmp_path / "spilled.img", USE_SPILL="YES")
    path.write_bytes(path.read_bytes().replace(b"spilled.ige", b"unknown.ige"))
    os.mkfifo(tmp_path / "unknown.ige")
    with pytest.raises(OSError, match=r"'unknown\.ige', which is no regular file"):
        opened_raster(str(path)).__enter__()


@pytest.mark.parametrize("other", [b"others.tif", b"../pipe.ige"])
def test_an_imagine_file_that_names_another_one_is_refused(tmp_path: Path, other: bytes) -> None:
    path = imagine(tmp_path / "spilled.img", USE_SPILL="YES")
    content = path.read_bytes()
    assert b"spilled.ige" in content
    path.write_bytes(content.replace(b"spilled.ige", other.ljust(11, b"x")))
    with pytest.raises(OSError, match="which is no part of it"):
        opened_raster(str(path)).__enter__()
