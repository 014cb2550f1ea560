"""What a network's last operations leave to do: nothing, a softmax, a sigmoid, or a question."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from support import operations as small

from landcover.errors import ModelError
from landcover.models.graph_analysis.arithmetic import Operation
from landcover.models.graph_analysis.ending import ending_of
from landcover.models.output_side.probe import _Probe
from landcover.models.preprocessing.specification import Steps


@pytest.mark.parametrize("scale", [1.0, 1 / 255, 1000.0])
@pytest.mark.parametrize(
    ("end", "activation"),
    [
        (small.then("Sigmoid"), "none"),
        (small.then("HardSigmoid"), "none"),
        (small.then("Softmax", axis=1), "none"),
        (small.then("LogSoftmax", axis=1), "softmax"),
        (small.then("Identity"), "softmax"),
        (small.then("Relu"), "softmax"),
        (
            [
                helper.make_node("Exp", ["scores"], ["e"]),
                helper.make_node("ReduceSum", ["e", "axes"], ["s"], keepdims=1),
                helper.make_node("Div", ["e", "s"], ["out"]),
            ],
            "none",
        ),
        (  # in steps so coarse that the sums say nothing
            [
                helper.make_node("Exp", ["scores"], ["e"]),
                helper.make_node("ReduceSum", ["e", "axes"], ["s"], keepdims=1),
                helper.make_node("Div", ["e", "s"], ["p"]),
                helper.make_node("QuantizeLinear", ["p", "coarse", "zero"], ["q"]),
                helper.make_node("DequantizeLinear", ["q", "coarse", "zero"], ["out"]),
            ],
            "none",
        ),
        (
            [
                helper.make_node("Softmax", ["scores"], ["p"], axis=1),
                helper.make_node("QuantizeLinear", ["p", "step", "zero"], ["q"]),
                helper.make_node("DequantizeLinear", ["q", "step", "zero"], ["out"]),
            ],
            "none",
        ),
    ],
)
def test_the_last_operations_say_what_is_left_to_do(
    tmp_path: Path, end: list[onnx.NodeProto], activation: str, scale: float
) -> None:
    held = {"axes": np.int64([1]), "step": np.float32(1 / 255), "zero": np.uint8(0)}
    held |= {"coarse": np.float32(1 / 7)}
    used = {name for node in end for name in node.input}
    path = small.saved(
        tmp_path / "net.onnx",
        [small.convolution(), *end],
        w=small.kernel(5),
        **{k: v for k, v in held.items() if k in used},
    )
    assert small.recipe_of(path, scale=scale).activation == activation


@pytest.mark.parametrize("operation", ["QLinearSoftmax", "QLinearSigmoid"])
def test_probabilities_of_quantized_operations_are_known(tmp_path: Path, operation: str) -> None:
    told = {"axis": 1, "opset": 17} if operation == "QLinearSoftmax" else {}
    steps = ["step", "zero", "step", "zero"]
    nodes = [
        small.convolution(),
        helper.make_node("QuantizeLinear", ["scores", "step", "zero"], ["q"]),
        helper.make_node(operation, ["q", *steps], ["p"], domain="com.microsoft", **told),
        helper.make_node("DequantizeLinear", ["p", "step", "zero"], ["out"]),
    ]
    held = {"w": small.kernel(5), "step": np.float32(1 / 255), "zero": np.uint8(0)}
    path = small.saved(tmp_path / "net.onnx", nodes, **held)
    model = onnx.load(path)
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    onnx.save(model, path)
    assert small.recipe_of(path).activation == "none"


def test_sigmoids_of_several_classes_stay_as_the_network_says(tmp_path: Path) -> None:
    path = small.saved(
        tmp_path / "net.onnx", [small.convolution(), *small.then("Sigmoid")], w=small.kernel(3)
    )
    told = small.saved(
        tmp_path / "logits.onnx", [small.convolution(), *small.then("Identity")], w=small.kernel(3)
    )
    recipe = small.recipe_of(path)
    pixels = small.noise(recipe)
    expected = 1 / (1 + np.exp(-small.logits_of(pixels, small.kernel(3))))
    np.testing.assert_allclose(small.scores_of(recipe, pixels), expected, atol=1e-6)
    np.testing.assert_allclose(
        small.scores_of(small.recipe_of(told, activation="sigmoid"), pixels), expected, atol=1e-6
    )


def test_whole_numbers_at_the_end_are_scaled_as_the_graph_says(tmp_path: Path) -> None:
    end = [
        helper.make_node("Softmax", ["scores"], ["p"], axis=1),
        helper.make_node("QuantizeLinear", ["p", "step", "zero"], ["out"]),
    ]
    path = small.saved(
        tmp_path / "net.onnx",
        [small.convolution(), *end],
        returns=TensorProto.UINT8,
        w=small.kernel(5),
        step=np.float32(1 / 255),
        zero=np.uint8(3),
    )
    recipe = small.recipe_of(path)
    assert recipe.activation == "none"
    assert recipe.quantization == (pytest.approx(1 / 255), 3)
    pixels = small.noise(recipe)
    # The first three of 255 steps below zero are cut off above.
    expected = np.minimum(small.softmax(small.logits_of(pixels, small.kernel(5))), 252 / 255)
    np.testing.assert_allclose(small.scores_of(recipe, pixels), expected, atol=0.6 / 255)


def test_an_end_that_says_nothing_is_asked_for(tmp_path: Path) -> None:
    path = small.saved(
        tmp_path / "net.onnx", [small.convolution(), *small.then("Tanh")], w=small.kernel(3)
    )
    with pytest.raises(ModelError, match=r"ends in Tanh, .* set activation to sigmoid or softmax"):
        small.recipe_of(path)
    assert small.recipe_of(path, activation="softmax").activation == "softmax"


def test_numbers_that_sum_to_one_need_no_word(tmp_path: Path) -> None:
    end = [
        helper.make_node("Sigmoid", ["scores"], ["p"]),
        helper.make_node("Sub", ["one", "p"], ["rest"]),
        helper.make_node("Concat", ["rest", "p"], ["out"], axis=1),
    ]
    path = small.saved(
        tmp_path / "net.onnx", [small.convolution(), *end], w=small.kernel(1), one=np.float32(1)
    )
    recipe = small.recipe_of(path)
    assert (recipe.activation, len(recipe.classes)) == ("none", 2)


def test_classes_that_are_taken_together_stay_probabilities(tmp_path: Path) -> None:
    together = np.float32([[1, 1, 0, 0, 0], [0, 0, 1, 1, 0], [0, 0, 0, 0, 1]])
    end = [
        helper.make_node("Softmax", ["scores"], ["p"], axis=1),
        helper.make_node("Conv", ["p", "together"], ["out"]),
    ]
    held = {"w": small.kernel(5), "together": together.reshape(3, 5, 1, 1)}
    recipe = small.recipe_of(
        small.saved(tmp_path / "net.onnx", [small.convolution(), *end], **held)
    )
    pixels = small.noise(recipe)
    fine = small.softmax(small.logits_of(pixels, small.kernel(5)))
    expected = np.einsum("kc,ncyx->nkyx", together, fine)
    np.testing.assert_allclose(small.scores_of(recipe, pixels), expected, atol=1e-6)


def test_weighted_sums_of_probabilities_that_sum_to_something_else_are_asked_for(
    tmp_path: Path,
) -> None:
    end = [
        helper.make_node("Softmax", ["scores"], ["p"], axis=1),
        helper.make_node("Identity", ["p"], ["same"]),
        helper.make_node("Conv", ["same", "mean"], ["out"], pads=[1] * 4, group=5),
    ]
    held = {"w": small.kernel(5), "mean": np.full((5, 1, 3, 3), 1 / 9, np.float32)}
    path = small.saved(tmp_path / "net.onnx", [small.convolution(), *end], **held)
    with pytest.raises(ModelError, match=r"ends in Conv, .* set head to 'same', or, .* to none"):
        small.recipe_of(path)
    assert small.recipe_of(path, activation="none").activation == "none"


def test_a_network_that_divides_by_pixels_is_not_refused_for_its_noise(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Split", ["image", "parts"], ["r", "g", "b"], axis=1),
        helper.make_node("Sub", ["r", "g"], ["less"]),
        helper.make_node("Div", ["less", "b"], ["ratio"]),
        helper.make_node("Concat", ["ratio", "g"], ["both"], axis=1),
        helper.make_node("Conv", ["both", "w"], ["out"]),
    ]
    path = small.saved(
        tmp_path / "net.onnx", nodes, w=small.kernel(3, 1, 2), parts=np.int64([1, 1, 1])
    )
    recipe = small.recipe_of(path)
    assert recipe.activation == "softmax"
    assert np.isfinite(small.scores_of(recipe, small.noise(recipe))).all()


def test_noise_comes_to_the_network_as_it_is_whatever_mean_and_scale_are() -> None:
    given: list[Steps] = []
    graph: Any = SimpleNamespace(
        signature=SimpleNamespace(dtype="float32"), compile=lambda steps: given.append(steps)
    )
    _Probe(graph, Steps("NCHW", (8, 8), (5.0, 6.0), (1e-9, 2.0), (0, 1)))
    assert (given[0].mean, given[0].scale) == ((0.0, 0.0), (1.0, 1.0))


@pytest.mark.parametrize("kind", ["Add", "Gather", "Identity", "Tanh"])
def test_an_end_of_any_length_is_followed_as_far_as_python_can(kind: str) -> None:
    chain = [
        Operation(kind, ("t", f"{i}") if kind == "Gather" else (f"{i}", "t"), (f"{i + 1}",))
        for i in range(9_000)
    ]
    ending = ending_of([Operation("Softmax", ("x",), ("0",)), *chain], "9000", ["x"])
    assert ending.kind == ("softmax" if kind == "Identity" else None)
