"""Models by somebody who knows the formats: weights that lie elsewhere wherever there is room for a tensor, operations
and layers that grow or read files, and what lies where a file should."""

from __future__ import annotations

import io
import json
import os
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from support.colours import SIDECAR, network

from hostile.cases import SCORE, SCRIPT, Case, Ground, write_config
from hostile.makers.models import keras_file

_PLAN, _INSPECT = ("plan", "config.yaml"), ("model", "inspect", "colours.onnx")
_MODEL = ("colours", "hostile")


def cases() -> Iterator[Case]:
    """Some 190 of them."""
    yield from _tensors()
    yield from _operations()
    yield from _layers()
    yield from _containers()


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
        "class names": lambda g: setattr(g.output[0], "name", SCRIPT),
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
        "name": ("Dense", {"units": 4, "name": SCRIPT}, "keras.layers"),
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
