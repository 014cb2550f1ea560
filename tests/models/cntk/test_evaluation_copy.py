"""The copy of a model that the library is given: what differs from the file, and what must not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from landcover.models.cntk.library.evaluation_copy import (
    BATCH,
    SEQUENCE,
    EvaluationCopy,
    copy_for_evaluation,
)
from landcover.models.cntk.reader.dictionary import Tensor, read_dictionary
from landcover.models.formats.protobuf import Malformed

INPUT = 0
MODELS = ["ops_norm", "resnet_cifar_trained", "trainer_checkpoint", "unicode_names"]


def _opened_copy(data: Path, name: str) -> tuple[dict[str, Any], dict[str, Any], EvaluationCopy]:
    content = memoryview((data / f"{name}.model").read_bytes())
    prepared = copy_for_evaluation(content)
    return (
        read_dictionary(content),
        read_dictionary(memoryview(b"".join(prepared.chunks))),
        prepared,
    )


def _without(dictionary: dict[str, Any], *keys: str) -> dict[str, Any]:
    return {key: value for key, value in dictionary.items() if key not in keys}


def _assert_same(found: Any, expected: Any) -> None:
    if isinstance(expected, Tensor):
        np.testing.assert_array_equal(found.array(), expected.array())
    elif isinstance(expected, dict):
        assert found.keys() == expected.keys()
        for key in expected:
            _assert_same(found[key], expected[key])
    else:
        assert found == expected


@pytest.mark.parametrize("name", MODELS)
def test_nothing_differs_but_names_and_axes(data: Path, name: str) -> None:
    model, copy, _ = _opened_copy(data, name)
    _assert_same(
        _without(copy, "inputs", "primitive_functions"),
        _without(model, "inputs", "primitive_functions"),
    )
    for found, expected in zip(copy["inputs"], model["inputs"], strict=True):
        _assert_same(
            _without(found, "name", "dynamic_axis"), _without(expected, "name", "dynamic_axis")
        )
    for found, expected in zip(
        copy["primitive_functions"], model["primitive_functions"], strict=True
    ):
        _assert_same(_without(found, "name"), _without(expected, "name"))


@pytest.mark.parametrize("name", MODELS)
def test_inputs_become_sequences_with_names_of_our_own(data: Path, name: str) -> None:
    _, copy, prepared = _opened_copy(data, name)
    assert prepared.batches
    inputs = [variable for variable in copy["inputs"] if variable["kind"] == INPUT]
    assert [v["name"] for v in inputs] == [each.alias for each in prepared.inputs]
    for variable in inputs:
        assert [axis.name for axis in variable["dynamic_axis"]] == [SEQUENCE, BATCH]


def test_unnamed_outputs_are_told_apart(data: Path) -> None:
    _, copy, prepared = _opened_copy(data, "trainer_checkpoint")
    named = {f.get("name") for f in copy["primitive_functions"]}
    assert {each.alias for each in prepared.outputs} <= named
    assert len({each.alias for each in prepared.outputs}) == 5
    assert prepared.outputs[0].name == "Block49754_Output_0"


def test_recurrent_networks_keep_their_sequences(data: Path) -> None:
    assert not _opened_copy(data, "rnn_unsupported")[2].batches


def test_models_that_came_through_onnx_have_no_batch_axis(shared: Path) -> None:
    _, copy, prepared = _opened_copy(shared / "models" / "cntk", "inception_like_via_onnx")
    assert [each.batched for each in prepared.inputs] == [False]
    assert not prepared.batches
    assert [v["dynamic_axis"] for v in copy["inputs"] if v["kind"] == INPUT] == [[]]


def test_a_name_of_nothing_is_refused(data: Path) -> None:
    content = (data / "two_outputs.model").read_bytes()
    for uid in (b"Input52191", b"Softmax52429"):
        with pytest.raises(Malformed, match="which is not there"):
            copy_for_evaluation(memoryview(content.replace(uid, b"?" * len(uid), 1)))


def test_another_dictionary_is_no_model(encode: Callable[[Any], bytes]) -> None:
    with pytest.raises(Malformed, match="not of a CNTK model"):
        copy_for_evaluation(memoryview(encode({"version": 1, "root": "a"})))
