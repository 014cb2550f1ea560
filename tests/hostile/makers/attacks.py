"""What somebody tries who knows the formats: names that lead elsewhere wherever a format has room for one, counts
without content, text that becomes a page, files that are others' or have no end."""

from __future__ import annotations

import io
import json
import os
import random
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import onnx
import pyarrow as pa
import pyarrow.parquet as pq
from onnx import TensorProto, helper, numpy_helper
from PIL import Image
from support.colours import SIDECAR, network

from hostile import structure
from hostile.cases import SCORE, Case, Ground, write_config
from hostile.makers.models import keras_file
from hostile.makers.runs import put_run

_PLAN, _INSPECT = ("plan", "config.yaml"), ("model", "inspect", "colours.onnx")
_MODEL, _RUN = ("colours", "hostile"), ("run", "scene", "colours", "config")
_IMAGES = ("score", "images.yaml", "--quiet")
_TEXT = "<canary>\x1b[2J\u202e\n=1+1"


def cases() -> Iterator[Case]:
    """Some 300 of them."""
    yield from _tensors()
    yield from _operations()
    yield from _layers()
    yield from _containers()
    yield from _rasters()
    yield from _images()
    yield from _commands()
    yield from _tables()
    yield from _outputs()
    yield from _caches()


# Models


def _tensors() -> Iterator[Case]:
    """Weights that lie elsewhere, wherever ONNX has room for a tensor."""

    def put(where: str, place: Callable[[Ground], str], ground: Ground) -> None:
        (ground.folder / "link.bin").symlink_to(ground.outside / "scene.tif")
        os.mkfifo(ground.folder / "pipe.bin")
        os.link(ground.folder / "scene.tif", ground.folder / "hard.bin")
        model = network(pixel=False, halo=0, size=32)
        tensor = onnx.TensorProto(name="far", data_type=TensorProto.FLOAT, dims=[12])
        tensor.data_location = TensorProto.EXTERNAL
        for key, value in {"location": place(ground), "offset": "0", "length": "48"}.items():
            tensor.external_data.add(key=key, value=value)
        _HOLDERS[where](model, tensor)
        (ground.folder / "colours.onnx").write_bytes(model.SerializeToString())

    places: dict[str, Callable[[Ground], str]] = {
        "absolute": lambda g: f"{g.outside}/scene.tif",
        "above": lambda g: f"../{g.outside.name}/scene.tif",
        "link": lambda g: "link.bin",
        "pipe": lambda g: "pipe.bin",
        "hard link": lambda g: "hard.bin",
    }
    for where in _HOLDERS:
        for what, place in places.items():
            command = (SCORE, _INSPECT)[len(what) % 2]
            yield Case(
                "models", f"{where} weights {what}", partial(put, where, place), command, _MODEL
            )
    for key, value in (
        *(("offset", "-1"), ("offset", "1e9"), ("offset", str(2**62)), ("length", "-5")),
        *(("length", str(2**62)), ("length", "x"), ("location", "./colours.onnx/../link.bin")),
        *(("checksum", "x" * 100_000), ("location", "a\nb"), ("location", "x" * 5_000)),
    ):
        make = partial(_one_entry, key, value)
        yield Case("models", f"weights with {key} {value[:20]!r}", make, SCORE, _MODEL)


def _one_entry(key: str, value: str, ground: Ground) -> None:
    model = network(pixel=False, halo=0, size=32)
    kernel = model.graph.initializer[0]
    (ground.folder / "own.bin").write_bytes(kernel.raw_data)
    told = {"location": "own.bin", "offset": "0", "length": str(len(kernel.raw_data)), key: value}
    kernel.ClearField("raw_data")
    kernel.data_location = TensorProto.EXTERNAL
    for name, text in told.items():
        kernel.external_data.add(key=name, value=text)
    (ground.folder / "colours.onnx").write_bytes(model.SerializeToString())


def _in_constant(model: onnx.ModelProto, tensor: onnx.TensorProto) -> None:
    model.graph.node.append(helper.make_node("Constant", [], ["far"], value=tensor))


def _in_branch(model: onnx.ModelProto, tensor: onnx.TensorProto) -> None:
    inner = helper.make_graph([], "g", [], [], initializer=[tensor])
    model.graph.node.append(helper.make_node("If", ["on"], ["far"], then_branch=inner))


def _in_function(model: onnx.ModelProto, tensor: onnx.TensorProto) -> None:
    node = helper.make_node("Constant", [], ["far"], value=tensor)
    opsets = [helper.make_opsetid("", 17)]
    model.functions.append(helper.make_function("own", "Far", [], ["far"], [node], opsets))


def _in_sparse(model: onnx.ModelProto, tensor: onnx.TensorProto) -> None:
    places = numpy_helper.from_array(np.arange(12, dtype=np.int64), "places")
    model.graph.sparse_initializer.append(helper.make_sparse_tensor(tensor, places, [12]))


def _in_training(model: onnx.ModelProto, tensor: onnx.TensorProto) -> None:
    model.training_info.add().algorithm.initializer.append(tensor)


def _in_default(model: onnx.ModelProto, tensor: onnx.TensorProto) -> None:
    default = helper.make_attribute("far", tensor)
    opsets = [helper.make_opsetid("", 17)]
    model.functions.append(
        helper.make_function("own", "Far", [], [], [], opsets, attribute_protos=[default])
    )


_HOLDERS: dict[str, Callable[[onnx.ModelProto, onnx.TensorProto], None]] = {
    "main": lambda model, tensor: model.graph.initializer.append(tensor),
    "constant": _in_constant,
    "branch": _in_branch,
    "function": _in_function,
    "sparse": _in_sparse,
    "training": _in_training,
    "default": _in_default,
}


def _operations() -> Iterator[Case]:
    """Operations whose results are large, whose functions call one another, or that are programs."""

    def put(change: Callable[[onnx.GraphProto], None], ground: Ground) -> None:
        model = network(pixel=False, halo=0, size=32)
        change(model.graph)
        (ground.folder / "colours.onnx").write_bytes(model.SerializeToString())

    def grown(kind: str, *held: Any, **attributes: Any) -> Callable[[onnx.GraphProto], None]:
        def change(graph: onnx.GraphProto) -> None:
            graph.node[-1].output[0] = "before"
            names = []
            for number, array in enumerate(held):
                if array is None:
                    names.append("")
                    continue
                names.append(f"held{number}")
                graph.initializer.append(numpy_helper.from_array(np.asarray(array), names[-1]))
            graph.node.append(helper.make_node(kind, names, ["grown"], **attributes))
            graph.node.append(helper.make_node("Cast", ["grown"], ["plain"], to=1))
            graph.node.append(helper.make_node("ReduceMax", ["plain"], ["most"], keepdims=0))
            graph.node.append(helper.make_node("Add", ["before", "most"], ["scores"]))

        return change

    one, big = np.float32(1), np.int64(10**12)
    many = np.array([10**6, 10**6], np.int64)
    small = np.ones((1, 1), np.float32)
    made: dict[str, Callable[[onnx.GraphProto], None]] = {
        "Range": grown("Range", np.int64(0), big, np.int64(1)),
        "Range without end": grown("Range", np.float32(0), one, np.float32(1e-12)),
        "Expand": grown("Expand", small, many),
        "Tile": grown("Tile", small, many),
        "Pad": grown("Pad", small, np.array([0, 0, 10**6, 10**6], np.int64)),
        "OneHot": grown("OneHot", np.zeros(1000, np.int64), big, np.float32([0, 1])),
        "RandomNormal": grown("RandomNormal", shape=[10**6, 10**6]),
        "RandomUniform": grown("RandomUniform", shape=[2**62]),
        "EyeLike": grown("ConstantOfShape", many),
        "Resize": grown(
            "Resize", np.ones((1, 1, 1, 1), np.float32), None, np.float32([1, 1, 1e6, 1e6])
        ),
        "Einsum": grown("Einsum", np.ones(10**6, np.float32), equation="i,j->ij"),
        "system": grown("System", small, domain="evil"),
        "RegexFullMatch": grown("RegexFullMatch", np.array(["a" * 1000]), pattern="(a*)*b"),
        "ImageDecoder": grown("ImageDecoder", np.zeros(100, np.uint8), pixel_format="RGB"),
        "huge dims": lambda g: g.initializer[0].dims.extend([2**40, 2**40]),
        "negative dims": lambda g: g.initializer[0].dims.extend([-1]),
        "dims of zero": lambda g: g.initializer[0].dims.extend([0]),
        "less data": lambda g: setattr(g.initializer[0], "raw_data", b"\0" * 3),
        "unknown type": lambda g: setattr(g.initializer[0], "data_type", 9999),
        "text": lambda g: setattr(g.initializer[0], "data_type", TensorProto.STRING),
        "output twice": lambda g: g.node.append(g.node[0]),
        "no output": lambda g: g.ClearField("output"),
        "class names": lambda g: setattr(g.output[0], "name", _TEXT),
    }
    for what, change in made.items():
        for command in (SCORE, _INSPECT):
            make = partial(put, change)
            yield Case("models", f"operation {what} {command[0]}", make, command, _MODEL)
    for what, calls in {"itself": ["A"], "each other": ["B", "A"], "much": ["B"] * 50}.items():
        make = partial(_functions, calls)
        yield Case("models", f"function calls {what}", make, SCORE, _MODEL)


def _functions(calls: list[str], ground: Ground) -> None:
    """Functions A and B, of which A calls some, and B one that A calls last."""
    model = network(pixel=False, halo=0, size=32)
    model.graph.node[-1].output[0] = "before"
    model.graph.node.append(helper.make_node("A", ["before"], ["scores"], domain="own"))
    model.opset_import.append(helper.make_opsetid("own", 1))
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)]
    for name, inner in (("A", calls), ("B", [calls[-1]] if "A" in calls else ["C"])):
        nodes = [helper.make_node(one, ["x"], ["y"], domain="own") for one in inner]
        model.functions.append(helper.make_function("own", name, ["x"], ["y"], nodes, opsets))
    (ground.folder / "colours.onnx").write_bytes(model.SerializeToString())


def _layers() -> Iterator[Case]:
    """Parts of Keras that read files, run programs, or grow, wherever a description may name them."""
    dense = {"units": 4, "name": "d"}

    def initial(name: str, **more: Any) -> dict[str, Any]:
        return {**dense, "kernel_initializer": {"class_name": name, "config": {}, **more}}

    lambda_ = {"class_name": "__lambda__", "config": {"value": "4wAAAA=="}}
    layers: dict[str, tuple[str, dict[str, Any], str]] = {
        "vocabulary": ("StringLookup", {"vocabulary": "/etc/passwd"}, "keras.layers"),
        "vocabulary of text": ("TextVectorization", {"vocabulary": "{url}"}, "keras.layers"),
        "SavedModel": ("TFSMLayer", {"filepath": "{outside}"}, "keras.layers"),
        "pickle of torch": ("TorchModuleWrapper", {"module": "gAN9"}, "keras.layers"),
        "jax": ("JaxLayer", {"call_fn": lambda_}, "keras.layers"),
        "getter": ("get_file", {"fname": "a", "origin": "{url}"}, "keras.utils"),
        "eval": ("eval", {"source": "1"}, "builtins"),
        "loader": ("load_model", {"filepath": "{outside}"}, "keras.saving"),
        "initializer": ("Dense", initial("get_file", module="keras.utils"), "keras.layers"),
        "initializer of os": ("Dense", initial("system", module="os"), "keras.layers"),
        "activation": ("Dense", {**dense, "activation": lambda_}, "keras.layers"),
        "activation by name": ("Dense", {**dense, "activation": "os.system"}, "keras.layers"),
        "dtype": ("Dense", {**dense, "dtype": lambda_}, "keras.layers"),
        "regularizer": ("Dense", {**dense, "kernel_regularizer": lambda_}, "keras.layers"),
        "wrapper": (
            "TimeDistributed",
            {"layer": {"class_name": "Lambda", "config": {"function": "4w=="}}},
            "keras.layers",
        ),
        "cell": (
            "RNN",
            {"cell": {"class_name": "ResidualWrapper", "config": {"cell": lambda_}}},
            "keras.layers",
        ),
        "registered": ("Dense", {**dense, "registered_name": "builtins>eval"}, "keras.layers"),
        "private": ("__builtins__", {}, "keras.layers"),
        "dotted": ("os.system", {}, "keras.layers"),
        "module above": ("Dense", dense, "keras.layers.."),
        "module of source": ("Dense", dense, "keras.src.utils.file_utils"),
        "padding": ("ZeroPadding2D", {"padding": 10**9, "name": "z"}, "keras.layers"),
        "sampling": ("UpSampling2D", {"size": [10**6, 10**6], "name": "u"}, "keras.layers"),
        "repeating": ("RepeatVector", {"n": 10**12, "name": "r"}, "keras.layers"),
        "shape": ("Reshape", {"target_shape": [2**40, -1], "name": "r"}, "keras.layers"),
        "kernel": ("Conv2D", {"filters": 4, "kernel_size": 10**9, "name": "c"}, "keras.layers"),
        "resizing": ("Resizing", {"height": 10**6, "width": 10**6, "name": "r"}, "keras.layers"),
        "name": ("Dense", {"units": 4, "name": _TEXT}, "keras.layers"),
        "no name": ("Dense", {"units": "4", "name": 7}, "keras.layers"),
    }

    def put(told: tuple[str, dict[str, Any], str], ground: Ground) -> None:
        layer, config, module = told
        text = (
            json.dumps(config)
            .replace("{url}", ground.url)
            .replace("{outside}", str(ground.outside))
        )
        (ground.folder / "hostile.keras").write_bytes(keras_file(layer, json.loads(text), module))
        _use(ground, "hostile.keras")

    for what, told in layers.items():
        yield Case("models", f"Keras {what}", partial(put, told), _PLAN, _MODEL)
    for what, fill in {
        "links out": lambda file, g: file.__setitem__(
            "w", h5py.ExternalLink(str(g.outside / "a.h5"), "/w")
        ),
        "lies outside": lambda file, g: file.create_dataset(
            "w", (100,), "u1", external=[("/etc/passwd", 0, 100)]
        ),
        "is virtual": _virtual_dataset,
        "is its own parent": lambda file, g: file.__setitem__("w", file["/"]),
        "has no end": lambda file, g: file.create_dataset("w", (2**40,), "f4", chunks=(2**10,)),
        "is linked in circles": lambda file, g: file.__setitem__("w", h5py.SoftLink("/w")),
        "is text": lambda file, g: file.create_dataset("w", data=[b"a"] * 5),
        "is described without end": lambda file, g: file.attrs.__setitem__("x", "[" * 60_000),
    }.items():
        for suffix in ("keras", "h5"):
            make = partial(_weights, suffix, fill)
            yield Case("models", f"Keras weights {what} {suffix}", make, _PLAN, _MODEL)


def _virtual_dataset(file: Any, ground: Ground) -> None:
    layout = h5py.VirtualLayout((100,), "u1")
    layout[:] = h5py.VirtualSource(str(ground.outside / "a.h5"), "w", (100,))
    file.create_virtual_dataset("w", layout)


def _weights(suffix: str, fill: Callable[[Any, Ground], Any], ground: Ground) -> None:
    held = io.BytesIO()
    with h5py.File(held, "w") as file:
        fill(file, ground)
        layers = [{"class_name": "InputLayer", "config": {"batch_shape": [None, 32, 32, 3]}}]
        told = {"class_name": "Sequential", "config": {"name": "s", "layers": layers}}
        file.attrs["model_config"] = json.dumps(told)
    path = ground.folder / f"hostile.{suffix}"
    if suffix == "h5":
        path.write_bytes(held.getvalue())
    else:
        plain = zipfile.ZipFile(io.BytesIO(keras_file("Dense", {"units": 4, "name": "d"})))
        with zipfile.ZipFile(path, "w") as archive:
            for name in plain.namelist():
                own = name == "model.weights.h5"
                archive.writestr(name, held.getvalue() if own else plain.read(name))
    _use(ground, path.name)


def _use(ground: Ground, name: str) -> None:
    (ground.folder / Path(name).with_suffix(".yaml")).write_text(SIDECAR)
    write_config(ground.folder / "config.yaml", model=name)


def _containers() -> Iterator[Case]:
    """What lies where a file of a model should."""

    def put(suffix: str, make: Callable[[Path, Ground], None], ground: Ground) -> None:
        make(ground.folder / f"hostile{suffix}", ground)
        _use(ground, f"hostile{suffix}")

    def sparse(path: Path, ground: Ground) -> None:
        head = {".keras": b"PK\3\4", ".h5": b"\x89HDF\r\n\x1a\n", ".onnx": b"\x08\x08"}
        path.write_bytes(head.get(path.suffix, b"\x0a"))
        os.truncate(path, 50 * 2**30)

    def zipped(path: Path, ground: Ground) -> None:
        """A ZIP whose directory says that a member is there twice, and another is a link."""
        with zipfile.ZipFile(path, "w") as archive:
            for name in ("config.json", "config.json", "../../outside/canary", "/etc/x", "a\0b"):
                archive.writestr(zipfile.ZipInfo(name), b"{}")
            link = zipfile.ZipInfo("model.weights.h5")
            link.external_attr = 0o120777 << 16
            archive.writestr(link, "/etc/passwd")

    makes: dict[str, Callable[[Path, Ground], None]] = {
        "a pipe": lambda path, g: os.mkfifo(path),
        "a device": lambda path, g: path.symlink_to("/dev/zero"),
        "a folder": lambda path, g: path.mkdir(),
        "a link to itself": lambda path, g: path.symlink_to(path.name),
        "a link to memory": lambda path, g: path.symlink_to("/proc/self/mem"),
        "50 GiB of nothing": sparse,
        "an archive of links": zipped,
    }
    for what, make in makes.items():
        for suffix in (".onnx", ".keras", ".h5", ".pb", ".model", ""):
            where = partial(put, suffix, make)
            yield Case("models", f"{what} as {suffix or 'folder'}", where, _PLAN, _MODEL)


# Imagery


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


# Run directories


_COMMANDS: dict[str, tuple[str, ...]] = {
    "score": SCORE,
    "areas": ("areas", "run"),
    "accuracy": ("accuracy", "run", "--reference", "scene.tif"),
    "smooth": ("smooth", "run", "--output", "smoothed"),
    "vectorize": ("vectorize", "run", "--output", "areas.gpkg"),
    "sample": ("sample", "run", "--output", "sample.gpkg"),
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
            one["name"] = f"{_TEXT}{number}"

    changes: dict[str, Callable[[dict[str, Any]], None]] = {
        "classes are scripts": classes,
        "colours are scripts": lambda told: told["classes"]["classes"][0].update(
            color='#fff"><canary>'
        ),
        "scheme is a script": lambda told: told["classes"].update(name=_TEXT),
        "note is a script": lambda told: told.update(note=_TEXT, advice=_TEXT, reason=_TEXT),
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
        "workers are scripts": lambda told: told.update(workers={_TEXT: 1}, devices={_TEXT: 1}),
        "versions are scripts": lambda told: told.update(versions={_TEXT: _TEXT}),
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
        "sources of scripts": column("source", _TEXT),
        "labels of scripts": column("label", _TEXT),
        "true labels of scripts": column("true_label", _TEXT),
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


def _outputs() -> Iterator[Case]:
    """Where a run writes: links, pipes and files of others in the way."""

    def put(name: str, target: str | None, ground: Ground) -> None:
        path = ground.folder / name
        path.parent.mkdir(exist_ok=True)
        if target is None:
            os.mkfifo(path)
        else:
            path.symlink_to(target.replace("{outside}", str(ground.outside)))

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
            whole = partial(_before_run, partial(put, name, target), command)
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
