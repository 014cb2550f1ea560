"""Rewriting rules that recognize what CNTK spells out and ONNX has an operator for."""

from __future__ import annotations

import numpy as np

from landcover.models.cntk.network import Network
from landcover.models.cntk.sheet import Array, Node


def division(net: Network, node: Node) -> bool:
    """a * (1 / b) is a / b."""
    if node.op != "Mul":
        return False
    for one, other in ((0, 1), (1, 0)):
        inverse = net.only(node.inputs[other], "Reciprocal")
        if inverse is not None:
            return net.rewrite(node, "Div", [node.inputs[one], inverse.inputs[0]], {})
    return False


def product_with_one(net: Network, node: Node) -> bool:
    """1 * x is x, where the 1 has no axes of its own."""
    split = net.split(node) if node.op == "Mul" else None
    if split is None or split[1].shape != () or split[1] != 1:
        return False
    maker = net.maker(split[0])
    if maker is None or len(maker.outputs) > 1:
        return False
    return net.rewrite(node, maker.op, maker.inputs, maker.attributes)


def extreme(net: Network, node: Node) -> bool:
    """The larger or the smaller of two, chosen by comparing them."""
    compared = net.maker(node.inputs[0], "Greater", "Less") if node.op == "Where" else None
    if compared is None or sorted(compared.inputs) != sorted(node.inputs[1:]):
        return False
    first = compared.inputs == node.inputs[1:]
    op = "Max" if (compared.op == "Greater") == first else "Min"
    return net.rewrite(node, op, node.inputs[1:], {})


def leaky(net: Network, node: Node) -> bool:
    """x where it is positive, and below zero a multiple of x or of ELU(x)."""
    below = net.maker(node.inputs[0], "Less") if node.op == "Where" else None
    if below is None or net.scalar(below.inputs[1]) != 0:
        return False
    x = below.inputs[0]
    if node.inputs[2] != x:
        return False
    other = net.maker(node.inputs[1], "Mul", "Elu")
    if other is not None and other.op == "Elu" and other.inputs == [x] and not other.attributes:
        return net.rewrite(node, "Elu", [x], {})
    split = net.split(other) if other is not None and other.op == "Mul" else None
    if split is None or split[1].shape != () or split[1].dtype == np.float64:
        return False
    source = net.maker(split[0], "Elu")
    if split[0] == x:
        return net.rewrite(node, "LeakyRelu", [x], {"alpha": float(split[1])})
    if source is not None and source.inputs == [x] and not source.attributes:
        return net.rewrite(node, "Elu", [x], {"alpha": float(split[1])})
    return False


def softmax(net: Network, node: Node) -> bool:
    """exp(x - max) / sum(exp(x - max)) along one axis."""
    if node.op != "Div":
        return False
    powers, total = net.maker(node.inputs[0], "Exp"), net.maker(node.inputs[1], "ReduceSum")
    if powers is None or total is None or total.inputs[0] != powers.output:
        return False
    inner = _less_the_largest(net, powers)
    axes = net.constants.get(total.inputs[1])
    if inner is None or axes is None or axes.tolist() != inner[1] or not _keeps(total):
        return False
    return net.rewrite(node, "Softmax", [inner[0]], {"axis": inner[1][0]})


def log_softmax(net: Network, node: Node) -> bool:
    """x - (max + log(sum(exp(x - max)))) along one axis."""
    total = net.maker(node.inputs[1], "Add") if node.op == "Sub" else None
    log = net.maker(total.inputs[1], "Log") if total is not None else None
    summed = net.maker(log.inputs[0], "ReduceSum") if log is not None else None
    powers = net.maker(summed.inputs[0], "Exp") if summed is not None else None
    inner = _less_the_largest(net, powers) if powers is not None else None
    if total is None or summed is None or inner is None or inner[0] != node.inputs[0]:
        return False
    axes = net.constants.get(summed.inputs[1])
    largest = net.maker(total.inputs[0], "ReduceMax")
    if axes is None or axes.tolist() != inner[1] or largest is None or not _keeps(summed):
        return False
    if largest.inputs[0] != inner[0]:
        return False
    return net.rewrite(node, "LogSoftmax", [inner[0]], {"axis": inner[1][0]})


def local_response(net: Network, node: Node) -> bool:
    """x / (bias + alpha / size * sum of squares over neighbouring channels) ** beta."""
    power = net.maker(node.inputs[1], "Exp") if node.op == "Div" else None
    scaled = net.maker(power.inputs[0], "Mul") if power is not None else None
    split = net.split(scaled) if scaled is not None else None
    log = net.maker(split[0], "Log") if split is not None else None
    summed = net.maker(log.inputs[0], "Conv") if log is not None else None
    square = net.maker(summed.inputs[0], "Mul") if summed is not None else None
    if split is None or summed is None or square is None or split[1].size != 1:
        return False
    if square.inputs != [node.inputs[0]] * 2 or len(summed.inputs) != 3:
        return False
    matrix, bias = (net.constants.get(tensor) for tensor in summed.inputs[1:])
    if matrix is None or bias is None or matrix.dtype != np.float32 or (bias != bias[0]).any():
        return False
    taps = _taps(matrix)
    if taps is None:
        return False
    size, weight = taps
    found = {"size": size, "alpha": weight * size, "beta": float(split[1].reshape(-1)[0])}
    return net.rewrite(node, "LRN", node.inputs[:1], {**found, "bias": float(bias[0])})


def _less_the_largest(net: Network, powers: Node) -> tuple[str, list[int]] | None:
    """Return x and the axis, where ``powers`` is exp(x - max(x)) along one axis."""
    gap = net.maker(powers.inputs[0], "Sub")
    largest = net.maker(gap.inputs[1], "ReduceMax") if gap is not None else None
    if gap is None or largest is None or largest.inputs[0] != gap.inputs[0]:
        return None
    axes = list(largest.attributes["axes"])
    return (gap.inputs[0], axes) if len(axes) == 1 and _keeps(largest) else None


def _keeps(reduction: Node) -> bool:
    return bool(reduction.attributes["keepdims"])


def _taps(matrix: Array) -> tuple[int, float] | None:
    """Return the width and the weight of a band as ONNX's LRN has it, if ``matrix`` is one."""
    if matrix.ndim != 4 or matrix.shape[2:] != (1, 1) or matrix.shape[0] != matrix.shape[1]:
        return None
    square = matrix[:, :, 0, 0]
    channels, weight = len(square), float(square[0, 0])
    left, right = int(np.count_nonzero(square[:, 0])) - 1, int(np.count_nonzero(square[0])) - 1
    size = left + right + 1
    # Of even windows ONNX Runtime computes nothing, and OpenVINO something else.
    if size % 2 == 0 or size > channels or left != right:
        return None
    offsets = np.arange(channels)[None] - np.arange(channels)[:, None]
    band = np.where((offsets >= -left) & (offsets <= right), square[0, 0], 0)
    return (size, weight) if (band == square).all() else None
