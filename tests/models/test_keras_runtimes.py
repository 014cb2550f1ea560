"""Keras 3 on JAX and PyTorch, in processes of their own: Keras has one library a process."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from importlib.metadata import EntryPoint
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import yaml
from support import networks
from support.rasters import imagery, write

import landcover
from landcover.config import ModelSettings
from landcover.devices import Gpu
from landcover.errors import MissingExtra, ModelError
from landcover.models.model import open_model
from landcover.models.recipe import make_recipe
from landcover.models.runtimes import facts, placement
from landcover.models.runtimes.facts import runtimes_for
from landcover.models.runtimes.jax import start as jax_start
from landcover.models.runtimes.keras.errors import reason_of
from landcover.models.runtimes.registry import choose_runtime
from landcover.models.runtimes.tensorflow.start import tensorflow
from landcover.models.runtimes.torch import device_of as torch_device
from landcover.plugins import load_runtime

CONFORMANCE = Path(__file__).with_name("keras_conformance.py")
GPU = Gpu("GPU-made", "made", 1, 1)
SCORE = """
import sys
import numpy as np
from landcover.config import ModelSettings
from landcover.models.recipe import make_recipe
from landcover.models.model import open_model
path, runtime, pixels, scores = sys.argv[1:]
recipe = make_recipe(ModelSettings(path=path, runtime=runtime, scale=1 / 64))
np.save(scores, open_model(recipe, 2).network.run(np.load(pixels)))
assert path.endswith("h5") or "tensorflow" not in sys.modules
"""


def need(*libraries: str) -> None:
    for library in libraries:
        if find_spec(library) is None:
            pytest.skip(f"needs {library}, which is not installed")


def process(*command: str, library: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run Python in a process where no library, or this one, is told to Keras."""
    told = {key: value for key, value in os.environ.items() if key != "KERAS_BACKEND"}
    told |= {} if library is None else {"KERAS_BACKEND": library}
    return subprocess.run(
        [sys.executable, *command], check=False, capture_output=True, text=True, env=told
    )


@pytest.fixture(scope="module")
def keras_on_tensorflow() -> Any:
    need("tensorflow")
    tensorflow()
    return pytest.importorskip("keras")


@pytest.mark.parametrize("runtime", ["jax", "torch"])
def test_the_contract_of_models_is_kept(runtime: str) -> None:
    need(runtime, "keras")
    said = process("-m", "pytest", "-q", "-rs", str(CONFORMANCE), library=runtime)
    assert said.returncode == 0, said.stdout + said.stderr
    assert " passed" in said.stdout


@pytest.mark.parametrize("runtime", ["jax", "torch"])
@pytest.mark.parametrize("format", ["keras", "h5"])
def test_scores_are_those_of_tensorflow(
    tmp_path: Path, keras_on_tensorflow: Any, runtime: str, format: str
) -> None:
    need(runtime)
    path = networks.make(format, tmp_path, keras=keras_on_tensorflow)
    recipe = make_recipe(ModelSettings(path=str(path), runtime="tensorflow", scale=1 / 64))
    shape = (37, networks.BANDS, networks.SIZE, networks.SIZE)
    pixels = np.random.default_rng(3).integers(0, 2000, shape).astype(np.uint16)
    np.save(tmp_path / "pixels.npy", pixels)
    ends = (str(path), runtime, str(tmp_path / "pixels.npy"), str(tmp_path / "scores.npy"))
    said = process("-c", SCORE, *ends)
    assert (said.returncode, said.stderr) == (0, "")
    expected = open_model(recipe).network.run(pixels)
    np.testing.assert_allclose(np.load(tmp_path / "scores.npy"), expected, atol=1e-5)


@pytest.mark.parametrize("backend", ["local", "dask"])
def test_a_run_goes_from_a_config_to_a_map(
    tmp_path: Path, keras_on_tensorflow: Any, backend: str
) -> None:
    need("jax", *{"dask": ["distributed"]}.get(backend, []))
    write(tmp_path / "scene.tif", imagery(3, 64, 96))
    networks.make("keras", tmp_path, keras=keras_on_tensorflow)
    values = {
        "source": {"rasters": "scene.tif"},
        "model": {"path": "net.keras", "runtime": "jax", "scale": 1 / 64},
        "backend": {"name": backend, "workers": 1},
        "output": "run",
    }
    (tmp_path / "county.yaml").write_text(yaml.safe_dump(values))
    told = str(tmp_path / "county.yaml")
    said = process("-m", "landcover.cli.main", "score", told, "--quiet")
    assert said.returncode == 0, said.stderr
    run = landcover.open_run(tmp_path / "run")
    assert run.summary["tiles"]["scored"] == 24
    assert run.summary["model_loads"] == 1


@pytest.mark.parametrize("runtime", ["jax", "torch"])
@pytest.mark.parametrize("format", ["keras2", "h5-keras2"])
def test_a_file_of_keras_2_is_refused(tmp_path: Path, runtime: str, format: str) -> None:
    need(runtime, "tensorflow", "tf_keras")
    path = networks.make(format, tmp_path, old=pytest.importorskip("tf_keras"))
    said = process("-c", SCORE, str(path), runtime, "", "")
    expected = {
        "keras2": f"runtime '{runtime}' does not run keras2 files; tensorflow and openvino do",
        "h5-keras2": f"is a file of Keras 2, which knows TensorFlow only and not {runtime}: set "
        "model.runtime to tensorflow or openvino",
    }
    assert f"landcover.errors.ModelError: {path}: {expected[format]}" in said.stderr


@pytest.mark.parametrize("runtime", ["jax", "torch"])
@pytest.mark.usefixtures("keras_on_tensorflow")
def test_a_process_whose_keras_has_another_library_is_refused(runtime: str) -> None:
    with pytest.raises(ModelError, match=r"Keras computes with 'tensorflow' .*start a new process"):
        load_runtime(runtime)
    assert "KERAS_BACKEND" not in os.environ, "processes that are started later choose themselves"


def test_a_process_that_is_told_another_library_is_refused() -> None:
    code = "from landcover.plugins import load_runtime; load_runtime('jax')"
    said = process("-c", code, library="torch")
    reason = "runtime 'jax': KERAS_BACKEND is 'torch': unset it, or set it to jax"
    assert f"landcover.errors.ModelError: {reason}" in said.stderr


def test_a_runtime_whose_library_is_absent_names_its_extra_and_others_still_start() -> None:
    need("jax", "keras")
    code = """
import sys
from landcover.errors import MissingExtra
from landcover.plugins import load_runtime

class Absent:
    def find_spec(self, name, *_):
        if name == "torch":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
try:
    load_runtime("torch")
except MissingExtra as error:
    print(error)
print(load_runtime("jax").formats)
"""
    said = process("-c", code)
    first = "runtime 'torch' needs torch, which is not installed: pip install 'landcover[torch]'"
    assert (said.stdout, said.stderr) == (f"{first}\n('keras', 'h5')\n", "")


def test_auto_never_means_them_and_they_are_named_last() -> None:
    for device in ("auto", "cpu", "gpu"):
        assert choose_runtime("auto", "keras", device) not in ("jax", "torch")
    assert runtimes_for("keras") == runtimes_for("h5") == ["tensorflow", "openvino", "jax", "torch"]


class _Jax:
    """What JAX does about devices: it settles on those that it is told when it is first asked."""

    def __init__(self, gpus: int, platforms: str | None = None) -> None:
        self.gpus = gpus
        self.config = SimpleNamespace(
            jax_platforms=platforms, jax_cuda_visible_devices="all", update=self._update
        )

    def _update(self, name: str, value: str) -> None:
        assert hasattr(self.config, name)
        setattr(self.config, name, value)

    def devices(self, platform: str) -> list[Any]:
        if platform == "cpu" and self.config.jax_platforms in (None, "cpu"):
            return ["the CPU"]
        if platform == "cpu" or not self.gpus or self.config.jax_platforms == "cpu":
            raise RuntimeError(f"Unknown backend: {platform!r} requested")
        told = self.config.jax_cuda_visible_devices
        seen = range(self.gpus) if told == "all" else [int(told)]
        return [SimpleNamespace(local_hardware_id=at) for at in seen if at < self.gpus]


def test_jax_starts_on_one_gpu_alone() -> None:
    jax = _Jax(gpus=3)
    assert jax_start.device_of(jax, GPU).local_hardware_id == 1
    assert jax.config.jax_cuda_visible_devices == "1"


def test_jax_on_the_cpu_leaves_all_gpus_alone() -> None:
    jax = _Jax(gpus=3)
    assert jax_start.device_of(jax, None) == "the CPU"
    assert jax.config.jax_platforms == "cpu"
    with pytest.raises(ModelError, match=r"has begun to compute without made .*: start a new one"):
        jax_start.device_of(jax, GPU)


def test_jax_that_does_not_find_its_device_says_what_to_do() -> None:
    for gpus in (0, 1):
        with pytest.raises(ModelError, match=r"finds 0 GPUs, made is not .*jax\[cuda12\]"):
            jax_start.device_of(_Jax(gpus), GPU)
    with pytest.raises(ModelError, match=r"finds no CPU .*: unset JAX_PLATFORMS"):
        jax_start.device_of(_Jax(1, "cuda"), None)


def test_jax_gets_its_threads_and_takes_memory_as_it_needs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fake, seen = _Jax(gpus=0), list[str | None]()

    def devices(platform: str) -> list[Any]:
        seen.append(os.environ.get("PJRT_NPROC"))
        return ["the CPU"]

    monkeypatch.setattr(fake, "devices", devices, raising=False)
    monkeypatch.setitem(sys.modules, "jax", fake)
    monkeypatch.setattr(jax_start, "_threads", None)
    for threads in (3, 0):
        assert jax_start.start_jax(threads, None) == (fake, "the CPU")
    monkeypatch.setenv("PJRT_NPROC", "8")
    jax_start.start_jax(3, None)
    assert seen == ["3", None, "8"]
    assert os.environ["XLA_PYTHON_CLIENT_PREALLOCATE"] == "false"


def test_what_went_wrong_inside_a_layer_is_told_with_the_layer() -> None:
    """As Keras 3 writes it: the layer first, the reason in bold, and all arguments of the call."""
    said = (
        "Exception encountered when calling Conv2D.call().\n\n\x1b[1mno engine for it\x1b[0m\n\n"
        "Arguments received by Conv2D.call():\n  \u2022 inputs=torch.Tensor(shape=(2, 3))"
    )
    layer = "Exception encountered when calling Conv2D.call()."
    assert reason_of(RuntimeError(said)) == f"{layer} no engine for it"
    assert reason_of(RuntimeError("\n first\nsecond")) == "first"
    assert reason_of(RuntimeError()) == "RuntimeError"


def _cuda(gpus: int) -> Any:
    return SimpleNamespace(is_available=lambda: gpus > 0, device_count=lambda: gpus)


def test_torch_computes_on_the_gpu_of_its_process() -> None:
    torch = SimpleNamespace(cuda=_cuda(2))
    assert torch_device(torch, GPU) == "cuda:1"
    assert torch_device(torch, None) == "cpu"
    for gpus in (0, 1):
        with pytest.raises(ModelError, match=f"finds {gpus} GPUs, made is not .*device to cpu"):
            torch_device(SimpleNamespace(cuda=_cuda(gpus)), GPU)


def test_which_of_them_use_the_gpus_of_a_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=_cuda(1)))
    monkeypatch.setitem(sys.modules, "jax", SimpleNamespace())
    monkeypatch.setattr(facts, "entry_points", lambda group: [])
    assert (placement.uses_gpus("jax"), placement.uses_gpus("torch")) == (False, True)
    plugin = EntryPoint("xla_cuda12", "jax_plugins.xla_cuda12", "jax_plugins")
    monkeypatch.setattr(facts, "entry_points", lambda group: [plugin])
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=_cuda(0)))
    assert (placement.uses_gpus("jax"), placement.uses_gpus("torch")) == (True, False)
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtra, match=r"landcover\[torch\]"):
        placement.uses_gpus("torch")


@pytest.mark.parametrize(("runtime", "hint"), [("jax", r"jax\[cuda12\]"), ("torch", "for CUDA")])
def test_a_gpu_that_they_cannot_use_is_answered_with_what_to_install(
    monkeypatch: pytest.MonkeyPatch, runtime: str, hint: str
) -> None:
    monkeypatch.setattr(placement, "visible_gpus", lambda: [replace(GPU, ordinal=0)])
    monkeypatch.setattr(placement, "uses_gpus", lambda name: False)
    with pytest.raises(ModelError, match=f"runtime {runtime!r} uses no GPU here: .*{hint}"):
        placement.place("gpu", runtime, "net")
