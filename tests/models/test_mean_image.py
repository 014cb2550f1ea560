"""Mean files of CNTK's image reader: read as it reads them, and subtracted in every runtime."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import yaml
from support import networks

from landcover.config import ModelSettings, load_config
from landcover.errors import ModelError
from landcover.models.model import open_model
from landcover.models.preprocessing.mean_image import read_mean_image
from landcover.models.recipe import make_recipe
from landcover.models.sidecar import with_sidecar

GENUINE = Path(__file__).parents[1] / "data" / "cntk" / "mean_image"
SIDE = 16


def mean_file(path: Path, pixels: npt.NDArray[Any], **other: object) -> Path:
    """Write a mean file, dims (band, y, x), in the order of the network's bands."""
    bands, rows, columns = pixels.shape
    numbers = " ".join(f"{value:e}" for value in pixels.transpose(1, 2, 0).ravel())
    entries = {"Channel": bands, "Row": rows, "Col": columns, **other}
    head = "".join(f"<{name}>{value}</{name}>" for name, value in entries.items())
    path.write_text(
        f"<opencv_storage>{head}<MeanImg type_id='opencv-matrix'><rows>1</rows>"
        f"<data>{numbers}</data></MeanImg></opencv_storage>"
    )
    return path


@pytest.fixture
def means() -> npt.NDArray[np.float32]:
    return np.random.default_rng(5).uniform(90, 140, (3, SIDE, SIDE)).astype(np.float32)


@pytest.fixture
def file(tmp_path: Path, means: npt.NDArray[np.float32]) -> Path:
    return mean_file(tmp_path / "mean.xml", means)


def test_a_mean_file_is_read_as_cntk_itself_reads_it() -> None:
    genuine = np.load(GENUINE / "read_by_cntk.npz")  # an image, and what CNTK's reader made of it
    blue_first = genuine["image"][:, :, ::-1].transpose(2, 0, 1).astype(np.float32)
    mean = read_mean_image(str(GENUINE / "mean.xml"))
    np.testing.assert_array_equal(blue_first - mean.pixels, genuine["read"])


@pytest.mark.parametrize("order", ["rgb", "bgr"])
@pytest.mark.parametrize(
    ("format", "runtime"),
    [
        ("onnx", "onnxruntime"),
        ("onnx", "openvino"),
        ("onnx-nhwc", "onnxruntime"),
        ("keras", "tensorflow"),
        ("keras", "openvino"),
    ],
)
def test_a_mean_image_is_subtracted_before_the_network(
    tmp_path: Path,
    file: Path,
    means: npt.NDArray[np.float32],
    format: str,
    runtime: str,
    order: Any,
) -> None:
    pytest.importorskip(runtime)
    libraries = [pytest.importorskip("tensorflow"), pytest.importorskip("keras")]
    path = networks.make(format, tmp_path, *(libraries if format == "keras" else ()))
    told = ModelSettings(
        path=str(path), runtime=runtime, channel_order=order, scale=1 / 64, input_size=SIDE
    )
    pixels = np.random.default_rng(1).integers(0, 256, (5, 3, SIDE, SIDE), np.uint8)
    given = means if order == "rgb" else means[::-1]
    by_hand = open_model(make_recipe(told)).network.run(pixels - given)
    model = open_model(make_recipe(told.model_copy(update={"mean_image": str(file)})))
    np.testing.assert_allclose(model.network.run(pixels), by_hand, atol=1e-6)


def test_the_published_network_of_cifar_takes_its_published_mean(shared: Path) -> None:
    public = shared / "models/public"
    path, mean = public / "resnet20_meanimage_159.dnn", public / "CIFAR-10_mean.xml"
    pixels = np.random.default_rng(2).integers(0, 256, (4, 3, 32, 32), np.uint8)
    plain = ModelSettings(path=str(path), channel_order="bgr", scale=1)
    # By hand, as CNTK's reader does: rows, columns, then channels, blue first.
    numbers = mean.read_text().partition("<data>")[2].partition("</data>")[0].split()
    blue_first = np.array(numbers, np.float32).reshape(32, 32, 3).transpose(2, 0, 1)
    by_hand = open_model(make_recipe(plain)).network.run(pixels - blue_first[::-1])
    model = open_model(make_recipe(plain.model_copy(update={"mean_image": str(mean)})))
    np.testing.assert_allclose(model.network.run(pixels), by_hand, atol=1e-5)


def test_a_sidecar_and_a_configuration_name_it_from_where_they_lie(
    tmp_path: Path, file: Path
) -> None:
    path = networks.onnx_tile(tmp_path / "net.onnx")
    (tmp_path / "net.yaml").write_text("mean_image: mean.xml\n")
    assert with_sidecar(ModelSettings(path=str(path))).mean_image == str(file)
    config = {"source": {"rasters": ["a.tif"]}, "output": "out"}
    config["model"] = {"path": "net.onnx", "mean_image": "mean.xml"}
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(config))
    assert load_config(tmp_path / "run.yaml").model.mean_image == str(file)


@pytest.mark.parametrize(
    ("sidecar", "told", "dropped"),
    [
        ("mean_image: mean.xml", {"mean": 3.0}, "mean_image"),
        ("mean: 7", {"mean_image": "other.xml"}, "mean"),
    ],
)
def test_what_a_run_tells_takes_the_place_of_the_other_in_the_sidecar(
    tmp_path: Path, sidecar: str, told: dict[str, Any], dropped: str
) -> None:
    (tmp_path / "net.yaml").write_text(sidecar)
    settings = with_sidecar(ModelSettings(path=str(tmp_path / "net.onnx"), **told))
    assert getattr(settings, dropped) is None


def test_a_run_is_known_by_the_content_of_its_mean_image(tmp_path: Path, file: Path) -> None:
    told = ModelSettings(path=str(networks.onnx_tile(tmp_path / "net.onnx")), mean_image=str(file))
    recipe = make_recipe(told)
    elsewhere = tmp_path / "moved.xml"
    elsewhere.write_bytes(file.read_bytes())
    moved = make_recipe(told.model_copy(update={"mean_image": str(elsewhere)}))
    assert moved.identity() == recipe.identity()
    mean_file(file, np.ones((3, SIDE, SIDE), np.float32))
    assert make_recipe(told).identity() != recipe.identity()
    with pytest.raises(ModelError, match="changed since the run was planned"):
        open_model(recipe)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"mean": 1.0}, "both mean and mean_image are told"),
        ({"mean_image": "absent.xml"}, "cannot be read: No such file"),
        ({"mean_image": "small.xml"}, "16 x 16 pixels, but its mean_image has 3 bands of 4 x 4"),
        ({"mean_image": "short.xml"}, "48 numbers for 3 x 4 x 5"),
        ({"mean_image": "nan.xml"}, "not all numbers are finite"),
        ({"mean_image": "odd.xml"}, "no mean file of CNTK's image reader.*Channel, Row, Col"),
        ({"mean_image": "torn.xml"}, "no mean file of CNTK's image reader"),
    ],
)
def test_what_is_no_mean_image_for_the_network_is_refused(
    tmp_path: Path,
    file: Path,
    monkeypatch: pytest.MonkeyPatch,
    change: dict[str, Any],
    reason: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    mean_file(tmp_path / "small.xml", np.ones((3, 4, 4)))
    mean_file(tmp_path / "short.xml", np.ones((3, 4, 4)), Col=5)
    mean_file(tmp_path / "nan.xml", np.full((3, SIDE, SIDE), np.nan))
    (tmp_path / "odd.xml").write_text("<html><body>404</body></html>")
    (tmp_path / "torn.xml").write_bytes(file.read_bytes()[:-40])
    path = networks.onnx_tile(tmp_path / "net.onnx")
    told = ModelSettings(path=str(path), mean_image=str(file)).model_copy(update=change)
    with pytest.raises(ModelError, match=reason):
        make_recipe(told)
