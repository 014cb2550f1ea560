"""Networks that other people trained and published, against their frameworks' own answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from landcover.config import ModelSettings
from landcover.models.model import ScoringModel, open_model
from landcover.models.recipe import make_recipe

PHOTOS = "tf1-checkpoint-trafficsigns"
CIFAR10, CIFAR100 = "keras-savedmodel-cifar10", "onnx-savedmodel-cifar100"


@pytest.fixture
def public(shared: Path) -> Path:
    return shared / "models" / "public"


def opened(path: Path, runtime: str, **told: Any) -> ScoringModel:
    pytest.importorskip(runtime)
    return open_model(make_recipe(ModelSettings(path=str(path), runtime=runtime, **told)), 2)


def noise(count: int, size: int) -> Any:
    return np.random.default_rng(3).integers(0, 256, (count, 3, size, size)).astype(np.uint8)


def softmax(logits: Any) -> Any:
    powers = np.exp(logits - logits.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_the_cntk_unet_labels_pixels_as_cntk_did(public: Path, runtime: str) -> None:
    reference = np.load(public / "naip_250epochs.npz")
    model = opened(public / "naip_250epochs.model", runtime, scale=0.00390625)
    assert (model.recipe.halo, model.recipe.input_size) == (64, (256, 256))
    pixels = (reference["input"] * 256).astype(np.uint8)
    scores, expected = model.network.run(pixels), softmax(reference["output"])
    np.testing.assert_allclose(scores, expected, atol=2e-5)
    assert (scores.argmax(1) == expected.argmax(1)).mean() > 0.999


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_the_cntk_resnet_scores_as_cntk_did(public: Path, runtime: str) -> None:
    reference = np.load(public / "resnet20_meanimage_159.npz")
    model = opened(public / "resnet20_meanimage_159.dnn", runtime, mean=0)
    scores = model.network.run(reference["input"].astype(np.uint8))
    np.testing.assert_allclose(scores, softmax(reference["output"]), atol=2e-5)


@pytest.mark.parametrize("runtime", ["tensorflow", "openvino"])
def test_a_keras_2_file_and_its_saved_model_score_as_keras_does(public: Path, runtime: str) -> None:
    keras = pytest.importorskip("tf_keras")
    path = public / CIFAR10 / "model.keras"
    pixels = noise(8, 32)
    images = (pixels.astype(np.float32) * np.float32(1 / 255)).transpose(0, 2, 3, 1)
    by_hand = keras.models.load_model(str(path), compile=False)(images, training=False).numpy()
    for file in (path, public / CIFAR10 / "saved_model"):
        scores = opened(file, runtime, scale=1 / 255).network.run(pixels)
        np.testing.assert_allclose(scores, by_hand, atol=1e-6 if runtime == "tensorflow" else 1e-5)


@pytest.mark.parametrize(
    ("file", "runtime"),
    [
        ("model.onnx", "onnxruntime"),
        ("model.onnx", "openvino"),
        ("model.pb", "tensorflow"),
        ("model.pb", "openvino"),
    ],
)
def test_networks_with_a_fixed_batch_of_1_score_any_number(
    public: Path, file: str, runtime: str
) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    session = onnxruntime.InferenceSession(str(public / CIFAR100 / "model.onnx"))
    pixels = noise(5, 32)
    images = pixels.astype(np.float32) * np.float32(1 / 255)
    logits = [session.run(None, {"input": images[i : i + 1]})[0] for i in range(5)]
    scores = opened(public / CIFAR100 / file, runtime, scale=1 / 255).network.run(pixels)
    np.testing.assert_allclose(scores, softmax(np.concatenate(logits)), atol=1e-5)


@pytest.mark.parametrize("runtime", ["tensorflow", "openvino"])
def test_a_checkpoint_of_tensorflow_1_knows_its_photos(public: Path, runtime: str) -> None:
    pytest.importorskip("tensorflow")
    model = opened(public / PHOTOS / "model", runtime, mean=128, scale=1 / 128)
    photos = sorted((public / PHOTOS / "images").iterdir())
    images = [np.asarray(Image.open(p).convert("RGB").resize((32, 32))) for p in photos]
    scores = model.network.run(np.stack(images).transpose(0, 3, 1, 2))
    # The fifth sign (32) hangs on how the photo is shrunk: with this one it is taken for 18.
    assert scores.argmax(1).tolist() == [12, 14, 17, 18, 39]
    np.testing.assert_allclose(scores.max(1), [1, 1, 1, 0.367, 0.699], atol=1e-3)
