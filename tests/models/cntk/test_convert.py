"""Converted models are what one would have written by hand."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from landcover.models.cntk import convert, read, to_onnx

DATA = Path(__file__).resolve().parents[2] / "data" / "cntk"
ALL = sorted(path.name for path in DATA.glob("*.npz"))


def converted(path: Path, **options: Any) -> onnx.ModelProto:
    return convert(path.read_bytes(), path.name, **options)


def operators(model: onnx.ModelProto) -> Counter[str]:
    return Counter(node.op_type for node in model.graph.node)


def extents(value: onnx.ValueInfoProto) -> list[int | str]:
    return [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim]


@pytest.mark.parametrize("name", ALL)
def test_every_model_is_valid_and_of_the_default_domain(name: str) -> None:
    path = (DATA / name).with_suffix(".model")
    graph = read(path.read_bytes(), path.name)
    model = to_onnx(graph, graph.outputs)
    onnx.checker.check_model(model, full_check=True)
    assert [(each.domain, each.version) for each in model.opset_import] == [("", 17)]
    assert not {node.domain for node in model.graph.node} - {""}
    assert len({node.name for node in model.graph.node}) == len(model.graph.node)


def test_the_batch_is_symbolic_and_the_rest_is_not(data: Path) -> None:
    model = converted(data / "resnet_cifar_trained.model")
    assert [extents(value) for value in model.graph.input] == [["batch", 3, 32, 32]]
    assert [extents(value) for value in model.graph.output] == [["batch", 10]]


def test_free_extents_stay_free(data: Path) -> None:
    model = converted(data / "fcn_free_dims.model", output="map")
    assert extents(model.graph.input[0]) == ["batch", 3, "height", "width"]
    assert extents(model.graph.output[0])[:2] == ["batch", 3]


def test_biases_and_normalization_are_part_of_the_convolutions(data: Path) -> None:
    counted = operators(converted(data / "resnet_cifar_trained.model"))
    assert counted == {
        "Mul": 1, "Sub": 1, "Conv": 11, "Relu": 9, "Add": 4,
        "GlobalAveragePool": 1, "Reshape": 1, "Gemm": 1,
    }  # fmt: skip


def test_nothing_of_training_is_left(data: Path) -> None:
    model = converted(data / "trainer_checkpoint.model")
    kept = {initializer.name for initializer in model.graph.initializer}
    used = {tensor for node in model.graph.node for tensor in node.input}
    assert kept <= used
    assert not operators(model).keys() & {"Dropout", "Identity", "ReduceLogSumExp"}


def test_names_of_the_file_are_kept(data: Path) -> None:
    model = converted(data / "unicode_names.model")
    assert [value.name for value in model.graph.input] == ["image d\u2019entrée"]
    assert [value.name for value in model.graph.output] == ["рез"]
    assert {"c/1 .x/W", "c/1 .x/b", "größe 日本/W", "größe 日本/b"} <= {
        initializer.name for initializer in model.graph.initializer
    }


def test_names_of_blocks_are_those_of_their_results(shared: Path) -> None:
    model = converted(shared / "models" / "cntk" / "alexnet_transfer.model", lrn="operator")
    named = [node.name for node in model.graph.node if node.op_type in ("Conv", "LRN", "MaxPool")]
    assert named == [
        "conv1", "norm1", "pool1", "conv2", "norm2", "pool2", "conv3", "conv4", "conv5", "pool5",
    ]  # fmt: skip
    assert {"conv1/W", "fc6/W", "fc6/b"} <= {i.name for i in model.graph.initializer}


def test_response_normalization_is_written_as_asked(data: Path) -> None:
    plain = operators(converted(data / "trainer_checkpoint.model", lrn="plain"))
    operator = converted(data / "trainer_checkpoint.model", lrn="operator")
    assert plain["LRN"] == 0
    assert operators(operator)["LRN"] == 2
    node = next(node for node in operator.graph.node if node.op_type == "LRN")
    attributes = {each.name: onnx.helper.get_attribute_value(each) for each in node.attribute}
    assert attributes["size"] == 9
    assert attributes["bias"] == 1
    assert attributes["beta"] == pytest.approx(0.75)


def test_centred_padding_becomes_explicit(data: Path) -> None:
    model = converted(data / "ops_conv_pad.model", output="k44_s11_same")
    (node,) = (node for node in model.graph.node if node.op_type == "Conv")
    attributes = {each.name: onnx.helper.get_attribute_value(each) for each in node.attribute}
    assert attributes["pads"] == [1, 1, 2, 2]
    assert "auto_pad" not in attributes


@pytest.mark.parametrize(
    ("name", "output", "operator"),
    [
        ("ops_unary", "softmax_0", "Softmax"),
        ("ops_unary", "log_softmax_0", "LogSoftmax"),
        ("ops_unary", "leaky_relu", "LeakyRelu"),
        ("ops_unary", "elu_a", "Elu"),
        ("ops_unary", "softplus", "Softplus"),
        ("ops_binary", "emax", "Max"),
        ("ops_binary", "emin", "Min"),
        ("ops_binary", "divide", "Div"),
        ("ops_pool", "gavg", "GlobalAveragePool"),
        ("ops_norm", "lrn_op", "Div"),
    ],
)
def test_what_cntk_spells_out_becomes_one_operator(
    data: Path, name: str, output: str, operator: str
) -> None:
    assert operators(converted(data / f"{name}.model", output=output))[operator] == 1


def test_arithmetic_in_double_stays_in_double(data: Path) -> None:
    model = converted(data / "double_model.model")
    assert {numpy_helper.to_array(i).dtype for i in model.graph.initializer} <= {
        np.dtype(np.float64),
        np.dtype(np.int64),
    }
    assert model.graph.input[0].type.tensor_type.elem_type == onnx.TensorProto.DOUBLE


def test_the_model_says_what_it_was_made_of(data: Path) -> None:
    model = converted(data / "legacy" / "two_outputs.model")
    assert {each.key: each.value for each in model.metadata_props} == {
        "source": "CNTK v1 (legacy)",
        "source_version": "31",
    }


def test_the_same_file_gives_the_same_bytes(data: Path) -> None:
    first, second = (converted(data / "ops_norm.model").SerializeToString() for _ in range(2))
    assert first == second
