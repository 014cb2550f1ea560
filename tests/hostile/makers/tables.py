"""Tables that say of themselves what they do not hold, and files that have more names than one."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import geopandas
import onnx
import pyarrow as pa
import pyarrow.parquet as pq
import shapely
from support.colours import SIDECAR

from hostile.cases import SCORE, Case, Ground, write_config
from hostile.makers.runs import put_run

_SQUARE = shapely.box(500_000, 4_499_940, 500_060, 4_500_000)
_ZONES = ("areas", "run", "--by", "hostile")
_NAMES = ("hostile", "run", "out")


def cases() -> Iterator[Case]:
    """Some 30 of them."""
    yield from _counts()
    yield from _geoparquet()
    yield from _runs()
    yield from _models()
    yield from _names()


def _vectors(name: str, change: Callable[[Path], None], ground: Ground) -> None:
    """A vector file of a square, as a region and beside a run whose zones it may be."""
    path = ground.folder / name
    frame = geopandas.GeoDataFrame({"name": ["a"]}, geometry=[_SQUARE], crs="EPSG:26918")
    if path.suffix == ".parquet":
        frame.to_parquet(path)
    else:
        frame.to_file(path, SPATIAL_INDEX="NO")
    change(path)
    put_run(ground)
    source = {"rasters": ["scene.tif"], "region": name}
    write_config(ground.folder / "config.yaml", source=source, output="other")


def _both(what: str, name: str, change: Callable[[Path], None]) -> Iterator[Case]:
    make = partial(_vectors, name, change)
    yield Case("regions", f"region {what}", make, SCORE, _NAMES)
    yield Case("regions", f"zones {what}", make, (*_ZONES[:-1], name), _NAMES)


def _counts() -> Iterator[Case]:
    """How many features a file says that it has."""

    def geopackage(count: int, path: Path) -> None:
        with closing(sqlite3.connect(path)) as database, database:
            database.execute(f"UPDATE gpkg_ogr_contents SET feature_count = {count}")

    def flatgeobuf(count: int, path: Path) -> None:
        content = bytearray(path.read_bytes())
        at = content.index((1).to_bytes(8, "little"), 12)
        content[at : at + 8] = count.to_bytes(8, "little", signed=True)
        path.write_bytes(content)

    for count in (2**28, 2**30, 2**40, 2**62):
        yield from _both(f"of {count:,} rows", "hostile.gpkg", partial(geopackage, count))
        yield from _both(f"of {count:,} features", "hostile.fgb", partial(flatgeobuf, count))


def _geoparquet() -> Iterator[Case]:
    def many(column: str, value: bytes, path: Path) -> None:
        """A thousand rows of one value, which is there once."""
        table = pq.read_table(path)
        place, said = table.schema.get_field_index(column), table.schema.metadata
        values = pa.array([value], pa.binary()).cast(table.schema.field(place).type)
        held = pa.DictionaryArray.from_arrays(pa.array([0] * 1000, pa.int32()), values)
        whole = table.take([0] * 1000).set_column(place, column, held)
        pq.write_table(whole.replace_schema_metadata(said), path)

    yield from _both("of large texts", "hostile.parquet", partial(many, "name", b"x" * 8_000_000))
    outline = shapely.to_wkb(_SQUARE.segmentize(0.001))
    yield from _both("of large outlines", "hostile.parquet", partial(many, "geometry", outline))

    def said(told: Any, path: Path) -> None:
        table = pq.read_table(path)
        geo = json.loads(table.schema.metadata[b"geo"])
        geo["columns"]["geometry"] = told
        pq.write_table(table.replace_schema_metadata({"geo": json.dumps(geo)}), path)

    def lists(path: Path) -> None:
        frame = geopandas.GeoDataFrame({"name": [["a"]]}, geometry=[_SQUARE], crs="EPSG:26918")
        frame.rename_geometry("geom").to_parquet(path)

    for what, told in (("text", "x"), ("nothing", None), ("list", [1])):
        yield from _both(f"whose outlines are {what}", "hostile.parquet", partial(said, told))
    yield from _both("named by lists", "hostile.parquet", lists)


def _runs() -> Iterator[Case]:
    def outlines(ground: Ground) -> None:
        path = next((put_run(ground) / "tiles").glob("*.parquet"))
        table = pq.read_table(path)
        place = table.schema.get_field_index("geometry")
        held = pa.DictionaryArray.from_arrays(
            pa.array([0] * 1000, pa.int32()), pa.array([b"x" * 8_000_000], pa.binary())
        )
        whole = table.take([0] * 1000).set_column(place, "geometry", held)
        pq.write_table(whole.replace_schema_metadata(table.schema.metadata), path)

    report = ("report", "run", "--output", "report.html")
    yield Case("runs", "part of large outlines", outlines, report, _NAMES)

    def locked(folder: str, ground: Ground) -> None:
        put_run(ground)
        (ground.folder / folder).mkdir(exist_ok=True)
        os.link(ground.outside / "scene.tif", ground.folder / folder / ".lock")
        write_config(ground.folder / "config.yaml", output="out")

    smooth = ("smooth", "run", "--output", "out")
    for command in (SCORE, smooth, ("stac", "run")):
        where = "run" if command[0] == "stac" else "out"
        make = partial(locked, where)
        yield Case("runs", f"lock of two names {command[0]}", make, command, _NAMES)


def _names() -> Iterator[Case]:
    """Names in files that are printed, drawn and written down, and may be of any length."""

    def zones(key: str, name: str, ground: Ground) -> None:
        put_run(ground)
        frame = geopandas.GeoDataFrame({key: [name]}, geometry=[_SQUARE], crs="EPSG:26918")
        frame.to_file(ground.folder / "hostile.geojson")

    def sample(column: str, name: str, ground: Ground) -> None:
        put_run(ground)
        told = {"mapped": "water", "stratum": "water", "reference": "water", column: name}
        sizes = {"stratum_hectares": 0.2, "stratum_points": 2, "map_hectares": 0.4}
        places = [shapely.Point(500_010, 4_499_990), shapely.Point(500_020, 4_499_980)]
        frame = geopandas.GeoDataFrame([told | sizes] * 2, geometry=places, crs="EPSG:26918")
        frame.to_file(ground.folder / "hostile.gpkg")

    def sidecar(name: str, ground: Ground) -> None:
        text = SIDECAR.replace("water", json.dumps(name))
        (ground.folder / "colours.yaml").write_text(text)

    def keys(count: int, ground: Ground) -> None:
        (ground.folder / "colours.yaml").write_text("".join(f"a{n}: 1\n" for n in range(count)))

    def ends(name: str, ground: Ground) -> None:
        model = onnx.load(ground.folder / "colours.onnx")
        model.producer_name = name
        for old in (model.graph.input[0].name, model.graph.output[0].name):
            for node in model.graph.node:
                node.input[:] = [f"{one}{name}" if one == old else one for one in node.input]
                node.output[:] = [f"{one}{name}" if one == old else one for one in node.output]
        for end in (model.graph.input[0], model.graph.output[0]):
            end.name += name
        onnx.save(model, ground.folder / "hostile.onnx")

    def noted(key: str, value: Any, ground: Ground) -> None:
        path = put_run(ground) / "run.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), key: value}))

    for key, value in {"advice": "x" * 1_000_000, "files": ["x" * 1_000_000]}.items():
        yield Case("runs", f"{key} of a million letters", partial(noted, key, value), SCORE, _NAMES)
    inspect = ("model", "inspect", "hostile.onnx")
    yield Case(
        "models", "ends of a million letters", partial(ends, "x" * 1_000_000), inspect, _NAMES
    )
    for what, name in (("letters", "x" * 8_000_000), ("digits", "9" * 5_000)):
        for key in ("name", name):
            make = partial(zones, key, name)
            which = "called" if key == "name" else "in a column called"
            yield Case(
                "references",
                f"zone {which} {what}",
                make,
                (*_ZONES[:-1], "hostile.geojson"),
                _NAMES,
            )
        field = (*_ZONES[:-1], "hostile.geojson", "--field", "none")
        yield Case(
            "references", f"zone of {what}, no column", partial(zones, name, "a"), field, _NAMES
        )
        for column in ("mapped", "stratum", "reference"):
            made = ("accuracy", "run", "--sample", "hostile.gpkg")
            yield Case(
                "samples", f"{column} of {what}", partial(sample, column, name), made, _NAMES
            )
    yield Case(
        "sidecars",
        "class of a million letters",
        partial(sidecar, "x" * 1_000_000),
        SCORE,
        ("colours",),
    )
    yield Case("sidecars", "90,000 keys", partial(keys, 90_000), SCORE, ("colours",))


def _models() -> Iterator[Case]:
    def folder(fill: Callable[[Path], None], ground: Ground) -> None:
        path = ground.folder / "hostile"
        path.mkdir()
        fill(path)
        (ground.folder / "hostile.yaml").write_text(SIDECAR)
        write_config(ground.folder / "config.yaml", model="hostile")

    def empty(path: Path) -> None:
        (path / "saved_model.pb").touch()

    def checkpoint(size: int, path: Path) -> None:
        (path / "net.meta").write_bytes(b"\xff" * 100)
        os.truncate(path / "net.meta", size)
        end = (0xDB4775248B80FB57).to_bytes(8, "little")
        (path / "net.index").write_bytes(bytes(40) + end)
        (path / "net.data-00000-of-00001").write_bytes(b"x")

    def shard(path: Path) -> None:
        checkpoint(100, path)
        os.truncate(path / "net.data-00000-of-00001", 2**33)

    def around(path: Path) -> None:
        checkpoint(100, path)
        (path / "net").mkdir()
        (path / "net/checkpoint").write_text('model_checkpoint_path: "/dev/zero"\n')

    fills: dict[str, Callable[[Path], None]] = {
        "SavedModel of nothing": empty,
        "graph of no message": partial(checkpoint, 100),
        "graph of 8 GiB": partial(checkpoint, 2**33),
        "weights of 8 GiB": shard,
        "checkpoint around a folder": around,
    }
    for what, fill in fills.items():
        for command in (("plan", "config.yaml"), ("model", "inspect", "hostile")):
            make = partial(folder, fill)
            yield Case("models", f"{what} {command[0]}", make, command, ("hostile",))

    def weights(ground: Ground) -> None:
        path = ground.folder / "hostile.onnx"
        beside = {"location": "hostile.data", "size_threshold": 0}
        model = onnx.load(ground.folder / "colours.onnx")
        onnx.save(model, path, save_as_external_data=True, **beside)
        os.truncate(ground.folder / "hostile.data", 2**33)
        (ground.folder / "hostile.yaml").write_text(SIDECAR)
        write_config(ground.folder / "config.yaml", model=path.name)

    def behind(size: int, ground: Ground) -> None:
        path = ground.folder / "hostile.model"
        path.write_bytes("BCN\0".encode("utf-16-le"))
        os.truncate(path, size)
        (ground.folder / "hostile.yaml").write_text(SIDECAR)
        write_config(ground.folder / "config.yaml", model=path.name)

    yield Case("models", "ONNX weights of 8 GiB", weights, SCORE, ("hostile",))
    for size in (2**31 - 1, 2**33):
        make = partial(behind, size)
        yield Case("models", f"CNTK 1 of {size:,} bytes", make, SCORE, ("hostile",))

    def graph(write: Callable[[], bytes], ground: Ground) -> None:
        (ground.folder / "hostile.pb").write_bytes(write())
        (ground.folder / "hostile.yaml").write_text(SIDECAR)
        write_config(ground.folder / "config.yaml", model="hostile.pb")

    for what, write in (("sizes of bytes", _split), ("a product of nothing", _empty_product)):
        for runtime in ("openvino", "tensorflow"):
            told = (*SCORE, "--set", f"model.runtime={runtime}")
            yield Case(
                "models",
                f"graph with {what} in {runtime}",
                partial(graph, write),
                told,
                ("hostile",),
                True,
            )


_FLOAT, _INT8, _INT32 = 1, 6, 3  # of TensorFlow's types.proto


def _field(number: int, value: int | bytes) -> bytes:
    """A field of a message of protobuf."""
    if isinstance(value, bytes):
        return _varint(8 * number + 2) + _varint(len(value)) + value
    return _varint(8 * number) + _varint(value)


def _varint(value: int) -> bytes:
    found = []
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    return bytes([*found, value])


def _node(name: str, kind: str, *inputs: str, **attributes: bytes) -> bytes:
    """A node of a GraphDef; attributes are messages of AttrValue."""
    read = b"".join(_field(3, one.encode()) for one in inputs)
    told = b"".join(
        _field(5, _field(1, key.encode()) + _field(2, value)) for key, value in attributes.items()
    )
    return _field(1, _field(1, name.encode()) + _field(2, kind.encode()) + read + told)


def _type(kind: int) -> bytes:
    return _field(6, kind)


def _constant(name: str, kind: int, extents: tuple[int, ...], content: bytes = b"") -> bytes:
    shape = b"".join(_field(2, _field(1, one)) for one in extents)
    tensor = _field(1, kind) + _field(2, shape) + _field(4, content)
    return _node(name, "Const", dtype=_type(kind), value=_field(8, tensor))


def _network(name: str, *nodes: bytes) -> bytes:
    """A graph whose scores are the mean of an image and the largest number of a tensor."""
    sides = b"".join(_field(2, _field(1, one)) for one in (1, 32, 32, 3))
    axes = b"".join(one.to_bytes(4, "little") for one in (1, 2))
    reduced = {"T": _type(_FLOAT), "Tidx": _type(_INT32)}
    return b"".join(
        (
            _node("image", "Placeholder", dtype=_type(_FLOAT), shape=_field(7, sides)),
            _constant("axes", _INT32, (2,), axes),
            _constant("first", _INT32, (1,), bytes(4)),
            _constant("flat", _INT32, (1,), b"\xff" * 4),
            *nodes,
            _node("one", "Reshape", name, "flat", T=_type(_FLOAT), Tshape=_type(_INT32)),
            _node("most", "Max", "one", "first", **reduced),
            _node("mean", "Mean", "image", "axes", **reduced),
            _node("scores", "Add", "mean", "most", T=_type(_FLOAT)),
        )
    )


def _split() -> bytes:
    """TensorFlow takes sizes of two kinds and lets files say a third, at which it ends the process."""
    return _network(
        "parts",
        _constant("whole", _FLOAT, (3,), bytes(12)),
        _constant("sizes", _INT8, (2,), b"\1\2"),
        _constant("axis", _INT32, (), bytes(4)),
        _node(
            *("parts", "SplitV", "whole", "sizes", "axis"),
            T=_type(_FLOAT),
            Tlen=_type(_INT8),
            num_split=_field(3, 2),
        ),
    )


def _empty_product() -> bytes:
    """OpenVINO divides by nought."""
    return _network(
        "product",
        _constant("left", _FLOAT, (2, 0, 2)),
        _constant("right", _FLOAT, (1, 2, 2, 0)),
        _node("product", "BatchMatMulV2", "left", "right", T=_type(_FLOAT)),
    )
