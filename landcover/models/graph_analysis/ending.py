"""What the last operations of a network make of its numbers: probabilities, logits or class numbers.

Graphs of all libraries are followed back from the output alike; their names for an operation differ
in little more than capitals.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal, TypeAlias

from landcover.models.graph_analysis.arithmetic import Operation

Kind: TypeAlias = Literal["softmax", "sigmoid", "logits", "numbers"]

# What puts numbers elsewhere, or takes a weighted mean of them: probabilities stay what they are.
_PASSING: Final = frozenset(
    (
        *("identity", "identityn", "reshape", "transpose", "permute", "squeeze", "unsqueeze"),
        *(
            "expanddims",
            "flatten",
            "cast",
            "convert",
            "slice",
            "stridedslice",
            "gather",
            "gatherv2",
        ),
        *("resize", "upsample", "resizebilinear", "resizenearestneighbor", "interpolate"),
        *("upsampling2d", "resizing", "cropping2d", "dropout", "stopgradient", "stop_gradient"),
        *("avgpool", "averagepool", "averagepooling2d", "globalaveragepool", "reducemean", "mean"),
        *("globalaveragepooling2d", "fakequantwithminmaxvars", "fakequantize", "split", "splitv"),
        *("dequantizelinear", "quantizelinear", "spatialdropout2d", "linear", "activation"),
        *("centercrop", "variadicsplit", "result", "unpack", "unstack"),
    )
)
_SOFTMAX: Final = frozenset(("softmax", "qlinearsoftmax"))
_SIGMOID: Final = frozenset(
    ("sigmoid", "qlinearsigmoid", "hardsigmoid", "hard_sigmoid", "logistic")
)
_NUMBERS: Final = frozenset(("argmax", "topk", "topkv2"))
_LARGEST: Final = frozenset(("topk", "topkv2"))
_LOOKING_UP: Final = frozenset(("gather", "gatherv2"))
_MOVING: Final = frozenset(("add", "addv2", "sub"))
# Weighted sums, whatever lies before them, and the logarithm of softmax, of which softmax is the same.
_LOGITS: Final = frozenset(
    (
        *("conv", "convtranspose", "conv2d", "conv2dbackpropinput", "depthwiseconv2dnative"),
        *("convolution", "groupconvolution", "convolutionbackpropdata", "gemm", "matmul"),
        *("groupconvolutionbackpropdata", "dense", "conv2dtranspose", "separableconv2d"),
        *("batchnormalization", "fusedbatchnorm", "fusedbatchnormv2", "fusedbatchnormv3"),
        *("batchmatmulv2", "batchnorminference", "depthwiseconv2d", "einsum", "logsoftmax"),
        *("log_softmax", "qlinearconv", "qlinearmatmul", "convinteger", "matmulinteger", "qgemm"),
    )
)
# Logits stay logits; what becomes of probabilities is not known.
_ARITHMETIC: Final = frozenset(
    (
        *("add", "addv2", "biasadd", "sub", "subtract", "mul", "multiply", "div", "realdiv"),
        *(
            "divide",
            "truedivide",
            "truediv",
            "sum",
            "concat",
            "concatv2",
            "concatenate",
            "relu",
            "leakyrelu",
            "prelu",
            "elu",
        ),
        *("maxpool", "maxpooling2d", "globalmaxpool", "globalmaxpooling2d", "neg", "pad", "padv2"),
        *("zeropadding2d", "depthtospace", "addn", "reducemax", "max", "relu6", "selu", "gelu"),
        *("average", "reducesum", "leaky_relu"),
    )
)


@dataclass(frozen=True)
class Ending:
    """How a network ends.

    Args:
        kind: "softmax" or "sigmoid": in probabilities; "logits": in weighted sums; "numbers": in
            the numbers of classes; None: it is not known.
        operation: the operation that says so, or beyond which nothing is known.
        source: the tensor that this operation reads.
        whole: it returns whole numbers.
        classes: how many there are to choose from, where it ends in their numbers and says so.
        moved_by: the tensor that is added to the numbers of classes, or taken from them.
        quantization: it returns whole numbers q that stand for (q - zero) * scale: (scale, zero).
    """

    kind: Kind | None = None
    operation: str = ""
    source: str = ""
    whole: bool = False
    classes: int | None = None
    moved_by: str = ""
    quantization: tuple[float, float] | None = None


def ending_of(operations: Sequence[Operation], output: str, images: Iterable[str]) -> Ending:
    """Follow a graph from its output back to the operation that says what its numbers are.

    Args:
        operations: its nodes.
        output: the tensor that it returns.
        images: the tensors that pixels come in by.
    """
    makers = {name: operation for operation in operations for name in operation.outputs}
    live = _live(operations, images)
    return _Walk(makers, live)(output)


class _Walk:
    """A graph, by what makes each tensor, and the tensors that depend on pixels."""

    def __init__(self, makers: dict[str, Operation], live: set[str]) -> None:
        self._makers, self._live = makers, live
        self._seen: dict[str, Ending] = {}

    def __call__(self, tensor: str) -> Ending:
        while tensor not in self._seen:
            maker = self._makers.get(tensor)
            sources = [] if maker is None else [n for n in maker.inputs if n in self._live]
            if maker is None or not sources:
                return Ending("logits" if tensor in self._live else None, "", tensor)
            # A table that is looked up by numbers of classes returns other numbers.
            looked_up = maker.kind.casefold() in _LOOKING_UP and maker.inputs[0] not in sources
            if looked_up or maker.kind.casefold() not in _PASSING:
                self._seen[tensor] = Ending(None, maker.kind)  # a damaged graph may run in a circle
                if not looked_up:
                    self._seen[tensor] = self._decided(maker, sources, tensor)
                break
            tensor = sources[0]
        return self._seen[tensor]

    def _decided(self, maker: Operation, sources: list[str], tensor: str) -> Ending:
        kind = maker.kind.casefold()
        if kind in _LARGEST and tensor == maker.outputs[0] != maker.outputs[-1]:
            return Ending(None, maker.kind, sources[0])  # the scores, not whose they are
        # Weighted sums of probabilities (classes taken together, a map that is smoothed) are no logits.
        if kind in _LOGITS and len(sources) == 1 and self._maker(sources[0]) in _SOFTMAX:
            return Ending(None, maker.kind, sources[0])
        for names, found in (
            (_SOFTMAX, "softmax"),
            (_SIGMOID, "sigmoid"),
            (_NUMBERS, "numbers"),
            (_LOGITS, "logits"),
        ):
            if kind in names:
                return Ending(found, maker.kind, sources[0])  # type: ignore[arg-type]
        if self._is_softmax(maker, sources):
            return Ending("softmax", maker.kind, sources[0])
        if kind in _MOVING and (moved := self._moved(maker, sources)):
            return moved
        if kind in _ARITHMETIC:
            endings = {self(source).kind for source in sources}
            joins = kind.startswith("concat")
            if joins and endings == {"sigmoid"}:
                return Ending("sigmoid", maker.kind, sources[0])
            # What is added to or multiplied with logits has no bounds either: a gate, a skip.
            if endings == {"logits"} or ("logits" in endings and not joins):
                return Ending("logits", maker.kind, sources[0])
        return Ending(None, maker.kind, sources[0])

    def _moved(self, maker: Operation, sources: list[str]) -> Ending | None:
        """Numbers of classes that count from another one than 0; None: it is something else."""
        others = [name for name in maker.inputs if name not in sources]
        less = maker.kind.casefold() == "sub" and maker.inputs[0] != sources[0]
        if len(sources) != 1 or len(others) != 1 or less:
            return None
        found = self(sources[0])
        if found.kind != "numbers" or found.moved_by:
            return None
        return replace(found, operation=maker.kind, moved_by=others[0])

    def _maker(self, tensor: str) -> str:
        """What has made the numbers of a tensor, wherever they were put since."""
        for _ in self._makers:  # a damaged graph may run in a circle
            maker = self._makers.get(tensor)
            kind = "" if maker is None else maker.kind.casefold()
            sources = [] if maker is None else [n for n in maker.inputs if n in self._live]
            if kind not in _PASSING or not sources:
                return kind
            tensor = sources[0]
        return ""

    def _is_softmax(self, maker: Operation, sources: list[str]) -> bool:
        """Softmax in parts, as exporters wrote it once: powers divided by their sum."""
        if maker.kind.casefold() not in ("div", "realdiv", "divide") or len(sources) != 2:
            return False
        powers, total = (self._makers.get(source) for source in maker.inputs)
        return (
            powers is not None
            and total is not None
            and powers.kind == "Exp"
            and total.kind in ("ReduceSum", "Sum")
            and total.inputs[0] == maker.inputs[0]
        )


def _live(operations: Sequence[Operation], images: Iterable[str]) -> set[str]:
    """The tensors that depend on pixels; the operations may come in any order."""
    users: dict[str, list[Operation]] = {}
    for operation in operations:
        for name in operation.inputs:
            users.setdefault(name, []).append(operation)
    found = set(images)
    waiting = list(found)
    while waiting:
        for user in users.get(waiting.pop(), ()):
            fresh = {*user.outputs} - found
            found |= fresh
            waiting += fresh
    return found
