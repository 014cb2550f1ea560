"""Files that other programs brought to CNTK: its converter from Caffe, and its reader of ONNX."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnxruntime

from landcover.models.cntk import convert
from landcover.models.cntk.reader.dictionary import Axis, Shape, Tensor
from landcover.models.cntk.reader.operations import NAMES

Network = Callable[..., bytes]
NUMBERS = {name: number for number, name in NAMES.items()}
OPEN = 2**64 - 1  # what CNTK writes for an extent of -1


def function(uid: str, operation: str, *inputs: str, **attributes: Any) -> dict[str, Any]:
    named = [name if name in ("x", "w") else f"{name}_Output_0" for name in inputs]
    op = NUMBERS[operation]
    return {"version": 24, "op": op, "uid": uid, "inputs": named, "attributes": attributes}


def run(data: bytes, images: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    session = onnxruntime.InferenceSession(convert(data, "net.model").SerializeToString())
    return np.asarray(session.run(None, {session.get_inputs()[0].name: images})[0])


def images(count: int) -> np.ndarray[Any, Any]:
    return np.random.default_rng(1).normal(0, 1, (count, 3, 8, 8)).astype(np.float32)


def test_a_stride_that_is_left_open_along_the_channels_means_nothing(network: Network) -> None:
    kernels = np.random.default_rng(2).normal(0, 1, (4, 3, 3, 3)).astype(np.float32)
    weights = {
        "uid": "w",
        "kind": 2,
        "data_type": 1,
        "shape": Shape(kernels.shape),
        "value": Tensor(kernels.reshape(-1), kernels.shape, kernels.dtype),
    }

    def strided(along_channels: int) -> bytes:
        strides = Shape((along_channels, 2, 2))
        told = {"strides": strides, "sharing": [True] * 3, "autoPadding": [True, True, False]}
        return network(function("C", "Convolution", "w", "x", **told), leaves=(weights,))

    wanted = run(strided(1), images(2))
    np.testing.assert_array_equal(run(strided(OPEN), images(2)), wanted)
    assert wanted.shape == (2, 4, 4, 4)


def test_a_softmax_over_a_shape_with_the_batch_in_it_is_one_for_each_image(
    network: Network,
) -> None:
    both = [Axis(0, ""), Axis(1, "")]
    mean = {"axisVec": both, "reductionOpName": "Mean", "reductionKeepDimensions": False}
    data = network(
        function("R", "ReduceElements", "x", **mean),
        function("U", "UnpackBatch", "R"),
        function("S", "Softmax", "U"),
        function("B", "ToBatch", "S"),
    )
    powers = np.exp(images(3).mean((2, 3)))
    np.testing.assert_allclose(
        run(data, images(3)), powers / powers.sum(1, keepdims=True), rtol=1e-5
    )
