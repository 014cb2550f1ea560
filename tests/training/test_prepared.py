"""From imagery and a reference to a network that scores the imagery, by three calls."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import yaml
from support.colours import write_scene
from support.ground import squares, write_codes

import landcover as lc
from landcover.errors import SourceError

pytestmark = pytest.mark.skipif(
    find_spec("keras") is None or find_spec("sklearn") is None,
    reason="training needs the extra 'train'",
)

GROUPS = {21: "Developed", 24: "Developed", 41: "Forest", 82: "Cultivated", 71: "Herbaceous"}
LIGHT = {21: 200, 24: 180, 41: 60, 82: 120, 71: 90, 11: 20}


@pytest.fixture(scope="module")
def county(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A scene of 768 m in squares of 64 m, which are as bright as their class, and their codes."""
    folder = tmp_path_factory.mktemp("county")
    codes = squares(12, 64)
    light = np.vectorize(LIGHT.get)(codes) + np.random.default_rng(1).normal(
        0, 5, (3, *codes.shape)
    )
    write_scene(folder / "scene.tif", light.clip(1, 255).astype(np.uint8))
    write_codes(folder / "codes.tif", codes, "EPSG:26918", (500_000, 4_500_000), 1.0)
    lc.prepare(
        {
            "source": {"rasters": str(folder / "scene.tif"), "tile": 16},
            "reference": str(folder / "codes.tif"),
            "split": {"block": 128, "buffer": 16},
            "output": str(folder / "tiles"),
        }
    )
    return folder


def test_prepared_tiles_say_how_they_were_cut_and_the_network_scores_the_scene(
    county: Path, tmp_path: Path
) -> None:
    method = {"name": "probe", "filters": 8, "copies": 1, "variation": 0.05}
    trained = lc.train(data=county / "tiles", output=tmp_path / "model", method=method)
    sidecar = yaml.safe_load((tmp_path / "model" / "model.yaml").read_text())
    assert sidecar["classes"] == ["Forest", "Cultivated", "Herbaceous", "Developed"]
    assert (sidecar["resolution"], sidecar["bands"]) == (1.0, [1, 2, 3])

    run = lc.score(rasters=county / "scene.tif", model=trained.model, output=tmp_path / "run")
    tiles = run.tiles()
    codes = squares(12, 64)[tiles["row"] * 16 + 8, tiles["col"] * 16 + 8]
    truth = np.array([GROUPS.get(code) for code in codes])
    known = truth != None
    assert (tiles["label"].to_numpy()[known] == truth[known]).mean() > 0.9


def test_tiles_that_are_not_all_there_are_not_trained_with(county: Path, tmp_path: Path) -> None:
    said = county / "tiles" / "prepare.json"
    whole = said.read_text()
    for text, sentence in (
        (
            json.dumps({**json.loads(whole), "status": "running"}),
            "json: its tiles are not all there yet",
        ),
        ("{}", "is not what 'landcover prepare' writes"),
        (whole[:99], "is not what 'landcover prepare' writes"),
    ):
        said.write_text(text)
        with pytest.raises(SourceError, match=sentence):
            lc.train(data=county / "tiles", output=tmp_path / "model")
    said.write_text(whole)
