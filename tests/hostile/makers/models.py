"""Hostile models: damaged files, files that name others, that compute without end, that hold programs."""

from __future__ import annotations

import io
import json
import os
import pickle
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from support.colours import SIDECAR, network

from hostile.cases import SCORE, Case, Ground, write_config
from hostile.mutating import mutated

_PLAN, _INSPECT = ("plan", "config.yaml"), ("model", "inspect", "colours.onnx")


def cases() -> Iterator[Case]:
    """Some 300 of them."""
    yield from _damaged()
    yield from _elsewhere()
    yield from _endless()
    yield from _others()


def _damaged() -> Iterator[Case]:
    def damage(seed: int, ground: Ground) -> None:
        file = ground.folder / "colours.onnx"
        file.write_bytes(mutated(file.read_bytes(), seed))

    for seed in range(150):
        command = (SCORE, _INSPECT, _PLAN)[seed % 3]
        yield Case(
            "models",
            f"damaged {seed}",
            partial(damage, seed),
            command,
            ("colours", "input", "scene"),
        )


def _elsewhere() -> Iterator[Case]:
    def external(location: Callable[[Ground], str], ground: Ground) -> None:
        model = network(pixel=False, halo=0, size=32)
        kernel = model.graph.initializer[0]
        kernel.ClearField("raw_data")
        kernel.data_location = TensorProto.EXTERNAL
        for key, value in {"location": location(ground), "offset": "0", "length": "48"}.items():
            kernel.external_data.add(key=key, value=value)
        (ground.folder / "colours.onnx").write_bytes(model.SerializeToString())

    (places) = {
        "absolute": lambda g: f"{g.outside}/scene.tif",
        "relative": lambda g: f"../{g.outside.name}/scene.tif",
        "password": lambda g: "/etc/passwd",
        "device": lambda g: "/dev/zero",
        "server": lambda g: g.url,
        "absent": lambda g: "absent.bin",
        "itself": lambda g: "colours.onnx",
        "empty": lambda g: "",
        "dots": lambda g: "a/../../outside/scene.tif",
        "control": lambda g: "\x1b[2J",
    }
    for what, place in places.items():
        for command in (SCORE, _INSPECT):
            yield Case(
                "models",
                f"weights {what} {command[0]}",
                partial(external, place),
                command,
                ("colours",),
            )


def _endless() -> Iterator[Case]:
    def put(make: Callable[[], onnx.ModelProto | bytes], ground: Ground) -> None:
        made = make()
        content = made if isinstance(made, bytes) else made.SerializeToString()
        (ground.folder / "colours.onnx").write_bytes(content)

    made: dict[str, Callable[[], onnx.ModelProto | bytes]] = {
        **{f"chain of {n:,}": partial(_chain, n) for n in (3_000, 30_000, 100_000)},
        **{f"constant of {n:,}": partial(_constant, n) for n in (10**6, 10**9, 10**12, 2**62)},
        **{f"input of {n:,}": partial(_input, n) for n in (10**5, 10**9, 2**62, 0, -1)},
        **{f"loop of {n:,}": partial(_loop, n) for n in (10**6, 2**62)},
        **{f"nested {n}": partial(_nested, n) for n in (5, 50, 500)},
        **{f"classes {n:,}": partial(_classes, n) for n in (200_000, 10**7)},
        "names": _named,
        "metadata": _metadata,
        "opset": _opset,
        "unknown": _unknown,
        "cycle": _cycle,
    }
    for what, make in made.items():
        for command in (SCORE, _INSPECT):
            yield Case("models", f"{what} {command[0]}", partial(put, make), command, ("colours",))


def _changed(change: Callable[[onnx.GraphProto], None]) -> onnx.ModelProto:
    model = network(pixel=False, halo=0, size=32)
    change(model.graph)
    return model


def _chain(length: int) -> onnx.ModelProto:
    def change(graph: onnx.GraphProto) -> None:
        graph.node[-1].output[0] = "link0"
        for at in range(length):
            end = "scores" if at == length - 1 else f"link{at + 1}"
            graph.node.append(helper.make_node("Identity", [f"link{at}"], [end]))

    return _changed(change)


def _constant(size: int) -> onnx.ModelProto:
    def change(graph: onnx.GraphProto) -> None:
        graph.node[-1].output[0] = "before"
        graph.initializer.append(numpy_helper.from_array(np.array([size], np.int64), "size"))
        value = numpy_helper.from_array(np.array([1], np.float32), "one")
        graph.node.append(helper.make_node("ConstantOfShape", ["size"], ["huge"], value=value))
        graph.node.append(helper.make_node("ReduceMax", ["huge"], ["most"], keepdims=0))
        graph.node.append(helper.make_node("Add", ["before", "most"], ["scores"]))

    return _changed(change)


def _input(size: int) -> onnx.ModelProto:
    def change(graph: onnx.GraphProto) -> None:
        for dim in graph.input[0].type.tensor_type.shape.dim[2:]:
            dim.dim_value = size

    return _changed(change)


def _classes(count: int) -> onnx.ModelProto:
    def change(graph: onnx.GraphProto) -> None:
        graph.output[0].type.tensor_type.shape.dim[1].dim_value = count

    return _changed(change)


def _loop(times: int) -> onnx.ModelProto:
    def change(graph: onnx.GraphProto) -> None:
        graph.node[-1].output[0] = "before"
        graph.initializer.append(numpy_helper.from_array(np.array(times, np.int64), "times"))
        graph.initializer.append(numpy_helper.from_array(np.array(True), "on"))
        nodes = [
            helper.make_node("Identity", ["c"], ["d"]),
            helper.make_node("Identity", ["x"], ["y"]),
        ]
        body = helper.make_graph(
            nodes,
            "body",
            [
                helper.make_tensor_value_info("i", TensorProto.INT64, []),
                helper.make_tensor_value_info("c", TensorProto.BOOL, []),
                helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 4]),
            ],
            [
                helper.make_tensor_value_info("d", TensorProto.BOOL, []),
                helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 4]),
            ],
        )
        graph.node.append(
            helper.make_node("Loop", ["times", "on", "before"], ["scores"], body=body)
        )

    return _changed(change)


def _nested(depth: int) -> bytes:
    """Conditions within conditions, deeper than libraries write them."""
    inner = helper.make_graph(
        [helper.make_node("Identity", ["before"], ["y"])],
        "g",
        [],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 4])],
    ).SerializeToString()
    node = helper.make_node("If", ["on"], ["y"]).SerializeToString()
    for level in range(depth):
        # NodeProto.attribute (5) of a name (1), the graph (6) and its type (20); GraphProto.node (1)
        branch = _field(1, b"then_branch") + _field(6, inner) + b"\xa0\x01\x05"
        whole = node if level < depth - 1 else node.replace(b"\x01y", b"\x06scores", 1)
        inner = _field(1, whole + _field(5, branch)) + _field(2, b"g")
    return _changed(_before).SerializeToString() + _field(7, inner)


def _before(graph: onnx.GraphProto) -> None:
    graph.node[-1].output[0] = "before"
    graph.initializer.append(numpy_helper.from_array(np.array(True), "on"))


def _field(number: int, content: bytes) -> bytes:
    """A field of bytes of a message of protobuf."""
    size, length = len(content), b""
    while size > 127:
        length, size = length + bytes([128 | size & 127]), size >> 7
    return bytes([number << 3 | 2]) + length + bytes([size]) + content


def _named() -> onnx.ModelProto:
    def change(graph: onnx.GraphProto) -> None:
        graph.name = "\x1b[2J<script>\u202e\n"
        graph.node[0].name = "x" * 100_000
        graph.doc_string = "\x00" * 1000

    return _changed(change)


def _metadata() -> onnx.ModelProto:
    model = network(pixel=False, halo=0, size=32)
    for key, value in {
        "classes": "\x1b[2J",
        "names": "{0: __import__('os')}",
        "mean": "nan",
    }.items():
        model.metadata_props.add(key=key, value=value)
    return model


def _opset() -> onnx.ModelProto:
    model = network(pixel=False, halo=0, size=32)
    model.opset_import[0].version = 2**40
    return model


def _unknown() -> onnx.ModelProto:
    def change(graph: onnx.GraphProto) -> None:
        graph.node[0].op_type, graph.node[0].domain = "System", "evil"

    return _changed(change)


def _cycle() -> onnx.ModelProto:
    def change(graph: onnx.GraphProto) -> None:
        graph.node[0].input[0] = "scores"

    return _changed(change)


class _Payload:
    """Creates the canary where it is unpickled."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[object, ...]:
        return (os.mknod, (str(self.canary),))


def _others() -> Iterator[Case]:
    def put(name: str, content: Callable[[Ground], bytes], ground: Ground) -> None:
        (ground.folder / name).write_bytes(content(ground))
        (ground.folder / Path(name).with_suffix(".yaml")).write_text(SIDECAR)
        write_config(ground.folder / "config.yaml", model=name)

    pickled = lambda g: pickle.dumps(_Payload(g.canary))
    contents: dict[str, Callable[[Ground], bytes]] = {
        "pickle": pickled,
        "archive with a pickle": lambda g: _archive(
            {"archive/data.pkl": pickled(g), "archive/version": b"3"}
        ),
        "lambda": lambda g: keras_file(
            "Lambda", {"function": ["4wEAAA==", None, None], "name": "l"}
        ),
        "module": lambda g: keras_file("system", {"command": f"touch {g.canary}"}, module="os"),
        "registered": lambda g: keras_file(
            "Popen", {"args": ["touch", str(g.canary)]}, module="subprocess"
        ),
        "operation": lambda g: keras_file("TFOpLambda", {"function": "io.write_file", "name": "w"}),
        "many layers": lambda g: keras_file("Dense", {"units": 10**12, "name": "d"}),
        "deep description": lambda g: _archive(
            {"config.json": b"[" * 200_000, "metadata.json": b"{}", "model.weights.h5": b""}
        ),
        "bomb": lambda g: _archive(
            {"config.json": b" " * 600_000_000, "metadata.json": b"{}", "model.weights.h5": b""}
        ),
        "climbing": lambda g: _archive(
            {"../../outside/canary": b"x", "config.json": b"{}", "metadata.json": b"{}"}
        ),
        "nothing": lambda g: b"",
        "zeros": lambda g: b"\0" * 1000,
        "text": lambda g: b"not a model",
        "HDF5": lambda g: b"\x89HDF\r\n\x1a\n" + b"\xff" * 2000,
        "graph": lambda g: b"\x0a\xff\xff\xff\xff\x0f" + b"x" * 100,
        "CNTK": lambda g: b"BCN\0" * 200,
    }
    for what, content in contents.items():
        for suffix in (".keras", ".h5", ".onnx", ".pb", ".model", ".pt"):
            yield Case(
                "models",
                f"{what} as {suffix}",
                partial(put, f"hostile{suffix}", content),
                _PLAN,
                ("hostile",),
            )


def _archive(members: dict[str, bytes]) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return held.getvalue()


def keras_file(layer: str, config: dict[str, object], module: str = "keras.layers") -> bytes:
    """A file of Keras 3 with one layer more than an input."""
    first = {
        "module": "keras.layers",
        "class_name": "InputLayer",
        "config": {"batch_shape": [None, 32, 32, 3], "name": "i"},
    }
    second = {"module": module, "class_name": layer, "config": config, "registered_name": None}
    told = {
        "module": "keras",
        "class_name": "Sequential",
        "config": {"name": "s", "layers": [first, second]},
    }
    return _archive(
        {
            "metadata.json": json.dumps({"keras_version": "3.15.0"}).encode(),
            "config.json": json.dumps(told).encode(),
            "model.weights.h5": b"\x89HDF\r\n\x1a\n",
        }
    )
