"""What a reader of the checks themselves has found: sizes that pixels say, names that servers are asked by, words that
no text holds."""

from __future__ import annotations

import base64
import json
import os
import sqlite3
import struct
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import geopandas
import h5py
import numpy as np
import onnx
import pyarrow.parquet as pq
import rasterio
import shapely
from onnx import TensorProto, helper, numpy_helper
from support.colours import SIDECAR, blobs, network

from hostile.cases import SCORE, SCRIPT, Case, Ground, write_config
from hostile.makers import imagery, learning
from hostile.makers.models import keras_file
from hostile.makers.runs import put_run

_node = helper.make_node
_MODEL = ("colours", "hostile")
_SQUARE = shapely.box(500_000, 4_499_940, 500_060, 4_500_000)


def cases() -> Iterator[Case]:
    """Some 90 of them."""
    yield from _networks()
    yield from _layers()
    yield from _settings()
    yield from _imagery()
    yield from _runs()
    yield from _regions()


def _held(name: str, value: Any, kind: Any = np.int64) -> onnx.TensorProto:
    return numpy_helper.from_array(np.asarray(value, kind), name)


def _grown(
    nodes: list[onnx.NodeProto],
    weights: dict[str, Any],
    change: Callable[[onnx.ModelProto], None],
    ground: Ground,
) -> None:
    """A network whose scores wait for the largest number of ``big``."""
    model = network(pixel=False, halo=0, size=32)
    graph = model.graph
    graph.initializer.extend(_held(n, v, np.asarray(v).dtype) for n, v in weights.items())
    graph.initializer.append(_held("nought", 0, np.float32))
    graph.node.extend(nodes)
    graph.node.append(_node("Cast", ["big"], ["real"], to=TensorProto.FLOAT))
    graph.node.append(_node("ReduceMax", ["real"], ["most"], keepdims=0))
    graph.node.append(_node("Mul", ["most", "nought"], ["none"]))
    graph.node.append(_node("Add", ["none", "scores"], ["told"]))
    graph.output[0].name = "told"
    change(model)
    (ground.folder / "colours.onnx").write_bytes(model.SerializeToString())


def _turned(body: list[onnx.NodeProto], turns: str, first: str, listed: bool) -> onnx.NodeProto:
    make = helper.make_tensor_sequence_value_info if listed else helper.make_tensor_value_info
    graph = helper.make_graph(
        [_node("Identity", ["on"], ["still"]), *body],
        "turn",
        [
            helper.make_tensor_value_info("at", TensorProto.INT64, []),
            helper.make_tensor_value_info("on", TensorProto.BOOL, []),
            make("state", TensorProto.FLOAT, None),
        ],
        [
            helper.make_tensor_value_info("still", TensorProto.BOOL, []),
            make("next", TensorProto.FLOAT, None),
        ],
    )
    return _node("Loop", [turns, "go", first], ["list" if listed else "big"], body=graph)


def _overloads(model: onnx.ModelProto) -> None:
    """Functions of one name that call one another ten times, of which the last is harmless."""
    model.ir_version = 10
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)]
    for level in range(12):
        body = [_node("F", [f"y{at}"], [f"y{at + 1}"], domain="own") for at in range(10)]
        for call in body:
            call.overload = str(level + 1)
        body = body if level < 11 else [_node("Relu", ["y0"], ["y10"])]
        function = helper.make_function("own", "F", ["y0"], ["y10"], body, opsets)
        function.overload = str(level)
        model.functions.append(function)
    model.opset_import.append(helper.make_opsetid("own", 1))
    call = _node("F", ["told"], ["called"], domain="own")
    call.overload = "0"
    model.graph.node.append(call)
    model.graph.output[0].name = "called"


def _sparse(model: onnx.ModelProto) -> None:
    one, at = _held("zeros", [1], np.float32), _held("at", [0])
    model.graph.sparse_initializer.append(helper.make_sparse_tensor(one, at, [40_000, 40_000]))


def _outputs(model: onnx.ModelProto) -> None:
    for at in range(50_000):
        model.graph.node.append(_node("Identity", ["told"], [f"o{at}"]))
        model.graph.output.append(helper.make_tensor_value_info(f"o{at}", 1, ["n", 4]))


def _parts(model: onnx.ModelProto) -> None:
    """A node that says that it makes two thousand million parts."""
    model.opset_import[0].version = 18
    parts = ["told", "more"]
    model.graph.node.append(_node("Split", ["scores"], parts, axis=1, num_outputs=2**31 - 1))
    model.graph.output[0].name = "told"
    del model.graph.node[-2]


def _letters(model: onnx.ModelProto) -> None:
    """A name that is no text, put there by its bytes, since none in Python can be."""
    named = model.SerializeToString().replace(b"nought", b"nou\xff\xfet")
    model.ParseFromString(named)


def _contributed(model: onnx.ModelProto) -> None:
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))


def _as_it_is(model: onnx.ModelProto) -> None:
    pass


def _networks() -> Iterator[Case]:
    number = [
        _node("ReduceMax", ["image"], ["top"], keepdims=0),
        _node("Abs", ["top"], ["above"]),
        _node("Mul", ["above", "factor"], ["much"]),
        _node("Cast", ["much"], ["whole"], to=TensorProto.INT64),
        _node("Reshape", ["whole", "one"], ["number"]),
    ]
    told = {"factor": np.float32(3e8), "one": np.asarray([1]), "zero": np.int64(0)}
    step = {"step": np.int64(1), "three": np.asarray([1, 1, 1])}
    loop = {"go": np.asarray(True), "turns": np.int64(40), "flat": np.asarray([-1])}
    shifted = {"unit": np.uint64(1), "bits": np.uint64(33)}
    inside = [
        _node("MatMul", ["column", "row"], ["b"]),
        _node("ReduceMax", ["b"], ["m"], keepdims=0),
    ]
    out = [helper.make_tensor_value_info("m", TensorProto.FLOAT, [])]
    branch = helper.make_graph(inside, "branch", [], out)
    ones = np.ones((60_000, 1), np.float32)
    grown: dict[str, tuple[list[onnx.NodeProto], dict[str, Any]]] = {
        "ConstantOfShape": ([*number, _node("ConstantOfShape", ["number"], ["big"])], told),
        "Expand": ([*number, _node("Expand", ["factor", "number"], ["big"])], told),
        "Range": ([*number, _node("Range", ["zero", "whole", "step"], ["big"])], {**told, **step}),
        "BlackmanWindow": ([*number, _node("BlackmanWindow", ["whole"], ["big"])], told),
        "Resize": (
            [
                *number,
                _node("Concat", ["three", "number"], ["sizes"], axis=0),
                _node("Resize", ["image", "", "", "sizes"], ["big"], mode="nearest"),
            ],
            {**told, **step},
        ),
        "how many there are": (
            [
                _node("NonZero", ["image"], ["places"]),
                _node("Shape", ["places"], ["extents"]),
                _node("Mul", ["extents", "factor"], ["number"]),
                _node("ConstantOfShape", ["number"], ["big"]),
            ],
            {"factor": np.int64(10**5)},
        ),
        "turns": (
            [*number, _turned([_node("Relu", ["state"], ["next"])], "whole", "top", False)],
            {**told, **loop, "factor": np.float32(1e15)},
        ),
        "doubling": (
            [
                _node("Reshape", ["image", "flat"], ["first"]),
                _turned(
                    [_node("Concat", ["state"] * 2, ["next"], axis=0)], "turns", "first", False
                ),
            ],
            loop,
        ),
        "a list": (
            [
                _node("SequenceEmpty", [], ["first"]),
                _turned(
                    [_node("SequenceInsert", ["state", "image"], ["next"])], "turns", "first", True
                ),
                _node("ConcatFromSequence", ["list"], ["big"], axis=0),
            ],
            {**loop, "turns": np.int64(100_000)},
        ),
        "a size that nobody follows": (
            [
                _node("BitShift", ["unit", "bits"], ["shifted"], direction="LEFT"),
                _node("Cast", ["shifted"], ["whole"], to=TensorProto.INT64),
                _node("BlackmanWindow", ["whole"], ["big"]),
            ],
            shifted,
        ),
        "a product in a branch": (
            [_node("If", ["go"], ["big"], then_branch=branch, else_branch=branch)],
            {"go": np.asarray(True), "column": ones, "row": ones.T},
        ),
    }
    for name, (nodes, weights) in grown.items():
        for runtime in ("openvino", "onnxruntime"):
            command = (*SCORE, "--set", f"model.runtime={runtime}")
            make = partial(_grown, nodes, weights, _as_it_is)
            yield Case("models", f"told by pixels: {name} in {runtime}", make, command, _MODEL)
    distances = [
        _node("ReduceMax", ["image"], ["top"], keepdims=0),
        _node("Add", ["column", "top"], ["points"]),
        _node("CDist", ["points", "points"], ["big"], domain="com.microsoft", metric="euclidean"),
    ]
    for runtime in ("openvino", "onnxruntime"):
        command = (*SCORE, "--set", f"model.runtime={runtime}")
        make = partial(_grown, distances, {"column": ones}, _contributed)
        yield Case("models", f"told by nobody: distances in {runtime}", make, command, _MODEL)
    plain = [_node("Identity", ["image"], ["big"])]
    pushed = {"unit": np.asarray([0, 0, -100, 0, 0, 0, 200, 0])}
    given: dict[str, tuple[list[onnx.NodeProto], dict[str, Any]]] = {
        "cut off more than there is": ([_node("Pad", ["image", "unit"], ["big"])], pushed),
        "a place that pixels say": (
            [*number, _node("GatherND", ["numbers", "number"], ["big"])],
            {**told, "numbers": np.ones(4, np.float32)},
        ),
        "a place to write that pixels say": (
            [*number, _node("ScatterElements", ["numbers", "number", "unit"], ["big"])],
            {**told, "numbers": np.ones(4, np.float32), "unit": np.ones(1, np.float32)},
        ),
        "too few inputs": ([_node("Conv", ["image"], ["big"])], {}),
        "60,000 constants": (
            [
                _node("Identity", ["image"], ["big"]),
                *(_node("Constant", [], [f"c{at}"], value_int=1) for at in range(60_000)),
            ],
            {},
        ),
    }
    for name, (nodes, weights) in given.items():
        for command in (SCORE, ("model", "inspect", "colours.onnx")):
            make = partial(_grown, nodes, weights, _as_it_is)
            yield Case("models", f"given: {name} {command[0]}", make, command, _MODEL)
    for name, others in {
        "Attention of one input": _node("Attention", ["image"], ["big"], domain="com.microsoft"),
        "FusedConv of one input": _node("FusedConv", ["image"], ["big"], domain="com.microsoft"),
    }.items():
        make = partial(_grown, [others], {}, _contributed)
        yield Case("models", f"given: {name}", make, SCORE, _MODEL)
    for change in (_parts, _letters, _overloads, _outputs):
        make = partial(_grown, plain, {}, change)
        yield Case("models", f"counted: {change.__name__}", make, SCORE, _MODEL)
    make = partial(_grown, [_node("Identity", ["zeros"], ["big"])], {}, _sparse)
    yield Case("models", "counted: sparse weights", make, SCORE, _MODEL)


def _use(ground: Ground, name: str) -> None:
    (ground.folder / "hostile.yaml").write_text(SIDECAR)
    write_config(ground.folder / "config.yaml", model=name)


def _operation(operation: str, ground: Ground) -> None:
    """A layer of Keras 2 that is an operation of TensorFlow, which notes what it is given in a file."""
    place = f"file://{ground.canary}"
    node = {
        "name": "out",
        "op": operation,
        "input": ["mean"],
        "attr": {"T": {"type": "DT_FLOAT"}, "debug_urls": {"list": {"s": [_base64(place)]}}},
    }
    first = {"batch_input_shape": [None, 32, 32, 3], "dtype": "float32", "name": "image"}
    layers = [
        ("InputLayer", "image", first, []),
        ("GlobalAveragePooling2D", "mean", {"name": "mean"}, [[["image", 0, 0, {}]]]),
        (
            "TensorFlowOpLayer",
            "tf_op_layer_out",
            {"name": "out", "node_def": node, "constants": {}},
            [[["mean", 0, 0, {}]]],
        ),
    ]
    config = {
        "name": "net",
        "layers": [
            {"class_name": kind, "name": name, "config": told, "inbound_nodes": before}
            for kind, name, told, before in layers
        ],
        "input_layers": [["image", 0, 0]],
        "output_layers": [["tf_op_layer_out", 0, 0]],
    }
    with h5py.File(ground.folder / "hostile.h5", "w") as file:
        file.attrs["model_config"] = json.dumps({"class_name": "Functional", "config": config})
        file.attrs["keras_version"], file.attrs["backend"] = "2.15.0", "tensorflow"
        file.create_group("model_weights").attrs["layer_names"] = np.array([], "S1")
    _use(ground, "hostile.h5")


def _waiting(reads: list[Any], ground: Ground) -> None:
    """A network of Keras 2 whose last layer reads what never comes."""
    first = {"batch_input_shape": [None, 32, 32, 3], "dtype": "float32", "name": "image"}
    layers = [
        {"class_name": "InputLayer", "name": "image", "config": first, "inbound_nodes": []},
        {"class_name": "Add", "name": "own", "config": {"name": "own"}, "inbound_nodes": [[reads]]},
    ]
    ends = {"input_layers": [["image", 0, 0]], "output_layers": [["own", 0, 0]]}
    told = {"class_name": "Functional", "config": {"name": "net", "layers": layers, **ends}}
    with h5py.File(ground.folder / "hostile.h5", "w") as file:
        file.attrs["model_config"], file.attrs["keras_version"] = json.dumps(told), "2.15.0"
        file.create_group("model_weights").attrs["layer_names"] = np.array([], "S1")
    _use(ground, "hostile.h5")


def _piped(ground: Ground) -> None:
    os.mkfifo(ground.folder / "pipe.h5")
    with h5py.File(ground.folder / "hostile.h5", "w") as file:
        file["a"] = h5py.SoftLink("/z/w")
        file["z"] = h5py.ExternalLink(str(ground.folder / "pipe.h5"), "/")
        file.attrs["model_config"] = "{}"
    _use(ground, "hostile.h5")


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _layers() -> Iterator[Case]:
    classes = ("--set", "model.classes=[a, b, c]", "--set", "model.runtime=tensorflow")
    for operation in ("DebugIdentity", "PrintV2", "WriteFile"):
        make = partial(_operation, operation)
        yield Case("models", f"layer of {operation}", make, (*SCORE, *classes), _MODEL)
    array = {"class_name": "__numpy__", "config": {"value": [1.0], "dtype": "S1000000000"}}
    for name, layer, config in (
        ("array of a billion bytes", "Rescaling", {"scale": array, "name": "r"}),
        ("axis that is not there", "Softmax", {"axis": 10**9, "name": "s"}),
    ):

        def write(ground: Ground, layer: str = layer, config: Any = config) -> None:
            (ground.folder / "hostile.keras").write_bytes(keras_file(layer, config))
            _use(ground, "hostile.keras")

        yield Case("models", f"layer with an {name}", write, SCORE, _MODEL)

    relu = {"module": "keras.layers", "class_name": "ReLU", "config": {}}
    cell = {"module": "keras.layers", "class_name": "LSTMCell", "config": {"units": 4}}
    cells = {**cell, "class_name": "StackedRNNCells", "config": {"cells": [cell] * 5_000}}
    for name, layer, config in (
        ("5,000 cells", "RNN", {"cell": cells}),
        ("20,000 steps", "Pipeline", {"layers": [relu] * 20_000}),
        ("300 layers in one", "Sequential", {"name": "s", "layers": [relu] * 300}),
    ):

        def many(ground: Ground, layer: str = layer, config: Any = config) -> None:
            (ground.folder / "hostile.keras").write_bytes(keras_file(layer, config))
            _use(ground, "hostile.keras")

        yield Case("models", f"layer of {name}", many, SCORE, _MODEL)
    for name, reads in {"itself": ["own", 0, 0, {}], "a call of none": ["image", 9, 0, {}]}.items():
        make = partial(_waiting, reads)
        yield Case("models", f"layer that waits for {name}", make, SCORE, _MODEL)
    yield Case("models", "weights behind a link to a pipe", _piped, SCORE, _MODEL)

    def arrays(shape: str, kind: str, ground: Ground) -> None:
        head = (
            f"{{'descr': {kind!r}, 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
        )
        content = b"\x93NUMPY\x01\0" + len(head).to_bytes(2, "little") + head.encode() + bytes(4)
        with zipfile.ZipFile(ground.folder / "colours.npz", "w") as archive:
            archive.writestr("input.npy", content)
            archive.writestr("output.npy", content)

    for name, shape, kind in (
        ("no shape", "(" * 5_000, "<f4"),
        ("texts", "(1, 1, 1)", "<U1"),
        ("terabytes", "(1000000000000,)", "<f4"),
    ):
        command = ("model", "compare", "colours.onnx")
        yield Case(
            "models", f"outputs beside of {name}", partial(arrays, shape, kind), command, _MODEL
        )

    def pipe(ground: Ground) -> None:
        (ground.folder / "saved/variables").mkdir(parents=True)
        node = b"\x0a\x01x\x12\x03Abs"
        graph = b"\x0a" + bytes([len(node)]) + node
        meta = b"\x12" + bytes([len(graph)]) + graph
        told = b"\x08\x01\x12" + bytes([len(meta)]) + meta
        (ground.folder / "saved/saved_model.pb").write_bytes(told)
        os.mkfifo(ground.folder / "saved/variables/variables.index")
        _use(ground, "saved")

    yield Case("models", "variables that are a pipe", pipe, SCORE, ("saved",))


def _text(file: str, text: str, ground: Ground) -> None:
    (ground.folder / file).write_text(text)


def _settings() -> Iterator[Case]:
    for name, text in {
        "a list as a key": "? [a, b]\n: c\nmean: 100\n",
        "a number of base sixty": "mean: " + ":".join(["59"] * 5_000) + "\nscale: 1\n",
        "300,000 keys": "".join(f"a{at}: 1\n" for at in range(300_000)),
        "a name with nothing in it": 'mean_image: "a\\0b"\nscale: 0.02\n',
    }.items():
        yield Case("sidecars", name, partial(_text, "colours.yaml", text), SCORE, _MODEL)
    for name, sections in {
        "a model with nothing in its name": {"model": "a\0b"},
        "an output with nothing in its name": {"output": "a\0b"},
        "a model of no address": {"model": "http://[::1"},
        "a model of no port": {"model": "http://127.0.0.1:99999/x.onnx"},
        "a model in no archive": {"model": "zip://x::colours.onnx"},
        "a scene of no protocol": {"source": {"rasters": ["dir://x"]}},
        "a scene of half a protocol": {"source": {"rasters": ["jupyter://127.0.0.1:9/x.tif"]}},
    }.items():

        def write(ground: Ground, sections: dict[str, Any] = sections) -> None:
            write_config(ground.folder / "config.yaml", **sections)

        names = ("config.yaml", *(str(next(iter(sections.values())))[:7],), "127.0.0.1", "dir:")
        yield Case("configs", name, write, SCORE, (*names, "colours", "zip:"))


def _imagery() -> Iterator[Case]:
    def large(ground: Ground) -> None:
        head = b"II+\0\x08\0\0\0" + struct.pack("<Q", 2**63)
        (ground.folder / "images/far.tif").write_bytes(head)

    yield Case("imagery", "TIFF that goes on beyond", large, ("score", "images.yaml", "--quiet"))

    def spilled(other: str, ground: Ground) -> None:
        path = ground.folder / "scene.img"
        profile = {"width": 64, "height": 64, "count": 3, "dtype": "uint8", "crs": "EPSG:26918"}
        with rasterio.open(path, "w", driver="HFA", USE_SPILL="YES", **profile) as file:
            file.write(blobs(1, 64, 64))
        path.write_bytes(path.read_bytes().replace(b"scene.ige", other.encode()))
        os.mkfifo(ground.folder / other)
        write_config(ground.folder / "config.yaml", source={"rasters": ["scene.img"]})

    for other in ("other.igx", "other.ige"):
        make = partial(spilled, other)
        yield Case(
            "imagery", f"ERDAS file whose pixels are a pipe {other}", make, SCORE, ("scene.img",)
        )

    asks = '<Option name="NUM_THREADS">100000</Option>'
    own = imagery.virtual("own.vrt")
    for name, text in {
        "names itself": own,
        "asks for 100,000 threads": own.replace("</SRS>", f"</SRS>{asks}"),
    }.items():

        def circling(ground: Ground, text: str = text) -> None:
            (ground.folder / "own.vrt").write_text(text)
            source = {"rasters": ["own.vrt"], "outside": True}
            write_config(ground.folder / "config.yaml", source=source)

        for command in (SCORE, ("plan", "config.yaml")):
            what = f"virtual raster that {name} {command[0]}"
            yield Case("imagery", what, circling, command, ("own.vrt",))

    def dated(change: dict[str, Any], ground: Ground) -> None:
        item = {"type": "Feature", "id": "a", "properties": {"datetime": "2016-09-15T00:00:00Z"}}
        item |= {"assets": {"image": {"href": "scene.tif"}}, **change}
        (ground.folder / "scene.json").write_text(json.dumps(item))
        source = {"rasters": ["scene.tif"], "date": {"stac": "beside"}}
        write_config(ground.folder / "config.yaml", source=source)

    for name, change in {
        "before all years": {"properties": {"datetime": "0001-01-01T00:00:00+23:59"}},
        "whose file is no URL": {"assets": {"image": {"href": "http://[::1/scene.tif"}}},
    }.items():
        make = partial(dated, change)
        yield Case("imagery", f"STAC item {name}", make, SCORE, ("scene",))


def _runs() -> Iterator[Case]:
    def said(change: dict[str, Any], ground: Ground) -> None:
        file = put_run(ground) / "run.json"
        file.write_text(json.dumps({**json.loads(file.read_text()), **change}))

    report = ("report", "run", "-o", "report.html")
    half: dict[str, Any] = {"devices": {"\ud800": 1}}
    yield Case("runs", "half a letter in a report", partial(said, half), report, ("run",))
    beyond = {"finished": "9999-12-31T23:59:59-23:59"}
    yield Case("runs", "a moment beyond all", partial(said, beyond), ("stac", "run"), ("run",))

    def with_run(ground: Ground) -> None:
        put_run(ground)
        os.mkfifo(ground.folder / "pipe")

    strange = SCRIPT.replace("\n", "")
    for name, command in {
        "a page of a strange name": ("report", "run", "-o", f"{strange}.html"),
        "a figure of a strange name": ("areas", "run", "--figure", f"{strange}.png"),
        "a table of no letters": ("areas", "run", "-o", "\udcff.csv"),
        "a model into a pipe": ("model", "convert", "colours.onnx", "pipe", "--force"),
        "a table into a pipe": ("areas", "run", "-o", "pipe"),
        "seconds that are none": ("bench", "config.yaml", "--seconds", "nan"),
        "minutes that are none": ("bench", "config.yaml", "--minutes", "nan"),
        "workers that are none": ("bench", "config.yaml", "--workers", "1e9,x"),
        "a sample of nearly no error": ("sample", "run", "-o", "s.gpkg", "--se", "1e-300"),
        "a demo of a continent": ("demo", "--size", "1000000000"),
        "a batch of a trillion": ("model", "compare", "colours.onnx", "--batch", "1000000000000"),
    }.items():
        yield Case("runs", f"words: {name}", with_run, command)

    def deep(tiles: Path, ground: Ground) -> None:
        (tiles.parent / "out").mkdir()
        (tiles.parent / "out/training.json").write_text("[" * 100_000)

    make = partial(learning._training, deep, {})
    yield Case("training", "training.json deep", make, ("train", "train.yaml", "--quiet"), ("out",))


def _frame() -> geopandas.GeoDataFrame:
    return geopandas.GeoDataFrame({"name": ["x"]}, geometry=[_SQUARE], crs="EPSG:26918")


def _region(
    name: str, change: Callable[[Path, Ground], None], where: str | None, ground: Ground
) -> None:
    path = ground.folder / name
    if path.suffix == ".parquet":
        _frame().to_parquet(path)
    else:
        _frame().to_file(path)
    change(path, ground)
    region = {"path": name} if where is None else {"path": name, "where": where}
    source = {"rasters": ["scene.tif"], "region": region}
    write_config(ground.folder / "config.yaml", source=source)


def _linked(key: str, path: Path, ground: Ground) -> None:
    told = json.loads(path.read_text())
    del told["crs"]
    link = {"type": "link", "properties": {"href": f"{ground.url}/x", "type": "proj4"}}
    text = json.dumps(told)
    path.write_text(f"{{{key}: {json.dumps(link)}, {text[1:]}")


def _layered(path: Path, ground: Ground) -> None:
    """A whole that is of no type, whose columns are a layer then."""
    link = {"type": "link", "properties": {"href": f"{ground.url}/x", "type": "proj4"}}
    path.write_text(json.dumps({"properties": {**json.loads(path.read_text()), "crs": link}}))


def _wide(path: Path, ground: Ground) -> None:
    told = json.loads(path.read_text())
    told["features"][0]["properties"] = {f"k{number}": number for number in range(60_000)}
    path.write_text(json.dumps(told))


def _behind_lines(path: Path, ground: Ground) -> None:
    """A line that is a feature, and one whose values have a geometry on a line of its own."""
    told = json.loads(path.read_text())["features"][0]
    link = {"type": "link", "properties": {"href": f"{ground.url}/x", "type": "proj4"}}
    placed = json.dumps({**told["geometry"], "crs": link})
    hidden = f'{{"type": "Feature", "properties": {{"a":\n{placed}\n}}, "geometry": null}}'
    path.write_text(f"{json.dumps(told)}\n{hidden}\n")


def _in_columns(value: Any, path: Path, ground: Ground) -> None:
    told = json.loads(path.read_text())
    told["features"][0]["properties"]["crs"] = value
    path.write_text(json.dumps(told).replace("{url}", ground.url))


def _named(name: str, path: Path, ground: Ground) -> None:
    told = json.loads(path.read_text())
    told["crs"]["properties"]["name"] = name
    path.write_text(json.dumps(told))


def _view(path: Path, ground: Ground) -> None:
    endless = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT x FROM c"
    with closing(sqlite3.connect(path)) as database, database:
        database.execute(f"CREATE VIEW st_more AS {endless}")
        for table, column in (
            ("gpkg_contents", "table_name"),
            ("gpkg_geometry_columns", "table_name"),
        ):
            database.execute(f"UPDATE {table} SET {column} = 'st_more'")


def _pipe(suffix: str, path: Path, ground: Ground) -> None:
    beside = path.with_suffix(suffix)
    beside.unlink(missing_ok=True)
    os.mkfifo(beside)


def _crs(crs: str, path: Path, ground: Ground) -> None:
    table = pq.read_table(path)
    told = json.loads(table.schema.metadata[b"geo"])
    told["columns"]["geometry"]["crs"] = crs.replace("{url}", ground.url)
    pq.write_table(table.replace_schema_metadata({"geo": json.dumps(told)}), path)


def _deep() -> Any:
    found: Any = "a b"
    for _ in range(600):
        found = [found]
    return found


def _regions() -> Iterator[Case]:
    changes: dict[str, tuple[str, Callable[[Path, Ground], None]]] = {
        "a link for its CRS": ("region.geojson", partial(_linked, '"crs"')),
        "a hidden link for its CRS": ("region.geojson", partial(_linked, '"\\u0063rs"')),
        "a link behind a note": ("region.geojson", partial(_linked, '"crs"/**/')),
        "a link behind a letter of 0": ("region.geojson", partial(_linked, '"crs\\u0000"')),
        "a link of a layer in columns": ("region.geojson", _layered),
        "a link behind lines": ("region.geojson", _behind_lines),
        "60,000 columns": ("region.geojson", _wide),
        "a link in its columns": (
            "region.geojson",
            partial(_in_columns, {"type": "link", "properties": {"href": "{url}/x"}}),
        ),
        "lists without end in its columns": ("region.geojson", partial(_in_columns, _deep())),
        "a CRS that there is not": ("region.geojson", partial(_named, "EPSG:99999999")),
        "a view that GDAL might have written": ("region.gpkg", _view),
        "a pipe for its letters": ("region.shp", partial(_pipe, ".cpg")),
        "a pipe for its table": ("region.shp", partial(_pipe, ".dbf")),
        "a server for its CRS": ("region.parquet", partial(_crs, "{url}/x")),
        "a file for its CRS": ("region.parquet", partial(_crs, "/etc/passwd")),
    }
    for name, (file, change) in changes.items():
        yield Case(
            "regions", f"with {name}", partial(_region, file, change, None), SCORE, ("region",)
        )
    for name, where in {
        "memory": "hex(randomblob(1000000000)) = 'x'",
        "no end": "name IN (WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT x FROM c)",
    }.items():
        make = partial(_region, "region.gpkg", lambda path, ground: None, where)
        yield Case("regions", f"a condition of {name}", make, SCORE, ("region",))
