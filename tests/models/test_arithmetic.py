"""What a network does to pixels first is read from its graph."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from landcover.models.formats.detection import detect
from landcover.models.graph_analysis.arithmetic import onnx_arithmetic, tensorflow_arithmetic


def network(*nodes: onnx.NodeProto, **weights: Any) -> onnx.ModelProto:
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, [None, 8, 8, 3])
    result = helper.make_tensor_value_info("result", TensorProto.FLOAT, None)
    held = [numpy_helper.from_array(np.asarray(v, np.float32), k) for k, v in weights.items()]
    return helper.make_model(helper.make_graph(list(nodes), "net", [image], [result], held))


def constant(name: str, value: Any) -> onnx.NodeProto:
    tensor = numpy_helper.from_array(np.asarray(value, np.float32))
    return helper.make_node("Constant", [], [name], value=tensor)


def test_numbers_in_constant_nodes_after_a_transpose_count() -> None:
    model = network(
        constant("c", 255.0),
        helper.make_node("Transpose", ["image"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("Div", ["planes", "c"], ["unit"]),
        helper.make_node("Sub", ["unit", "mean"], ["centred"]),
        helper.make_node("Relu", ["centred"], ["result"]),
        mean=np.full((3, 1, 1), 0.5),
    )
    assert onnx_arithmetic(model) == ("divides by 255", "subtracts numbers of its own")


def test_arithmetic_among_pixels_is_none_of_it() -> None:
    model = network(
        helper.make_node("ReduceMean", ["image"], ["average"]),
        helper.make_node("Sub", ["image", "average"], ["centred"]),
        helper.make_node("Relu", ["centred"], ["result"]),
    )
    assert onnx_arithmetic(model) == ()
    doubled = network(helper.make_node("Mul", ["image", "image"], ["result"]))
    assert onnx_arithmetic(doubled) == ()


def test_a_step_that_changes_nothing_is_not_told() -> None:
    model = network(
        helper.make_node("Add", ["image", "zero"], ["same"]),
        helper.make_node("Mul", ["same", "half"], ["result"]),
        zero=0.0,
        half=0.5,
    )
    assert onnx_arithmetic(model) == ("multiplies by 0.5",)


def test_branches_that_all_scale_are_told_though_one_of_them_multiplies_by_one() -> None:
    branches = [
        helper.make_node("Mul", ["image", "one"], ["coarse"]),
        helper.make_node("Mul", ["image", "small"], ["fine"]),
        helper.make_node("Concat", ["coarse", "fine"], ["result"], axis=3),
    ]
    assert onnx_arithmetic(network(*branches, one=1.0, small=0.25)) == ("multiplies by 0.25",)
    assert onnx_arithmetic(network(*branches, one=1.0, small=1.0)) == ()
    branches[0] = helper.make_node("Identity", ["image"], ["coarse"])  # sees pixels as they are
    assert onnx_arithmetic(network(*branches, small=0.25)) == ()


@pytest.mark.parametrize("kind", ["Rescaling", "Normalization"])
def test_layers_of_keras_that_scale_are_seen(kind: str, tmp_path: Path) -> None:
    tf, keras = pytest.importorskip("tensorflow"), pytest.importorskip("keras")
    from landcover.models.runtimes.tensorflow.runtime import TensorflowRuntime

    image = keras.Input((8, 8, 3))
    if kind == "Rescaling":
        layer = keras.layers.Rescaling(1 / 127.5, offset=-1)
        told = ("multiplies by 0.00784313772", "adds -1")
    else:
        layer = keras.layers.Normalization(mean=[1.0, 2.0, 3.0], variance=[4.0, 4.0, 4.0])
        told = ("subtracts numbers of its own", "divides by numbers of its own")
    result = keras.layers.Conv2D(4, 3)(layer(image))
    keras.Model(image, result).save(tmp_path / "net.keras")
    frozen = TensorflowRuntime().open(detect(tmp_path / "net.keras"), None).frozen()
    assert tensorflow_arithmetic(tf.compat.v1.GraphDef.FromString(frozen)) == told
