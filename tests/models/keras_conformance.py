"""Keras 3 on the library that KERAS_BACKEND names; run by test_keras_runtimes.py.

Keras has one library a process, so that these tests have a process of their own for each.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from support import networks

from landcover.config import ModelSettings
from landcover.errors import ModelError
from landcover.models.formats.detection import detect
from landcover.models.network import Network
from landcover.models.preprocessing.specification import Steps
from landcover.models.recipe import Recipe, make_recipe
from landcover.models.runtimes.memory import out_of_memory
from landcover.plugins import load_runtime
from landcover.testing import ModelTests

RUNTIME = os.environ["KERAS_BACKEND"]
SIDE = networks.SIZE


@pytest.fixture(scope="module")
def tile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network that labels tiles."""
    return networks.make("keras", tmp_path_factory.mktemp("tile"), keras=keras)


@pytest.mark.parametrize("format", ["keras", "keras-pixel", "h5"], scope="class")
class TestKeras(ModelTests):
    @pytest.fixture(scope="class")
    @classmethod
    def recipe(cls, tmp_path_factory: pytest.TempPathFactory, format: str) -> Recipe:
        path = networks.make(format, tmp_path_factory.mktemp(format), keras=keras)
        size = SIDE if format == "keras-pixel" else None
        told = ModelSettings(path=str(path), runtime=RUNTIME, scale=1 / 64, input_size=size)
        return make_recipe(told, threads=2)


@pytest.mark.parametrize("batch", [None, 4])
def test_every_step_around_a_network_is_done(tmp_path: Path, batch: int | None) -> None:
    """An image in, and out again: all that changes the pixels is the steps."""
    image = keras.Input((SIDE, SIDE, 3), batch_size=batch)
    keras.Model(image, keras.layers.ReLU()(image)).save(tmp_path / "same.keras")
    mean, scale = (1.5, 0.0, 3.0), (0.5, 2.0, 1.0)
    told = {"mean": mean, "scale": scale, "channel_order": "bgr", "activation": "softmax"}
    recipe = make_recipe(ModelSettings(path=str(tmp_path / "same.keras"), runtime=RUNTIME, **told))
    pixels = noise(6)
    shifted = pixels.astype(np.float32) - np.float32(mean).reshape(3, 1, 1)
    reads = np.maximum((shifted * np.float32(scale).reshape(3, 1, 1))[:, ::-1], 0)
    powers = np.exp(reads - reads.max(1, keepdims=True))
    network = opened(recipe.path, recipe.steps())
    expected = powers / powers.sum(1, keepdims=True)
    np.testing.assert_allclose(network.run(pixels), expected, atol=1e-6)


@pytest.mark.parametrize("dtype", ["uint32", "int64", "uint64", "bool", "float16", ">f8"])
def test_pixels_of_rare_dtypes_score_as_those_of_bytes(tile: Path, dtype: str) -> None:
    network = opened(tile, WRAPPING)
    pixels = noise(3) > 64
    np.testing.assert_allclose(
        network.run(pixels.astype(dtype)), network.run(pixels + 0), atol=1e-6
    )


def test_pixels_that_must_not_be_written_to_are_read(
    tile: Path, recwarn: pytest.WarningsRecorder
) -> None:
    pixels = noise(3)
    pixels.flags.writeable = False
    opened(tile, WRAPPING).run(pixels)
    assert not recwarn.list


def test_a_network_that_fails_on_its_images_is_refused_in_a_sentence(tile: Path) -> None:
    network = opened(tile, Steps("NHWC", (1, 1), (0,) * 3, (1,) * 3, (0, 1, 2)))
    with pytest.raises(ModelError, match=r"(JAX|PyTorch) does not run it: .*call\(\)\. \w"):
        network.run(noise(1)[:, :, :1, :1])


def test_only_f32_is_computed() -> None:
    with pytest.raises(ModelError, match="computes as the file states, not in bf16"):
        load_runtime(RUNTIME, precision="bf16")


def test_a_lack_of_memory_is_understood() -> None:
    if RUNTIME == "jax":
        import jax

        with pytest.raises(RuntimeError) as caught:
            jax.device_put(np.float32(0), jax.devices("cpu")[0]) + jax.numpy.zeros(2**48)
        assert out_of_memory(caught.value)
        return
    import torch

    assert out_of_memory(torch.OutOfMemoryError("no matter what"))
    with pytest.raises(RuntimeError) as caught:
        torch.zeros(2**48)
    assert out_of_memory(caught.value)


@pytest.mark.skipif(RUNTIME != "torch", reason="JAX is told when it compiles")
def test_torch_computes_f32_in_f32_and_nothing_shorter() -> None:
    load_runtime(RUNTIME)
    import torch

    assert not torch.backends.cuda.matmul.allow_tf32
    assert not torch.backends.cudnn.allow_tf32


@pytest.mark.skipif(RUNTIME != "jax", reason="PyTorch compiles nothing")
def test_jax_compiles_f32_in_f32_and_nothing_shorter(tile: Path) -> None:
    import jax

    network: Any = opened(tile, WRAPPING)
    traced = str(jax.make_jaxpr(network._whole)(network._weights, noise(1)))
    assert "conv_general_dilated" in traced and "dot_general" in traced
    assert traced.count("Precision.HIGHEST") >= 2


@pytest.mark.skipif(RUNTIME != "jax", reason="PyTorch compiles nothing")
def test_short_batches_are_filled_up_so_that_few_programs_are_compiled(tile: Path) -> None:
    network: Any = opened(tile, WRAPPING)
    whole = network.run(noise(23))
    for count in (*range(1, 23), 23, 7):
        np.testing.assert_allclose(network.run(noise(23)[:count]), whole[:count], atol=1e-6)
    assert sorted(count for _, count in network._programs._made) == [1, 2, 4, 8, 16, 23]


WRAPPING = Steps("NHWC", (SIDE, SIDE), (0,) * 3, (1 / 64,) * 3, (0, 1, 2))


def opened(path: Path | str, steps: Steps) -> Network:
    network: Network = load_runtime(RUNTIME).open(detect(Path(path)), None).compile(steps)
    return network


def noise(count: int) -> Any:
    return np.random.default_rng(5).integers(0, 128, (count, 3, SIDE, SIDE)).astype(np.uint8)
