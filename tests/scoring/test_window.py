"""Windows of networks that take any: chosen by speed, and the labels do not tell."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper
from support.rasters import imagery, write

import landcover
from landcover.config import load_config
from landcover.errors import WindowUntold
from landcover.models.sight import sight
from landcover.scoring import window
from landcover.scoring.window import recipe_of


@pytest.fixture(scope="module", autouse=True)
def small_windows() -> Any:
    """Windows that are as different as those of real runs, in less time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(window, "_CORES", (64, 128, 192))
        patch.setattr(window, "_WIDEST", 32)
        yield


def network(path: Path, pooled: bool = False, mean: bool = False, counted: bool = False) -> Path:
    """Convolutions with padding, which look 3 pixels far (8 where they pool); or at everything.

    Where they are counted, the rows of the window make some classes more probable.
    """
    rng = np.random.default_rng(5)
    weights = {"a": (6, 3, 3, 3), "b": (6, 6, 3, 3), "c": (3, 6, 3, 3)}
    up = {"strides": [2, 2], "kernel_shape": [2, 2]}
    same: dict[str, Any] = {"pads": [1, 1, 1, 1]}
    nodes = [
        helper.make_node("Conv", ["image", "a"], ["t1"], **same),
        helper.make_node("Relu", ["t1"], ["t2"]),
        helper.make_node("MaxPool", ["t2"], ["t3"], **up)
        if pooled
        else helper.make_node("Identity", ["t2"], ["t3"]),
        helper.make_node("Conv", ["t3", "b"], ["t4"], **same),
        helper.make_node("ConvTranspose", ["t4", "d"], ["t5"], **up)
        if pooled
        else helper.make_node("Identity", ["t4"], ["t5"]),
        helper.make_node("GlobalAveragePool", ["t5"], ["m"]),
        helper.make_node("Add", ["t5", "m" if mean else "t5"], ["t6"]),
        helper.make_node("Conv", ["t6", "c"], ["t7"], **same),
        helper.make_node("Shape", ["image"], ["shape"], start=2, end=3),
        helper.make_node("Cast", ["shape"], ["rows of it"], to=1),
        helper.make_node("Mul", ["rows of it", "e"], ["more"]),
        helper.make_node("Add", ["t7", "more" if counted else "zero"], ["scores"]),
    ]
    held = {name: rng.normal(0, 0.4, shape) for name, shape in weights.items()}
    held["d"] = rng.normal(0, 0.4, (6, 6, 2, 2))
    held |= {"e": np.array([0, 1, 2]).reshape(3, 1, 1) / 100, "zero": np.zeros(())}
    graph = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info("image", 1, ["n", 3, "height", "width"])],
        [helper.make_tensor_value_info("scores", 1, ["n", 3, "rows", "columns"])],
        [numpy_helper.from_array(v.astype(np.float32), name) for name, v in held.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, str(path))
    return path


def config(model: Path, scene: str, output: Path, **source: Any) -> dict[str, Any]:
    return {
        "source": {"rasters": [scene], **source},
        "model": {"path": str(model), "runtime": "onnxruntime", "scale": 1 / 255},
        "output": {"path": str(output)},
    }


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write(tmp_path_factory.mktemp("scene") / "a.tif", imagery(3, 300, 330))


@pytest.mark.parametrize("pooled", [False, True])
def test_a_window_is_chosen_and_labels_are_those_of_any_other(
    tmp_path: Path, scene: str, pooled: bool
) -> None:
    model = network(tmp_path / "network.onnx", pooled)
    chosen = landcover.score(config(model, scene, tmp_path / "chosen"))
    recipe = chosen.summary["model"]
    assert recipe["input_size"][0] in (80, 144, 208) and recipe["halo"] == 8
    told = landcover.score(config(model, scene, tmp_path / "told", tile=56, halo=12))
    assert np.array_equal(chosen.map().values, told.map().values)


def test_a_run_goes_on_with_the_window_that_it_has_begun_with(tmp_path: Path, scene: str) -> None:
    model = network(tmp_path / "network.onnx")
    begun = {**config(model, scene, tmp_path / "run"), "backend": {"name": "local"}}
    first = landcover.score(begun)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(window, "_remembered", lambda *_: pytest.fail("another window was chosen"))
        again = landcover.score(begun)
    assert again.summary["model"] == first.summary["model"]


def test_a_network_whose_labels_depend_on_all_of_its_window_must_be_told_one(
    tmp_path: Path, scene: str
) -> None:
    model = network(tmp_path / "network.onnx", mean=True)
    with pytest.raises(WindowUntold, match=r"set model\.input_size"):
        recipe_of(load_config(config(model, scene, tmp_path / "run")), here=False)


def test_a_network_that_labels_larger_windows_differently_must_be_told_one(
    tmp_path: Path, scene: str
) -> None:
    model = network(tmp_path / "network.onnx", counted=True)
    with pytest.raises(WindowUntold, match=r"set model\.input_size"):
        recipe_of(load_config(config(model, scene, tmp_path / "run")), here=False)


def test_a_halo_that_is_told_counts_unless_the_network_looks_further(
    tmp_path: Path, scene: str
) -> None:
    model = network(tmp_path / "network.onnx")
    for halo, taken in ((2, False), (3, True), (10, True)):
        told = load_config(config(model, scene, tmp_path / "run", halo=halo))
        if taken:
            assert recipe_of(told, here=False).halo == halo
        else:
            with pytest.raises(WindowUntold):
                recipe_of(told, here=False)


def test_how_far_a_network_looks_is_read_from_its_graph(tmp_path: Path, scene: str) -> None:
    for pooled, far in ((False, 3), (True, 5)):
        model = network(tmp_path / "network.onnx", pooled)
        told = load_config(config(model, scene, tmp_path / "run", tile=64))
        assert sight(recipe_of(told, here=False)) == far


@pytest.mark.parametrize("spoilt", [None, (0, 0), (8, 8), (15, 15)])
def test_the_first_and_the_last_window_in_a_large_one_are_compared(
    spoilt: tuple[int, int] | None,
) -> None:
    def inner(pixels: Any) -> Any:
        return pixels[:, :, 2:-2, 2:-2].astype(np.float32)

    def in_large(pixels: Any) -> Any:
        found = inner(pixels)
        if spoilt:
            found[..., spoilt[0], spoilt[1]] += 1
        return found

    def model(edge: int, run: Any) -> Any:
        recipe = SimpleNamespace(input_size=(edge, edge), halo=2, bands=("1",))
        return SimpleNamespace(recipe=recipe, network=SimpleNamespace(run=run))

    # Labels of 4 x 4 pixels: the first window has those from 0 to 3, the last those from 12 to 15.
    same = window._same(model(8, inner), model(20, in_large))
    assert same == (spoilt not in ((0, 0), (15, 15)))
