"""Networks that compute only what is written: the same results, for less."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from onnx import helper, numpy_helper
from onnxruntime.capi.onnxruntime_pybind11_state import Fail, InvalidArgument

from landcover.config import ModelSettings
from landcover.errors import LandcoverError
from landcover.models.cntk import convert
from landcover.models.cropping.crop import Cropped, _cropped, cropped
from landcover.models.graph_analysis.onnx_layers import shapes_of
from landcover.models.model import open_model
from landcover.models.recipe import Recipe, make_recipe

CNTK = Path(__file__).resolve().parents[1] / "data" / "cntk"

Array = Any
Draw = Callable[..., Any]


class Writer:
    """A network that grows layer by layer; ``shapes`` has all of its tensors that may go on."""

    def __init__(self, rows: int, columns: int, opset: int = 17) -> None:
        self.rng = np.random.default_rng(rows * columns)
        self.opset = opset
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []
        self.shapes: dict[str, tuple[int, ...]] = {"x": (1, 3, rows, columns)}

    def weight(self, *shape: int) -> str:
        return self.constant(self.rng.normal(0, 0.4, shape).astype(np.float32))

    def constant(self, value: Array) -> str:
        name = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def write(self, operation: str, *inputs: str, **attributes: Any) -> str:
        name = f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(operation, inputs, [name], name, **attributes))
        return name

    def add(self, operation: str, *inputs: str, **attributes: Any) -> str:
        """A node, unless its result would be empty or too large: then the first input goes on."""
        name = self.write(operation, *inputs, **attributes)
        shape = shapes_of(self.model(name), {"x": self.shapes["x"]}).get(name)
        if shape is not None and min(shape) > 0 and np.prod(shape) < 2e5:
            self.shapes[name] = shape
            return name
        self.nodes.pop()
        return inputs[0]

    def model(self, output: str) -> onnx.ModelProto:
        shape = ["n", *self.shapes["x"][1:]]
        graph = helper.make_graph(
            self.nodes,
            "network",
            [helper.make_tensor_value_info("x", 1, shape)],
            [helper.make_tensor_value_info(output, 1, None)],
            self.weights,
        )
        return helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", self.opset)], ir_version=8
        )

    def like(self, name: str) -> list[str]:
        return [one for one, shape in self.shapes.items() if shape == self.shapes[name]]


def _conv(w: Writer, x: str, draw: Draw) -> str:
    channels, k = w.shapes[x][1], draw(st.integers(1, 5))
    step, far = draw(st.integers(1, 3)), draw(st.integers(1, 2))
    told: dict[str, Any] = {"strides": [step, draw(st.integers(1, 2))], "dilations": [far, far]}
    if far == 1 and draw(st.booleans()):
        told["auto_pad"] = draw(st.sampled_from(["SAME_UPPER", "SAME_LOWER", "VALID"]))
    else:
        told["pads"] = draw(st.lists(st.integers(0, k - 1), min_size=4, max_size=4))
    groups = draw(st.sampled_from([1, channels]))
    maps = channels if groups > 1 else draw(st.integers(1, 4))
    return w.add("Conv", x, w.weight(maps, channels // groups, k, k), group=groups, **told)


def _transposed(w: Writer, x: str, draw: Draw) -> str:
    k, step = draw(st.integers(1, 4)), draw(st.integers(1, 3))
    told: dict[str, Any] = {"strides": [step, step]}
    if draw(st.booleans()):
        told["pads"] = draw(st.lists(st.integers(0, k - 1), min_size=4, max_size=4))
        told["output_padding"] = [draw(st.integers(0, step - 1)), 0]
    return w.add("ConvTranspose", x, w.weight(w.shapes[x][1], 3, k, k), **told)


def _pool(w: Writer, x: str, draw: Draw) -> str:
    k = draw(st.integers(1, 4))
    told: dict[str, Any] = {"kernel_shape": [k, k], "strides": [draw(st.integers(1, 3))] * 2}
    told["pads"] = draw(st.lists(st.integers(0, k // 2), min_size=4, max_size=4))
    told["ceil_mode"] = draw(st.integers(0, 1))
    if draw(st.booleans()):
        return w.add("MaxPool", x, **told)
    return w.add("AveragePool", x, count_include_pad=draw(st.integers(0, 1)), **told)


def _resize(w: Writer, x: str, draw: Draw) -> str:
    mode = draw(st.sampled_from(["nearest", "linear", "cubic"]))
    places = draw(st.sampled_from(["half_pixel", "asymmetric", "align_corners"]))
    told = {"mode": mode, "coordinate_transformation_mode": places}
    times = draw(st.integers(1, 3)), 2
    if draw(st.booleans()):
        scales = w.constant(np.array([1, 1, *times], np.float32))
        return w.add("Resize", x, "", scales, **told)
    # As exports write it: from the shape of the tensor, whose batch is open.
    shape = w.write("Shape", x)
    count = w.write("Slice", shape, *(w.constant(np.array([n], np.int64)) for n in (0, 2)))
    extents = [n * t for n, t in zip(w.shapes[x][2:], times, strict=True)]
    sizes = w.write("Concat", count, w.constant(np.array(extents, np.int64)), axis=0)
    return w.add("Resize", x, "", "", sizes, **told)


def _pad(w: Writer, x: str, draw: Draw) -> str:
    mode = draw(st.sampled_from(["constant", "edge", "reflect"]))
    low = 0 if mode == "reflect" else -1
    sides = [draw(st.integers(low, 2)) for _ in range(4)]
    pads = w.constant(np.array([0, 0, *sides[:2], 0, 0, *sides[2:]], np.int64))
    return w.add("Pad", x, pads, mode=mode)


def _slice(w: Writer, x: str, draw: Draw) -> str:
    starts = w.constant(np.array([draw(st.integers(0, 2)), draw(st.integers(-9, -4))], np.int64))
    ends = w.constant(np.array([2**40, draw(st.integers(-2, 2**30))], np.int64))
    step = w.constant(np.array([draw(st.integers(1, 2)), 1], np.int64))
    return w.add("Slice", x, starts, ends, w.constant(np.array([2, 3], np.int64)), step)


def _in_place(w: Writer, x: str, draw: Draw) -> str:
    shape = w.shapes[x]
    kind = draw(st.sampled_from(["Relu", "Add", "Mul", "BatchNormalization", "LRN", "Clip"]))
    if kind in ("Add", "Mul"):
        extents = draw(st.sampled_from([(shape[1], 1, 1), (1, *shape[2:]), (shape[3],), ()]))
        return w.add(kind, x, w.weight(*extents))
    if kind == "BatchNormalization":
        numbers = (w.constant(np.full(shape[1], n, np.float32)) for n in (0.7, 0.1, 0.2, 1.5))
        return w.add(kind, x, *numbers)
    if kind == "Clip":
        return w.add(kind, x, "", w.constant(np.float32(1.5)))
    return w.add(kind, x, **({"size": 3} if kind == "LRN" else {}))


def _joined(w: Writer, x: str, draw: Draw) -> str:
    other = draw(st.sampled_from(sorted(w.like(x))))
    kind = draw(st.sampled_from(["Add", "Max", 1, 2]))
    return w.add(kind, x, other) if isinstance(kind, str) else w.add("Concat", x, other, axis=kind)


def _whole(w: Writer, x: str, draw: Draw) -> str:
    """What looks at all of the window."""
    kind = draw(st.sampled_from(["mean", "softmax", "norm", "classes", "reduce"]))
    if kind == "mean":
        return w.add("Mul", x, w.add("GlobalAveragePool", x))
    if kind == "reduce":
        return w.add("Sub", x, w.add("ReduceMax", x, axes=[draw(st.integers(1, 3))]))
    if kind == "norm":
        count = w.shapes[x][1]
        return w.add("InstanceNormalization", x, w.weight(count), w.weight(count))
    return w.add("Softmax", x, axis=1 if kind == "classes" else 2)


def _turned(w: Writer, x: str, draw: Draw) -> str:
    """Another order of the axes, or another shape, and back."""
    _, channels, rows, columns = w.shapes[x]
    if draw(st.booleans()):
        last = w.add("Transpose", x, perm=[0, 2, 3, 1])
        last = w.add("MatMul", last, w.weight(channels, 2))
        w.shapes = {k: v for k, v in w.shapes.items() if k != last} | {last: w.shapes[last]}
        return w.add("Transpose", last, perm=[0, 3, 1, 2])
    shape = w.constant(np.array([draw(st.sampled_from([0, -1])), channels, 1, rows, columns]))
    deep = w.add("Reshape", x, shape)
    return w.add("Squeeze", deep, w.constant(np.array([2], np.int64)))


def _repeated(w: Writer, x: str, draw: Draw) -> str:
    """Each row or column several times, as TensorFlow writes it: copies side by side, then joined."""
    shape, axis, times = list(w.shapes[x]), draw(st.integers(1, 3)), draw(st.integers(2, 3))
    apart = w.write("Unsqueeze", x, w.constant(np.array([axis + 1], np.int64)))
    copies = w.constant(np.array([times if at == axis + 1 else 1 for at in range(5)], np.int64))
    shape[axis] *= times
    joined = w.constant(np.array([-1, *shape[1:]], np.int64))
    return w.add("Reshape", w.write("Tile", apart, copies), joined)


def _blocks(w: Writer, x: str, draw: Draw) -> str:
    """Rows and columns in blocks, and back: one axis becomes two, and two become one."""
    _, channels, rows, columns = w.shapes[x]
    wide = draw(st.sampled_from([n for n in (1, 2, 3) if columns % n == 0]))
    split = w.constant(np.array([-1, channels, rows, columns // wide, wide], np.int64))
    apart = w.write("Relu", w.write("Reshape", x, split))
    joined = draw(st.sampled_from([(rows, columns), (rows * columns // wide, wide)]))
    return w.add("Reshape", apart, w.constant(np.array([-1, channels, *joined], np.int64)))


LAYERS = [
    *(_conv, _conv, _transposed, _pool, _resize, _pad, _slice, _in_place, _joined, _turned),
    *(_repeated, _blocks),
]


@st.composite
def networks(draw: Draw) -> onnx.ModelProto:
    w = Writer(draw(st.integers(12, 40)), draw(st.integers(12, 40)))
    x = "x"
    for _ in range(draw(st.integers(1, 7))):
        layers = [*LAYERS, _whole] if draw(st.integers(0, 3)) == 0 else LAYERS
        x = draw(st.sampled_from(layers))(w, x, draw)
        if len(w.shapes[x]) != 4:
            raise AssertionError(w.nodes[-1])
        if draw(st.integers(0, 4)) == 0:
            x = draw(st.sampled_from([n for n, s in sorted(w.shapes.items()) if len(s) == 4]))
    axes = w.shapes[x][2:]
    first = [draw(st.integers(0, n - 1)) for n in axes]
    last = [draw(st.integers(a + 1, n)) for a, n in zip(first, axes, strict=True)]
    ends = [w.constant(np.array(each, np.int64)) for each in (first, last, [2, 3])]
    return w.model(w.add("Slice", x, *ends))


def _run(model: onnx.ModelProto, pixels: Array) -> Array:
    options = onnxruntime.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads = 3, 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    return session.run(None, {session.get_inputs()[0].name: pixels})[0]


def _agreed(model: onnx.ModelProto) -> bool:
    """Whether ONNX and ONNX Runtime have the same windows in mind: some begin in the padding.

    What ONNX Runtime does not run at all is nothing to compare with.
    """
    image = model.graph.input[0]
    shape = (1, *(dim.dim_value for dim in image.type.tensor_type.shape.dim[1:]))
    if _ran(model, model.graph.node[-1], shape) is None:
        return False
    shapes = shapes_of(model, {image.name: shape})
    pools = [node for node in model.graph.node if node.op_type.endswith("Pool")]
    ceil = [n for n in pools if any(a.name == "ceil_mode" and a.i for a in n.attribute)]
    return all(shapes.get(node.output[0]) == _ran(model, node, shape) for node in ceil)


def _ran(model: onnx.ModelProto, node: onnx.NodeProto, shape: tuple[int, ...]) -> object:
    part = onnx.ModelProto()
    part.CopyFrom(model)
    part.graph.output[0].CopyFrom(helper.make_tensor_value_info(node.output[0], 1, None))
    try:
        return _run(part, np.zeros(shape, np.float32)).shape
    except (Fail, InvalidArgument):  # what is opened, or what is run, is of other shapes
        return None


def _same(model: onnx.ModelProto, found: Cropped, pixels: Array) -> None:
    expected = _run(model, pixels)
    scale = max(1.0, float(np.abs(expected).max()))
    np.testing.assert_allclose(_run(found.model, pixels), expected, rtol=0, atol=2e-5 * scale)
    assert found.arithmetic.computed <= found.arithmetic.whole


@settings(max_examples=60)
@given(networks())
def test_any_network_returns_the_same_when_only_that_is_computed(model: onnx.ModelProto) -> None:
    assume(_agreed(model))
    shape = [dim.dim_value for dim in model.graph.input[0].type.tensor_type.shape.dim[1:]]
    for count in (1, 2):
        pixels = np.random.default_rng(count).normal(0, 1, (count, *shape)).astype(np.float32)
        _same(model, _cropped(model), pixels)


def _genuine(shared: Path) -> list[Path]:
    folders = (CNTK, shared / "models" / "cntk", shared / "models" / "public")
    found = [path for folder in folders for path in sorted(folder.glob("*.model"))]
    return [path for path in found if path.stem != "rnn_unsupported"]


def _inner(model: onnx.ModelProto) -> onnx.ModelProto | None:
    """A network up to the last tensor that still has rows and columns, of which the middle is kept."""
    image = next(v for v in model.graph.input)
    dims = [dim.dim_value or 1 for dim in image.type.tensor_type.shape.dim]
    if len(dims) != 4:
        return None
    dims = [dims[0], dims[1], *(n if n > 1 else 48 for n in dims[2:])]
    for dim, extent in zip(image.type.tensor_type.shape.dim[1:], dims[1:], strict=True):
        dim.dim_value = extent
    shapes = shapes_of(model, {image.name: dims})
    made = [name for node in model.graph.node for name in node.output]
    large = [n for n in made if len(shapes.get(n, ())) == 4 and min(shapes[n][2:]) >= 7]
    if not large:
        return None
    rows, columns = shapes[large[-1]][2:]
    ends = ([rows // 3, columns // 3], [rows // 3 + 2, columns // 3 + 3], [2, 3])
    names = []
    for each in ends:
        names.append(f"of the test {len(names)}")
        model.graph.initializer.append(numpy_helper.from_array(np.array(each, np.int64), names[-1]))
    model.graph.node.append(helper.make_node("Slice", [large[-1], *names], ["middle"]))
    del model.graph.output[:]
    model.graph.output.append(onnx.ValueInfoProto(name="middle"))
    return model


def _converted(path: Path) -> onnx.ModelProto | None:
    try:
        return _inner(convert(path.read_bytes(), path.name, None, "operator"))
    except LandcoverError:  # with several outputs, or operations that are not converted
        return None


def test_all_genuine_files_of_cntk_return_the_same(shared: Path) -> None:
    """Of networks that label tiles, the middle of the last tensor that has rows and columns."""
    less = []
    for path in _genuine(shared):
        model = _converted(path)
        if model is None:
            continue
        image = model.graph.input[0].type.tensor_type.shape.dim
        shape = (2, *(dim.dim_value for dim in image[1:]))
        found = _cropped(model)
        kind = model.graph.input[0].type.tensor_type.elem_type
        pixels = np.random.default_rng(0).normal(0, 1, shape)
        _same(model, found, pixels.astype(helper.tensor_dtype_to_np_dtype(kind)))
        if found.arithmetic.computed < 0.9 * found.arithmetic.whole:
            less.append(path.stem)
    assert {"inception_like", "unet_like", "naip_250epochs"} <= set(less)


@pytest.fixture(scope="module")
def unet(shared: Path) -> Recipe:
    path = shared / "models" / "public" / "naip_250epochs.model"
    return make_recipe(ModelSettings(path=str(path), runtime="onnxruntime", scale=1 / 256))


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_the_published_unet_computes_a_fifth_less_and_labels_the_same(
    unet: Recipe, runtime: str
) -> None:
    pytest.importorskip(runtime)
    recipe = replace(unet, runtime=runtime)
    model = open_model(recipe, 1)
    pixels = np.random.default_rng(4).integers(0, 256, (2, 4, 256, 256), np.uint8)
    found = model.network.run(pixels)
    arithmetic = model.arithmetic
    assert arithmetic is not None and arithmetic.computed < 0.83 * arithmetic.whole
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(f"landcover.models.runtimes.{runtime}.cropped", lambda model: None)
        expected = open_model(recipe, 1).network.run(pixels)
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-6)


def _segmenting(edge: int, path: Path) -> Path:
    """Convolutions with padding: a label for every pixel of the window, from 4 pixels around it."""
    w = Writer(edge, edge)
    x = "x"
    for maps in (6, 6, 6, 2):
        x = w.add("Conv", x, w.weight(maps, w.shapes[x][1], 3, 3), auto_pad="SAME_UPPER")
        x = w.add("Relu", x) if maps > 2 else x
    onnx.save(w.model(x), str(path))
    return path


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_a_larger_halo_is_not_computed(tmp_path: Path, runtime: str) -> None:
    pytest.importorskip(runtime)
    path = _segmenting(48, tmp_path / "network.onnx")
    recipe = make_recipe(ModelSettings(path=str(path), runtime=runtime, scale=1 / 255))
    assert recipe.halo == 0
    pixels = np.random.default_rng(4).integers(0, 256, (3, 3, 48, 48), np.uint8)
    whole, inner = open_model(recipe, 1), open_model(replace(recipe, halo=12), 1)
    expected = whole.network.run(pixels)[:, :, 12:-12, 12:-12]
    found = inner.network.run(pixels)
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-6)
    assert whole.arithmetic is None
    assert inner.arithmetic is not None and inner.arithmetic.computed < inner.arithmetic.whole / 2


def test_what_no_label_needs_is_gone() -> None:
    w = Writer(16, 16)
    kept = w.add("Conv", "x", w.weight(4, 3, 3, 3))
    w.add("Conv", "x", w.weight(32, 3, 5, 5))
    ends = (w.constant(np.array([n], np.int64)) for n in (3, 9, 2))
    found = cropped(w.model(w.add("Slice", kept, *ends)))
    assert found is not None
    assert [node.op_type for node in found.model.graph.node].count("Conv") == 1
    assert "w1" not in {tensor.name for tensor in found.model.graph.initializer}


def test_a_network_that_needs_all_of_its_window_is_left_as_it_is() -> None:
    w = Writer(16, 16)
    x = w.add("Conv", "x", w.weight(4, 3, 3, 3))
    assert cropped(w.model(w.add("Mul", x, w.add("GlobalAveragePool", x)))) is None


def test_an_extent_that_becomes_an_axis_is_not_cut() -> None:
    """The exporter of PyTorch writes down how many images there are: a number, then an axis."""
    w = Writer(16, 16)
    kept = w.add("Conv", "x", w.weight(4, 3, 3, 3))
    images = w.write("Gather", w.write("Shape", kept), w.constant(np.int64(0)), axis=0)
    rest = w.constant(np.array([4, 14, 14], np.int64))
    first = w.write("Unsqueeze", images, w.constant(np.array([0], np.int64)))
    kept = w.write("Reshape", kept, w.write("Concat", first, rest, axis=0))
    ends = (w.constant(np.array([n], np.int64)) for n in (3, 9, 2))
    model = w.model(w.write("Slice", kept, *ends))
    pixels = np.random.default_rng(1).normal(0, 1, (2, 3, 16, 16)).astype(np.float32)
    _same(model, _cropped(model), pixels)


def test_what_mixes_images_is_not_cut() -> None:
    """Of one image its rows are the first axis, of two those of both are."""
    w = Writer(16, 16)
    kept = w.add("Conv", "x", w.weight(4, 3, 3, 3))
    turned = w.write("Transpose", kept, perm=[1, 2, 0, 3])
    mixed = w.write("Reshape", turned, w.constant(np.array([4, 14, -1], np.int64)))
    back = w.write("Reshape", mixed, w.constant(np.array([4, 14, -1, 14], np.int64)))
    apart = w.write("Transpose", back, perm=[2, 0, 1, 3])
    ends = (w.constant(np.array([n], np.int64)) for n in (3, 9, 3))
    model = w.model(w.write("Slice", apart, *ends))
    pixels = np.random.default_rng(1).normal(0, 1, (2, 3, 16, 16)).astype(np.float32)
    _same(model, _cropped(model), pixels)


def test_a_window_larger_than_all_that_it_moves_over_is_not_cut() -> None:
    """ONNX Runtime computes one such window, of the values that are there; by ONNX there is none."""
    w = Writer(16, 16)
    kept = w.add("Conv", "x", w.weight(4, 3, 3, 3))
    narrow = w.write("Slice", kept, *(w.constant(np.array([n], np.int64)) for n in (0, 3, 3)))
    pooled = w.write("AveragePool", narrow, kernel_shape=[4, 4], strides=[2, 2])
    ends = (w.constant(np.array([n], np.int64)) for n in (1, 4, 2))
    model = w.model(w.write("Slice", pooled, *ends))
    pixels = np.random.default_rng(1).normal(0, 1, (2, 3, 16, 16)).astype(np.float32)
    _same(model, _cropped(model), pixels)


def test_what_is_resampled_from_corner_to_corner_is_not_cut() -> None:
    w = Writer(16, 16)
    kept = w.add("Conv", "x", w.weight(4, 3, 3, 3))
    places = {"mode": "linear", "coordinate_transformation_mode": "align_corners"}
    scales = w.constant(np.array([1, 1, 2, 2], np.float32))
    larger = w.write("Resize", kept, "", scales, **places)
    ends = (w.constant(np.array([n], np.int64)) for n in (9, 15, 2))
    model = w.model(w.write("Slice", larger, *ends))
    pixels = np.random.default_rng(1).normal(0, 1, (2, 3, 16, 16)).astype(np.float32)
    _same(model, _cropped(model), pixels)


@pytest.mark.parametrize("mode", ["reflect", "edge", "constant"])
@pytest.mark.parametrize(("first", "stop"), [(2, 4), (16, 18), (5, 9)])
def test_a_part_at_an_edge_has_what_is_mirrored_there(mode: str, first: int, stop: int) -> None:
    w = Writer(16, 16)
    kept = w.add("Conv", "x", w.weight(4, 3, 3, 3))
    wider = w.write("Pad", kept, w.constant(np.array([0, 0, 3, 3, 0, 0, 3, 3])), mode=mode)
    ends = (w.constant(np.array([n], np.int64)) for n in (first, stop, 2))
    model = w.model(w.write("Slice", wider, *ends))
    pixels = np.random.default_rng(1).normal(0, 1, (2, 3, 16, 16)).astype(np.float32)
    _same(model, _cropped(model), pixels)
