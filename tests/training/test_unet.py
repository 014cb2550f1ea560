"""A network that labels pixels: learned from the classes of pixels, and run on scenes without seams."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from shutil import copytree

import numpy as np
import pytest
import rasterio
import yaml
from PIL import Image
from support.colours import write_scene
from support.ground import squares, write_codes

import landcover as lc
from landcover.errors import ConfigError, ModelError, SourceError
from landcover.training.unet import halo_of, make_unet

pytestmark = pytest.mark.skipif(
    find_spec("keras") is None, reason="training needs the extra 'train'"
)

LIGHT = {21: 200, 24: 180, 41: 60, 82: 120, 71: 90, 11: 20}
METHOD = {"name": "unet", "depth": 1, "width": 8, "epochs": 6, "batch": 8, "variation": 0.05}


@pytest.fixture(scope="module")
def county(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A scene of 320 x 320 pixels in squares of 20, as bright as their class, and tiles of it."""
    folder = tmp_path_factory.mktemp("pixels")
    codes = squares(16, 20)
    light = np.vectorize(LIGHT.get)(codes) + np.random.default_rng(1).normal(
        0, 5, (3, *codes.shape)
    )
    write_scene(folder / "scene.tif", light.clip(1, 255).astype(np.uint8))
    write_codes(folder / "codes.tif", codes, "EPSG:26918", (500_000, 4_500_000), 1.0)
    lc.prepare(
        {
            "source": {"rasters": str(folder / "scene.tif"), "tile": 16},
            "reference": str(folder / "codes.tif"),
            "labels": {"rule": "centre"},
            "split": {"block": 64, "buffer": 0, "shares": {"train": 0.6, "validation": 0.4}},
            "draw": {"balance": "none"},
            "output": {"path": str(folder / "tiles"), "pixels": True},
        }
    )
    return folder


@pytest.fixture(scope="module")
def trained(county: Path, tmp_path_factory: pytest.TempPathFactory) -> lc.Trained:
    home = tmp_path_factory.mktemp("unet")
    return lc.train(data=county / "tiles", output=home, method=METHOD)


def test_pixels_are_learned_and_judged_one_by_one(trained: lc.Trained, county: Path) -> None:
    [judged] = trained.summary["judged"]
    masks = sorted((county / "tiles" / "masks" / "validation").rglob("*.png"))
    known = sum(int((np.asarray(Image.open(path)) != 255).sum()) for path in masks)
    assert judged["pixels"] == known == sum(trained.summary["counts"]["validation"])
    assert judged["of"] == f"{known:,} pixels of the {len(masks)} validation tiles"
    assert trained.accuracy > 0.85
    with pytest.raises(
        ModelError, match="labels pixels, and images in folders have one class each"
    ):
        lc.evaluate(trained.model, county / "tiles")
    told = Path(trained.path, "CARD.md").read_text()
    assert "Labels pixels of imagery" in told and "| class | pixels |" in told


def test_a_scene_is_labelled_without_seams_in_a_window_of_any_size(
    trained: lc.Trained, county: Path, tmp_path: Path
) -> None:
    import keras

    sidecar = yaml.safe_load(Path(trained.path, "model.yaml").read_text())
    assert (sidecar["output"], sidecar["input_size"]) == ("pixel", 8 * halo_of(1))
    assert "halo" not in sidecar  # it is read from the network
    maps = {}
    for edge in (32, 64):
        run = lc.score(
            rasters=county / "scene.tif",
            model=trained.model,
            output=tmp_path / str(edge),
            overrides={"model.input_size": edge},
        )
        maps[edge] = run.map().to_numpy().squeeze()
    assert np.array_equal(maps[32], maps[64])

    network = keras.models.load_model(trained.model)
    with rasterio.open(county / "scene.tif") as file:
        pixels = file.read().transpose(1, 2, 0)[None].astype(np.float32)
    ready = (pixels - np.array(sidecar["mean"])) * np.array(sidecar["scale"])
    whole = network.predict(ready.astype(np.float32), verbose=0)[0].argmax(-1)
    halo = halo_of(1)
    inside = maps[64][halo:-halo, halo:-halo]
    assert np.array_equal(inside, whole)  # codes are places among the classes


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_what_lies_within_the_halo_of_a_window_is_not_felt_from_beyond(depth: int) -> None:
    network = make_unet(bands=1, classes=2, width=8, depth=depth)
    halo, step = halo_of(depth), 2**depth
    assert halo % step == 0
    edge = 2 * halo + 4 * step
    image = np.random.default_rng(0).normal(size=(1, edge + 4 * step, edge + 4 * step, 1))
    image = image.astype(np.float32)
    inner = slice(2 * step, -2 * step)
    wide = np.asarray(network(image))[:, inner, inner]
    alone = np.asarray(network(image[:, inner, inner]))
    apart = np.abs(wide - alone).max((0, 3)) > 1e-6
    felt = np.flatnonzero(apart[edge // 2])
    near = felt[felt < edge // 2].max() + 1
    assert halo / 2 < near <= halo
    assert not apart[halo:-halo, halo:-halo].any()


def test_what_a_unet_cannot_learn_from_is_told(county: Path, tmp_path: Path) -> None:
    out = {"output": tmp_path / "out", "method": METHOD}
    with pytest.raises(
        ConfigError, match=r"16 pixels cannot be halved 5 times: prepare tiles of 32"
    ):
        lc.train(data=county / "tiles", **{**out, "method": {**METHOD, "depth": 5}})
    with pytest.raises(ConfigError, match="classes: those of a U-Net are"):
        lc.train(data=county / "tiles", classes=["a", "b"], **out)
    tiles = Path(copytree(county / "tiles", tmp_path / "tiles"))
    one = next((tiles / "masks" / "train").rglob("*.png"))
    for mask, sentence in (
        (np.full((16, 16), 99, np.uint8), "holds the code 99, which is none of scheme 'nlcd6'"),
        (np.zeros((8, 8), np.uint8), r"is \(8, 8\) pixels, and its tile \(16, 16\)"),
    ):
        Image.fromarray(mask).save(one)
        with pytest.raises(SourceError, match=sentence):
            lc.train(data=tiles, **out)
    one.unlink()
    with pytest.raises(SourceError, match="cannot be read as the mask of a tile"):
        lc.train(data=tiles, **out)
    (tiles / "masks").rename(tmp_path / "elsewhere")
    with pytest.raises(SourceError, match=r"holds no masks/: .* 'landcover prepare --pixels'"):
        lc.train(data=tiles, **out)
    (tiles / "prepare.json").unlink()
    for folder, sentence in (
        (tiles, "holds no tiles of"),
        (tiles / "gone", "is not there: give tiles of"),
    ):
        with pytest.raises(SourceError, match=f"{sentence} 'landcover prepare --pixels'"):
            lc.train(data=folder, **out)
