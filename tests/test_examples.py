"""The examples run as they are, on small settings."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from landcover.datasets.landscape import write_landscape

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"

pytestmark = pytest.mark.skipif(
    find_spec("keras") is None, reason="the examples need the extra 'train'"
)


def _run(script: str, *arguments: str | Path, cwd: Path) -> str:
    command = [sys.executable, str(EXAMPLES / script), *map(str, arguments)]
    said = subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd)
    assert said.returncode == 0, said.stderr
    return said.stdout


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A scene and a network, which has learned nothing, where ``landcover demo`` would put them."""
    import keras

    from landcover.training.network import make_network

    folder = tmp_path_factory.mktemp("examples")
    write_landscape(folder / "demo" / "scene", 640, seed=1)
    keras.utils.set_random_seed(0)
    network = make_network(edge=64, bands=4, classes=6, width=4)
    path = folder / "demo" / "model" / "model.keras"
    path.parent.mkdir()
    keras.Model(network.input, keras.layers.Softmax()(network.output)).save(path)
    said = {"classes": "nlcd6", "bands": [1, 2, 3, 4], "mean": 100, "scale": 0.02, "resolution": 1}
    path.with_suffix(".yaml").write_text(yaml.safe_dump({**said, "activation": "none"}))
    (folder / "demo" / "demo.yaml").write_text(
        "source: {rasters: scene/imagery.tif}\nmodel: model/model.keras\noutput: run\n"
    )
    return folder


def test_one_raster_is_scored_and_its_results_are_shown(home: Path) -> None:
    said = _run("score_one_raster.py", cwd=home)
    assert re.search(r"\d+ tiles at", said)
    assert "the map, 10 x 10 pixels: runs/one-raster/map.png" in said
    assert (home / "runs" / "one-raster" / "map.png").is_file()


def test_backends_are_swapped_and_give_the_same_table(home: Path) -> None:
    pytest.importorskip("distributed", reason="needs the extra 'dask'")
    backends = ["local", "dask"]
    if shutil.which("java") or "JAVA_HOME" in os.environ:
        pytest.importorskip("pyspark", reason="needs the extra 'spark'")
        backends.append("spark")
    said = _run("swap_backends.py", "demo/demo.yaml", "--backends", *backends, cwd=home)
    rows = [line for line in said.splitlines() if line.startswith(tuple(backends))]
    assert len(rows) == len(backends)
    assert all("same labels" in row for row in rows), said


def test_a_raster_is_scored_on_clusters_that_go_on_afterwards(home: Path) -> None:
    pytest.importorskip("distributed", reason="needs the extra 'dask'")
    said = _run("raster_on_dask.py", cwd=home)
    assert "2 workers are still there" in said
    tables = [re.findall(r"^(\d+ tiles,|[A-Z]\w+ +[\d.]+$)", said, re.MULTILINE)]
    if shutil.which("java") or "JAVA_HOME" in os.environ:
        pytest.importorskip("pyspark", reason="needs the extra 'spark'")
        said = _run("raster_on_spark.py", cwd=home)
        assert "the session counts still: 1,000" in said
        tables.append(re.findall(r"^(\d+ tiles,|[A-Z]\w+ +[\d.]+$)", said, re.MULTILINE))
    assert all(table == tables[0] and len(table) >= 2 for table in tables)


def test_an_old_cntk_network_labels_images_and_becomes_onnx(tmp_path: Path) -> None:
    model = EXAMPLES.parent / "tests" / "data" / "cntk" / "resnet_cifar_trained.model"
    generator = np.random.default_rng(0)
    (tmp_path / "images").mkdir()
    for number in range(6):
        pixels = generator.integers(0, 255, (32, 32, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / "images" / f"{number}.png")
    classes = ",".join("abcdefghij")
    said = _run("cntk_network.py", model, "images", "--classes", classes, cwd=tmp_path)
    assert sum(map(int, re.findall(r"^[a-j] +(\d+)$", said, re.MULTILINE))) == 6
    assert (tmp_path / "runs" / "cntk" / "network.onnx").stat().st_size > 1000


def test_a_county_is_mapped_on_two_dates_and_what_was_built_is_found(tmp_path: Path) -> None:
    pytest.importorskip("geopandas", reason="needs the extra 'report'")
    said = _run(
        "county.py", *("--size", "768", "--epochs", "3", "--output", tmp_path / "c"), cwd=tmp_path
    )
    assert "reference, before" in said and "before, smoothed" in said
    rows = re.findall(
        r"^ *(labels that differ|change, threshold \S+) +\S+ +(\d+)$", said, re.MULTILINE
    )
    assert len(rows) == 8  # where nothing was built, no share of it was found
    alarms = [int(count) for _, count in rows]
    assert sorted(alarms, reverse=True) == alarms  # fewer, the more probable a change has to be
    for name in ("county.png", "report.html", "change/candidates.gpkg", "change/change.qml"):
        assert (tmp_path / "c" / name).stat().st_size > 0


def test_an_example_without_its_input_says_what_to_do(tmp_path: Path) -> None:
    for script in ("score_one_raster.py", "raster_on_dask.py", "swap_backends.py"):
        command = [sys.executable, str(EXAMPLES / script)]
        said = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
        assert said.returncode == 2
        assert "run `landcover demo` first" in said.stderr


def test_patches_are_learned_and_unseen_ones_mostly_named_right(
    shared: Path, tmp_path: Path
) -> None:
    patches = tmp_path / "patches"
    for part, count in (("train", 120), ("test", 30)):
        for folder in sorted((shared / "imagery" / "naip-patches-4class" / part).iterdir()):
            (patches / part / folder.name).mkdir(parents=True)
            for path in sorted(folder.iterdir())[:count]:
                (patches / part / folder.name / path.name).symlink_to(path.resolve())
    said = _run("train_patches.py", patches, "--epochs", "6", cwd=tmp_path)
    accuracy = re.search(r"overall accuracy ([\d.]+)% of 120 tiles", said)
    assert accuracy and float(accuracy[1]) > 60, said
    assert len(list(tmp_path.glob("runs/patches/*/test/confusion.png"))) == 1
