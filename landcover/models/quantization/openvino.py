"""Quantized by NNCF for OpenVINO: weights and activations in 8 bits, but for layers that cost labels."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from landcover.errors import ModelError
from landcover.local_files import scratch
from landcover.models.formats.quantized_file import packed
from landcover.models.openvino_library import FAILURES, named_alike, openvino, same_signal_stack
from landcover.models.quantization.layers import Group, groups_of, layers_of, with_f32
from landcover.models.quantization.nncf_library import nncf, quiet
from landcover.models.quantization.quantized import Quantized
from landcover.models.runtimes.openvino_places import keep_places_inside

Array = npt.NDArray[Any]
Labels = npt.NDArray[np.integer[Any]]

# Images that groups of layers are ranked by: each is computed once for every group. What is kept by the
# ranking is judged on other images, so that a poor ranking costs speed, and no label.
_RANKED_BY = 8
# Groups that make less than this share of all that goes apart come last: nothing is won by them.
_LEAST = 0.01


class OpenvinoQuantizer:
    """Quantizes a network once, and puts as few layers back in f32 as labels need.

    NNCF's own control of accuracy tries layer after layer on whole samples: more than nine minutes for a
    U-Net on two cores. Here each group of layers is in 8 bits alone once, on a few images, and then
    half of what is left is tried in turn.

    Weights get 7 bits: 8-bit instructions of processors without VNNI clamp sums that 8 bits may
    reach, and workers with it and without must give the same labels.

    Args:
        network: with one input and one output; it is not changed.
        inputs: what it reads, each of as many tiles as it takes at once, for ranges and for the choice
            of layers.
        labels: from what it returns to labels.
        shown: the model's name in messages.

    Raises:
        ModelError: NNCF cannot quantize it.
    """

    def __init__(
        self,
        network: openvino.Model,
        inputs: Sequence[Array],
        labels: Callable[[Array], Labels],
        shown: str,
    ) -> None:
        self._network, self._inputs, self._labels, self._shown = network, inputs, labels, shown
        self._exact = [labels(found) for found in _returned(network, inputs)]
        self._shares: dict[int, float] = {}
        with _told(shown), quiet(), same_signal_stack():
            self._quantized = nncf.quantize(
                network,
                nncf.Dataset(list(inputs)),
                subset_size=len(inputs),
                advanced_parameters=nncf.AdvancedQuantizationParameters(
                    overflow_fix=nncf.OverflowFix.ENABLE
                ),
            )

    def until(self, may_differ: float) -> Quantized:
        """The network with so few groups in f32 that no more labels differ.

        Args:
            may_differ: the share of labels that may be others than in f32, in [0, 1].

        Raises:
            ModelError: OpenVINO cannot run what was made.
        """
        with _told(self._shown):
            kept = self._fewest(1 - may_differ)
            network = self._with_f32(self._ranked[:kept] if kept else [])
            layers = len(layers_of(self._network))
            quantized = {name for group in groups_of(network) for name in group.layers}
            return Quantized(_content(network), layers, layers - len(quantized))

    def _fewest(self, same: float) -> int:
        """How many groups, the worst first, must be in f32: found by halves."""
        if self._share(0) >= same:
            return 0
        low, high = 0, len(self._ranked)  # all of them: that is f32
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if self._share(middle) >= same else (middle, high)
        return high

    def _share(self, kept: int) -> float:
        """The share of labels that are those of f32 where so many groups are."""
        if kept not in self._shares:
            network = self._with_f32(self._ranked[:kept] if kept else [])
            found = _returned(network, self._inputs)
            same = [(self._labels(f) == e).mean() for f, e in zip(found, self._exact, strict=True)]
            self._shares[kept] = float(np.mean(same))
        return self._shares[kept]

    @cached_property
    def _ranked(self) -> list[Group]:
        """The groups, that first which takes the result furthest from f32 for what it computes."""
        some = self._inputs[:: max(1, len(self._inputs) // _RANKED_BY)][:_RANKED_BY]
        exact = list(_returned(self._network, some))
        groups = groups_of(self._quantized)
        apart = {group: self._apart(group, groups, some, exact) for group in groups}
        least = _LEAST * sum(apart.values())

        def place(group: Group) -> tuple[bool, float]:
            return apart[group] >= least, apart[group] / max(1, group.work)

        return sorted(groups, key=place, reverse=True)

    def _apart(
        self, alone: Group, groups: Sequence[Group], some: Sequence[Array], exact: Sequence[Array]
    ) -> float:
        """How far the result is from f32 where one group alone is in 8 bits: the mean square."""
        network = self._with_f32([group for group in groups if group is not alone])
        found = _returned(network, some)
        return float(np.mean([((f - e) ** 2).mean() for f, e in zip(found, exact, strict=True)]))

    def _with_f32(self, kept: Sequence[Group]) -> openvino.Model:
        return with_f32(self._quantized, self._network, kept)


def _returned(network: openvino.Model, inputs: Sequence[Array]) -> Iterator[Array]:
    """What a network returns, computed in f32 where it is not quantized."""
    keep_places_inside(network)
    with same_signal_stack():
        compiled = openvino.compile_model(network, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return (np.array(compiled(one)[0]) for one in inputs)


@contextmanager
def _told(shown: str) -> Iterator[None]:
    """Failures of the libraries, as a sentence about the model."""
    try:
        yield
    except (*FAILURES, nncf.InternalError, nncf.UnsupportedModelError) as error:
        reason = f"cannot be quantized ({' '.join(str(error).split())[:200]}): set model.precision to f32"
        raise ModelError(shown, reason) from error


def _content(network: openvino.Model) -> bytes:
    with scratch() as folder:
        path = folder / "network.xml"
        openvino.save_model(named_alike(network), path, compress_to_fp16=False)
        return packed(path.read_bytes(), path.with_suffix(".bin").read_bytes())
