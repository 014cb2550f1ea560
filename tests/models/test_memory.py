"""Networks that do not fit into memory: a made network that holds a limited number of tiles."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import xarray as xr
from support import networks

from landcover.config import ModelSettings
from landcover.errors import ModelError
from landcover.models.model import ScoringModel
from landcover.models.preprocessing.specification import Pixels, Probabilities
from landcover.models.recipe import Recipe, make_recipe
from landcover.models.runtimes.memory import ConcurrencyLimit, out_of_memory


class ResourceExhaustedError(Exception):
    """Named like TensorFlow's."""


class OutOfMemoryError(RuntimeError):
    """Named like PyTorch's."""


class Small:
    """Has room for some tiles at a time, of all threads together; probabilities tell tiles apart."""

    def __init__(self, room: int) -> None:
        self.room, self.held, self.sizes = room, 0, list[int]()
        self._lock = threading.Lock()

    def run(self, pixels: Pixels) -> Probabilities:
        with self._lock:
            if self.held + len(pixels) > self.room:
                raise ResourceExhaustedError("OOM when allocating tensor")
            self.held += len(pixels)
            self.sizes.append(len(pixels))
        first = pixels[:, 0, 0, 0].astype(np.float32)
        with self._lock:
            self.held -= len(pixels)
        return np.stack([first, first, first, first], axis=1)


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Recipe:
    path = networks.onnx_tile(tmp_path_factory.mktemp("model") / "net.onnx")
    return replace(
        make_recipe(ModelSettings(path=str(path), runtime="onnxruntime", scale=1)), batch=16
    )


def _tiles(count: int) -> xr.DataArray:
    pixels = np.zeros((count, networks.BANDS, networks.SIZE, networks.SIZE), np.uint8)
    pixels[:] = np.arange(count)[:, None, None, None]
    return xr.DataArray(pixels, dims=("tile", "band", "y", "x"))


def test_a_batch_that_does_not_fit_is_halved_and_no_tile_is_lost(
    recipe: Recipe, caplog: pytest.LogCaptureFixture
) -> None:
    network = Small(room=5)
    model = ScoringModel(recipe, network)
    assert model.score(_tiles(21)).values[:, 0].tolist() == list(range(21))
    assert (model.batch, network.sizes) == (4, [4, 4, 4, 4, 4, 1])
    model.score(_tiles(8))
    assert network.sizes[6:] == [4, 4]
    assert "going on with 4 tiles at once" in caplog.text


def test_a_batch_that_another_thread_halves_meanwhile_is_scored_once(recipe: Recipe) -> None:
    class Meanwhile(Small):
        def run(self, pixels: Pixels) -> Probabilities:
            model.recipe = replace(model.recipe, batch=3)
            return super().run(pixels)

    model = ScoringModel(recipe, Meanwhile(room=16))
    assert model.score(_tiles(21)).values[:, 0].tolist() == list(range(21))


def test_threads_take_turns_when_memory_is_short(recipe: Recipe) -> None:
    network = Small(room=1)
    model = ScoringModel(recipe, network)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: model.score(_tiles(9)).values[:, 0].tolist(), range(8)))
    assert found == [list(range(9))] * 8
    assert set(network.sizes) == {1}


def test_a_tile_that_does_not_fit_alone_is_refused_with_what_helps(recipe: Recipe) -> None:
    model = ScoringModel(recipe, Small(room=0))
    with pytest.raises(ModelError, match=r"not even one tile of 16 x 16 pixels .*source\.tile"):
        model.score(_tiles(3))


def test_other_errors_are_raised_as_they_are(recipe: Recipe) -> None:
    class Broken:
        def run(self, pixels: Pixels) -> Probabilities:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        ScoringModel(recipe, Broken()).score(_tiles(3))


ORT = (
    "[ONNXRuntimeError] : 6 : RUNTIME_EXCEPTION : Non-zero status code returned while running Conv "
    "node. Status Message: bfc_arena.cc:376 void* onnxruntime::BFCArena::AllocateRawInternal(...) "
    "Failed to allocate memory for requested buffer of size 4585490524328388608"
)


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        OutOfMemoryError("CUDA out of memory."),
        ResourceExhaustedError("{{function_node}} OOM when allocating tensor with shape[64,224]"),
        RuntimeError(ORT),
        RuntimeError("Exception from src/inference: std::bad_alloc"),
        RuntimeError(
            "RESOURCE_EXHAUSTED: Out of memory while trying to allocate 8589934592 bytes."
        ),
        RuntimeError(
            "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: "
            "you tried to allocate 1125899906842624 bytes. Error code 12 (Cannot allocate memory)"
        ),
        RuntimeError("CUDA failure 2: out of memory ; GPU=0 ; hostname=h ; expr=cudaMalloc(&p, n)"),
        RuntimeError("[GPU] clEnqueueNDRangeKernel, error code: -6 CL_OUT_OF_MEMORY"),
    ],
)
def test_what_runtimes_say_of_memory_is_understood(error: Exception) -> None:
    assert out_of_memory(error)
    wrapped = ModelError("net.onnx", "does not run")
    wrapped.__cause__ = error
    assert out_of_memory(wrapped)


@pytest.mark.parametrize("error", [ValueError("shapes differ"), RuntimeError("no CUDA device")])
def test_other_errors_are_not_taken_for_a_lack_of_memory(error: Exception) -> None:
    assert not out_of_memory(error)


def test_numpy_says_so_itself() -> None:
    with pytest.raises(MemoryError) as caught:
        np.empty((2**40, 2**10), np.uint8)
    assert out_of_memory(caught.value)


def test_nothing_runs_beside_anything_once_memory_was_short() -> None:
    limit, begun = ConcurrencyLimit(), threading.Event()

    def second() -> bool:
        with limit.run() as alone:
            begun.set()
            return alone

    with ThreadPoolExecutor(1) as threads:
        with limit.run():
            assert not threads.submit(second).result()  # two at once, as long as there is memory
            limit.one_at_a_time()
            begun.clear()
            later = threads.submit(second)
            assert not begun.wait(0.2)
        assert later.result()
