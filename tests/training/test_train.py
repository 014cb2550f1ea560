"""``landcover train`` on small tiles, and what can be done with what it writes."""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import yaml
from PIL import Image

import landcover as lc
from landcover.cli.main import main
from landcover.errors import ConfigError, ModelError, OutputError, SourceError
from landcover.runs.lock import only_run
from landcover.runs.storage import Storage
from landcover.training.base import base_of
from landcover.training.learned import Step
from landcover.training.settings import TransferSettings

pytestmark = pytest.mark.skipif(
    find_spec("keras") is None or find_spec("sklearn") is None,
    reason="training needs the extra 'train'",
)

CLASSES = ("coarse", "fine", "flat")


class Said(NamedTuple):
    code: int
    out: str
    err: str


Command = Callable[..., Said]


@pytest.fixture
def landcover(capfd: pytest.CaptureFixture[str]) -> Command:
    def run(*arguments: object) -> Said:
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([*map(str, arguments)])
        return Said(int(ended.value.code or 0), *capfd.readouterr())

    return run


@pytest.fixture(scope="session")
def tiles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tiles whose classes differ in texture alone: 12 a class to learn from, 8 to test."""
    home = tmp_path_factory.mktemp("tiles")
    generator = np.random.default_rng(0)
    waves = {"coarse": np.arange(24) // 4 % 2, "fine": np.arange(24) % 2, "flat": np.full(24, 0.5)}
    for split, count in (("train", 12), ("test", 8)):
        for name in CLASSES:
            (home / split / name).mkdir(parents=True)
            for number in range(count):
                light = 120 + generator.normal(0, 20)
                clean = light + 60 * (waves[name] - 0.5)[None, :, None]
                noisy = clean + generator.normal(0, 8, (24, 24, 3))
                pixels = noisy.clip(0, 255).round().astype(np.uint8)
                Image.fromarray(pixels).save(home / split / name / f"{number}.png")
    return home


def _config(home: Path, tiles: Path, **more: object) -> Path:
    path = home / "train.yaml"
    path.write_text(yaml.safe_dump({"data": str(tiles), "output": "out", **more}))
    return path


@pytest.fixture(scope="session")
def probe(tiles: Path, tmp_path_factory: pytest.TempPathFactory) -> lc.Trained:
    home = tmp_path_factory.mktemp("probe")
    method = {"name": "probe", "filters": 16, "copies": 2}
    return lc.train(_config(home, tiles, resolution=1.0, method=method))


def test_a_probe_of_few_labels_tells_textures_apart(probe: lc.Trained) -> None:
    assert probe.accuracy > 0.9
    out, test = probe.summary["judged"]
    assert (out["of"], out["tiles"]) == ("36 training tiles, each left out once", 36)
    assert (test["of"], test["tiles"], test["classes"]) == ("the 24 test tiles", 24, [*CLASSES])
    assert probe.summary["counts"] == {"train": [12, 12, 12], "test": [8, 8, 8]}


def test_what_is_to_be_told_of_a_network_lies_beside_it(probe: lc.Trained) -> None:
    home = Path(probe.path)
    names = {path.name for path in home.iterdir()}
    assert names == {
        *("model.keras", "model.yaml", "item.json", "training.json", "CARD.md"),
        *("confusion.png", "reliability.png"),
    }
    sidecar = yaml.safe_load((home / "model.yaml").read_text())
    assert sidecar["classes"] == [*CLASSES]
    assert (sidecar["bands"], sidecar["input_size"]) == ([1, 2, 3], 24)
    assert (sidecar["resolution"], sidecar["output"], sidecar["activation"]) == (1, "tile", "none")
    assert json.loads((home / "training.json").read_text()) == probe.summary
    told = (home / "CARD.md").read_text()
    assert "| fine | 12 | 8 |" in told and "License: not stated" in told
    assert f"{probe.accuracy:.1%}" in told


@pytest.mark.parametrize("runtime", ["tensorflow", "openvino"])
def test_the_network_scores_tiles_as_it_was_measured(
    probe: lc.Trained, tiles: Path, tmp_path: Path, runtime: str, landcover: Command
) -> None:
    if find_spec(runtime) is None:
        pytest.skip(f"{runtime} is not installed")
    config = tmp_path / "score.yaml"
    source = {"images": str(tiles / "test"), "labels": "parent"}
    config.write_text(
        yaml.safe_dump(
            {
                "source": source,
                "model": {"path": probe.model, "runtime": runtime},
                "output": {"path": "run", "probabilities": True},
            }
        )
    )
    said = landcover("score", config, "--quiet")
    assert said.code == 0, said.err
    run = lc.open_run(tmp_path / "run")
    assert run.summary["accuracy"]["matrix"] == probe.summary["judged"][-1]["matrix"]


def test_the_command_says_how_often_labels_are_right(
    tiles: Path, tmp_path: Path, landcover: Command
) -> None:
    config = _config(tmp_path, tiles, method={"name": "probe", "filters": 8, "copies": 0})
    said = landcover("train", config, "--quiet", "--set", "license=CC0-1.0")
    # TensorFlow talks where another test has started it before the package could silence it.
    ours = [line for line in said.err.splitlines() if not line.startswith("I0000 ")]
    assert (said.code, ours) == (0, [])
    assert "by the 24 test tiles: overall accuracy" in said.out
    assert "License: CC0-1.0" in (tmp_path / "out" / "CARD.md").read_text()
    again = landcover("train", config, "--json")
    assert json.loads(again.out) == json.loads((tmp_path / "out" / "training.json").read_text())


def test_a_finished_training_is_given_back_and_another_is_not_overwritten(
    probe: lc.Trained, tiles: Path
) -> None:
    method = {"name": "probe", "filters": 16, "copies": 2}
    steps: list[Step] = []
    again = lc.train(
        data=tiles, output=probe.path, resolution=1.0, method=method, progress=steps.append
    )
    assert again.summary == probe.summary
    assert {step.unit for step in steps} == {"images read"}
    whole = sorted(path.name for path in Path(probe.path).iterdir())
    for left in (["checkpoint-0.npz", ".lock"], [".lock", ".holder"]):
        for name in left:
            Path(probe.path, name).write_bytes(b"of a command that was killed as it removed this")
        lc.train(data=tiles, output=probe.path, resolution=1.0, method=method)
        assert sorted(path.name for path in Path(probe.path).iterdir()) == whole
    with pytest.raises(OutputError, match=r"holds another training .* --restart"):
        lc.train(data=tiles, output=probe.path, resolution=1.0, method=method, seed=1)


def test_of_two_trainings_at_once_the_second_is_refused(tiles: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with (
        only_run(Storage(str(tmp_path / "out"))),
        pytest.raises(OutputError, match="is being written by this process"),
    ):
        lc.train(data=tiles, output=tmp_path / "out", resolution=1.0)


def test_the_same_seed_gives_the_same_network(
    probe: lc.Trained, tiles: Path, tmp_path: Path
) -> None:
    method = {"name": "probe", "filters": 16, "copies": 2}
    again = lc.train(data=tiles, output=tmp_path / "out", resolution=1.0, method=method)
    assert again.summary["judged"] == probe.summary["judged"]


def test_a_probe_of_two_classes_with_a_validation_split_is_judged_by_that(
    tiles: Path, tmp_path: Path
) -> None:
    for name in ("coarse", "flat"):
        for split, source in (("train", "train"), ("validation", "test")):
            (tmp_path / "data" / split).mkdir(parents=True, exist_ok=True)
            (tmp_path / "data" / split / name).symlink_to(tiles / source / name)
    method = {"name": "probe", "filters": 16, "copies": 2}
    found = lc.train(data=tmp_path / "data", output=tmp_path / "out", method=method)
    [judged] = found.summary["judged"]
    assert (judged["of"], judged["tiles"]) == ("the 16 validation tiles", 16)
    assert found.accuracy > 0.9


class Killed(Exception):
    """What ends a training in the middle."""


def _killed_after(count: int, unit: str = "epochs") -> Callable[[Step], None]:
    def say(step: Step) -> None:
        if step.unit == unit and step.done == count:
            raise Killed

    return say


NETWORK = {"name": "network", "epochs": 5, "batch": 12, "width": 4}


@pytest.fixture(scope="session")
def network(tiles: Path, tmp_path_factory: pytest.TempPathFactory) -> lc.Trained:
    home = tmp_path_factory.mktemp("network")
    return lc.train(data=tiles, output=home, method=NETWORK, validation=0.25)


def test_a_network_from_scratch_leaves_its_history_and_no_trace_of_how_it_was_trained(
    network: lc.Trained,
) -> None:
    home = Path(network.path)
    names = {path.name for path in home.iterdir()}
    assert {"history.csv", "history.png", "model.keras"} <= names
    assert not [name for name in names if name.startswith("checkpoint")]
    header, *rows = (home / "history.csv").read_text().splitlines()
    assert header == "epoch,loss,accuracy,validation_loss,validation_accuracy"
    assert [int(row.split(",")[0]) for row in rows] == [1, 2, 3, 4, 5]
    validation, test = network.summary["judged"]
    assert (validation["of"], test["of"]) == ("the 9 validation tiles", "the 24 test tiles")
    assert network.summary["counts"]["train"] == [12, 12, 12]


def test_a_training_that_was_killed_goes_on_and_ends_in_the_same_history(
    network: lc.Trained, tiles: Path, tmp_path: Path
) -> None:
    given = {"data": tiles, "output": tmp_path / "out", "method": NETWORK, "validation": 0.25}
    with pytest.raises(Killed):
        lc.train(**given, progress=_killed_after(2))
    (tmp_path / "out" / ".writing-1").write_bytes(b"half of a network")
    steps: list[Step] = []
    again = lc.train(**given, progress=steps.append)
    assert [step.done for step in steps if step.unit == "epochs"] == [3, 4, 5]
    history = (tmp_path / "out" / "history.csv").read_text()
    assert history == (Path(network.path) / "history.csv").read_text()
    assert again.summary["judged"] == network.summary["judged"]
    assert not (tmp_path / "out" / ".writing-1").exists()


def test_a_network_of_ones_own_is_cut_and_goes_on_with_another_last_layer(
    network: lc.Trained, tiles: Path, tmp_path: Path
) -> None:
    method = {"name": "transfer", "base": network.model, "epochs": 2, "then": 1, "layers": 2}
    for name in ("coarse", "fine"):
        for split in ("train", "test"):
            (tmp_path / "two" / split).mkdir(parents=True, exist_ok=True)
            (tmp_path / "two" / split / name).symlink_to(tiles / split / name)
    found = lc.train(data=tmp_path / "two", output=tmp_path / "out", method=method)
    assert found.summary["classes"] == ["coarse", "fine"]
    assert (tmp_path / "out" / "history.csv").read_text().count("\n") == 4
    with pytest.raises(ModelError, match="has no layer 'nowhere' to cut it at; its last ones: "):
        lc.train(data=tiles, output=tmp_path / "b", method={**method, "cut": "nowhere"})


def test_a_probe_learns_from_what_a_named_layer_of_ones_own_network_answers(
    network: lc.Trained, tiles: Path, tmp_path: Path
) -> None:
    import keras

    layers = keras.models.load_model(network.model).layers
    cut = next(one for one in layers if isinstance(one, keras.layers.Concatenate))
    features = {"base": network.model, "cut": cut.name}
    method = {"name": "probe", "features": features, "copies": 1, "variation": 0.1}
    found = lc.train(data=tiles, output=tmp_path / "out", method=method)
    assert f"{cut.output.shape[-1]} answers of {cut.name} of model.keras" in found.summary["method"]
    assert found.accuracy > 0.6
    said = [yaml.safe_load(Path(one.path, "model.yaml").read_text()) for one in (network, found)]
    assert [one["mean"] for one in said] == [said[0]["mean"]] * 2  # what the network was made for
    assert found.summary["counts"]["train"] == [12, 12, 12]
    other = shutil.copy(network.model, tmp_path / "other.keras")
    for told, sentence in (
        ({"channel_order": "bgr", "mean": 1}, "its sidecar says channel_order: bgr"),
        ({"mean": [1, 2, 3, 4]}, "its sidecar tells 4 bands, and the tiles have 3"),
    ):
        (tmp_path / "other.yaml").write_text(yaml.safe_dump(told))
        with pytest.raises(ModelError, match=sentence):
            asked = {**method, "features": {"base": str(other)}}
            lc.train(data=tiles, output=tmp_path / "none", method=asked)


def test_accuracy_by_the_number_of_labels_is_measured_on_ground_apart(
    tiles: Path, tmp_path: Path
) -> None:
    given = {"data": tiles, "method": {"name": "probe", "filters": 8, "copies": 0}}
    steps: list[Step] = []
    curve = {"labels": [3, 12], "seeds": 2}
    with pytest.raises(Killed):
        lc.train(
            **given, output=tmp_path / "c", curve=curve, progress=_killed_after(2, "trainings")
        )
    found = lc.train(**given, output=tmp_path / "out", curve=curve, progress=steps.append)
    rows = found.summary["curve"]
    assert [(row["labels"], row["seed"]) for row in rows] == [(3, 0), (3, 1), (12, 0), (12, 1)]
    assert rows[0]["accuracy"] != rows[1]["accuracy"] or rows[0]["accuracy"] == 1
    assert [step.done for step in steps if step.unit == "trainings"] == [1, 2, 3, 4]
    again = lc.train(**given, output=tmp_path / "c", curve=curve, progress=steps.append)
    assert [step.done for step in steps if step.unit == "trainings"] == [1, 2, 3, 4, 3, 4]
    assert again.summary["curve"] == rows and not list((tmp_path / "c").glob("checkpoint*"))
    assert (tmp_path / "out" / "curve.png").stat().st_size > 1000
    assert (tmp_path / "out" / "curve.csv").read_text().count("\n") == 5
    assert "| labels a class | mean | lowest | highest |" in (tmp_path / "out/CARD.md").read_text()
    with pytest.raises(ConfigError, match=r"20 are asked for, and a class has 12 tiles"):
        lc.train(**given, output=tmp_path / "a", curve={"labels": [20]})
    with pytest.raises(ConfigError, match=r"neither test/ nor validation/"):
        lc.train(**{**given, "data": tiles / "train"}, output=tmp_path / "b", curve={})


def test_the_network_is_an_item_of_a_catalogue(probe: lc.Trained) -> None:
    item = json.loads(Path(probe.path, "item.json").read_text())
    assert item["assets"]["model"]["href"] == "./model.keras"
    assert item["properties"]["mlm:tasks"] == ["scene-classification"]
    classes = item["properties"]["mlm:output"][0]["classification:classes"]
    assert [one["name"] for one in classes] == [*CLASSES]
    assert item["properties"]["landcover:accuracy"] == probe.accuracy
    pystac = pytest.importorskip("pystac")
    validation = pytest.importorskip("pystac.validation.stac_validator")
    kind = pystac.STACObjectType.ITEM
    validation.JsonSchemaSTACValidator().validate_core(item, kind, item["stac_version"])


def test_weights_of_three_bands_serve_four_and_those_of_another_network_do_not(
    tmp_path: Path,
) -> None:
    import keras

    three = keras.applications.MobileNetV3Small(
        (32, 32, 3), include_top=False, weights=None, include_preprocessing=False, alpha=1.0
    )
    three.save_weights(tmp_path / "three.weights.h5")
    settings = TransferSettings(
        name="transfer", base="MobileNetV3Small", weights=str(tmp_path / "three.weights.h5")
    )
    four = base_of(settings, 32, 4)
    first = [np.asarray(model.weights[0]) for model in (three, four)]
    assert first[1].shape[2] == 4
    assert first[1].sum(2) == pytest.approx(first[0].sum(2), abs=1e-6)
    assert np.array_equal(np.asarray(four.weights[9]), np.asarray(three.weights[9]))
    other = TransferSettings(name="transfer", base="MobileNetV2", weights=settings.weights)
    with (
        warnings.catch_warnings(action="error"),
        pytest.raises(ModelError, match="are not the weights of MobileNetV2"),
    ):
        base_of(other, 32, 3)
    with pytest.raises(ModelError, match="is no network of keras"):
        base_of(TransferSettings(name="transfer", base="MobileNet9"), 32, 3)


def test_what_no_network_can_learn_from_is_said_before_anything_is_written(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / "data" / name).mkdir(parents=True)
        Image.new("RGB", (16, 16)).save(tmp_path / "data" / name / "1.png")
    given = {"data": tmp_path / "data", "output": tmp_path / "out"}
    with pytest.raises(ConfigError, match="bands: 2 are named, and the tiles have 3"):
        lc.train(**given, bands=[1, 2])
    for method in ("probe", "network"):
        with pytest.raises(SourceError, match=r"1\.png: is the only image of its class"):
            lc.train(**given, method=method)
    assert not list((tmp_path / "out").glob("[!.]*"))


def test_all_mistakes_in_a_configuration_are_named(tmp_path: Path, landcover: Command) -> None:
    config = tmp_path / "train.yaml"
    config.write_text("output: out\nclases: nlcd6\nmethod: {name: probe, filter: 3, copies: -1}\n")
    said = landcover("train", config)
    assert said.code == 2
    assert "data: is missing" in said.err
    assert "clases: no such key; did you mean 'classes'?" in said.err
    assert "method.filter: no such key; did you mean 'filters'?" in said.err
    assert "method.copies: " in said.err and "(found -1)" in said.err
    with pytest.raises(ConfigError, match="method"):
        lc.train(data=tmp_path, output=tmp_path / "out", method="guess")


def test_a_network_is_evaluated_on_a_split_as_it_was_measured(
    probe: lc.Trained, tiles: Path
) -> None:
    found = lc.evaluate(probe.model, tiles)
    assert found.names == CLASSES
    assert found.matrix.tolist() == probe.summary["judged"][-1]["matrix"]
    assert lc.evaluate(probe.model, tiles, "train").total == 36
    with pytest.raises(SourceError, match="has no split 'validation'; there are: train, test"):
        lc.evaluate(probe.model, tiles, "validation")
