"""Networks in 8-bit integers: kept where the labels are those of f32, and refused where they are not."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pandas as pd
import pytest
from onnx import TensorProto, helper, numpy_helper
from support.colours import blobs, write_scene

import landcover
from landcover.errors import LandcoverError, ModelError, OutputError
from landcover.models.cache import cache_folder
from landcover.run import Run
from landcover.scoring.totals import Tiles

pytestmark = pytest.mark.skipif(find_spec("nncf") is None, reason="needs the extra 'i8'")

CLASSES = 4


def _network(path: Path, kernels: list[np.ndarray], scores: np.ndarray, *, pixel: bool) -> Path:
    """Convolutions with the borders of their windows, then scores: a label a tile, or a pixel."""
    nodes, weights, last = [], [], "image"
    for place, kernel in enumerate([*kernels, scores]):
        weights.append(numpy_helper.from_array(kernel.astype(np.float32), f"w{place}"))
        edge = kernel.shape[-1] // 2
        told = {"pads": [edge] * 4}
        nodes.append(helper.make_node("Conv", [last, f"w{place}"], [f"c{place}"], **told))
        nodes.append(helper.make_node("Relu", [f"c{place}"], [f"r{place}"]))
        last = f"r{place}"
    nodes.pop()
    last, shape = f"c{len(kernels)}", ["n", CLASSES, 16, 16]
    if not pixel:
        nodes.append(helper.make_node("GlobalAveragePool", [last], ["mean"]))
        nodes.append(helper.make_node("Flatten", ["mean"], ["scores"]))
        last, shape = "scores", ["n", CLASSES]
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 3, 16, 16])
    found = helper.make_tensor_value_info(last, TensorProto.FLOAT, shape)
    graph = helper.make_graph(nodes, "network", [image], [found], weights)
    opset = helper.make_opsetid("", 17)
    onnx.save(helper.make_model(graph, opset_imports=[opset], ir_version=9), str(path))
    sidecar = "classes: [water, trees, field, town]\nmean: 128\nscale: 0.02\nactivation: softmax\n"
    path.with_suffix(".yaml").write_text(sidecar)
    return path


def _random(*shape: int) -> np.ndarray:
    random = np.random.default_rng(sum(shape))
    return random.normal(0, (2 / np.prod(shape[1:])) ** 0.5, shape)


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("i8") / "small.onnx"
    kernels = [_random(16, 3, 3, 3), _random(16, 16, 3, 3)]
    return _network(path, kernels, 5 * _random(CLASSES, 16, 1, 1), pixel=False)


@pytest.fixture(scope="session")
def bad(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Classes that are told apart by what 8 bits do not hold: a 1000th of what they share."""
    path = tmp_path_factory.mktemp("i8") / "bad.onnx"
    scores = 100 + 0.1 * _random(CLASSES, 16, 1, 1)
    return _network(path, [_random(16, 3, 3, 3)], scores, pixel=False)


@pytest.fixture(scope="session")
def worse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A single layer, that 8 bits do not hold."""
    path = tmp_path_factory.mktemp("i8") / "worse.onnx"
    return _network(path, [], 100 + 0.1 * _random(CLASSES, 3, 1, 1), pixel=False)


@pytest.fixture(scope="session")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """20 x 30 tiles of 16 pixels."""
    return write_scene(tmp_path_factory.mktemp("i8") / "scene.tif", blobs(5, 320, 480))


@pytest.fixture(scope="module", autouse=True)
def shared_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What the tests of this file make once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LANDCOVER_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of a test's own."""
    monkeypatch.setenv("LANDCOVER_CACHE", str(tmp_path / "cache"))
    return cache_folder()


def _score(model: Path, ground: Path, output: Path, precision: str = "i8", **more: Any) -> Run:
    told = {"model.precision": precision, "model.runtime": "openvino", "source.task": 40}
    overrides = {**told, "precision_check.at_least": 0.95, **more.pop("overrides", {})}
    given = {"rasters": str(ground), "model": model, "output": output}
    return landcover.score(**given, overrides=overrides, **more)


def _tables(run: Run) -> list[bytes]:
    return [one.read_bytes() for one in sorted(Path(run.path, "tiles").iterdir())]


def test_a_run_in_i8_keeps_what_it_promises_and_says_so(
    small: Path, ground: Path, tmp_path: Path, cache: Path
) -> None:
    run = _score(small, ground, tmp_path / "run")
    said, check = run.summary, run.summary["precision_check"]
    assert said["model"]["precision"] == "i8" and check["at_least"] == 0.95
    assert 0.95 <= check["lower_bound"] <= check["agreement"] <= 1
    assert check["tiles"] == check["labels"] == 480, "a fifth of the 600 calibrates"
    assert check["kept"] < check["layers"] == 3
    assert said["model_loads"] == 1
    exact = _score(small, ground, tmp_path / "exact", "f32")
    one, other = (r.tiles().set_index("tile")["label"] for r in (run, exact))
    assert (one == other).mean() >= check["lower_bound"]
    scores = [r.tiles().set_index("tile")["score"] for r in (run, exact)]
    assert 0 < abs(scores[0] - scores[1]).max() < 0.2, "it is another arithmetic"

    made = sorted(cache.glob("quantized/*/*"))
    again = _score(small, ground, tmp_path / "again")
    assert sorted(cache.glob("quantized/*/*")) == made, "it is made once"
    assert _tables(again) == _tables(run)
    shutil.rmtree(cache)
    anew = _score(small, ground, tmp_path / "anew")
    key = "quantized_digest"
    assert anew.summary["model"][key] == said["model"][key], "and made again, it is the same"


def test_a_run_goes_on_with_the_network_that_it_began_with(
    small: Path, ground: Path, tmp_path: Path, cache: Path
) -> None:
    whole = _score(small, ground, tmp_path / "whole")

    def stop(tiles: Tiles) -> None:
        if tiles.done >= 200:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _score(small, ground, tmp_path / "run", progress=stop)
    began = landcover.open_run(str(tmp_path / "run")).summary
    assert began["status"] == "interrupted" and began["precision_check"]["lower_bound"] >= 0.95
    shutil.rmtree(cache)  # gone on with on another host, say
    run = _score(small, ground, tmp_path / "run")
    assert not list(cache.glob("quantized/*"))
    assert _tables(run) == _tables(whole)
    assert run.summary["precision_check"] == began["precision_check"]


def test_a_network_that_was_changed_in_the_run_is_not_used(
    small: Path, ground: Path, tmp_path: Path
) -> None:
    def stop(tiles: Tiles) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _score(small, ground, tmp_path / "run", progress=stop)
    with Path(tmp_path, "run", "network.i8").open("r+b") as file:
        file.seek(-100, 2)
        file.write(b"other")
    with pytest.raises(ModelError, match="not the quantized network that the run was planned with"):
        _score(small, ground, tmp_path / "run")


def test_a_network_that_is_gone_from_the_run_is_made_again(
    small: Path, ground: Path, tmp_path: Path
) -> None:
    def stop(tiles: Tiles) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _score(small, ground, tmp_path / "run", progress=stop)
    network = tmp_path / "run" / "network.i8"
    content = network.read_bytes()
    network.unlink()
    run = _score(small, ground, tmp_path / "run")
    assert run.summary["status"] == "done" and network.read_bytes() == content


def test_a_run_in_f32_is_not_gone_on_with_where_8_bits_are_asked_for(
    small: Path, ground: Path, tmp_path: Path
) -> None:
    _score(small, ground, tmp_path / "run", "f32")
    with pytest.raises(OutputError, match="precision"):
        _score(small, ground, tmp_path / "run")


def test_a_run_that_asks_for_more_than_was_promised_does_not_go_on_with_it(
    small: Path, ground: Path, tmp_path: Path
) -> None:
    def stop(tiles: Tiles) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _score(small, ground, tmp_path / "run", progress=stop)
    with pytest.raises(ModelError, match="tiles with data must judge"):
        _score(small, ground, tmp_path / "run", overrides={"precision_check.at_least": 0.9999})


def test_a_network_is_quantized_for_the_imagery_that_it_labels(
    small: Path, ground: Path, tmp_path: Path, cache: Path
) -> None:
    other = write_scene(tmp_path / "other.tif", blobs(6, 320, 480))
    for place, scene in enumerate((ground, other, ground)):
        _score(small, scene, tmp_path / f"run {place}")
    assert len([*cache.glob("quantized/*/network.i8")]) == 2


def test_layers_that_cost_labels_are_kept_in_f32(bad: Path, ground: Path, tmp_path: Path) -> None:
    check = _score(bad, ground, tmp_path / "run").summary["precision_check"]
    assert (check["kept"], check["layers"]) == (1, 2)
    assert check["lower_bound"] >= 0.95


def test_a_network_whose_labels_8_bits_do_not_keep_is_refused(
    worse: Path, ground: Path, tmp_path: Path
) -> None:
    told = (
        r"in i8, \d\d\.\d\d% of 480 labels of 480 tiles are those of f32.* asks for 95.00%, with "
    )
    with pytest.raises(ModelError, match=told + "0 of 1 layers kept in f32: set model.precision"):
        _score(worse, ground, tmp_path / "run")
    assert not (tmp_path / "run").exists(), "nothing is written"


def test_what_is_asked_for_decides(small: Path, ground: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"38,413 tiles|tiles with data must judge"):
        _score(small, ground, tmp_path / "run", overrides={"precision_check.at_least": 0.9999})


def test_an_array_has_no_run_to_settle_a_precision(small: Path) -> None:
    scene = np.zeros((3, 64, 64), np.uint8)
    with pytest.raises(LandcoverError, match="precision i8 is settled by a run"):
        landcover.score_array(scene, {"path": str(small), "precision": "i8"})


@pytest.fixture(scope="module")
def windows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("i8") / "windows.onnx"
    return _network(path, [_random(16, 3, 3, 3)], 5 * _random(CLASSES, 16, 1, 1), pixel=True)


def test_labels_of_pixels_are_promised_by_window(
    windows: Path, ground: Path, tmp_path: Path
) -> None:
    run = _score(windows, ground, tmp_path / "run")
    check = run.summary["precision_check"]
    assert check["tiles"] >= 100 and check["labels"] > 100 * check["tiles"]
    assert 0.95 <= check["lower_bound"] < check["agreement"]


@pytest.mark.parametrize(
    ("name", "cluster"),
    [("dask", "dask_scheduler"), ("spark", "spark_master"), ("spark", "spark_connect")],
)
def test_all_workers_of_a_cluster_have_the_same_network(
    name: str,
    cluster: str,
    small: Path,
    ground: Path,
    tmp_path: Path,
    require_backend: Callable[[str], None],
    request: pytest.FixtureRequest,
) -> None:
    require_backend(name)
    here = _score(small, ground, tmp_path / "here")
    told = {"backend.address": request.getfixturevalue(cluster)}
    run = _score(small, ground, tmp_path / "run", backend=name, overrides=told)
    keys = ["tile", "label", "score"]
    one, other = (r.tiles()[keys].sort_values("tile", ignore_index=True) for r in (run, here))
    pd.testing.assert_frame_equal(one, other, atol=1e-5)
    assert run.summary["fingerprint"]["model"] == here.summary["fingerprint"]["model"]
    assert run.summary["model_loads"] == len(run.summary["workers"])


def test_fastest_takes_what_keeps_the_labels_and_remembers_it(
    small: Path, ground: Path, tmp_path: Path, cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = _score(small, ground, tmp_path / "run", "fastest")
    speeds, taken = run.summary["fastest"], run.summary["model"]["precision"]
    assert {"f32", "i8"} <= speeds.keys() and taken in speeds
    assert f"precision fastest: {taken} (" in caplog.text
    [kept] = cache.glob("fastest/*.json")
    # What is remembered decides, whatever this machine does meanwhile.
    kept.write_text('{"f32": 100, "bf16": 1, "f16": 1, "i8": 300}')
    other = _score(small, ground, tmp_path / "other", "fastest")
    assert other.summary["model"]["precision"] == "i8"
    assert other.summary["precision_check"]["lower_bound"] >= 0.95
    kept.write_text('{"f32": 100, "bf16": 1, "f16": 1, "i8": 102}')
    plain = _score(small, ground, tmp_path / "plain", "fastest")
    assert plain.summary["model"]["precision"] == "f32", "two percent are not worth any label"
    # A run that is gone on with has the precision that it began with.
    assert (
        _score(small, ground, tmp_path / "other", "fastest").summary["model"]
        == (other.summary["model"])
    )
    assert "stays in it" not in caplog.text
    told = _score(small, ground, tmp_path / "told", "f32").summary["model"]
    assert _score(small, ground, tmp_path / "told", "fastest").summary["model"] == told
    assert "told: this run was begun in f32, and stays in it" in caplog.text


def test_fastest_is_f32_where_8_bits_do_not_keep_the_labels(
    worse: Path, ground: Path, tmp_path: Path
) -> None:
    run = _score(worse, ground, tmp_path / "run", "fastest")
    assert run.summary["model"]["precision"] == "f32"
