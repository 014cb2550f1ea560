"""Receptive fields read from a graph, held against what pixels can really change."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper, numpy_helper

from landcover.models.cntk import choose, read, to_onnx
from landcover.models.graph_analysis.receptive_field import dependencies, receptive_fields


def _network(nodes: list[onnx.NodeProto], **weights: np.ndarray) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info("x", 1, ["n", 2, 40, 48])],
        [helper.make_tensor_value_info("y", 1, None)],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def _field(model: onnx.ModelProto, shape: tuple[int, ...] = (1, 2, 40, 48)) -> object:
    return receptive_fields(model, {model.graph.input[0].name: shape}, (2, 3))


def _weights(*shape: int) -> np.ndarray:
    return np.ones(shape, np.float32)


def test_strides_and_dilations_multiply() -> None:
    nodes = [
        helper.make_node("Conv", ["x", "a"], ["h"], strides=[2, 2], pads=[1, 1, 1, 1]),
        helper.make_node("MaxPool", ["h"], ["p"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Conv", ["p", "b"], ["y"], dilations=[1, 2]),
    ]
    model = _network(nodes, a=_weights(4, 2, 3, 3), b=_weights(3, 4, 3, 3))
    # Rows: 3, then + 1 * 2, then + 2 * 4; columns: the last step is + 4 * 4.
    assert _field(model) == {"y": (13, 21)}


@pytest.mark.parametrize("kind", ["Conv", "MaxPool", "Pad"])
def test_each_side_of_a_window_has_a_padding_of_its_own(kind: str) -> None:
    top, left, bottom, right = pads = [0, 2, 1, 0]
    reads = ["x", "w"] if kind == "Conv" else ["x"]
    nodes = [helper.make_node(kind, reads, ["y"], kernel_shape=[3, 3], pads=pads)]
    if kind == "Pad":
        nodes = [helper.make_node("Pad", ["x", "pads"], ["h"])]
        nodes.append(helper.make_node("MaxPool", ["h"], ["y"], kernel_shape=[3, 3]))
    around = np.array([0, 0, top, left, 0, 0, bottom, right])
    model = _network(nodes, w=_weights(4, 2, 3, 3), pads=around)
    spans = dependencies(model, {"x": (1, 2, 40, 48)}, (2, 3))
    rows, columns = np.arange(40 + top + bottom - 2) - top, np.arange(48 + left + right - 2) - left
    # The first and the last row and column that each element sees; the last ones are negative.
    assert np.array_equal(spans["y"][0, 0, 0, :, 0], rows.clip(0))
    assert np.array_equal(-spans["y"][1, 0, 0, :, 0], (rows + 2).clip(max=39))
    assert np.array_equal(spans["y"][2, 0, 0, 0], columns.clip(0))
    assert np.array_equal(-spans["y"][3, 0, 0, 0], (columns + 2).clip(max=47))


@pytest.mark.parametrize(("pad", "before"), [("SAME_UPPER", 1), ("SAME_LOWER", 2)])
def test_what_a_window_of_an_even_edge_lacks_is_on_the_side_that_is_told(
    pad: str, before: int
) -> None:
    node = helper.make_node("Conv", ["x", "w"], ["y"], auto_pad=pad)
    spans = dependencies(_network([node], w=_weights(4, 2, 4, 4)), {"x": (1, 2, 40, 48)}, (2, 3))
    assert np.array_equal(spans["y"][0, 0, 0, :, 0], (np.arange(40) - before).clip(0))
    assert np.array_equal(-spans["y"][3, 0, 0, 0], (np.arange(48) - before + 3).clip(max=47))


def test_a_product_over_the_whole_map_sees_the_whole_window() -> None:
    nodes = [
        helper.make_node("Flatten", ["x"], ["flat"]),
        helper.make_node("Gemm", ["flat", "w"], ["y"]),
    ]
    assert _field(_network(nodes, w=_weights(2 * 40 * 48, 3))) == {"y": (40, 48)}


def test_pixels_that_are_only_moved_stay_single() -> None:
    nodes = [
        helper.make_node("Transpose", ["x"], ["t"], perm=[0, 2, 3, 1]),
        helper.make_node("Shape", ["t"], ["s"]),
        helper.make_node("Reshape", ["t", "s"], ["r"]),
        helper.make_node("Concat", ["r", "r"], ["c"], axis=3),
        helper.make_node("Slice", ["c", "from", "to", "axes"], ["y"]),
    ]
    at = {"from": np.array([3]), "to": np.array([9]), "axes": np.array([1])}
    assert _field(_network(nodes, **at)) == {"y": (1, 1)}


def test_an_unknown_operation_depends_on_all_that_it_reads() -> None:
    nodes = [helper.make_node("CumSum", ["x", "axis"], ["y"])]
    found = _field(_network(nodes, axis=np.array(2)))
    # Element by element as far as shapes tell: the table of rules is where CumSum would go.
    assert found == {"y": (1, 1)} or found == {"y": (40, 48)}


@pytest.mark.parametrize(
    "nodes",
    [
        [helper.make_node("Pad", ["x", "far"], ["y"])],
        [helper.make_node("Resize", ["x", "", "less"], ["y"], mode="cubic", antialias=1)],
        [helper.make_node("Mul", ["x", "row"], ["h"]), helper.make_node("Mul", ["h", "column"], ["y"])],
        [helper.make_node("ConstantOfShape", ["many"], ["h"]), helper.make_node("ReduceMax", ["h"], ["m"]), helper.make_node("Mul", ["x", "m"], ["y"])],
        [helper.make_node("SequenceConstruct", ["row"] * 4000, ["s"]), helper.make_node("ConcatFromSequence", ["s"], ["m"], axis=0), helper.make_node("ReduceMax", ["m"], ["h"]), helper.make_node("Mul", ["x", "h"], ["y"])],
    ],
    ids=["cut off and put back", "far away", "rows by columns", "made of weights", "a list"],
)  # fmt: skip
def test_what_is_too_large_to_be_followed_hides_what_depends_on_what(
    nodes: list[onnx.NodeProto],
) -> None:
    model = _network(
        nodes,
        far=np.array([0, 0, -(2**40), 0, 0, 0, 2**40, 0]),
        less=np.array([1, 1, 1e-9, 1e-9], np.float32),
        row=_weights(1, 1, 1, 1, 20_000),
        column=_weights(1, 1, 20_000, 1, 1),
        many=np.array([2**40]),
    )
    model.opset_import[0].version = 18
    assert _field(model)["y"] in (None, (40, 48), (1, 1), (0, 0))


@pytest.mark.parametrize("mode", ["linear", "cubic"])
@pytest.mark.parametrize(
    "places", ["half_pixel", "pytorch_half_pixel", "asymmetric", "align_corners"]
)
@pytest.mark.parametrize(
    ("factor", "smooth"), [(2.0, 0), (3.0, 0), (4.0, 0), (2.5, 0), (0.25, 0), (0.25, 1)]
)
def test_a_resampled_element_depends_on_no_pixel_but_those_that_are_told(
    mode: str, places: str, factor: float, smooth: int
) -> None:
    how = {"mode": mode, "coordinate_transformation_mode": places, "antialias": smooth}
    node = helper.make_node("Resize", ["x", "", "scales"], ["y"], **how)
    model = _network([node], scales=np.array([1, 1, 1, factor], np.float32))
    model.opset_import[0].version = 18
    spans = dependencies(model, {"x": (1, 2, 40, 48)}, (2, 3))["y"]
    low, high = spans[2].min(axis=(0, 1, 2)), -spans[3].min(axis=(0, 1, 2))
    session = onnxruntime.InferenceSession(model.SerializeToString())
    base = np.random.default_rng(5).normal(size=(1, 2, 40, 48)).astype(np.float32)
    (before,) = session.run(None, {"x": base})
    for pixel in range(48):
        changed = base.copy()
        changed[..., pixel] += 10
        touched = np.abs(session.run(None, {"x": changed})[0] - before).max(axis=(0, 1, 2)) > 1e-2
        assert (low[touched] <= pixel).all() and (high[touched] >= pixel).all()


@pytest.mark.parametrize(
    ("name", "output", "expected"),
    [("unet_like", "crop", (28, 28)), ("fcn_free_dims", "map", (9, 9))],
)
def test_pixels_outside_of_the_field_change_nothing(
    shared: Path, name: str, output: str, expected: tuple[int, int]
) -> None:
    graph = read((shared / f"models/cntk/{name}.model").read_bytes(), name)
    model = to_onnx(graph, [choose(graph, output)])
    (source,) = model.graph.input
    bands = source.type.tensor_type.shape.dim[1].dim_value
    fields = receptive_fields(model, {source.name: (1, bands, 64, 64)}, (2, 3))
    assert fields[output] == expected
    assert _measured(model, bands) <= expected


def _measured(model: onnx.ModelProto, bands: int) -> tuple[int, int]:
    """The largest extent of the pixels that change an output element, over those in the middle."""
    session = onnxruntime.InferenceSession(model.SerializeToString())
    name = session.get_inputs()[0].name
    base = np.random.default_rng(5).integers(0, 256, (1, bands, 64, 64)).astype(np.float32)
    (before,) = session.run(None, {name: base})
    rows = _reach(session, name, base, before, axis=2)
    return rows, _reach(session, name, base, before, axis=3)


def _reach(
    session: onnxruntime.InferenceSession,
    name: str,
    base: np.ndarray,
    before: np.ndarray,
    axis: int,
) -> int:
    touched = []
    for at in range(64):
        changed = base.copy()
        index = [slice(None)] * 4
        index[axis] = at
        changed[tuple(index)] = 255 - changed[tuple(index)]
        (after,) = session.run(None, {name: changed})
        others = tuple({0, 1, 2, 3} - {axis})
        touched.append((after != before).any(axis=others))
    table = np.array(touched)  # dims (row of the window, row of the output)
    extents = [np.flatnonzero(column) for column in table.T]
    return max(int(each[-1] - each[0]) + 1 for each in extents if each.size)
