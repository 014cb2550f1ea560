"""Rewriting rules that recognize what CNTK spells out and ONNX has an operator for."""

from __future__ import annotations

import numpy as np

from landcover.models.cntk.conversion.onnx_builder import Array, Node
from landcover.models.cntk.conversion.rewriting.graph_rewriter import GraphRewriter


def division(rewriter: GraphRewriter, node: Node) -> bool:
    """a * (1 / b) is a / b."""
    if node.op != "Mul":
        return False
    for one, other in ((0, 1), (1, 0)):
        inverse = rewriter.only(node.inputs[other], "Reciprocal")
        if inverse is not None:
            return rewriter.rewrite(node, "Div", [node.inputs[one], inverse.inputs[0]], {})
    return False


def product_with_one(rewriter: GraphRewriter, node: Node) -> bool:
    """1 * x is x, where the 1 has no axes of its own."""
    split = rewriter.split(node) if node.op == "Mul" else None
    if split is None or split[1].shape != () or split[1] != 1:
        return False
    maker = rewriter.only(split[0])
    if maker is None or len(maker.outputs) > 1:
        return False
    return rewriter.rewrite(node, maker.op, maker.inputs, maker.attributes)


def extreme(rewriter: GraphRewriter, node: Node) -> bool:
    """The larger or the smaller of two, chosen by comparing them."""
    compared = rewriter.maker(node.inputs[0], "Greater", "Less") if node.op == "Where" else None
    if compared is None or sorted(compared.inputs) != sorted(node.inputs[1:]):
        return False
    first = compared.inputs == node.inputs[1:]
    op = "Max" if (compared.op == "Greater") == first else "Min"
    return rewriter.rewrite(node, op, node.inputs[1:], {})


def leaky(rewriter: GraphRewriter, node: Node) -> bool:
    """x where it is positive, and below zero a multiple of x or of ELU(x)."""
    below = rewriter.maker(node.inputs[0], "Less") if node.op == "Where" else None
    if below is None or rewriter.scalar(below.inputs[1]) != 0:
        return False
    x = below.inputs[0]
    if node.inputs[2] != x:
        return False
    other = rewriter.maker(node.inputs[1], "Mul", "Elu")
    if other is not None and other.op == "Elu" and other.inputs == [x] and not other.attributes:
        return rewriter.rewrite(node, "Elu", [x], {})
    split = rewriter.split(other) if other is not None and other.op == "Mul" else None
    if split is None or split[1].shape != () or split[1].dtype == np.float64:
        return False
    source = rewriter.maker(split[0], "Elu")
    if split[0] == x:
        return rewriter.rewrite(node, "LeakyRelu", [x], {"alpha": float(split[1])})
    if source is not None and source.inputs == [x] and not source.attributes:
        return rewriter.rewrite(node, "Elu", [x], {"alpha": float(split[1])})
    return False


def softmax(rewriter: GraphRewriter, node: Node) -> bool:
    """exp(x - max) / sum(exp(x - max)) along one axis."""
    if node.op != "Div":
        return False
    inner = _sum_of_powers(rewriter, node.inputs[1])
    powers = rewriter.maker(node.inputs[0], "Exp")
    gap = rewriter.maker(powers.inputs[0], "Sub") if powers is not None else None
    if inner is None or gap is None or tuple(gap.inputs) != inner[:2]:
        return False
    return rewriter.rewrite(node, "Softmax", [inner[0]], {"axis": inner[2]})


def log_softmax(rewriter: GraphRewriter, node: Node) -> bool:
    """x - (max + log(sum(exp(x - max)))) or (x - max) - log(sum(exp(x - max))) along one axis."""
    if node.op != "Sub":
        return False
    gap, total = rewriter.maker(node.inputs[0], "Sub"), rewriter.maker(node.inputs[1], "Add")
    inner = None
    if total is not None and rewriter.maker(total.inputs[0], "ReduceMax") is not None:
        inner = _log_of_sum(rewriter, total.inputs[1])
        largest, x = total.inputs[0], node.inputs[0]
    elif gap is not None:
        inner = _log_of_sum(rewriter, node.inputs[1])
        x, largest = gap.inputs
    if inner is None or (x, largest) != inner[:2]:
        return False
    return rewriter.rewrite(node, "LogSoftmax", [x], {"axis": inner[2]})


def local_response(rewriter: GraphRewriter, node: Node) -> bool:
    """x / (bias + alpha / size * sum of squares over neighbouring channels) ** beta."""
    power = rewriter.maker(node.inputs[1], "Exp") if node.op == "Div" else None
    scaled = rewriter.maker(power.inputs[0], "Mul") if power is not None else None
    split = rewriter.split(scaled) if scaled is not None else None
    log = rewriter.maker(split[0], "Log") if split is not None else None
    summed = rewriter.maker(log.inputs[0], "Conv") if log is not None else None
    square = rewriter.maker(summed.inputs[0], "Mul") if summed is not None else None
    if split is None or summed is None or square is None or split[1].size != 1:
        return False
    if square.inputs != [node.inputs[0]] * 2 or len(summed.inputs) != 3:
        return False
    matrix, bias = (rewriter.constants.get(tensor) for tensor in summed.inputs[1:])
    if matrix is None or bias is None or matrix.dtype != np.float32 or (bias != bias[0]).any():
        return False
    taps = _taps(matrix)
    if taps is None:
        return False
    size, weight = taps
    found = {"size": size, "alpha": weight * size, "beta": float(split[1].reshape(-1)[0])}
    return rewriter.rewrite(node, "LRN", node.inputs[:1], {**found, "bias": float(bias[0])})


def _log_of_sum(rewriter: GraphRewriter, tensor: str) -> tuple[str, str, int] | None:
    log = rewriter.maker(tensor, "Log")
    return _sum_of_powers(rewriter, log.inputs[0]) if log is not None else None


def _sum_of_powers(rewriter: GraphRewriter, tensor: str) -> tuple[str, str, int] | None:
    """Return x, max(x) and the axis, where ``tensor`` is sum(exp(x - max(x))) along one axis."""
    total = rewriter.maker(tensor, "ReduceSum")
    powers = rewriter.maker(total.inputs[0], "Exp") if total is not None else None
    gap = rewriter.maker(powers.inputs[0], "Sub") if powers is not None else None
    largest = rewriter.maker(gap.inputs[1], "ReduceMax") if gap is not None else None
    if total is None or gap is None or largest is None or largest.inputs[0] != gap.inputs[0]:
        return None
    axes, summed = list(largest.attributes["axes"]), rewriter.constants.get(total.inputs[1])
    same = summed is not None and summed.tolist() == axes
    if not same or len(axes) != 1 or not (_keeps(largest) and _keeps(total)):
        return None
    return gap.inputs[0], gap.inputs[1], axes[0]


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
