"""Parts that come from anyone: what they say is looked at where they are read, and told in a sentence that names the file."""

from __future__ import annotations

import io
import json
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import rasterio
import shapely
from support.grids import square_grid
from support.maps import write_maps

import landcover
from landcover import plain_parquet
from landcover.classes import scheme
from landcover.contracts import Failure, Tile
from landcover.errors import OutputError
from landcover.runs.claiming import claim
from landcover.runs.directory import RunDirectory
from landcover.runs.map_format.blocks import expanded
from landcover.runs.map_format.grid import SceneGrid
from landcover.runs.parts import Part, columns_of, finished, read_part, read_parts, write_part
from landcover.runs.pixels import PixelBlock, read_pixels

MakePart = Callable[..., Part]
MakeTile = Callable[..., Tile]
_PLACED = (1.0, 0.0, 400_000.0, 0.0, -1.0, 5_200_000.0)


@pytest.fixture
def run(tmp_path: Path) -> Iterator[RunDirectory]:
    with claim(str(tmp_path / "run"), {"model": "m1"}, scheme("nlcd6"), {}) as run:
        yield run


@pytest.fixture
def part(run: RunDirectory, make_part: MakePart, make_tile: MakeTile) -> RunDirectory:
    """A run of a part with all that a part may have."""
    probabilities = np.eye(6, dtype=np.float32)[:4]
    failures = [Failure(make_tile(0, 9), "timeout", True)]
    more = {"date": "2016-09-15", "undefined": np.zeros(4, int), "failures": failures}
    write_part(run, make_part(0, probabilities=probabilities, **more))
    return run


def changed(run: RunDirectory, name: str, change: Callable[[pa.Table], pa.Table]) -> None:
    """Write the table of a part anew, with something of it changed."""
    content = io.BytesIO()
    pq.write_table(change(pq.read_table(io.BytesIO(run.storage.read(name)))), content)
    run.storage.put(name, content.getvalue())


def column(name: str, values: list[Any], kind: pa.DataType | None = None) -> Any:
    """Put other values into a column."""

    def change(table: pa.Table) -> pa.Table:
        at = table.schema.get_field_index(name)
        held = pa.array(values, kind or table.schema.field(name).type)
        return table.set_column(at, name, held)

    return change


def said(key: bytes, **values: Any) -> Any:
    """Say something else in the metadata."""

    def change(table: pa.Table) -> pa.Table:
        told = {**json.loads(table.schema.metadata[key]), **values}
        return table.replace_schema_metadata({**table.schema.metadata, key: json.dumps(told)})

    return change


def _other_shape(shape: shapely.Geometry) -> list[bytes]:
    return [shapely.to_wkb(shape, byte_order=1)] * 4


_DEEP = b"\x01\x07\0\0\0\x01\0\0\0" * 100_000
_DAMAGES: dict[str, tuple[Any, str]] = {
    "a label of no class": (column("label", ["Barren", "Forest", "Mars", "Shrub"]), "'Mars'"),
    "a code of no class": (column("code", [30, 40, 50, 77]), "'77'"),
    "code and label apart": (column("code", [30, 40, 50, 50]), "different classes"),
    "a score above 1": (column("score", [0.5, 1.5, 0, 1]), "'score' .* no probabilities"),
    "a score below 0": (column("score", [0.5, -1, 0, 1]), "'score' .* no probabilities"),
    "a score that is no number": (column("score", [0.5, np.nan, 0, 1]), "no probabilities"),
    "a score of text": (column("score", ["a"] * 4, pa.string()), "'score' is of string"),
    "a score that is not there": (column("score", [None, 1, 1, 1]), "rows without a value"),
    "too few probabilities": (column("probabilities", [[1.0]] * 4), "not 6 a tile"),
    "odd probabilities": (column("probabilities", [[2.0, *[0.0] * 5]] * 4), "no probabilities"),
    "gaps in probabilities": (column("probabilities", [[None, *[0.0] * 5]] * 4), "gaps"),
    "a row below 0": (column("row", [0, -1, 0, 0]), "'row' has numbers below 0"),
    "rows of floats": (column("row", [0.5] * 4, pa.float64()), "'row' is of double"),
    "an endless bound": (column("xmin", [0, float("inf"), 0, 0]), "'xmin' has places"),
    "no bound": (column("xmax", [None] * 4), "'xmax' has places"),
    "bounds the other way round": (column("ymin", [9e9] * 4), "'ymin' has numbers above"),
    "outlines elsewhere": (
        column("geometry", _other_shape(shapely.box(0, 0, 1, 1))),
        "do not lie where",
    ),
    "outlines that are points": (
        column("geometry", _other_shape(shapely.Point(0, 0))),
        "no rectangles",
    ),
    "outlines of three corners": (
        column("geometry", _other_shape(shapely.Polygon([(0, 0), (2, 0), (1, 2), (0, 1)]))),
        "no rectangles",
    ),
    "outlines of no number": (
        column("geometry", [b"\x01\x03\0\0\0\x01\0\0\0\x05\0\0\0" + b"\xff" * 80] * 4),
        "no rectangles",
    ),
    "outlines within outlines": (column("geometry", [_DEEP] * 4), "no rectangles"),
    "outlines of nothing": (column("geometry", [b""] * 4), "no rectangles"),
    "no outlines": (lambda table: table.drop_columns(["geometry"]), "outlines are missing"),
    "no tiles": (lambda table: table.drop_columns(["tile"]), "no column 'tile'"),
    "no counts": (lambda table: table.replace_schema_metadata(None), "became of the tiles"),
    "other counts": (said(b"landcover", scored=3, planned=4), "3 tiles were scored"),
    "a CRS of no kind": (said(b"geo", columns={}), "not described"),
    "a CRS of no CRS": (
        said(b"geo", columns={"geometry": {"crs": {"type": "x"}}}),
        "not described",
    ),
    "a date of numbers": (column("date", [1] * 4, pa.int64()), "'date' is of int64"),
    "pixels below 0": (column("undefined_pixels", [-1, 0, 0, 0]), "below 0"),
    "a text of no letters": (lambda table: table.set_column(0, "tile", _no_letters()), "UTF"),
}


def _no_letters() -> pa.Array:
    """Texts that are not UTF-8."""
    ends = pa.array(range(5), pa.int32()).buffers()[1]
    return pa.Array.from_buffers(pa.string(), 4, [None, ends, pa.py_buffer(b"\xff" * 4)])


@pytest.mark.parametrize("damage", _DAMAGES)
def test_a_part_that_is_none_is_told_by_its_name(part: RunDirectory, damage: str) -> None:
    change, why = _DAMAGES[damage]
    changed(part, part.part("tiles", 0), change)
    with pytest.raises(
        OutputError, match=rf"part-000000\.parquet: cannot be read: .*{why}"
    ) as told:
        landcover.open_run(part.path).tiles()
    assert len(str(told.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (column("retryable", ["yes"], pa.string()), "'retryable' is of string"),
        (column("reason", [None]), "without a value"),
        (lambda table: pa.concat_tables([table] * 3), "3 rows for the 1 tiles that failed"),
        (lambda table: table.drop_columns(["reason"]), "no column 'reason'"),
    ],
)
def test_so_is_one_of_tiles_that_failed(part: RunDirectory, change: Any, why: str) -> None:
    [(_, mark)] = part.marked_parts("quarantine")
    changed(part, part.part("quarantine", 0, mark), change)
    with pytest.raises(OutputError, match=rf"quarantine/part-000000-.*cannot be read: .*{why}"):
        landcover.open_run(part.path).failures()


def test_a_column_that_is_asked_for_and_not_there_is_told(
    run: RunDirectory, make_part: MakePart
) -> None:
    write_part(run, make_part(0))
    assert "probabilities" not in columns_of(run, 0)
    with pytest.raises(OutputError, match="no column 'probabilities'"):
        read_part(run, 0, ["row", "probabilities"])


def test_columns_of_others_and_what_pandas_said_are_left_alone(part: RunDirectory) -> None:
    before = read_part(part, 0)

    def change(table: pa.Table) -> pa.Table:
        table = table.append_column("mine", pa.array(range(4)))
        said = {**table.schema.metadata, b"pandas": b'{"index_columns": ["tile"]}'}
        return table.replace_schema_metadata(said)

    changed(part, part.part("tiles", 0), change)
    assert read_part(part, 0).equals(before, check_metadata=True)


def test_a_table_with_more_or_fewer_rows_than_it_says_is_done_again(part: RunDirectory) -> None:
    changed(part, part.part("tiles", 0), lambda table: table.slice(1))
    assert not finished(part)


def test_texts_are_counted_before_they_are_written_out(
    part: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A few bytes may stand for gigabytes: in the file, a text that comes often is there once."""
    changed(part, part.part("tiles", 0), column("tile", ["x" * 6_000] * 4))
    monkeypatch.setattr(plain_parquet, "_MOST_BYTES", 20_000)
    with pytest.raises(OutputError, match="texts of its column 'tile' have 24,000 bytes"):
        list(read_parts(part))


def test_so_are_outlines(part: RunDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    outline = shapely.to_wkb(shapely.Point(0, 0).buffer(1, 500))
    changed(part, part.part("tiles", 0), column("geometry", pa.array([outline] * 4, pa.binary())))
    monkeypatch.setattr(plain_parquet, "_MOST_BYTES", 40_000)
    with pytest.raises(OutputError, match="texts of its column 'geometry' have 1"):
        list(read_parts(part))


def test_so_are_more_rows_than_a_part_can_have(
    part: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plain_parquet, "MOST_ROWS", 3)
    with pytest.raises(OutputError, match="4 rows"):
        list(read_parts(part))


def _with_pixels(run: RunDirectory, make_part: MakePart, code: int = 40) -> Path:
    values = np.full((8, 8), code, np.uint8)
    mark = write_part(
        run, make_part(0, pixels=PixelBlock("a.tif", values, 0, 0, _PLACED, "EPSG:26914"))
    ).mark
    return Path(run.storage.where(run.part("pixels", 0, mark)))


def test_pixels_of_a_part_are_opened_as_what_they_are_meant_to_be(
    run: RunDirectory, make_part: MakePart, tmp_path: Path
) -> None:
    file = _with_pixels(run, make_part)
    other = tmp_path / "other.tif"
    other.write_bytes(file.read_bytes())
    source = f"<SourceFilename>{other}</SourceFilename><SourceBand>1</SourceBand>"
    file.write_text(
        '<VRTDataset rasterXSize="8" rasterYSize="8"><Metadata><MDI key="SOURCE">a.tif</MDI>'
        '<MDI key="ROW">0</MDI><MDI key="COL">0</MDI></Metadata><VRTRasterBand dataType="Byte" '
        f'band="1"><SimpleSource>{source}</SimpleSource></VRTRasterBand></VRTDataset>'
    )
    with pytest.raises(OutputError, match=r"pixels/part-000000-\w+\.tif: cannot be read: "):
        read_pixels(run, 0)


def test_pixels_stored_otherwise_than_those_of_the_map_are_refused(
    run: RunDirectory, make_part: MakePart
) -> None:
    file = _with_pixels(run, make_part)
    with rasterio.open(file) as held:
        profile, tags = {**held.profile, "compress": "lzw"}, held.tags()
        codes = held.read()
    with rasterio.open(file, "w", **profile) as other:
        other.write(codes)
        other.update_tags(**tags)
    with pytest.raises(OutputError, match=r"pixels/part-000000-\w+\.tif: .*it is stored as .*lzw"):
        read_pixels(run, 0)


def test_pixels_of_no_class_make_no_map(run: RunDirectory, make_part: MakePart) -> None:
    _with_pixels(run, make_part, code=77)
    scene = SceneGrid("a.tif", "EPSG:26914", _PLACED, square_grid(8, 8, 8, 0, 8))
    with pytest.raises(OutputError, match=r"pixels: labels pixels with 77, which is no class"):
        write_maps(run, [scene], "pixel")


def test_a_block_that_stands_for_gigabytes_is_not_written_out() -> None:
    packer = zlib.compressobj(9)
    bomb = b"".join(packer.compress(bytes(2**20)) for _ in range(64)) + packer.flush()
    for content in (bomb, zlib.compress(b"short"), b"\x78\x9cno deflate"):
        with pytest.raises(ValueError, match="a block is damaged"):
            expanded(content, np.uint8)
