"""ONNX files of strangers: weights of their own folder only, bounded work, sentences for damage."""

from __future__ import annotations

import itertools
import os
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from support import networks

from landcover.config import ModelSettings
from landcover.errors import ModelError
from landcover.models.formats.detection import detect
from landcover.models.formats.onnx_file import read_onnx
from landcover.models.model import open_model
from landcover.models.recipe import make_recipe

RUNTIMES = ("onnxruntime", "openvino")


def scores(path: Path, runtime: str = "onnxruntime", count: int = 3) -> np.ndarray[Any, Any]:
    told = ModelSettings(path=str(path), runtime=runtime, activation="none", scale=1)
    recipe = make_recipe(told)
    shape = (count, len(recipe.bands), *recipe.input_size)
    pixels = np.random.default_rng(1).integers(0, 255, shape, np.uint8)
    return open_model(recipe).network.run(pixels)


def network(
    path: Path, *nodes: onnx.NodeProto, shape: tuple[Any, ...] = ("n", 3, 8, 8), **held: Any
) -> Path:
    """Nodes between ``x`` and ``features``, then the mean of each band."""
    last = [
        helper.make_node("GlobalAveragePool", ["features"], ["mean"]),
        helper.make_node("Flatten", ["mean"], ["y"]),
    ]
    graph = helper.make_graph(
        [*nodes, *last],
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", shape[1]])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in held.items()],
    )
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path
    )
    return path


def external(tensor: onnx.TensorProto, location: str, length: int | None = None) -> None:
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location)
    if length is not None:
        tensor.external_data.add(key="length", value=str(length))


def in_constant(path: Path, location: str) -> Path:
    """A weight that lies elsewhere, as the attribute of a node."""
    weight = numpy_helper.from_array(np.ones((1, 3, 8, 8), np.float32), "w")
    external(weight, location)
    constant = helper.make_node("Constant", [], ["w"], value=weight)
    return network(path, constant, helper.make_node("Mul", ["x", "w"], ["features"]))


@pytest.mark.parametrize("where", ["/etc/hostname", "../outside", "linked"])
def test_weights_outside_the_folder_are_refused_wherever_a_tensor_sits(
    where: str, tmp_path: Path
) -> None:
    (tmp_path / "outside").write_bytes(bytes(1000))
    (tmp_path / "net").mkdir()
    (tmp_path / "net" / "linked").symlink_to(tmp_path / "outside")
    path = in_constant(tmp_path / "net" / "net.onnx", where)
    with pytest.raises(ModelError, match="keeps weights outside its folder"):
        detect(path)
    branch = helper.make_graph(
        list(onnx.load(path, load_external_data=False).graph.node), "b", [], []
    )
    inside = helper.make_node("If", ["c"], ["features"], then_branch=branch, else_branch=branch)
    nested = network(tmp_path / "net" / "nested.onnx", inside, c=np.asarray(True))
    with pytest.raises(ModelError, match="keeps weights outside its folder"):
        detect(nested)


def test_weights_that_are_no_regular_file_are_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ModelError, match="'pipe', which is no regular file"):
        detect(in_constant(tmp_path / "net.onnx", "pipe"))


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_links_into_the_cache_of_a_hub_are_followed(runtime: str, tmp_path: Path) -> None:
    """A hub keeps files by their content, and links to them by their names."""
    (tmp_path / "blobs").mkdir()
    (tmp_path / "snapshot").mkdir()
    rng = np.random.default_rng(1)
    kernel = rng.normal(0, 1, (3, 3, 3, 3)).astype(np.float32)
    conv = helper.make_node("Conv", ["x", "kernel"], ["features"])
    plain = network(tmp_path / "plain.onnx", conv, kernel=kernel)
    model = onnx.load(plain)
    (tmp_path / "blobs" / "weights").write_bytes(model.graph.initializer[0].raw_data)
    external(model.graph.initializer[0], "net.data")
    (tmp_path / "blobs" / "model").write_bytes(model.SerializeToString())
    (tmp_path / "snapshot" / "net.onnx").symlink_to(tmp_path / "blobs" / "model")
    (tmp_path / "snapshot" / "net.data").symlink_to(tmp_path / "blobs" / "weights")
    found = scores(tmp_path / "snapshot" / "net.onnx", runtime)
    np.testing.assert_allclose(found, scores(plain, runtime), rtol=1e-5)


def test_weights_longer_than_their_file_are_refused(tmp_path: Path) -> None:
    (tmp_path / "short").write_bytes(bytes(100))
    path = in_constant(tmp_path / "net.onnx", "short")
    with pytest.raises(
        ModelError, match=r"should take 768 bytes from byte 0 of 'short', which holds 100"
    ):
        read_onnx(path, "net.onnx")


def grown(kind: str, path: Path) -> Path:
    huge = np.asarray([2**20, 2**20], np.int64)
    if kind == "ConstantOfShape":
        nodes = [helper.make_node(kind, ["extents"], ["big"])]
    elif kind in ("Expand", "Tile"):
        nodes = [helper.make_node(kind, ["one", "extents"], ["big"])]
    else:
        nodes = [helper.make_node("Range", ["zero", "end", "step"], ["big"])]
    held = {"one": np.ones((1, 1), np.float32), "extents": huge, "zero": np.float32(0)}
    held |= {"end": np.float32(1e12), "step": np.float32(1)}
    nodes += [
        helper.make_node("ReduceSum", ["big"], ["sum"], keepdims=0),
        helper.make_node("Add", ["x", "sum"], ["features"]),
    ]
    return network(path, *nodes, **held)


@pytest.mark.parametrize("kind", ["ConstantOfShape", "Expand", "Tile", "Range"])
def test_what_grows_from_a_few_bytes_is_refused(kind: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=rf"the result of {kind} 'big' would hold [\d,]+ numbers"):
        detect(grown(kind, tmp_path / "net.onnx"))


def test_a_range_of_whole_numbers_is_refused_before_the_inference_writes_it_out(
    tmp_path: Path,
) -> None:
    ends = {"zero": np.int64(0), "factor": np.int64(10**6), "step": np.int64(1)}
    nodes = [
        helper.make_node("Mul", ["factor", "factor"], ["end"]),
        helper.make_node("Range", ["zero", "end", "step"], ["whole"]),
        helper.make_node("Cast", ["whole"], ["big"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMax", ["big"], ["most"], keepdims=0),
        helper.make_node("Add", ["x", "most"], ["features"]),
    ]
    with pytest.raises(ModelError, match=r"the result of Range 'whole' would hold 1,000,000,000,0"):
        detect(network(tmp_path / "net.onnx", *nodes, **ends))


def test_a_list_without_end_is_refused_before_the_inference_notes_each_number(
    tmp_path: Path,
) -> None:
    nodes = [
        helper.make_node("RandomUniform", [], ["drawn"], shape=[2**62]),
        helper.make_node("Cast", ["drawn"], ["big"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMax", ["big"], ["most"], keepdims=0),
        helper.make_node("Add", ["x", "most"], ["features"]),
    ]
    with pytest.raises(ModelError, match=r"the result of RandomUniform 'drawn' would hold 4,611,6"):
        detect(network(tmp_path / "net.onnx", *nodes))


@pytest.mark.parametrize("kind", ["RegexFullMatch", "ImageDecoder"])
def test_operations_of_texts_and_files_are_refused(kind: str, tmp_path: Path) -> None:
    nodes = [helper.make_node(kind, ["x"], ["features"])]
    with pytest.raises(ModelError, match=rf"holds {kind}, which is for texts or files: leave it"):
        detect(network(tmp_path / "net.onnx", *nodes))


def test_an_input_of_absurd_size_is_refused(tmp_path: Path) -> None:
    identity = helper.make_node("Relu", ["x"], ["features"])
    path = network(tmp_path / "net.onnx", identity, shape=("n", 3, 10**6, 10**6))
    with pytest.raises(ModelError, match=r"input 'x' would hold 3,000,000,000,000 numbers"):
        detect(path)


def loop(turns: int | None, inner: list[onnx.NodeProto]) -> onnx.NodeProto:
    body = helper.make_graph(
        [*inner, helper.make_node("Identity", ["go"], ["go_on"])],
        "body",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
        ],
        [helper.make_tensor_value_info("go_on", TensorProto.BOOL, [])],
    )
    return helper.make_node("Loop", ["" if turns is None else "turns", "yes"], [""], body=body)


@pytest.mark.parametrize(("turns", "depth"), [(None, 1), (2**40, 1), (1000, 3)])
def test_loops_without_end_are_refused(turns: int | None, depth: int, tmp_path: Path) -> None:
    nodes: list[onnx.NodeProto] = []
    count = numpy_helper.from_array(np.asarray(turns or 0, np.int64))
    for _ in range(depth):
        nodes = [helper.make_node("Constant", [], ["turns"], value=count), loop(turns, nodes)]
    copy = helper.make_node("Relu", ["x"], ["features"])
    path = network(tmp_path / "net.onnx", *nodes, copy, yes=np.asarray(True))
    with pytest.raises(ModelError, match="holds a loop '' that may turn more than 100,000 times"):
        detect(path)


def test_a_chain_without_end_is_refused(tmp_path: Path) -> None:
    names = ["x", *(f"v{i}" for i in range(11_999)), "features"]
    chain = [helper.make_node("Relu", [a], [b]) for a, b in itertools.pairwise(names)]
    with pytest.raises(ModelError, match="a chain of more than 10,000 operations"):
        detect(network(tmp_path / "net.onnx", *chain))


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("names", [("pixels", "probabilities"), ("probabilities", "pixels")])
def test_a_network_may_call_its_ends_as_we_do(
    names: tuple[str, str], runtime: str, tmp_path: Path
) -> None:
    plain = networks.onnx_tile(tmp_path / "plain.onnx", softmax=True)
    model = onnx.load(plain)
    new = {model.graph.input[0].name: names[0], model.graph.output[0].name: names[1]}
    for value in (*model.graph.input, *model.graph.output):
        value.name = new[value.name]
    for node in model.graph.node:
        for listed in (node.input, node.output):
            listed[:] = [new.get(name, name) for name in listed]
    onnx.save(model, tmp_path / "net.onnx")
    np.testing.assert_array_equal(scores(tmp_path / "net.onnx", runtime), scores(plain, runtime))


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("last", [6, -1])  # of five images: an error, or one result for all
def test_a_network_with_one_image_written_into_it_scores_them_one_by_one(
    last: int, runtime: str, tmp_path: Path
) -> None:
    rng = np.random.default_rng(1)
    kernel = rng.normal(0, 1, (3, 3, 3, 3)).astype(np.float32)
    nodes = [helper.make_node("Conv", ["x", "kernel"], ["c"])]
    free = network(
        tmp_path / "free.onnx", *nodes, helper.make_node("Relu", ["c"], ["features"]), kernel=kernel
    )
    fixed = network(
        tmp_path / "fixed.onnx",
        *nodes,
        helper.make_node("Reshape", ["c", "extents"], ["features"]),
        kernel=np.abs(kernel),
        extents=np.asarray([1, 3, 6, last], np.int64),
    )
    model = onnx.load(free)
    model.graph.initializer[0].CopyFrom(numpy_helper.from_array(np.abs(kernel), "kernel"))
    onnx.save(model, free)
    np.testing.assert_allclose(scores(fixed, runtime, 5), scores(free, runtime, 5), rtol=1e-5)


def test_what_onnx_complains_of_is_a_sentence(tmp_path: Path) -> None:
    path = networks.onnx_tile(tmp_path / "net.onnx")
    model = onnx.load(path)
    model.graph.input[0].type.tensor_type.elem_type = 99
    onnx.save(model, path)
    with pytest.raises(ModelError, match="is not valid ONNX"):
        scores(path)


def beside(path: Path, *nodes: onnx.NodeProto, version: int = 17) -> Path:
    """A network with nodes that read ``x``, and for which none of its results wait."""
    network(path, helper.make_node("Identity", ["x"], ["features"]), *nodes)
    model = onnx.load(path)
    model.opset_import[0].version = version
    model.opset_import.extend(helper.make_opsetid(node.domain, 1) for node in nodes if node.domain)
    onnx.save(model, path)
    return path


@pytest.mark.parametrize(
    ("node", "said"),
    [
        (helper.make_node("Conv", ["x"], ["z"]), "has 1 inputs, and takes 2 or more"),
        (helper.make_node("Conv", ["x", ""], ["z"]), "lacks its input 'W'"),
        (helper.make_node("Relu", ["x"], ["z", "more"]), "has 2 outputs, and makes 1 to 1"),
        (helper.make_node("Concat", ["x"], ["z"]), "lacks its attribute 'axis'"),
        (helper.make_node("Concat", ["x"], ["z"], axis=1.5), "'axis' of another type"),
        (helper.make_node("Split", ["x"], ["z", "more"], num_outputs=2**31 - 1), "2,147,483,647"),
    ],
    ids=lambda value: value if isinstance(value, str) else value.op_type,
)
def test_a_node_that_is_not_given_what_it_takes_is_refused(
    tmp_path: Path, node: onnx.NodeProto, said: str
) -> None:
    path = beside(tmp_path / "net.onnx", node, version=18)
    with pytest.raises(ModelError, match=f"its {node.op_type} 'z' .*{said}"):
        detect(path)


def test_names_that_are_no_text_are_refused(tmp_path: Path) -> None:
    path = beside(tmp_path / "net.onnx", helper.make_node("Relu", ["x"], ["unused"]))
    path.write_bytes(path.read_bytes().replace(b"unused", b"unus\xff\xfe"))
    with pytest.raises(ModelError, match="names in it are no text"):
        detect(path)


def test_more_operations_than_any_network_has_are_refused(tmp_path: Path) -> None:
    many = (helper.make_node("Constant", [], [f"c{at}"], value_int=1) for at in range(20_000))
    with pytest.raises(ModelError, match="operations and weights; the most is 20,000"):
        detect(beside(tmp_path / "net.onnx", *many))


@pytest.mark.parametrize(
    "node",
    [
        helper.make_node("Attention", ["x"], ["z"], domain="com.microsoft"),
        helper.make_node("FusedConv", ["x"], ["z"], domain="com.microsoft"),
        helper.make_node("Swish", ["x"], ["z"], domain="org.openvinotoolkit"),
    ],
    ids=lambda node: node.op_type,
)
def test_openvino_is_given_no_operators_that_it_counts_on(
    tmp_path: Path, node: onnx.NodeProto
) -> None:
    """With too few inputs some of them end its process."""
    path = beside(tmp_path / "net.onnx", node)
    with pytest.raises(
        ModelError, match=r"OpenVINO does not run it: it holds .*; set model\.runtime"
    ):
        make_recipe(ModelSettings(path=str(path), runtime="openvino", scale=1))
