"""What cannot be run is refused in one sentence that names the file, and what in it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from landcover.errors import ModelError
from landcover.models.cntk import convert
from landcover.models.cntk.reader.dictionary import Axis, Shape, Tensor

Network = Callable[..., bytes]
F32 = np.dtype(np.float32)


def refusal(data: bytes, name: str = "net.model", output: str | int | None = None) -> str:
    with pytest.raises(ModelError) as caught:
        convert(data, name, output)
    sentence = str(caught.value)
    assert sentence.startswith(f"{name}: ")
    assert "\n" not in sentence
    return sentence


def function(uid: str, op: int, *inputs: str, **attributes: Any) -> dict[str, Any]:
    named = [name if name in ("x", "w") else f"{name}_Output_0" for name in inputs]
    return {"version": 24, "op": op, "uid": uid, "inputs": named, "attributes": attributes}


def parameter(array: np.ndarray) -> dict[str, Any]:
    return {
        "uid": "w",
        "kind": 2,
        "data_type": 1,
        "shape": Shape(array.shape),
        "value": Tensor(array.astype(np.float32).reshape(-1), array.shape, F32),
    }


def test_an_empty_file() -> None:
    assert "empty" in refusal(b"")


def test_a_file_that_is_something_else() -> None:
    assert "not a whole CNTK model" in refusal(b"\x89PNG\r\n\x1a\n" + bytes(100))


@pytest.mark.parametrize("kept", [0.1, 0.5, 0.99])
def test_a_truncated_file(data: Path, kept: float) -> None:
    whole = (data / "two_outputs.model").read_bytes()
    assert "copy it again" in refusal(whole[: int(len(whole) * kept)])


def test_a_truncated_legacy_file(data: Path) -> None:
    whole = (data / "legacy" / "two_outputs.model").read_bytes()
    refusal(whole[: len(whole) // 2])


def test_a_recurrent_network(data: Path) -> None:
    sentence = refusal((data / "rnn_unsupported.model").read_bytes())
    assert "recurrent" in sentence
    assert "operation" in sentence


def test_a_user_defined_function(data: Path) -> None:
    sentence = refusal((data / "userfunction_unsupported.model").read_bytes())
    assert "user-defined function" in sentence
    assert "UserDefinedFunction5735" in sentence


def test_a_trainers_state(encode: Callable[[Any], bytes]) -> None:
    state = encode({"Version": 1, "Learners": [], "ExternalState": {}, "DistributedState": {}})
    sentence = refusal(state, "net.model.ckp")
    assert "trainer's state" in sentence
    assert "(net.model)" in sentence


def test_a_genuine_trainers_state(shared: Path) -> None:
    path = shared / "models" / "cntk" / "trainer_checkpoint.model.ckp"
    assert "trainer's state" in refusal(path.read_bytes(), path.name)


def test_an_operation_of_unknown_number(network: Network) -> None:
    assert "operation number 4711" in refusal(network(function("Odd1", 4711, "x")))


def test_an_operation_without_conversion(network: Network) -> None:
    sentence = refusal(network(function("RandomSample7", 45, "x")))
    assert "operation RandomSample (RandomSample7)" in sentence


def test_a_cycle(network: Network) -> None:
    functions = function("Plus1", 19, "x", "Plus2"), function("Plus2", 19, "Plus1", "x")
    assert "depends on itself" in refusal(network(*functions))


def test_references_that_lead_in_a_circle(network: Network) -> None:
    block = {
        **function("Block1", 57, "x"),
        "block_function_composite": {"root": "Block1"},
        "block_function_composite_arguments_map_keys": [],
        "block_function_composite_arguments_map_values": [],
    }
    assert "back to itself" in refusal(network(block))


def test_a_reference_to_nothing(network: Network) -> None:
    assert "'Ghost_Output_0'" in refusal(network(function("Plus1", 19, "x", "Ghost")))


def test_an_output_that_the_function_does_not_have(network: Network) -> None:
    wrong = {**function("Exp2", 4), "inputs": ["Exp1_Output_7"]}
    assert "no result 7" in refusal(network(function("Exp1", 4, "x"), wrong))


@pytest.mark.parametrize(
    ("op", "inputs", "attributes"),
    [
        (14, 1, {"axis": Axis(5, ""), "beginIndex": 0, "endIndex": 1}),
        (14, 1, {"axis": Axis(0, ""), "beginIndex": 3, "endIndex": 2}),
        (16, 1, {"newShape": Shape((5, 5))}),
        (16, 1, {"newShape": "wide"}),
        (17, 1, {"poolingType": 0, "poolingWindowShape": Shape((9, 9))}),
        (17, 1, {"poolingType": 7, "poolingWindowShape": Shape((2, 2))}),
        (17, 1, {"poolingType": 0, "poolingWindowShape": Shape((2, 2)), "strides": Shape((0, 0))}),
        (19, 1, {}),
        (39, 1, {"axis": Axis(0, ""), "reductionOpName": "Median"}),
        (43, 1, {"axis": Axis(9, "")}),
        (12, 1, {"axis1": Axis(0, ""), "axis2": Axis(3, "")}),
        (87, 1, {"axis": Axis(0, ""), "numItems": 100}),
        (91, 1, {"newDataType": 9}),
    ],
)
def test_wrong_attributes(
    network: Network, op: int, inputs: int, attributes: dict[str, Any]
) -> None:
    assert "Wrong1" in refusal(network(function("Wrong1", op, *["x"] * inputs, **attributes)))


def test_kernels_that_do_not_fit_the_image(network: Network) -> None:
    whole = network(
        function("Convolution1", 33, "w", "x", strides=Shape((1, 1, 1)), sharing=[True] * 3,
                 autoPadding=[True, True, False]),
        leaves=(parameter(np.zeros((4, 5, 3, 3))),),
    )  # fmt: skip
    assert "operation Convolution (Convolution1)" in refusal(whole)


def test_weights_that_are_not_a_number(network: Network) -> None:
    weights = np.ones((3, 1, 1))
    weights[1] = np.nan
    sentence = refusal(network(function("Plus1", 19, "x", "w"), leaves=(parameter(weights),)))
    assert "1 NaN of 3" in sentence
    assert "'w'" in sentence


def test_an_output_of_another_name(data: Path) -> None:
    whole = (data / "two_outputs.model").read_bytes()
    sentence = refusal(whole, output="clas")
    assert "'cls', 'aux_prob'" in sentence
    assert "no output 2" in refusal(whole, output=2)


def test_settings_that_the_legacy_format_does_not_keep(data: Path) -> None:
    whole = (data / "legacy" / "ops_norm.model").read_bytes()
    lost = whole.replace("Sqrt\0".encode("utf-16-le"), "TopK\0".encode("utf-16-le"), 1)
    sentence = refusal(lost)
    assert "operation TopK" in sentence
    assert "does not keep the settings" in sentence


def test_a_node_of_a_legacy_file_that_is_unknown(data: Path) -> None:
    whole = (data / "legacy" / "ops_norm.model").read_bytes()
    odd = whole.replace("Sqrt\0".encode("utf-16-le"), "Sqrx\0".encode("utf-16-le"), 1)
    assert "operation Sqrx" in refusal(odd)
