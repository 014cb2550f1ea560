"""Where networks run on hosts with GPUs; the GPUs are made, what holds them is real."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnxruntime
import pytest
from support import networks
from support.devices import held_elsewhere

from landcover import devices
from landcover.config import ModelSettings
from landcover.devices import Gpu, let_go
from landcover.errors import ModelError
from landcover.models.model import open_model
from landcover.models.recipe import Recipe, make_recipe
from landcover.models.runtimes import placement, registry
from landcover.models.runtimes.onnxruntime import providers
from landcover.models.runtimes.placement import place
from landcover.models.runtimes.tensorflow.start import show_gpu

GPU = Gpu("GPU-made", "made", 0, 0)


@pytest.fixture
def one_gpu(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """A host with a GPU that onnxruntime can use; yields the folder of the locks."""
    monkeypatch.setattr(placement, "visible_gpus", lambda: [GPU])
    monkeypatch.setattr(placement, "uses_gpus", lambda runtime: runtime == "onnxruntime")
    monkeypatch.setattr(devices, "_shared_folder", lambda: tmp_path / "locks")
    monkeypatch.setattr(devices, "_PATIENCE", 0.0)
    monkeypatch.delenv("CUDA_DEVICE_ORDER", raising=False)
    placement._say_unused.cache_clear()
    yield tmp_path / "locks"
    let_go()


@pytest.fixture
def taken(one_gpu: Path) -> Iterator[int]:
    """Another process holds the GPU; yields its process id."""
    with held_elsewhere(GPU, one_gpu) as pid:
        yield pid


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    path = networks.onnx_tile(tmp_path / "net.onnx")
    told = ModelSettings(path=str(path), runtime="onnxruntime", scale=1)
    return make_recipe(told, here=False)


def test_a_host_without_gpus_computes_on_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(placement, "visible_gpus", list)
    assert place("auto", "onnxruntime", "net") is place("cpu", "onnxruntime", "net") is None
    with pytest.raises(ModelError, match=r"shows this process no GPU .*set model.device to auto"):
        place("gpu", "onnxruntime", "net")


@pytest.mark.usefixtures("one_gpu")
def test_a_gpu_is_taken_where_there_is_one() -> None:
    assert place("cpu", "onnxruntime", "net") is None
    assert place("auto", "onnxruntime", "net") == place("gpu", "onnxruntime", "net") == GPU


@pytest.mark.usefixtures("one_gpu")
def test_a_runtime_that_uses_no_gpu_leaves_it_alone_and_says_so(
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert place("auto", "tensorflow", "net") is None
    assert "leaves the GPU of this machine unused" in caplog.text
    with pytest.raises(ModelError, match=r"uses no GPU here: .*tensorflow\[and-cuda\]"):
        place("gpu", "tensorflow", "net")
    with pytest.raises(ModelError, match="'openvino' uses no GPU here: it computes on the CPU"):
        place("gpu", "openvino", "net")


def test_a_worker_beyond_the_gpus_is_refused(taken: int, recipe: Recipe) -> None:
    reason = rf"no GPU is left .*pid {taken}\).*backend.workers to at most 1 a host"
    with pytest.raises(ModelError, match=reason):
        open_model(recipe)
    model = open_model(replace(recipe, device="cpu"))
    assert model.gpu is None


@pytest.mark.usefixtures("one_gpu")
def test_onnxruntime_never_computes_on_the_cpu_in_place_of_a_gpu(recipe: Recipe) -> None:
    pixels = np.zeros((1, networks.BANDS, networks.SIZE, networks.SIZE), np.uint8)
    model = open_model(recipe)
    assert model.gpu == GPU
    with pytest.raises(ModelError, match=r"did not start on made: .*model.device to cpu"):
        model.network.run(pixels)


@pytest.mark.usefixtures("one_gpu")
def test_onnxruntime_writes_nothing_on_the_terminal_where_it_tries_a_gpu(
    recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What computes on GPUs has no session's settings; its errors would stand there as they are."""
    fatal, said = 4, list[int]()
    monkeypatch.setattr(onnxruntime, "set_default_logger_severity", said.append)
    pixels = np.zeros((1, networks.BANDS, networks.SIZE, networks.SIZE), np.uint8)
    open_model(replace(recipe, device="cpu")).network.run(pixels)
    assert not said
    with pytest.raises(ModelError, match="did not start on made"):
        open_model(recipe).network.run(pixels)
    assert said == [fatal]


def test_onnxruntime_is_told_which_gpu_and_to_keep_f32() -> None:
    assert providers(None) == ["CPUExecutionProvider"]
    (name, settings), rest = providers(replace(GPU, ordinal=3))
    assert (name, rest) == ("CUDAExecutionProvider", "CPUExecutionProvider")
    assert (settings["device_id"], settings["use_tf32"]) == ("3", "0")


@pytest.mark.usefixtures("one_gpu")
def test_auto_prefers_a_runtime_that_can_use_the_gpu() -> None:
    assert registry.choose_runtime("auto", "onnx") == "onnxruntime"
    assert registry.choose_runtime("auto", "cntk", "gpu") == "onnxruntime"
    assert registry.choose_runtime("openvino", "onnx") == "openvino"
    assert registry.choose_runtime("auto", "onnx", "cpu") == registry.choose_runtime(
        "auto", "cntk", "cpu"
    )


def test_a_recipe_is_the_same_job_on_any_device(recipe: Recipe) -> None:
    assert recipe.device == "auto"
    assert replace(recipe, device="gpu").identity() == recipe.identity()
    assert replace(recipe, device="gpu").as_dict()["device"] == "gpu"


class _Config:
    """What TensorFlow's ``tf.config`` does about GPUs: fixed as soon as something is computed."""

    def __init__(self, gpus: list[str], started: bool = False) -> None:
        self.there, self.visible, self.started = gpus, list(gpus), started
        self.growing: list[str] = []
        self.tf32 = True
        self.experimental = SimpleNamespace(
            set_memory_growth=lambda device, on: self.growing.append(device),
            enable_tensor_float_32_execution=lambda on: setattr(self, "tf32", on),
        )

    def list_physical_devices(self, kind: str) -> list[str]:
        return self.there

    def set_visible_devices(self, wanted: list[str], kind: str) -> None:
        if self.started and wanted != self.visible:
            raise RuntimeError("Visible devices cannot be modified after being initialized")
        self.visible = wanted


def _tf(config: _Config) -> Any:
    return SimpleNamespace(config=config)


def test_tensorflow_sees_one_gpu_and_takes_memory_as_it_needs_it() -> None:
    config = _Config(["a", "b", "c"])
    show_gpu(_tf(config), replace(GPU, ordinal=1))
    assert (config.visible, config.growing, config.tf32) == (["b"], ["b"], False)


def test_tensorflow_on_the_cpu_leaves_all_gpus_alone() -> None:
    config = _Config(["a", "b"])
    show_gpu(_tf(config), None)
    assert (config.visible, config.growing) == ([], [])


def test_tensorflow_that_began_without_the_gpu_is_refused() -> None:
    config = _Config(["a"], started=True)
    config.visible = []
    with pytest.raises(ModelError, match="start a new one"):
        show_gpu(_tf(config), GPU)
    with pytest.raises(ModelError, match="finds 1 GPUs, made is not among them"):
        show_gpu(_tf(config), replace(GPU, ordinal=1))
