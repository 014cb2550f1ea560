"""The most that an operator of ONNX makes where the extents of its result cannot be told beforehand.

Once the window is set, all that a network for images makes is told by the inference of shapes, but for what loops return, for
lists, and for what is found in pixels. So the lists here are of what is known to make no more than it reads; what is in none of them,
of whoever's operators it is, and of which nothing is told, may make any number.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import onnx

from landcover.models.formats.sizes import Extents, numbers_in

# Each extent of the result is no longer than one of what is read.
_NAMES_NO_LONGER: Final = """
    Abs Acos Acosh Add And Asin Asinh Atan Atanh BitShift BitwiseAnd BitwiseNot BitwiseOr BitwiseXor Cast CastLike
    Ceil Celu Clip Cos Cosh CumSum DequantizeLinear Div Dropout Elu Equal Erf Exp Floor Gelu Greater GreaterOrEqual
    HardSigmoid HardSwish Hardmax Identity IsInf IsNaN LeakyRelu Less LessOrEqual Log LogSoftmax Max Mean Min Mish Mod
    Mul Neg Not Or PRelu Pow QuantizeLinear Reciprocal Relu Round Selu Shrink Sigmoid Sign Sin Sinh Softmax Softplus
    Softsign Sqrt Sub Sum Swish Tan Tanh ThresholdedRelu Where Xor
    BatchNormalization GroupNormalization InstanceNormalization LRN LayerNormalization LpNormalization
    MeanVarianceNormalization RMSNormalization
    ArgMax ArgMin GlobalAveragePool GlobalLpPool GlobalMaxPool ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp
    ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare SequenceLength Shape Size
    Gather GatherElements GatherND Gemm MatMul ReverseSequence Scatter ScatterElements ScatterND Slice Squeeze TopK
    Transpose Trilu Unsqueeze
"""
# Each is no longer than there are numbers to choose from.
_CHOOSING: Final = ("Compress", "NonMaxSuppression", "NonZero", "Unique")
# The result holds what is read, all of it or a part, put otherwise.
_NAMES_NO_MORE: Final = """
    Concat ConcatFromSequence DepthToSpace Flatten Optional OptionalGetElement Reshape SequenceAt SequenceConstruct
    SequenceEmpty SequenceErase SequenceInsert SpaceToDepth Split SplitToSequence
"""
_NO_LONGER, _NO_MORE = frozenset(_NAMES_NO_LONGER.split()), frozenset(_NAMES_NO_MORE.split())


@dataclass(frozen=True)
class Read:
    """What a node reads.

    Args:
        extents: as far as they are known; None: not even how many there are.
        most: numbers that it may hold.
    """

    extents: Extents | None
    most: int

    @property
    def longest(self) -> int:
        """The most that an extent of it may be."""
        if self.extents is None:
            return self.most
        open_ends = self.most // max(numbers_in(self.extents), 1) if None in self.extents else 1
        return max([open_ends, *(extent or 0 for extent in self.extents)])


def most_made(node: onnx.NodeProto, extents: Extents | None, read: Sequence[Read]) -> int | None:
    """The most numbers that a result of a node may hold; None: any number.

    Args:
        node: without graphs of its own.
        extents: of the result, as far as they are known; None: not even how many there are.
        read: its inputs.
    """
    if node.domain not in ("", "ai.onnx"):
        return None
    if node.op_type in _NO_MORE:
        return sum(one.most for one in read)
    if node.op_type in _CHOOSING:
        longest = max((one.most for one in read), default=1)
    elif node.op_type in _NO_LONGER:
        longest = max((one.longest for one in read), default=1)
    else:
        return None
    if extents is None:
        return math.prod(max(one.most, 1) for one in read)
    return numbers_in(extents) * math.prod([longest] * extents.count(None))
