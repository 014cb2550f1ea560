"""Every refusal of a network names what would settle it, and settling it works."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from support.refusals import Met, left, places

import landcover.models
from landcover.config import ModelSettings
from landcover.errors import ModelError
from landcover.models.model import open_model
from landcover.models.recipe import Recipe, make_recipe

Extents = list[Any]
MODELS = Path(landcover.models.__file__).parent
# Where what cannot be told of a network is refused.
MODULES = [*(MODELS / "output_side").glob("*.py"), MODELS / "preprocessing" / "input_side.py"]
MODULES.append(MODELS / "formats" / "outputs.py")
# What nothing that can be told would change.
NO_NETWORK_FOR_IMAGES = (
    "str(error)",
    "does not run on an image of noise",
    "there is chance in it",
    "classes; the most that a map can hold",
    "bands; the most is",
    # To be exported otherwise: tests/models/test_output_forms.py and test_output_stride.py meet these.
    "or export it without that",
    "the first lies at pixel",
    "results for {len(pixels)} images",
)


@dataclass(frozen=True)
class Case:
    """A network that is refused.

    Args:
        network: makes it.
        told: what is told about it at first.
        names: what the sentence must name.
        settled: what is told then.
    """

    network: str
    told: dict[str, Any]
    names: str
    settled: dict[str, Any]


def _conv(source: str, result: str, weights: str = "w", **attributes: Any) -> onnx.NodeProto:
    return helper.make_node("Conv", [source, weights], [result], **attributes)


def _kernel(classes: int, edge: int = 1, bands: int = 3) -> np.ndarray:
    return np.random.default_rng(1).normal(0, 0.3, (classes, bands, edge, edge)).astype("f4")


def _float(*shape: Any) -> tuple[int, Extents]:
    return TensorProto.FLOAT, [*shape]


def _tile() -> list[onnx.NodeProto]:
    mean = helper.make_node("GlobalAveragePool", ["image"], ["mean"])
    return [mean, _conv("mean", "all"), helper.make_node("Flatten", ["all"], ["out"])]


def _after_shares(*last: onnx.NodeProto) -> list[onnx.NodeProto]:
    """A network of tiles that does something else to its probabilities, ``shares``."""
    return [*_tile(), helper.make_node("Softmax", ["out"], ["shares"]), *last]


def _number_of(*last: onnx.NodeProto) -> list[onnx.NodeProto]:
    """A network of tiles that computes with the number of its class."""
    return _after_shares(helper.make_node("ArgMax", ["shares"], ["number"], axis=1), *last)


def _constant_map(*shape: int) -> tuple[list[onnx.NodeProto], dict[str, Any], dict[str, Any]]:
    """A map that depends on the whole window, so that nothing says where its elements lie."""
    nodes = [
        helper.make_node("GlobalAveragePool", ["image"], ["mean"]),
        helper.make_node("Add", ["mean", "map"], ["wide"]),
        _conv("wide", "out"),
    ]
    held = np.random.default_rng(2).normal(size=(1, 3, *shape)).astype(np.float32)
    return nodes, {"out": _float("n", 2, *shape)}, {"w": _kernel(2), "map": held}


def _parts(name: str) -> tuple[list[onnx.NodeProto], dict[str, Any], dict[str, Any], Extents]:
    """Nodes, outputs (dtype and shape), weights, and the shape of the input."""
    reads: Extents = ["n", 3, 16, 16]
    whole = TensorProto.INT32, ["n", 5]
    plain = {"out": _float("n", 5)}, {"w": _kernel(5)}
    cast = helper.make_node("Cast", ["out"], ["codes"], to=TensorProto.INT32)
    argmax = helper.make_node("ArgMax", ["out"], ["codes"], axis=1)
    turned = helper.make_node("Transpose", ["map"], ["turned"], perm=[0, 3, 2, 1])
    row = helper.make_node("Reshape", ["turned", "to"], ["row"])
    first = helper.make_node("Gather", ["all", "zero"], ["gray"], axis=1)
    numbers = {"codes": (TensorProto.INT64, ["n", 1])}
    many = helper.make_node("Mul", ["shares", "many"], ["percent"])
    many_w = plain[1] | {"many": np.float32(100)}
    made: dict[str, Any] = {
        "percentages": (_after_shares(many), {"percent": _float("n", 5)}, many_w, reads),
        "squares": (
            _after_shares(helper.make_node("Mul", ["shares", "shares"], ["squares"])),
            {"squares": _float("n", 5)},
            plain[1],
            reads,
        ),
        "surprise": (
            _after_shares(
                helper.make_node("Log", ["shares"], ["logs"]),
                helper.make_node("Neg", ["logs"], ["surprise"]),
            ),
            {"surprise": _float("n", 5)},
            plain[1],
            reads,
        ),
        "bytes of shares": (
            _after_shares(many, helper.make_node("Cast", ["percent"], ["codes"], to=2)),
            {"codes": (TensorProto.UINT8, ["n", 5])},
            many_w,
            reads,
        ),
        "largest shares": (
            _after_shares(helper.make_node("TopK", ["shares", "k"], ["values", "at"], axis=1)),
            {"values": _float("n", 5)},
            plain[1] | {"k": np.int64([5])},
            reads,
        ),
        "largest share": (
            _after_shares(helper.make_node("ReduceMax", ["shares"], ["most"], axes=[1])),
            {"most": _float("n", 1)},
            plain[1],
            reads,
        ),
        "two best": (
            _after_shares(helper.make_node("TopK", ["shares", "k"], ["values", "codes"], axis=1)),
            {"codes": (TensorProto.INT64, ["n", 2])},
            plain[1] | {"k": np.int64([2])},
            reads,
        ),
        "tens": (
            _number_of(helper.make_node("Mul", ["number", "ten"], ["codes"])),
            numbers,
            plain[1] | {"ten": np.int64(10)},
            reads,
        ),
        "looked up": (
            _number_of(helper.make_node("Gather", ["table", "number"], ["codes"])),
            numbers,
            plain[1] | {"table": np.int64([11, 21, 31, 41, 52])},
            reads,
        ),
        "transposed map": (
            [
                _conv("image", "map"),
                helper.make_node("Transpose", ["map"], ["out"], perm=[0, 1, 3, 2]),
            ],
            {"out": _float("n", 5, 16, 16)},
            {"w": _kernel(5)},
            reads,
        ),
        "tile": (_tile(), *plain, reads),
        "mean of all images": (
            [
                *_tile()[:2],
                helper.make_node("Flatten", ["all"], ["flat"]),
                helper.make_node("ReduceMean", ["flat"], ["level"], axes=[0], keepdims=1),
                helper.make_node("Div", ["flat", "level"], ["ratio"]),
                helper.make_node("Softmax", ["ratio"], ["out"]),
            ],
            *plain,
            reads,
        ),
        "two outputs": (
            [*_tile(), helper.make_node("Identity", ["out"], ["other"])],
            {"out": _float("n", 5), "other": _float("n", 5)},
            plain[1],
            reads,
        ),
        "free bands": (
            [_conv("image", "out")],
            plain[0] | {"out": _float("n", 5, 16, 16)},
            plain[1],
            ["n", "c", 16, 16],
        ),
        "free size": (
            [_conv("image", "out")],
            {"out": _float("n", 5, "y", "x")},
            plain[1],
            ["n", 3, "y", "x"],
        ),
        "tanh": (
            [
                *_tile()[:2],
                helper.make_node("Flatten", ["all"], ["flat"]),
                helper.make_node("Tanh", ["flat"], ["out"]),
            ],
            *plain,
            reads,
        ),
        "bounded": (
            [
                *_tile(),
                helper.make_node("Tanh", ["out"], ["signed"]),
                helper.make_node("Abs", ["signed"], ["size"]),
            ],
            {"size": _float("n", 5)},
            plain[1],
            reads,
        ),
        "map of the window": (*_constant_map(4, 4), reads),
        "map of two strides": (*_constant_map(16, 8), reads),
        "gray map": (
            [_conv("image", "all", strides=[4, 4], kernel_shape=[4, 4]), first],
            {"gray": _float("n", 12, 16)},
            {"w": _kernel(1, 4), "zero": np.int64(0)},
            ["n", 3, 48, 64],
        ),
        "films beside tiles": (
            [*_tile(), helper.make_node("Unsqueeze", ["image", "two"], ["film"])],
            {"film": _float("n", 3, 1, 16, 16), **plain[0]},
            plain[1] | {"two": np.int64([2])},
            reads,
        ),
        "film": (
            [*_tile(), helper.make_node("Unsqueeze", ["out", "axes"], ["film"])],
            {"film": _float("n", 5, 1, 1, 1)},
            plain[1] | {"axes": np.int64([2, 3, 4])},
            reads,
        ),
        "codes beside floats": ([*_tile(), cast], {"codes": whole, **plain[0]}, plain[1], reads),
        "class numbers": (
            [*_tile(), argmax],
            {"codes": (TensorProto.INT64, ["n", 1])},
            plain[1],
            reads,
        ),
        "whole numbers": (
            [
                helper.make_node("ReduceMax", ["image"], ["most"], axes=[1, 2, 3], keepdims=0),
                helper.make_node("Cast", ["most"], ["codes"], to=TensorProto.INT64),
            ],
            {"codes": (TensorProto.INT64, ["n"])},
            {},
            reads,
        ),
        "columns in a row": (
            [_conv("image", "map"), turned, row],
            {"row": _float("n", 256, 5), "map": _float("n", 5, 16, 16)},
            {"w": _kernel(5), "to": np.int64([0, 256, 5])},
            reads,
        ),
        "large strides": (
            [_conv("image", "out", strides=[8, 8])],
            {"out": _float("n", 2, "rows", "columns")},
            {"w": _kernel(2, 8)},
            ["n", 3, "y", "x"],
        ),
        "one number": (_tile(), {"out": _float("n", 1)}, {"w": _kernel(1)}, reads),
        "two bands": (_tile(), plain[0], {"w": _kernel(5, 1, 2)}, ["n", 2, 16, 16]),
        "bytes": ([helper.make_node("Cast", ["bytes"], ["image"], to=1), *_tile()], *plain, reads),
    }
    return made[name]  # type: ignore[no-any-return]


def _saved(name: str, folder: Path) -> Path:
    nodes, outputs, weights, reads = _parts(name)
    whole = name == "bytes"
    image = helper.make_tensor_value_info("bytes" if whole else "image", 2 if whole else 1, reads)
    graph = helper.make_graph(
        nodes,
        "net",
        [image],
        [helper.make_tensor_value_info(key, *value) for key, value in outputs.items()],
        [numpy_helper.from_array(value, key) for key, value in weights.items()],
    )
    opset = [helper.make_opsetid("", 17)]
    path = folder / "net.onnx"
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), str(path))
    return path


MEAN = Path(__file__).parents[1] / "data" / "cntk" / "mean_image" / "mean.xml"
CASES = [
    Case("mean of all images", {}, "set model.batch to 1", {"batch": 1}),
    Case("two outputs", {}, "head", {"head": "other"}),
    Case("two outputs", {"head": "third"}, "'other'", {"head": "other"}),
    Case("two outputs", {"head": 7}, "there are 2", {"head": 1}),
    Case("free bands", {}, "set model.bands", {"bands": (1, 2, 3)}),
    Case("tile", {"bands": (1, 2)}, "correct 'bands'", {"bands": (1, 2, 4)}),
    Case("free size", {}, "set model.input_size", {"input_size": 16}),
    Case("tile", {"input_size": 32}, "input_size .* take it out", {"input_size": None}),
    Case("tile", {"scale": None}, "mean: 0, scale: 1", {"mean": 0, "scale": 1}),
    Case("tile", {"mean": (1, 2)}, "mean has 2 numbers: give one", {"mean": (1, 2, 3)}),
    Case("tile", {"mean": 3, "mean_image": str(MEAN)}, "one of them must go", {"mean_image": None}),
    Case("tile", {"mean_image": str(MEAN)}, "give mean instead", {"mean_image": None, "mean": 1}),
    Case("two bands", {"channel_order": "bgr"}, "take it out", {"channel_order": None}),
    Case("bytes", {"scale": 0.5}, "take them out", {"scale": None}),
    Case("tanh", {}, "set activation to sigmoid or softmax", {"activation": "softmax"}),
    Case("bounded", {}, "set activation to none, sigmoid or softmax", {"activation": "none"}),
    Case("tanh", {}, "or head to a layer before", {"head": "flat"}),
    *(
        Case(name, {}, "set head to 'shares'", {"head": "shares"})
        for name in ("percentages", "squares", "surprise", "bytes of shares", "largest share")
    ),
    Case(
        "largest shares", {"activation": "none"}, "'shares', which it chooses", {"head": "shares"}
    ),
    Case("squares", {}, "activation to none", {"activation": "none"}),
    Case("two best", {}, "set head to 'shares'", {"head": "shares"}),
    Case("tens", {}, "set head to 'shares'", {"head": "shares"}),
    Case(
        "looked up",
        {"classes": tuple("abcde")},
        "set head to 'shares'",
        {"head": "shares"},
    ),
    Case("transposed map", {}, "name the layer before that in 'head'", {"head": "map"}),
    Case(
        "one number",
        {"activation": "softmax"},
        "set activation to 'sigmoid'",
        {"activation": "sigmoid"},
    ),
    Case(
        "class numbers",
        {"activation": "softmax"},
        "take activation 'softmax' out",
        {"activation": None},
    ),
    Case("tile", {"threshold": 0.3}, "threshold .* take it out", {"threshold": None}),
    Case("tile", {"output": "pixel"}, "take 'output' out", {"output": None}),
    Case("tile", {"classes": ("a", "b")}, "correct 'classes'", {"classes": tuple("abcde")}),
    Case("whole numbers", {}, "set classes", {"classes": ("a", "b")}),
    Case("codes beside floats", {"head": "codes"}, "set head to the layer before", {"head": "out"}),
    Case("films beside tiles", {"head": "film"}, "name it in 'head'", {"head": "out"}),
    Case("film", {}, "set head to the name of a layer", {"head": "out"}),
    Case("columns in a row", {"head": "row"}, "in 'head'", {"head": "map"}),
    Case(
        "gray map",
        {},
        "'output: pixel' and 'output_stride'",
        {"output": "pixel", "output_stride": 4},
    ),
    Case("map of the window", {}, "set output_stride .and halo.", {"output_stride": 4}),
    Case(
        "map of two strides",
        {"output_stride": 8},
        "output_stride 8 apart: correct it",
        {"output_stride": 1},
    ),
    Case(
        "map of the window",
        {"output_stride": 4, "halo": 1},
        "halo .* must be 2 or more",
        {"halo": 2},
    ),
    Case("large strides", {"input_size": 16}, "set input_size to a larger one", {"input_size": 32}),
]


def _recipe(case: Case, folder: Path, **more: Any) -> Recipe:
    told = {"scale": None if case.network == "bytes" else 1, **case.told, **more}
    path = str(_saved(case.network, folder))
    return make_recipe(ModelSettings(path=path, runtime="onnxruntime", **told))


@pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c.network}, {c.names}")
def test_what_a_refusal_names_settles_it(case: Case, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=case.names):
        _recipe(case, tmp_path)
    recipe = _recipe(case, tmp_path, **case.settled)
    shape = (2, len(recipe.bands), *recipe.input_size)
    dtype = np.uint8 if case.network == "bytes" else np.float32
    pixels = np.random.default_rng(5).uniform(0, 1, shape).astype(dtype)
    scores = open_model(recipe, 1).network.run(pixels)
    assert scores.shape[:2] == (2, len(recipe.classes))
    assert (scores >= 0).all() and (scores <= 1).all()


def test_no_other_refusal_is_left(tmp_path: Path) -> None:
    """Each place where these modules refuse a network is that of a case above."""
    met: Met = set()
    for case in CASES:
        with pytest.raises(ModelError) as caught:
            _recipe(case, tmp_path)
        met |= places(caught.value)
    assert not left(MODULES, met, but=NO_NETWORK_FOR_IMAGES)
