"""Networks of JAX: compiled in one piece with the steps around them."""

from __future__ import annotations

import threading
from typing import Any, TypeAlias

import numpy as np

from landcover.models.network import KeyedCache, Network, in_batches_of
from landcover.models.preprocessing.keras import plain
from landcover.models.preprocessing.specification import Pixels, Probabilities, Steps
from landcover.models.runtimes.keras.graph import KerasGraph

_Program: TypeAlias = Any


class JaxGraph(KerasGraph):
    """A network that Keras has loaded on JAX."""

    def compile(self, steps: Steps) -> Network:
        """Make the network ready; XLA compiles it when the first pixels arrive."""
        return _CompiledNetwork(self, steps)


class _CompiledNetwork:
    """A network whose programs, one a dtype and number of images, run on several threads at once."""

    def __init__(self, graph: JaxGraph, steps: Steps) -> None:
        import jax

        self._jax, self._graph, self._steps = jax, graph, steps
        self._variables = list(graph.network.model.variables)
        # Given to the programs, not written into them: all of them share one copy on the device.
        self._weights = [jax.device_put(each.value, graph.device) for each in self._variables]
        self._programs: KeyedCache[tuple[np.dtype[Any], int], _Program] = KeyedCache(self._compiled)
        self._most = 0
        self._counting = threading.Lock()

    def run(self, pixels: Pixels) -> Probabilities:
        return in_batches_of(self._size(len(pixels)), self._once, plain(pixels))

    def _size(self, count: int) -> int:
        """How many images are computed for a batch of some.

        Each number of images is another program, and compiling takes longer than running it. So
        batches are filled up to the next power of two, which costs less than another batch of
        their own; but not beyond the most images that came so far, as these are the full batches
        of a run, of any size, and nearly all that it computes.
        """
        fixed = self._graph.signature.batch
        if fixed is not None:
            return fixed
        with self._counting:
            self._most = max(self._most, count)
            return min(self._most, 1 << (count - 1).bit_length())

    def _once(self, pixels: Pixels) -> Probabilities:
        program = self._programs((pixels.dtype, len(pixels)))
        sent = self._jax.device_put(pixels, self._graph.device)
        return np.asarray(program(self._weights, sent))

    def _compiled(self, key: tuple[np.dtype[Any], int]) -> _Program:
        jax, steps = self._jax, self._steps
        dtype, count = key
        spec = jax.ShapeDtypeStruct(
            (count, steps.bands, *steps.size),
            dtype,
            sharding=jax.sharding.SingleDeviceSharding(self._graph.device),
        )
        try:
            return jax.jit(self._whole).lower(self._weights, spec).compile()
        except (ValueError, TypeError, RuntimeError) as error:
            raise self._graph.refused("JAX", error) from error

    def _whole(self, weights: list[Any], pixels: Any) -> Any:
        """From pixels to probabilities; traced, not run.

        f32 is f32: the shorter numbers (TF32) that CUDA would compute with are not for it.
        """
        values = list(zip(self._variables, weights, strict=True))
        precise = self._jax.default_matmul_precision("highest")
        with precise, self._graph.network.keras.StatelessScope(values):
            return self._graph.probabilities(pixels, pixels.dtype, self._steps)
