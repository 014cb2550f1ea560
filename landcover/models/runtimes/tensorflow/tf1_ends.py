"""Where the network begins and ends in a graph of TensorFlow 1.

Such a graph does not say it, and that of a checkpoint holds the training too: losses, metrics,
gradients, the optimizer. The network is what leads from a placeholder for images to the logits, which
are told by what is done with them, and depends on no other data.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from landcover.errors import ModelError
from landcover.models.formats.outputs import choose_head

_PLACEHOLDERS = {"Placeholder", "PlaceholderV2"}
_GIVEN = {*_PLACEHOLDERS, "PlaceholderWithDefault"}

# What takes logits or probabilities as its first input, and little else.
_TAKES_SCORES = {
    "Softmax",
    "LogSoftmax",
    "ArgMax",
    "TopK",
    "TopKV2",
    "InTopK",
    "InTopKV2",
    "SoftmaxCrossEntropyWithLogits",
    "SparseSoftmaxCrossEntropyWithLogits",
}

# What stands between the logits and that, and changes no score's order.
_PASSES_ON = {"Reshape", "Identity", "Squeeze", "StopGradient", "Softmax", "LogSoftmax", "Cast"}

# What a network has and the arithmetic around one has not.
_WEIGHS = {"Conv2D", "DepthwiseConv2dNative", "MatMul", "BatchMatMul", "BatchMatMulV2", "Conv3D"}

_NO_OUTPUT = "has no output that is class probabilities by what is done with it"

_IMAGE_RANKS = (3, 4)
_CLASS_RANKS = (None, 2, 4)


@dataclass(frozen=True)
class Ends:
    """Where a network begins and ends.

    Args:
        image: the tensor of the placeholder for images.
        output: the tensor of its output.
        switches: other placeholders that it needs, by the names of their tensors, and what turns
            off what they control: dropout, the training mode of normalizations.
    """

    image: Any
    output: Any
    switches: dict[str, float | bool]


def find_ends(
    graph: Any, head: str | int | None, shown: str, consumed: Collection[str] = ()
) -> Ends:
    """Find the network in a graph.

    Args:
        graph: a ``tf.Graph``.
        head: the name of any tensor; or an index among the outputs that come into question.
        shown: the model's name in messages.
        consumed: names of tensors that something reads which is not in the graph.

    Raises:
        ModelError: there is no placeholder for images, no output that depends on it alone, or
            several; or the wanted one needs more.
    """
    if not any(_is_image(op) for op in graph.get_operations()):
        reason = (
            "has no placeholder for images, a tensor of 4 dimensions: write it again with one, "
        )
        raise ModelError(shown, f"{reason}placeholder(tf.float32, (None, rows, columns, bands))")
    output = _named(graph, head) if isinstance(head, str) else None
    if output is None:
        candidates = _candidates(graph, consumed)
        names = [tensor.name for tensor in candidates]
        if not names:
            reason = f"has no output {head!r}" if head is not None else _NO_OUTPUT
            raise ModelError(shown, f"{reason}{_advice(graph, consumed)}")
        output = candidates[choose_head(names, head, shown)]
    reason = _objection(output)
    if reason:
        raise ModelError(shown, f"{reason}{_advice(graph, consumed)}")
    return _ends(output)


def is_switch(tensor: Any) -> bool:
    """Whether a placeholder may control dropout or the training mode: a single number or truth.

    Args:
        tensor: the placeholder's tensor, or what a signature says of it.
    """
    single = tensor.shape.rank in (None, 0)
    return bool(single and (tensor.dtype.is_floating or tensor.dtype.name == "bool"))


def off(tensor: Any) -> float | bool:
    """What turns a switch off: training False, a rate of dropping 0, a share to keep 1."""
    if tensor.dtype.name == "bool":
        return False
    # Random numbers are compared with a rate; a share to keep is divided by, or taken from 1 first.
    is_rate = any(op.type == "GreaterEqual" for op in tensor.consumers())
    return 0.0 if is_rate else 1.0


def _named(graph: Any, name: str) -> Any:
    try:
        return graph.get_tensor_by_name(name if ":" in name else f"{name}:0")
    except (KeyError, ValueError):
        return None


def _candidates(graph: Any, consumed: Collection[str]) -> list[Any]:
    """The tensors that can be the network's output, none of them on the way to another."""
    operations = graph.get_operations()
    found = {}
    for operation in operations:
        if operation.type in _TAKES_SCORES and operation.inputs:
            tensor = _origin(operation.inputs[0])
            found[tensor.name] = tensor
    usable = [tensor for tensor in found.values() if _is_usable(tensor)]
    if not usable:
        tensors = (tensor for operation in operations for tensor in operation.outputs)
        loose = (t for t in tensors if not t.consumers() and t.name not in consumed)
        usable = [tensor for tensor in loose if _is_usable(tensor)]
    on_the_way: set[str] = set()
    for tensor in usable:
        for operation in _upstream(tensor):
            if operation is not tensor.op:
                on_the_way.update(out.name for out in operation.outputs)
    return [tensor for tensor in usable if tensor.name not in on_the_way]


def _origin(tensor: Any) -> Any:
    while tensor.op.type in _PASSES_ON and tensor.op.inputs:
        tensor = tensor.op.inputs[0]
    return tensor


def _is_usable(tensor: Any) -> bool:
    if not tensor.dtype.is_floating or tensor.shape.rank not in _CLASS_RANKS:
        return False
    operations = list(_upstream(tensor))
    images = [op for op in operations if _is_image(op)]
    others = [op for op in operations if op.type in _PLACEHOLDERS and not _is_image(op)]
    weighs = any(op.type in _WEIGHS for op in operations)
    return weighs and len(images) == 1 and all(is_switch(op.outputs[0]) for op in others)


def _upstream(tensor: Any) -> Iterator[Any]:
    """Every operation that a tensor depends on, its own first."""
    seen, waiting = {tensor.op.name}, [tensor.op]
    while waiting:
        operation = waiting.pop()
        yield operation
        for before in (inner.op for inner in operation.inputs):
            if before.name not in seen:
                seen.add(before.name)
                waiting.append(before)


def _is_image(operation: Any) -> bool:
    if operation.type not in _GIVEN:
        return False
    tensor = operation.outputs[0]
    return tensor.shape.rank in _IMAGE_RANKS and (
        tensor.dtype.is_floating or tensor.dtype.is_integer
    )


def _objection(output: Any) -> str:
    """Why a tensor is not what a network makes of an image; "" where it may be."""
    operations = list(_upstream(output))
    images = sum(map(_is_image, operations))
    if images != 1:
        return f"output {output.name!r} depends on {images} images, not one"
    for operation in operations:
        if operation.type in _PLACEHOLDERS and not _is_image(operation):
            tensor = operation.outputs[0]
            if not is_switch(tensor):
                needed = f"{tensor.name!r} {tensor.dtype.name} {tensor.shape}"
                return f"output {output.name!r} needs more than an image: {needed}"
    return ""


def _advice(graph: Any, consumed: Collection[str]) -> str:
    """Which tensors could be meant, as the end of a sentence; "" if none."""
    found = _candidates(graph, consumed)
    if not found:
        tensors = (tensor for one in graph.get_operations() for tensor in one.outputs)
        held = (one for one in tensors if one.dtype.is_floating and one.op.type not in _GIVEN)
        found = [one for one in held if not _objection(one)][-1:]
    listed = " or ".join(repr(tensor.name) for tensor in found)
    return f": name what is meant in 'head', such as {listed}" if listed else ""


def _ends(output: Any) -> Ends:
    operations = list(_upstream(output))
    [image] = [op.outputs[0] for op in operations if _is_image(op)]
    others = [op.outputs[0] for op in operations if op.type in _PLACEHOLDERS and not _is_image(op)]
    return Ends(image, output, {tensor.name: off(tensor) for tensor in others})
