from __future__ import annotations

from pathlib import Path

import pytest

from landcover.models.cntk import choose, convert, read


def names(data: Path, file: str, output: str | int | None = None) -> tuple[list[str], list[str]]:
    model = convert((data / file).read_bytes(), file, output)
    return [i.name for i in model.graph.input], [o.name for o in model.graph.output]


def test_a_trainers_network_gives_its_scores_without_asking_for_labels(data: Path) -> None:
    inputs, outputs = names(data, "trainer_checkpoint.model")
    assert inputs == ["Input47379"]
    assert outputs == ["Block49754_Output_0"]


def test_a_loss_that_is_asked_for_is_given(data: Path) -> None:
    inputs, _ = names(data, "trainer_checkpoint.model", "aggregateLoss")
    assert len(inputs) == 2


@pytest.mark.parametrize(
    ("wanted", "expected"), [(None, "cls"), (0, "cls"), (1, "aux_prob"), ("aux_prob", "aux_prob")]
)
def test_one_of_several_outputs_is_chosen(
    data: Path, wanted: str | int | None, expected: str
) -> None:
    assert names(data, "two_outputs.model", wanted)[1] == [expected]


def test_the_scores_behind_a_loss_are_found(data: Path) -> None:
    graph = read((data / "trainer_checkpoint.model").read_bytes(), "trainer_checkpoint.model")
    losses = type(graph)(
        graph.file, graph.format, graph.version, graph.leaves, graph.functions, graph.outputs[1:]
    )
    assert choose(losses).ref == graph.outputs[0].ref


def test_a_layer_inside_can_be_asked_for(data: Path) -> None:
    graph = read((data / "two_outputs.model").read_bytes(), "two_outputs.model")
    layer = next(f for f in graph.functions.values() if f.operation == "Tanh")
    assert names(data, "two_outputs.model", layer.uid)[1] == [layer.uid]


def test_a_graph_tells_what_is_in_the_file(data: Path) -> None:
    graph = read((data / "unicode_names.model").read_bytes(), "unicode_names.model")
    assert (graph.format, graph.version) == ("CNTK v2", 24)
    assert [leaf.label for leaf in graph.inputs] == ["image d\u2019entrée"]
    assert [output.name for output in graph.outputs] == ["рез"]
    order = graph.order([graph.outputs[0].ref])
    assert [function.operation for function in order] == [
        "ElementTimes", "Convolution", "Plus", "ReLU", "Times", "Plus", "Softmax",
    ]  # fmt: skip
