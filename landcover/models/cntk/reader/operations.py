"""The numbers that CNTK v2 files give to operations, and the names people know them by.

From the enumeration ``PrimitiveOpType`` of CNTK 2.7; numbers are only ever added to it.
"""

from __future__ import annotations

from typing import Final

BLOCK: Final = 57
COMBINE: Final = 44

_IN_ORDER: Final = (
    "Negate Sigmoid Tanh ReLU Exp Log Sqrt Floor Abs Reciprocal Softmax Hardmax TransposeAxes "
    "Where Slice Dropout Reshape Pooling SumAll Plus Minus ElementTimes Equal NotEqual Less "
    "LessEqual Greater GreaterEqual PackedIndex GatherPacked ScatterPacked Times "
    "TransposeTimes Convolution SquaredError CrossEntropyWithSoftmax ClassificationError "
    "PastValue FutureValue ReduceElements BatchNormalization Clip Select Splice Combine "
    "RandomSample RandomSampleInclusionFrequency ROIPooling Logistic OptimizedRNNStack "
    "ReconcileDynamicAxis LogSoftmax LogPlus CosDistance Sin Cos Pass Block Unpooling "
    "LambdaRank NDCG EditDistanceError NoOp LabelsToGraph StopGradient ELU ForwardBackward "
    "CosDistanceWithNegativeSamples OneHot Pow ToSequence ToSequenceLike UnpackSequence "
    "Assign Gather StableSigmoid RandomDistribution Sinh Cosh UnpackBatch ToBatch Asin Acos "
    "Pad Crop Atanh Asinh TopK Squeeze ConstantOp LatticeSequenceWithSoftmax Cast EyeLikeOp "
    "CustomProxyOp StraightThrough Tan Atan ConvolutionSequenceShape"
)
NAMES: Final[dict[int, str]] = dict(enumerate(_IN_ORDER.split()))
"""The name of each operation by its number."""

OF_SEQUENCES: Final = frozenset(
    {
        "FutureValue",
        "GatherPacked",
        "OptimizedRNNStack",
        "PackedIndex",
        "PastValue",
        "ReconcileDynamicAxis",
        "ScatterPacked",
        "ToSequence",
        "ToSequenceLike",
        "UnpackSequence",
        "Where",
    }
)
"""Operations on sequences: networks that use them are recurrent."""

OF_TRAINING: Final = frozenset(
    {
        "ClassificationError",
        "CosDistanceWithNegativeSamples",
        "CrossEntropyWithSoftmax",
        "EditDistanceError",
        "ForwardBackward",
        "LambdaRank",
        "LatticeSequenceWithSoftmax",
        "Logistic",
        "NDCG",
        "SquaredError",
    }
)
"""Losses and metrics: nodes and blocks of these names serve training only."""
