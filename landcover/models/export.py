"""Networks written as ONNX files that other programs can use."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper

from landcover.config import ModelSettings
from landcover.errors import ModelError, OutputError
from landcover.local_files import with_remedy, write_whole
from landcover.models.fetch import local_path, shown
from landcover.models.formats.detection import ModelFile, detect
from landcover.models.formats.onnx_file import read_onnx, valid_onnx
from landcover.models.preprocessing.onnx import find_ends, with_steps
from landcover.models.recipe import make_recipe

_INSTEAD = {
    "savedmodel": "python -m tf2onnx.convert --saved-model FOLDER --output OUT.onnx",
    "graphdef": "python -m tf2onnx.convert --graphdef FILE --inputs ... --outputs ... "
    "--output OUT.onnx",
    "tf1-checkpoint": "python -m tf2onnx.convert --checkpoint FILE.meta --inputs ... --outputs ... "
    "--output OUT.onnx",
    "keras": "in Python, keras.saving.load_model(FILE).export(OUT, format='onnx')",
    "keras2": "python -m tf2onnx.convert --keras FILE --output OUT.onnx, with tf_keras",
    "h5": "python -m tf2onnx.convert --keras FILE --output OUT.onnx",
}


def as_onnx(path: str, head: str | int | None = None) -> onnx.ModelProto:
    """A CNTK or ONNX network as an ONNX network with one output and nothing around it.

    Args:
        path: the model, local or an fsspec URL.
        head: the wanted output.

    Raises:
        ModelError: it cannot be read or converted, the head is not there or not clear, or it is of
            a format of TensorFlow, which other tools convert: the sentence names one.
    """
    name = shown(path)
    file = detect(local_path(path), name)
    if file.format in ("cntk", "cntk-v1"):
        from landcover.models.cntk import convert, mapped

        return convert(mapped(file.path), name, head, "operator")
    if file.format == "onnx":
        with valid_onnx(name):
            model = read_onnx(file.path, name)
            return pruned(model, find_ends(model, head, name).output)
    raise _refusal(file, name)


def with_preprocessing(
    model: onnx.ModelProto, settings: ModelSettings, dtype: np.dtype[np.generic]
) -> onnx.ModelProto:
    """A network with everything between pixels and probabilities inside.

    Args:
        model: of one output, as :func:`as_onnx` makes it.
        settings: of the model; its sidecar counts as always.
        dtype: of the pixels that it will read.

    Returns:
        a network with the input ``pixels``, dims (n, band, y, x), and the output ``probabilities``.

    Raises:
        ModelError: something between pixels and network is neither told nor found.
        ConfigError: mistakes in the sidecar.
    """
    recipe = make_recipe(settings, here=False)
    ends = find_ends(model, 0, shown(settings.path))
    whole = with_steps(model, ends, recipe.steps(), dtype)
    result = whole.graph.output[0]
    pixel = recipe.output == "pixel"
    edges = [edge - 2 * recipe.halo for edge in recipe.input_size] if pixel else []
    shape = [ends.signature.batch or "n", len(recipe.classes), *edges]
    result.CopyFrom(helper.make_tensor_value_info(result.name, TensorProto.FLOAT, shape))
    return whole


def save_onnx(model: onnx.ModelProto, path: Path, force: bool = False) -> None:
    """Write a network whole or not at all, after ONNX's own check of it.

    Args:
        model: the network.
        path: where to.
        force: whether a file that is there may be replaced.

    Raises:
        ModelError: the network is not valid ONNX.
        OutputError: there is a file already, or it cannot be written.
    """
    new = not path.exists()
    if not (new or force):
        raise OutputError(str(path), "is there already: --force replaces it")
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        reason = str(error).splitlines()[0]
        raise ModelError(str(path), f"would not be valid ONNX: {reason}") from error
    try:
        write_whole(path, [model.SerializeToString()])
    except OSError as error:
        if new:  # it may be whole, but the disk has not said that it keeps its name
            with suppress(OSError):
                path.unlink(missing_ok=True)
        raise OutputError(str(path), f"cannot be written: {with_remedy(error)}") from error


def pruned(model: onnx.ModelProto, output: str) -> onnx.ModelProto:
    """A copy of a network with a single output, and only what that one needs.

    Args:
        model: left as it is.
        output: the name of one of its outputs.
    """
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    graph = copy.graph
    needed, nodes = {output}, []
    for node in reversed(model.graph.node):
        if needed & set(node.output):
            nodes.append(node)
            needed |= _read(node)
    outputs = [value for value in model.graph.output if value.name == output]
    inputs = [value for value in model.graph.input if value.name in needed]
    weights = [tensor for tensor in model.graph.initializer if tensor.name in needed]
    del graph.node[:], graph.output[:], graph.input[:], graph.initializer[:]
    graph.node.extend(reversed(nodes))
    graph.output.extend(outputs)
    graph.input.extend(inputs)
    graph.initializer.extend(weights)
    return copy


def _read(node: onnx.NodeProto) -> set[str]:
    """What a node reads, also inside of it: branches and loops see the tensors around them."""
    found = set(node.input)
    for attribute in node.attribute:
        for inner in (attribute.g, *attribute.graphs):
            for each in inner.node:
                found |= _read(each)
            found |= {value.name for value in inner.output}
    return found


def _refusal(file: ModelFile, name: str) -> ModelError:
    return ModelError(
        name,
        f"is of format {file.format}, which landcover runs as it is (with runtime 'tensorflow' or "
        f"'openvino') and does not convert; who needs ONNX: {_INSTEAD[file.format]}",
    )
