"""The genuine library as a runtime, beside the others."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from landcover.config import ModelSettings
from landcover.errors import LibraryUnavailable, ModelError
from landcover.models.cntk.library.install import locate
from landcover.models.comparison.timing import block_noise
from landcover.models.formats.detection import detect
from landcover.models.model import open_model
from landcover.models.recipe import make_recipe
from landcover.models.runtimes.cntk import CntkRuntime

CACHE = os.environ.get("LANDCOVER_CACHE")  # of the user; other tests have one of their own


@pytest.fixture
def cntk(shared: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("LANDCOVER_CACHE", raising=False)
    if CACHE is not None:
        monkeypatch.setenv("LANDCOVER_CACHE", CACHE)
    try:
        locate()
    except LibraryUnavailable as missing:
        pytest.skip(str(missing))
    return shared / "models" / "cntk"


@pytest.mark.parametrize("name", ["unet_like", "mnist_gray_rank2", "resnet18_224_legacy"])
def test_it_scores_like_the_other_runtimes_with_all_steps_around_the_network(
    cntk: Path, name: str
) -> None:
    told = {"path": str(cntk / f"{name}.model"), "mean": 90.0, "scale": 0.7}
    if name != "mnist_gray_rank2":
        told["channel_order"] = "bgr"
    recipes = {
        runtime: make_recipe(ModelSettings.model_validate({**told, "runtime": runtime}))
        for runtime in ("cntk", "onnxruntime")
    }
    recipe = recipes["cntk"]
    assert recipe.output == recipes["onnxruntime"].output
    pixels = block_noise(3, len(recipe.bands), recipe.input_size)
    found = {key: open_model(each).network.run(pixels) for key, each in recipes.items()}
    np.testing.assert_allclose(found["cntk"], found["onnxruntime"], atol=1e-5)


def test_scores_are_found_beside_the_losses_that_were_saved_with_them(cntk: Path) -> None:
    graph = CntkRuntime().open(detect(cntk / "trainer_checkpoint.model"), None)
    assert graph.signature.shape == (None, 3, 32, 32)
    stored = np.load(cntk / "trainer_checkpoint.npz")
    np.testing.assert_allclose(graph.run(stored["input"]), stored["output"], rtol=1e-4, atol=1e-4)


def test_a_layer_inside_is_refused_because_the_library_computes_outputs_only(cntk: Path) -> None:
    file = detect(cntk / "vgg_like.model")
    with pytest.raises(ModelError, match=r"a layer inside: CNTK computes outputs only.*'prob'"):
        CntkRuntime().open(file, _inner(file.path))


def _inner(path: Path) -> str:
    from landcover.models.cntk import read

    graph = read(path.read_bytes(), path.name)
    outputs = {output.ref.uid for output in graph.outputs}
    return next(uid for uid in graph.functions if uid not in outputs)


def test_it_does_not_compute_in_another_precision(cntk: Path) -> None:
    with pytest.raises(ModelError, match="computes in f32, not in bf16"):
        CntkRuntime(precision="bf16")


def test_where_it_is_not_installed_the_error_says_what_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LANDCOVER_CACHE", str(tmp_path))
    with pytest.raises(LibraryUnavailable, match="landcover model install-cntk"):
        CntkRuntime()
