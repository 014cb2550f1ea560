"""What the last operations of a network make of its numbers: probabilities, logits or class numbers.

Graphs of all libraries are followed back from the output alike; their names for an operation differ
in little more than capitals.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal, TypeAlias

from landcover.models.graph_analysis.arithmetic import Operation

Kind: TypeAlias = Literal["softmax", "sigmoid", "logits", "numbers", "ranked"]

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
_LOGARITHMS: Final = frozenset(("log", "logsoftmax", "log_softmax"))
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
_ENDS: Final = _SOFTMAX | _SIGMOID | {"logsoftmax", "log_softmax"}
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


# Operations of arithmetic, one after the other, that are followed: Python goes no deeper than 1,000.
_DEEPEST: Final = 100


@dataclass(frozen=True)
class Ending:
    """How a network ends.

    Args:
        kind: "softmax" or "sigmoid": in probabilities; "logits": in weighted sums; "numbers": in
            the numbers of classes; "ranked": in scores by their size, and not by whose they are;
            None: it is not known.
        operation: the operation that says so, or beyond which nothing is known.
        source: the tensor that this operation reads.
        probabilities: the tensor of probabilities that all of it was made of since; "": none is known.
        whole: it returns whole numbers.
        classes: how many there are to choose from, where it ends in their numbers and says so.
        moved_by: the tensor that is added to the numbers of classes, taken from them, or that they
            are looked up in; "": they are computed with otherwise; None: they count from 0.
        quantization: it returns whole numbers q that stand for (q - zero) * scale: (scale, zero).
    """

    kind: Kind | None = None
    operation: str = ""
    source: str = ""
    probabilities: str = ""
    whole: bool = False
    classes: int | None = None
    moved_by: str | None = None
    quantization: tuple[float, float] | None = None


def called(ending: Ending, source: str, probabilities: str) -> Ending:
    """An ending whose tensors have other names: those that ``head`` knows them by."""
    return replace(ending, source=source, probabilities=probabilities)


def head_for(tensor: str) -> str:
    """What makes a tensor inside a network its output, in a sentence; "": its name is not known."""
    return f"set head to {tensor!r}" if tensor else "set head to the layer before that"


def ending_of(operations: Sequence[Operation], output: str, images: Iterable[str]) -> Ending:
    """Follow a graph from its output back to the operation that says what its numbers are.

    Args:
        operations: its nodes.
        output: the tensor that it returns.
        images: the tensors that pixels come in by.
    """
    makers = {name: operation for operation in operations for name in operation.outputs}
    live = _live(operations, images)
    walk = _Walk(makers, live)
    found = walk(output)
    known = found.kind is not None
    return found if known else replace(found, probabilities=walk.probabilities(output))


class _Walk:
    """A graph, by what makes each tensor, and the tensors that depend on pixels."""

    def __init__(self, makers: dict[str, Operation], live: set[str]) -> None:
        self._makers, self._live = makers, live
        self._seen: dict[str, Ending] = {}
        self._origins: dict[str, str] = {}
        self._deep = 0

    def __call__(self, tensor: str) -> Ending:
        while tensor not in self._seen:
            maker = self._makers.get(tensor)
            sources = [] if maker is None else self._sources(maker)
            if maker is None or not sources:
                return Ending("logits" if tensor in self._live else None, "", tensor)
            # A table that is looked up by numbers of classes returns other numbers.
            looked_up = maker.kind.casefold() in _LOOKING_UP and maker.inputs[0] not in sources
            if looked_up or maker.kind.casefold() not in _PASSING:
                self._seen[tensor] = Ending(None, maker.kind)  # a damaged graph may run in a circle
                if self._deep < _DEEPEST:
                    self._deep += 1
                    self._seen[tensor] = (
                        self._moved(maker, sources) or Ending(None, maker.kind)
                        if looked_up
                        else self._decided(maker, sources, tensor)
                    )
                    self._deep -= 1
                break
            tensor = sources[0]
        return self._seen[tensor]

    def _decided(self, maker: Operation, sources: list[str], tensor: str) -> Ending:
        kind = maker.kind.casefold()
        if kind in _LARGEST and tensor == maker.outputs[0] != maker.outputs[-1]:
            return Ending("ranked", maker.kind, sources[0])
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
        if kind == "log" and self._maker(sources[0]) in _SOFTMAX:
            return Ending("logits", maker.kind, sources[0])
        if kind in _ARITHMETIC:
            if moved := self._moved(maker, sources):
                return moved
            endings = {self._weight(source) for source in sources}
            joins = kind.startswith("concat")
            if joins and endings == {"sigmoid"}:
                return Ending("sigmoid", maker.kind, sources[0])
            # What is added to or multiplied with logits has no bounds either: a gate, a skip.
            if endings == {"logits"} or ("logits" in endings and not joins):
                return Ending("logits", maker.kind, sources[0])
        return Ending(None, maker.kind, sources[0])

    def _weight(self, tensor: str) -> Kind | None:
        """What a tensor holds; logarithms of probabilities may be turned round, and are no weighted sums."""
        ending = self(tensor)
        return None if ending.operation.casefold() in _LOGARITHMS else ending.kind

    def probabilities(self, tensor: str) -> str:
        """The one tensor of probabilities that all comes from of which a tensor was made; "": none is."""
        maker = self._makers.get(self._origin(tensor))
        waiting, seen = [] if maker is None else self._sources(maker), set[str]()
        found: dict[str, set[str]] = {}
        while waiting:
            tensor = waiting.pop()
            if tensor in seen:
                continue
            seen.add(tensor)
            first = self._origin(tensor)
            before = self._makers.get(first)
            kind = "" if before is None else before.kind.casefold()
            if before and (kind in _ENDS or self._is_softmax(before, self._sources(before))):
                found.setdefault(first, set()).add(tensor)
            elif before is None or kind in _LOGITS:
                return ""
            else:
                waiting += self._sources(before)
        if len(found) != 1:
            return ""
        ((first, after),) = found.items()
        return after.pop() if len(after) == 1 else first

    def _moved(self, maker: Operation, sources: list[str]) -> Ending | None:
        """Numbers of classes that are not what was chosen from 0 on; None: it is something else."""
        found = self(sources[0])
        if len(sources) != 1 or found.kind != "numbers":
            return None
        others = [name for name in maker.inputs if name not in sources]
        kind = maker.kind.casefold()
        less = kind == "sub" and maker.inputs[0] != sources[0]
        told = kind in _MOVING | _LOOKING_UP and others and not less and found.moved_by is None
        return replace(found, operation=maker.kind, moved_by=others[0] if told else "")

    def _maker(self, tensor: str) -> str:
        """What has made the numbers of a tensor, wherever they were put since."""
        maker = self._makers.get(self._origin(tensor))
        return "" if maker is None else maker.kind.casefold()

    def _origin(self, tensor: str) -> str:
        """The tensor whose numbers another one holds, wherever they were put since."""
        passed: set[str] = set()
        while tensor not in self._origins and tensor not in passed:  # damaged graphs run in circles
            passed.add(tensor)
            maker = self._makers.get(tensor)
            sources = [] if maker is None else self._sources(maker)
            if maker is None or maker.kind.casefold() not in _PASSING or not sources:
                break
            tensor = sources[0]
        first = self._origins.get(tensor, tensor)
        self._origins.update(dict.fromkeys(passed, first))
        return first

    def _sources(self, maker: Operation) -> list[str]:
        return [name for name in maker.inputs if name in self._live]

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
