from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

from landcover.config import Config, load_config, load_settings, parse_override
from landcover.errors import ConfigError
from landcover.labelling.settings import PrepareConfig
from landcover.training.settings import NetworkSettings, TrainSettings, TransferSettings

MINIMAL = {"source": {"rasters": ["a.tif"]}, "model": {"path": "m.onnx"}, "output": {"path": "run"}}


def test_paths_count_from_the_file_that_names_them(tmp_path: Path) -> None:
    file = tmp_path / "run.yaml"
    file.write_text(
        "source: {rasters: [naip/*.tif, [b1.tif, b2.tif], 'abfs://data/x.tif', /there.tif]}\n"
        "model: m.onnx\noutput: {path: out}\n"
    )
    config = load_config(file, environment={})
    assert config.source.rasters == (
        f"{tmp_path}/naip/*.tif",
        (f"{tmp_path}/b1.tif", f"{tmp_path}/b2.tif"),
        "abfs://data/x.tif",
        "/there.tif",
    )
    assert config.model.path == f"{tmp_path}/m.onnx"
    assert config.output.path == f"{tmp_path}/out"


def test_all_mistakes_are_named_at_once() -> None:
    wrong = {
        "source": {"rasters": ["a.tif"], "tiles": 3},
        "model": {"path": "m", "mean": "dark"},
        "failures": {"at_most": 2},
    }
    with pytest.raises(ConfigError) as caught:
        load_config(wrong, environment={})
    said = str(caught.value)
    for part in ("source.tiles: no such key", "model.mean", "failures.at_most", "output"):
        assert part in said


def test_rasters_and_images_together_are_refused() -> None:
    both = {**MINIMAL, "source": {"rasters": ["a.tif"], "images": ["b.png"]}}
    with pytest.raises(ConfigError, match="either 'rasters' or 'images'"):
        load_config(both, environment={})


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("source.labels", "parent", "'labels' goes with 'images'"),
        ("source.resize", "fit", "'resize' goes with 'images'"),
        ("model.threshold", 1, "model.threshold: .*less than 1"),
        ("model.threshold", 0, "model.threshold: .*greater than 0"),
        ("source.halo", -1, "source.halo: .*greater than or equal to 0"),
        ("source.stride", 0, "source.stride: .*greater than or equal to 1"),
        ("source.resolution", 0, "source.resolution: .*greater than 0"),
        ("failures.at_most", 1.01, "failures.at_most: .*less than or equal to 1"),
    ],
)
def test_a_value_that_makes_no_sense_is_named(key: str, value: object, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        load_config(MINIMAL, {key: value}, environment={})


@pytest.mark.parametrize(
    ("key", "value"),
    [("output", [{"password": "p1anted"}]), ("backend.token", ["http://me:p1anted@host/x"])],
)
def test_a_value_that_is_told_holds_no_secret(key: str, value: object) -> None:
    settings = {"source": {"rasters": "a.tif"}, "model": "m.onnx", "output": "run"}
    with pytest.raises(ConfigError) as error:
        load_config(settings, {key: value, "source.tile": "x"})
    assert "p1anted" not in str(error.value)


def test_what_a_model_needs_counts_from_the_file_too(tmp_path: Path) -> None:
    file = tmp_path / "run.yaml"
    file.write_text(
        "source: {images: [tiles/*]}\nmodel: {path: nets/m.onnx, mean_image: nets/mean.xml}\n"
        "output: {path: out}\n"
    )
    config = load_config(file, environment={})
    assert config.source.images == (f"{tmp_path}/tiles/*",)
    assert config.model.mean_image == f"{tmp_path}/nets/mean.xml"
    assert (config.model.path, config.output.path) == (
        f"{tmp_path}/nets/m.onnx",
        f"{tmp_path}/out",
    )


def test_arguments_win_over_the_environment_which_wins_over_the_file() -> None:
    environment = {
        "LANDCOVER_BACKEND__NAME": "dask",
        "LANDCOVER_BACKEND__WORKERS": "4",
        "LANDCOVER_SHARED": "/elsewhere",
    }
    config = load_config(MINIMAL, {"backend.name": "spark"}, environment)
    assert config.backend.name == "spark"
    assert config.backend.options == {"workers": 4}


def test_an_override_reaches_into_a_section_given_by_its_short_form() -> None:
    config = load_config({**MINIMAL, "backend": "dask"}, {"backend.workers": 2}, {})
    assert (config.backend.name, config.backend.options) == ("dask", {"workers": 2})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("backend.workers=4", ("backend.workers", 4)),
        ("model.mean=[1, 2.5]", ("model.mean", [1, 2.5])),
    ],
)
def test_the_value_of_an_override_is_yaml(text: str, expected: tuple[str, object]) -> None:
    assert parse_override(text) == expected


def test_an_override_without_a_value_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"key\.path=value"):
        parse_override("backend.workers")


def test_a_missing_file_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        load_config(tmp_path / "absent.yaml")


def test_the_record_of_a_run_holds_no_secret_and_no_object() -> None:
    backend = {"name": "spark", "address": "sc://host:443/;token=hidden", "session": object()}
    model = {"path": "https://host/m.onnx?sig=hidden"}
    config = load_config({**MINIMAL, "model": model, "backend": backend}, environment={})
    said = config.recorded()
    assert "hidden" not in json.dumps(said)
    assert said["model"]["path"] == "https://host/m.onnx"
    assert said["backend"] == {
        "name": "spark",
        "address": "sc://host:443/",
        "session": "builtins.object",
    }


@pytest.mark.parametrize(
    "url",
    ["https://host/{}?sig=hidden", "https://me:hidden@host/{}", "abfs://c@a.net/{}?se=hidden"],
)
def test_no_url_of_a_record_holds_a_secret(url: str) -> None:
    told = {
        "source": {"rasters": [url.format("a.tif"), [url.format("b1.tif"), "b2.tif"]]},
        "model": {"path": url.format("m.onnx"), "mean_image": url.format("mean.xml")},
        "output": {"path": url.format("run")},
        "backend": {"name": "mine", "stores": {"first": [url.format("x")]}},
    }
    said = load_config(told, environment={}).recorded()
    assert "hidden" not in json.dumps(said)
    host = "abfs://c@a.net" if url.startswith("abfs") else "https://host"
    assert said["source"]["rasters"] == [f"{host}/a.tif", [f"{host}/b1.tif", "b2.tif"]]
    assert (said["model"]["path"], said["output"]["path"]) == (f"{host}/m.onnx", f"{host}/run")
    assert said["failures"]["policy"] == "quarantine"


def test_defaults_are_those_of_the_guide() -> None:
    guide = (Path(__file__).parents[1] / "docs" / "configuration.md").read_text()
    rows = re.findall(r"^\| `(\w+)\.(\w+)` \|.*\| `?([\w.]+)`? \|$", guide, re.MULTILINE)
    said = load_config(MINIMAL, environment={}).recorded()
    assert len(rows) > 8
    for section, key, default in rows:
        assert said[section][key] == yaml.safe_load(default), f"{section}.{key}"


def test_a_value_of_the_environment_that_is_no_yaml_is_named() -> None:
    with pytest.raises(ConfigError, match="LANDCOVER_BACKEND__WORKERS: its value is not YAML"):
        load_config(MINIMAL, environment={"LANDCOVER_BACKEND__WORKERS": "[4"})


@pytest.mark.parametrize(
    "value",
    [
        "@hidden",
        "%hidden",
        "*hidden",
        "&hidden",
        "!hidden x",
        "!h!idden",
        "{hidden",
        "a: b: hidden",
    ],
)
def test_a_password_that_means_something_to_yaml_is_not_shown(value: str, tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text(f"output:\n  path: run\n  options:\n    account_key: {value}\n")
    key = "LANDCOVER_OUTPUT__OPTIONS__ACCOUNT_KEY"
    for read in (
        lambda: load_config(path, environment={}),
        lambda: load_config(MINIMAL, environment={key: value}),
        lambda: parse_override(f"output.options.account_key={value}"),
    ):
        with pytest.raises(ConfigError) as caught:
            read()
        assert "hidden" not in str(caught.value) and "is not YAML" in str(caught.value)


def test_a_variable_of_a_section_that_is_none_is_an_error_with_the_near_one() -> None:
    with pytest.raises(ConfigError, match=r"LANDCOVER_BAKEND__NAME: .*'bakend'.*mean 'backend'\?"):
        load_config(MINIMAL, environment={"LANDCOVER_BAKEND__NAME": "dask"})
    load_config(MINIMAL, environment={"LANDCOVER_CACHE": "/tmp", "OTHER_BAKEND__NAME": "x"})


def test_a_variable_with_one_underscore_is_told_to_set_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    services = {"LANDCOVER_BACKEND_PORT": "1", "LANDCOVER_OUTPUT": "x", "LANDCOVER_CACHE_NAME": "x"}
    config = load_config(MINIMAL, environment={"LANDCOVER_BACKEND_NAME": "dask", **services})
    assert config.backend.name == "local"
    [said] = [record.getMessage() for record in caplog.records]
    assert said == (
        "LANDCOVER_BACKEND_NAME sets nothing: a key is written with two underscores, "
        "LANDCOVER_BACKEND__NAME"
    )


def test_what_is_set_for_another_command_is_left_to_it() -> None:
    sections = {*PrepareConfig.model_fields, *TrainSettings.model_fields}
    for name in sorted(sections - {*Config.model_fields}):
        if name in TrainSettings.model_fields and name != "method":
            continue  # a value, not a section
        load_config(MINIMAL, environment={f"LANDCOVER_{name.upper()}__SEED": "1"})


def test_variables_and_the_place_of_the_file_serve_every_command(tmp_path: Path) -> None:
    (tmp_path / "prepare.yaml").write_text(
        "source: {rasters: '*.tif', tile: 8}\nreference: r.tif\noutput: tiles\n"
        "split: {by: region, regions: {test: county.gpkg}}\n"
    )
    tiles = load_settings(
        PrepareConfig, tmp_path / "prepare.yaml", environment={"LANDCOVER_DRAW__SEED": "3"}
    )
    assert tiles.draw.seed == 3
    assert (tiles.reference.path, tiles.output.path) == (f"{tmp_path}/r.tif", f"{tmp_path}/tiles")
    assert tiles.split.regions["test"].path == f"{tmp_path}/county.gpkg"
    (tmp_path / "train.yaml").write_text(
        "data: tiles\noutput: model\nmethod: {name: transfer, base: mine.keras}\n"
    )
    environment = {"LANDCOVER_METHOD__WEIGHTS": "w.h5", "LANDCOVER_OUTPUT__PATH": "/m"}
    found = load_settings(TrainSettings, tmp_path / "train.yaml", environment=environment)
    assert (found.data, found.output) == (f"{tmp_path}/tiles", "/m")
    assert isinstance(found.method, TransferSettings)
    assert (found.method.base, found.method.weights) == (f"{tmp_path}/mine.keras", "w.h5")
    named = {"data": "/tiles", "output": "/m", "method": "network"}
    again = load_settings(TrainSettings, named, {"method.epochs": 2}, {})
    assert isinstance(again.method, NetworkSettings) and again.method.epochs == 2
    given = {"method": {"name": "transfer", "base": "MobileNetV3Small"}}
    (tmp_path / "named.yaml").write_text(json.dumps({**named, **given}))
    by_name = load_settings(TrainSettings, tmp_path / "named.yaml", environment={})
    assert isinstance(by_name.method, TransferSettings)
    assert by_name.method.base == "MobileNetV3Small"


def test_a_key_of_one_of_several_kinds_of_section_is_told_as_it_stands_in_the_file() -> None:
    named = {"data": "/tiles", "output": "/m"}
    for given, told in (
        ({"name": "unet", "dept": 1}, "method.dept: no such key; did you mean 'depth'?"),
        ({"name": "unet", "depth": 0}, "method.depth: Input should be .* (found 0)"),
        ({"name": "guess"}, "method.name: must be one of 'probe', 'network', 'unet', 'transfer'"),
    ):
        with pytest.raises(ConfigError) as error:
            load_settings(TrainSettings, {**named, "method": given}, environment={})
        [said] = error.value.mistakes
        assert re.fullmatch(re.escape(told).replace(r"\.\*", ".*"), said)
    asked = {"source": {"rasters": "a.tif", "tile": 8}, "reference": "r.tif", "output": "o"}
    split = {"by": "region", "regions": {"test": {"path": "c.gpkg", "were": "x"}}}
    with pytest.raises(ConfigError, match=r"split\.regions\.test\.were: no such key; .*'where'"):
        load_settings(PrepareConfig, {**asked, "split": split}, environment={})


def test_a_key_that_is_none_is_told_with_the_near_one() -> None:
    for key, near in (
        ("source.tiles", "tile"),
        ("sorce", "source"),
        ("failures.atmost", "at_most"),
    ):
        with pytest.raises(ConfigError, match=f"{key}: no such key; did you mean '{near}'"):
            load_config(MINIMAL, {key: 1})


def test_the_file_of_a_subdataset_counts_from_the_configuration(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    entries = ['NETCDF:"b/a.nc":red', "HDF5:a.h5://grid/red", "NETCDF:/x/a.nc:red", "s3://b/k:red"]
    config.write_text(yaml.safe_dump({"source": {"rasters": entries}, "model": "m", "output": "o"}))
    assert load_config(config).source.rasters == (
        f"NETCDF:{tmp_path}/b/a.nc:red",
        f"HDF5:{tmp_path}/a.h5://grid/red",
        "NETCDF:/x/a.nc:red",
        "s3://b/k:red",
    )


@pytest.mark.parametrize(
    ("key", "value"),
    [("model.batch", 0), ("source.resolution", 1e-9), ("model.resolution", float("inf"))],
)
def test_numbers_that_no_run_can_mean_are_refused(key: str, value: float) -> None:
    usual = {"source": {"rasters": ["a.tif"]}, "model": "a.onnx", "output": "run"}
    with pytest.raises(ConfigError, match=key):
        load_config(usual, {key: value}, {})
