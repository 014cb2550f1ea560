"""What an ONNX network would make of a window is worked out before anything computes it."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from landcover.config import ModelSettings
from landcover.errors import ModelError
from landcover.models.formats.detection import detect
from landcover.models.formats.onnx_file import read_onnx
from landcover.models.graph_analysis.onnx_layers import shapes_of
from landcover.models.recipe import make_recipe

Nodes = list[onnx.NodeProto]
node = helper.make_node
TOLD: dict[str, Any] = {"runtime": "onnxruntime", "activation": "softmax", "scale": 1}


def saved(
    path: Path,
    nodes: Nodes,
    held: dict[str, Any] | None = None,
    shape: tuple[Any, ...] = ("n", 3, 8, 8),
    functions: list[onnx.FunctionProto] | None = None,
) -> Path:
    """Nodes between ``x`` and ``features``, then the mean of each band."""
    last = [node("GlobalAveragePool", ["features"], ["mean"]), node("Flatten", ["mean"], ["y"])]
    graph = helper.make_graph(
        [*nodes, *last],
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", None])],
        [numpy_helper.from_array(np.asarray(v), name) for name, v in (held or {}).items()],
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8, functions=functions or [])
    path.write_bytes(model.SerializeToString())
    return path


def added(name: str) -> Nodes:
    """The largest number of a tensor, added to the image."""
    return [
        node("ReduceMax", [name], ["most"], keepdims=0),
        node("Add", ["x", "most"], ["features"]),
    ]


SIX = {"six": np.int64(10**6), "twelve": np.asarray([2], np.int64), "one": np.float32(1)}
KERNEL = {"kernel": np.ones((3, 3, 3, 3), np.float32)}
LARGE: dict[str, tuple[Nodes, dict[str, Any]]] = {
    "Pow": (
        [
            node("Pow", ["six", "twelve"], ["size"]),
            node("ConstantOfShape", ["size"], ["big"]),
            *added("big"),
        ],
        SIX,
    ),
    "Cast and Concat": (
        [
            node("Cast", ["million"], ["whole"], to=TensorProto.INT64),
            node("Concat", ["whole", "whole"], ["size"], axis=0),
            node("Expand", ["one", "size"], ["big"]),
            *added("big"),
        ],
        {"million": np.asarray([1e6], np.float32), "one": np.float32(1)},
    ),
    "of the window": (
        [
            node("Shape", ["x"], ["extents"]),
            node("Mul", ["extents", "times"], ["size"]),
            node("Expand", ["x", "size"], ["wide"]),
            node("Resize", ["x", "", "scales"], ["features"]),
        ],
        {
            "times": np.asarray([1, 1, 1, 1], np.int64),
            "scales": np.asarray([1, 1, 1e5, 1e5], np.float32),
        },
    ),
    "pads": (
        [node("Conv", ["x", "kernel"], ["features"], pads=[2**15] * 4)],
        KERNEL,
    ),
    "Pad": (
        [node("Pad", ["x", "pads"], ["features"])],
        {"pads": np.asarray([0, 0, 0, 0, 0, 0, 2**20, 2**20], np.int64)},
    ),
    "random": (
        [node("RandomNormal", [], ["big"], shape=[2**20, 2**20]), *added("big")],
        {},
    ),
    "within a branch": (
        [
            node(
                "If",
                ["on"],
                ["features"],
                then_branch=helper.make_graph(
                    [
                        node("ConstantOfShape", ["size"], ["big"]),
                        node("ReduceMax", ["big"], ["most"], keepdims=0),
                        node("Add", ["x", "most"], ["f1"]),
                    ],
                    "then",
                    [],
                    [helper.make_tensor_value_info("f1", TensorProto.FLOAT, None)],
                ),
                else_branch=helper.make_graph(
                    [node("Identity", ["x"], ["f2"])],
                    "else",
                    [],
                    [helper.make_tensor_value_info("f2", TensorProto.FLOAT, None)],
                ),
            )
        ],
        {"on": np.asarray(True), "size": np.asarray([10**12], np.int64)},
    ),
}


@pytest.mark.parametrize("how", LARGE)
def test_a_result_that_would_fill_the_memory_is_refused(how: str, tmp_path: Path) -> None:
    nodes, held = LARGE[how]
    with pytest.raises(ModelError, match=r"the result of \w+ '\w*' would hold [\d,]+ numbers"):
        detect(saved(tmp_path / "net.onnx", nodes, held))


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_a_result_is_refused_that_is_large_for_the_window_of_the_settings(
    runtime: str, tmp_path: Path
) -> None:
    scales = {"scales": np.asarray([1, 1, 2000, 2000], np.float32)}
    nodes = [node("Resize", ["x", "", "scales"], ["features"])]
    path = saved(tmp_path / "net.onnx", nodes, scales, ("n", 3, "h", "w"))
    told = ModelSettings(path=str(path), runtime=runtime, input_size=32, scale=1)
    with pytest.raises(ModelError, match=r"would hold 12,288,000,000 numbers"):
        make_recipe(told)


def test_constants_whose_size_cannot_be_told_are_refused(tmp_path: Path) -> None:
    nodes = [
        node("Softplus", ["thirty"], ["size"]),
        node("Cast", ["size"], ["whole"], to=TensorProto.INT64),
        node("ConstantOfShape", ["whole"], ["big"]),
        *added("big"),
    ]
    path = saved(tmp_path / "net.onnx", nodes, {"thirty": np.asarray([1e9], np.float32)})
    with pytest.raises(ModelError, match="how large the result of ConstantOfShape '' is cannot be"):
        detect(path)


def test_many_constants_are_refused_of_which_each_would_do(tmp_path: Path) -> None:
    nodes = [node("ConstantOfShape", ["size"], [f"big{n}"]) for n in range(20)]
    nodes += [node("Sum", [f"big{n}" for n in range(20)], ["big"]), *added("big")]
    path = saved(tmp_path / "net.onnx", nodes, {"size": np.asarray([2**23], np.int64)})
    with pytest.raises(ModelError, match="what it makes of its weights alone would hold"):
        detect(path)


def test_many_results_are_refused_that_are_kept_to_the_end(tmp_path: Path) -> None:
    large = {"scales": np.asarray([1, 1, 250, 250], np.float32)}
    nodes = [node("Resize", ["x", "", "scales"], [f"big{n}"]) for n in range(9)]
    nodes += [node("Sum", [f"big{n}" for n in range(9)], ["features"])]
    with pytest.raises(ModelError, match=r"what it keeps until \w+ '\w*' would hold"):
        detect(saved(tmp_path / "net.onnx", nodes, large))


def test_a_network_that_would_take_hours_is_refused(tmp_path: Path) -> None:
    kernel = {"kernel": np.ones((256, 256, 15, 15), np.float32)}
    nodes = [
        node("Resize", ["x", "", "scales"], ["wide"]),
        node("Concat", ["wide"] * 64, ["deep"], axis=1),
    ]
    nodes += [
        node("Conv", [f"c{n}" if n else "deep", "kernel"], [f"c{n + 1}"], pads=[7] * 4)
        for n in range(9)
    ]
    nodes += [node("Identity", ["c9"], ["features"])]
    held = {**kernel, "scales": np.asarray([1, 1, 32, 32], np.float32)}
    path = saved(tmp_path / "net.onnx", nodes, held, ("n", 4, 8, 8))
    with pytest.raises(ModelError, match=r"more than 5,000,000,000,000 multiplications a window"):
        detect(path)


def doubling(depth: int, last: str = "Relu") -> list[onnx.FunctionProto]:
    """Functions each of which calls the one before twice."""
    made = []
    for level in range(depth):
        called, domain = (
            (f"f{level - 1}", "own") if level else (last, "own" if last != "Relu" else "")
        )
        nodes = [
            node(called, ["a"], ["b"], domain=domain),
            node(called, ["b"], ["c"], domain=domain),
        ]
        opsets = [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)]
        made.append(helper.make_function("own", f"f{level}", ["a"], ["c"], nodes, opsets))
    return made


@pytest.mark.parametrize(
    ("functions", "said"),
    [
        (lambda: doubling(40), r"is [\d,]+ operations, its functions written out"),
        (lambda: doubling(2, last="f1"), "holds a function 'f.' that calls itself"),
        (lambda: doubling(1, last="f0"), "holds a function 'f0' that calls itself"),
        (lambda: doubling(14), "is a chain of more than 10,000 operations"),
    ],
    ids=["many", "itself by another", "itself", "a chain"],
)
def test_functions_without_end_are_refused(
    functions: Callable[[], list[onnx.FunctionProto]], said: str, tmp_path: Path
) -> None:
    made = functions()
    nodes = [node(made[-1].name, ["x"], ["features"], domain="own")]
    with pytest.raises(ModelError, match=said):
        detect(saved(tmp_path / "net.onnx", nodes, functions=made))


def test_functions_that_end_are_read(tmp_path: Path) -> None:
    nodes = [node("f2", ["x"], ["features"], domain="own")]
    path = saved(tmp_path / "net.onnx", nodes, functions=doubling(3))
    assert make_recipe(ModelSettings(path=str(path), **TOLD)).classes == (
        "0",
        "1",
        "2",
    )


def test_a_chain_is_found_in_whatever_order_it_stands(tmp_path: Path) -> None:
    names = ["x", *(f"v{i}" for i in range(11_999)), "features"]
    chain = [node("Relu", [a], [b]) for a, b in itertools.pairwise(names)]
    with pytest.raises(ModelError, match="a chain of more than 10,000 operations"):
        detect(saved(tmp_path / "net.onnx", chain[::-1]))


def test_a_window_that_does_not_go_through_a_decoder_is_told_by_its_size(tmp_path: Path) -> None:
    """Of 9 pixels 4 are left by a pool, and 8 come back beside the 9 of a skip."""
    nodes = [
        node("MaxPool", ["x"], ["half"], kernel_shape=[2, 2], strides=[2, 2]),
        node("Resize", ["half", "", "twice"], ["back"]),
        node("Concat", ["x", "back"], ["both"], axis=1),
        node("Conv", ["both", "wide"], ["features"]),
    ]
    held = {"twice": np.float32([1, 1, 2, 2]), "wide": np.ones((3, 6, 1, 1), np.float32)}
    path = saved(tmp_path / "net.onnx", nodes, held, ("n", 3, "h", "w"))
    with pytest.raises(
        ModelError, match=r"set model\.input_size to one that all of its layers fit"
    ):
        make_recipe(ModelSettings(path=str(path), input_size=9, **TOLD))
    assert make_recipe(ModelSettings(path=str(path), input_size=8, **TOLD)).input_size == (8, 8)


def test_nodes_in_any_order_are_read(tmp_path: Path) -> None:
    """The converters to half precision put what casts the image last."""
    nodes = [
        node("Conv", ["half", "kernel"], ["sharp"], pads=[1] * 4),
        node("Cast", ["sharp"], ["features"], to=TensorProto.FLOAT),
        node("Cast", ["x"], ["half"], to=TensorProto.FLOAT16),
    ]
    held = {"kernel": KERNEL["kernel"].astype(np.float16)}
    path = saved(tmp_path / "net.onnx", nodes, held)
    assert make_recipe(ModelSettings(path=str(path), **TOLD)).classes == ("0", "1", "2")


def test_operations_that_wait_for_one_another_are_refused(tmp_path: Path) -> None:
    nodes = [node("Add", ["x", "b"], ["a"]), node("Relu", ["a"], ["b"])]
    nodes += [node("Identity", ["b"], ["features"])]
    with pytest.raises(ModelError, match="its operations wait for one another"):
        detect(saved(tmp_path / "net.onnx", nodes))


def test_graphs_within_graphs_are_bounded(tmp_path: Path) -> None:
    inner = node("Identity", ["x"], ["features"])
    for _ in range(20):
        branch = helper.make_graph([inner], "b", [], [])
        inner = node("If", ["on"], ["features"], then_branch=branch)
    with pytest.raises(ModelError, match="holds graphs within graphs, more than 16 deep"):
        detect(saved(tmp_path / "net.onnx", [inner], {"on": np.asarray(True)}))


def test_many_weights_may_not_be_the_same_bytes(tmp_path: Path) -> None:
    (tmp_path / "bytes").write_bytes(bytes(2**16))
    weights = []
    for number in range(9):
        weight = TensorProto(name=f"w{number}", data_type=TensorProto.FLOAT, dims=[2**14])
        weight.data_location = TensorProto.EXTERNAL
        weight.external_data.add(key="location", value="bytes")
        weights.append(weight)
    path = saved(tmp_path / "net.onnx", [node("Relu", ["x"], ["features"])])
    model = onnx.load(path)
    model.graph.initializer.extend(weights)
    path.write_bytes(model.SerializeToString())
    with pytest.raises(ModelError, match="the same bytes of 65,536 for more than 4 weights"):
        read_onnx(path, "net.onnx")


def test_bands_and_images_without_number_are_refused(tmp_path: Path) -> None:
    relu = [node("Relu", ["x"], ["features"])]
    bands = saved(tmp_path / "bands.onnx", relu, shape=("n", 2**20, 2, 2))
    with pytest.raises(ModelError, match="reads 1,048,576 bands; the most is 10,000"):
        make_recipe(ModelSettings(path=str(bands), scale=1))
    images = saved(tmp_path / "images.onnx", relu, shape=(2**24, 3, 8, 8))
    with pytest.raises(ModelError, match="input 'x' would hold 3,221,225,472 numbers"):
        detect(images)


def test_sizes_that_follow_the_window_step_by_step_are_read(tmp_path: Path) -> None:
    """A decoder of PyTorch's export: each level is enlarged to the size of an earlier one."""
    nodes = [node("MaxPool", ["x"], ["half"], kernel_shape=[2, 2], strides=[2, 2])]
    nodes += [node("MaxPool", ["half"], ["quarter"], kernel_shape=[2, 2], strides=[2, 2])]
    for at, (small, like) in enumerate((("quarter", "half"), ("up0", "x"))):
        nodes += [
            node("Shape", [like], [f"extents{at}"]),
            node("Slice", [f"extents{at}", "two", "four"], [f"rows{at}"]),
            node("Cast", [f"rows{at}"], [f"real{at}"], to=TensorProto.FLOAT),
            node("Floor", [f"real{at}"], [f"floor{at}"]),
            node("Cast", [f"floor{at}"], [f"whole{at}"], to=TensorProto.INT64),
            node("Shape", [small], [f"has{at}"]),
            node("Slice", [f"has{at}", "zero", "two"], [f"first{at}"]),
            node("Concat", [f"first{at}", f"whole{at}"], [f"size{at}"], axis=0),
            node("Resize", [small, "", "", f"size{at}"], ["features" if at else "up0"]),
        ]
    held = {
        name: np.asarray([value], np.int64)
        for name, value in (("zero", 0), ("two", 2), ("four", 4))
    }
    path = saved(tmp_path / "net.onnx", nodes, held, ("n", 3, "h", "w"))
    recipe = make_recipe(ModelSettings(path=str(path), input_size=16, **TOLD))
    assert recipe.classes == ("0", "1", "2")


def test_margins_that_the_exporter_of_pytorch_works_out_are_told(tmp_path: Path) -> None:
    """Of the last axis first, filled up with zeros, then turned round into ONNX's order."""
    nodes = [
        node("ConstantOfShape", ["four"], ["none"], value=numpy_helper.from_array(np.int64([0]))),
        node("Concat", ["margins", "none"], ["all"], axis=0),
        node("Reshape", ["all", "pairs"], ["by_axis"]),
        node("Slice", ["by_axis", "last", "before", "first", "last"], ["turned"]),
        node("Transpose", ["turned"], ["ends"], perm=[1, 0]),
        node("Reshape", ["ends", "last"], ["pads"]),
        node("Pad", ["x", "pads"], ["features"], mode="reflect"),
    ]
    held = {
        "four": np.int64([4]),
        "margins": np.int64([1, 1, 2, 2]),
        "pairs": np.int64([-1, 2]),
        "last": np.int64([-1]),
        "first": np.int64([0]),
        "before": np.int64([-(2**62)]),
    }
    path = saved(tmp_path / "net.onnx", nodes, held)
    assert make_recipe(ModelSettings(path=str(path), **TOLD)).classes == ("0", "1", "2")


def test_the_shapes_of_long_lists_are_told_without_noting_each_number(tmp_path: Path) -> None:
    nodes = [
        node("RandomUniform", [], ["drawn"], shape=[2**40]),
        node("Cast", ["drawn"], ["whole"], to=TensorProto.INT64),
        node("Cast", ["whole"], ["list"], to=TensorProto.FLOAT),
        *added("list"),
    ]
    model = onnx.load(saved(tmp_path / "net.onnx", nodes))
    shapes = shapes_of(model, {"x": (1, 3, 8, 8)})
    assert shapes["list"] == (2**40,)
    assert shapes["features"] == (1, 3, 8, 8)


NUMBER = [
    node("ReduceMax", ["x"], ["top"], keepdims=0),
    node("Cast", ["top"], ["whole"], to=TensorProto.INT64),
    node("Reshape", ["whole", "single"], ["number"]),
]
SINGLE = {"single": np.asarray([1], np.int64)}


@pytest.mark.parametrize(
    "nodes",
    [
        [*NUMBER, node("ConstantOfShape", ["number"], ["big"])],
        [*NUMBER, node("Expand", ["top", "number"], ["big"])],
        [*NUMBER, node("HannWindow", ["whole"], ["big"])],
        [
            node("NonZero", ["x"], ["places"]),
            node("Shape", ["places"], ["extents"]),
            node("ConstantOfShape", ["extents"], ["big"]),
        ],
    ],
    ids=["ConstantOfShape", "Expand", "HannWindow", "by how many there are"],
)
def test_pixels_may_not_say_how_large_a_result_is(nodes: Nodes, tmp_path: Path) -> None:
    path = saved(tmp_path / "net.onnx", [*nodes, *added("big")], SINGLE)
    with pytest.raises(ModelError, match=r"lets pixels say how large the result of \w+ '' is"):
        detect(path)


def looped(state: Nodes, turns: str, first: str, kind: Any = None) -> Nodes:
    """A loop from ``state`` to ``next``, and its result added to the image."""
    carried = kind or helper.make_tensor_value_info("state", TensorProto.FLOAT, None)
    handed = onnx.ValueInfoProto()
    handed.CopyFrom(carried)
    handed.name = "next"
    body = helper.make_graph(
        [node("Identity", ["on"], ["still"]), *state],
        "body",
        [
            helper.make_tensor_value_info("at", TensorProto.INT64, []),
            helper.make_tensor_value_info("on", TensorProto.BOOL, []),
            carried,
        ],
        [helper.make_tensor_value_info("still", TensorProto.BOOL, []), handed],
    )
    return [node("Loop", [turns, "go", first], ["looped"], body=body)]


LOOP = {"turns": np.int64(40), "go": np.asarray(True), "flat": np.asarray([-1], np.int64), **SINGLE}


@pytest.mark.parametrize(
    ("nodes", "said"),
    [
        (
            [
                node("Reshape", ["x", "flat"], ["first"]),
                *looped([node("Concat", ["state"] * 2, ["next"], axis=0)], "turns", "first"),
                *added("looped"),
            ],
            "what loop '' carries would hold",
        ),
        (
            [
                node("SequenceEmpty", [], ["first"]),
                *looped(
                    [node("SequenceInsert", ["state", "x"], ["next"])],
                    "many",
                    "first",
                    helper.make_tensor_sequence_value_info("state", TensorProto.FLOAT, None),
                ),
                node("ConcatFromSequence", ["looped"], ["list"], axis=0),
                *added("list"),
            ],
            "what SequenceInsert '' puts into a list would hold 19,200,000 numbers",
        ),
        (
            [
                *NUMBER,
                *looped([node("Relu", ["state"], ["next"])], "whole", "top"),
                *added("looped"),
            ],
            "does not say how often its loop '' turns",
        ),
    ],
    ids=["doubles", "a list", "pixels say how often"],
)
def test_a_loop_that_grows_or_does_not_end_is_refused(
    nodes: Nodes, said: str, tmp_path: Path
) -> None:
    held = {**LOOP, "many": np.int64(10**5)}
    with pytest.raises(ModelError, match=said):
        detect(saved(tmp_path / "net.onnx", nodes, held))


def test_a_loop_that_carries_as_much_as_before_is_read(tmp_path: Path) -> None:
    nodes = looped([node("Relu", ["state"], ["next"])], "turns", "x")
    nodes += [node("Identity", ["looped"], ["features"])]
    assert make_recipe(
        ModelSettings(path=str(saved(tmp_path / "net.onnx", nodes, LOOP)), **TOLD)
    ).classes == ("0", "1", "2")


def test_products_within_a_branch_are_counted(tmp_path: Path) -> None:
    inside = [
        node("MatMul", ["column", "row"], ["big"]),
        node("ReduceMax", ["big"], ["m"], keepdims=0),
    ]
    out = [helper.make_tensor_value_info("m", TensorProto.FLOAT, [])]
    branch = helper.make_graph(inside, "branch", [], out)
    nodes = [node("If", ["on"], ["most"], then_branch=branch, else_branch=branch)]
    nodes += [node("Add", ["x", "most"], ["features"])]
    column = np.ones((10_000, 1), np.float32)
    held = {"on": np.asarray(True), "column": column, "row": column.T}
    with pytest.raises(ModelError, match="the result of MatMul 'big' would hold 100,000,000"):
        detect(saved(tmp_path / "net.onnx", nodes, held))


def test_functions_of_one_name_are_told_apart(tmp_path: Path) -> None:
    """Of functions that differ by their overload alone the last would be all that is looked at."""
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)]
    functions = []
    for level in range(20):
        calls = [node("F", ["ab"[at]], ["bc"[at]], domain="own") for at in range(2)]
        for call in calls:
            call.overload = str(level + 1)
        body = calls if level < 19 else [node("Relu", ["a"], ["c"])]
        function = helper.make_function("own", "F", ["a"], ["c"], body, opsets)
        function.overload = str(level)
        functions.append(function)
    call = node("F", ["x"], ["features"], domain="own")
    call.overload = "0"
    with pytest.raises(ModelError, match=r"is [\d,]+ operations, its functions written out"):
        detect(saved(tmp_path / "net.onnx", [call], functions=functions))
    with pytest.raises(ModelError, match="two functions are called 'F'"):
        detect(saved(tmp_path / "net.onnx", [call], functions=[functions[0]] * 2))


def test_sparse_weights_count_as_what_libraries_write_out(tmp_path: Path) -> None:
    path = saved(tmp_path / "net.onnx", added("sparse"))
    model = onnx.load(path)
    one = numpy_helper.from_array(np.ones(1, np.float32), "sparse")
    at = numpy_helper.from_array(np.zeros(1, np.int64), "at")
    model.graph.sparse_initializer.append(helper.make_sparse_tensor(one, at, [40_000, 40_000]))
    path.write_bytes(model.SerializeToString())
    with pytest.raises(
        ModelError, match="what its sparse weights stand for would hold 1,600,000,000"
    ):
        detect(path)


def test_a_network_of_more_outputs_than_any_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path / "net.onnx", [node("Relu", ["x"], ["features"])])
    model = onnx.load(path)
    model.graph.output.extend([model.graph.output[0]] * 1_000)
    path.write_bytes(model.SerializeToString())
    with pytest.raises(ModelError, match="has 1,001 outputs; the most is 1,000"):
        detect(path)


COLUMN = {"down": np.asarray([1], np.int64), "across": np.asarray([0], np.int64)}
PLACES = [
    node("NonZero", ["x"], ["places"]),
    node("Cast", ["places"], ["found"], to=TensorProto.FLOAT),
    node("ReduceMax", ["found"], ["one"], axes=[0], keepdims=0),
]


@pytest.mark.parametrize(
    ("nodes", "said"),
    [
        (
            [
                node("Flatten", ["x"], ["points"], axis=3),
                node("CDist", ["points", "points"], ["big"], domain="com.microsoft"),
            ],
            "how large the result of com.microsoft's CDist 'big' is cannot be told",
        ),
        ([node("Nonesuch", ["x"], ["big"], domain="own")], "the result of own's Nonesuch 'big'"),
        ([*PLACES, node("Conv", ["one", "x"], ["big"])], "the result of Conv 'big' is cannot"),
        (
            [
                *PLACES,
                node("Unsqueeze", ["one", "down"], ["column"]),
                node("Unsqueeze", ["one", "across"], ["row"]),
                node("Mul", ["column", "row"], ["big"]),
            ],
            "the result of Mul 'big' would hold 9,663,676,416 numbers",
        ),
    ],
    ids=["of ONNX Runtime", "of nobody", "of what is found", "found by found"],
)
def test_what_is_not_told_must_be_made_by_what_makes_no_more_than_it_reads(
    nodes: Nodes, said: str, tmp_path: Path
) -> None:
    path = saved(tmp_path / "net.onnx", [*nodes, *added("big")], COLUMN, ("n", 3, 128, 256))
    model = onnx.load(path)
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    onnx.save(model, path)
    with pytest.raises(ModelError, match=said):
        make_recipe(ModelSettings(path=str(path), **TOLD))


def test_networks_that_choose_among_pixels_are_read(tmp_path: Path) -> None:
    """Masks, conditions and lists, as the exporters of PyTorch and TensorFlow write them."""
    out = helper.make_tensor_value_info("a", TensorProto.FLOAT, None)
    other = helper.make_tensor_value_info("b", TensorProto.FLOAT, None)
    nodes = [
        node("Greater", ["x", "half"], ["bright"]),
        node("NonZero", ["bright"], ["axes_first"]),
        node("Transpose", ["axes_first"], ["places0"], perm=[1, 0]),
        *(node("Mul", [f"places{at}", "step"], [f"places{at + 1}"]) for at in range(40)),
        node("GatherND", ["x", "places40"], ["chosen"]),
        node("Concat", ["chosen", "single"], ["never_empty"], axis=0),
        node("ReduceMean", ["never_empty"], ["level"], keepdims=0),
        node("Where", ["bright", "x", "level"], ["clipped"]),
        node("Compress", ["clipped", "rows"], ["some"], axis=2),
        node("Shape", ["x"], ["extents"]),
        node("Gather", ["extents", "two"], ["height"], axis=0),
        node("Range", ["zero", "height", "step"], ["lines"]),
        node("Cast", ["lines"], ["ramp"], to=TensorProto.FLOAT),
        node("Reshape", ["ramp", "down"], ["slope"]),
        node("Add", ["clipped", "slope"], ["tilted"]),
        node("ReduceMax", ["some"], ["peak"], keepdims=0),
        node("Greater", ["peak", "half"], ["on"]),
        node(
            "If",
            ["on"],
            ["branch"],
            then_branch=helper.make_graph([node("Relu", ["tilted"], ["a"])], "then", [], [out]),
            else_branch=helper.make_graph([node("Neg", ["tilted"], ["b"])], "else", [], [other]),
        ),
        node("SplitToSequence", ["branch"], ["bands"], axis=1),
        node("SequenceAt", ["bands", "zero"], ["band"]),
        node("Add", ["branch", "band"], ["features"]),
    ]
    held = {
        **{name: np.int64(n) for name, n in (("zero", 0), ("step", 1), ("two", 2))},
        "half": np.float32(0.5),
        "single": np.zeros(1, np.float32),
        "down": np.asarray([1, 1, -1, 1], np.int64),
        "rows": np.arange(64) % 2 == 0,
    }
    path = saved(tmp_path / "net.onnx", nodes, held, ("n", 3, "h", "w"))
    # The pixels that it chooses among are those of the whole batch.
    recipe = make_recipe(ModelSettings(path=str(path), input_size=64, batch=1, **TOLD))
    assert recipe.classes == ("0", "1", "2")


def test_networks_that_the_quantizer_of_onnx_runtime_has_written_are_read(tmp_path: Path) -> None:
    """In operators of its own, as many published networks in 8 bits are."""
    quantization = pytest.importorskip("onnxruntime.quantization")
    nodes = [
        node("Conv", ["x", "kernel"], ["first"], pads=[1, 1, 1, 1]),
        node("Sigmoid", ["first"], ["gate"]),
        node("Mul", ["first", "gate"], ["swish"]),
        node("LeakyRelu", ["swish"], ["leaky"]),
        node("AveragePool", ["leaky"], ["pooled"], kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
        node("Add", ["pooled", "first"], ["sum"]),
        node("Concat", ["sum", "gate"], ["both"], axis=1),
        node("Conv", ["both", "last"], ["features"]),
    ]
    rng = np.random.default_rng(0)
    held = {
        "kernel": rng.normal(size=(4, 3, 3, 3)).astype(np.float32),
        "last": rng.normal(size=(3, 8, 1, 1)).astype(np.float32),
    }
    plain = saved(tmp_path / "plain.onnx", nodes, held, (1, 3, 8, 8))

    left = [{"x": rng.uniform(0, 1, (1, 3, 8, 8)).astype(np.float32)} for _ in range(4)]

    class Pixels(quantization.CalibrationDataReader):
        def get_next(self) -> Any:
            return left.pop() if left else None

    path = tmp_path / "net.onnx"
    quantization.quantize_static(
        str(plain), str(path), Pixels(), quant_format=quantization.QuantFormat.QOperator
    )
    own = {one.op_type for one in onnx.load(path).graph.node if one.domain == "com.microsoft"}
    assert {"QLinearAdd", "QLinearMul", "QLinearSigmoid", "QLinearConcat"} <= own
    assert make_recipe(ModelSettings(path=str(path), **TOLD)).classes == ("0", "1", "2")
