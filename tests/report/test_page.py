"""The report as a file: what it says, that it asks for nothing, that names in it stay names."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
import zlib
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import onnx
import pytest
from PIL import Image
from support.colours import SIDECAR, blobs, network, write_scene
from support.reported import BREAKOUT, HOSTILE, Elements
from support.vectors import write_vectors

import landcover
from landcover.classes import LandClass, Scheme, scheme
from landcover.contracts import Tile
from landcover.errors import ConfigError, OutputError
from landcover.report.page.maps import PIXELS
from landcover.report.page.pictures import class_picture, score_picture
from landcover.report.page.shown_classes import ShownClass, ShownClasses
from landcover.runs.claiming import claim
from landcover.runs.directory import RunDirectory
from landcover.runs.parts import Part, write_part


@pytest.fixture(scope="module")
def page(
    hostile_run: RunDirectory, later_run: RunDirectory, tmp_path_factory: pytest.TempPathFactory
) -> Elements:
    path = tmp_path_factory.mktemp("report") / "report.html"
    runs = [landcover.open_run(hostile_run.path), later_run.path]
    maps = [str(Path(run.path) / "map.tif") for run in (hostile_run, later_run)]
    landcover.write_report(runs, path, reference=maps)
    return Elements(path.read_text())


def test_names_from_files_are_text_and_nothing_else(page: Elements) -> None:
    tags = [tag for tag, _ in page.elements]
    assert tags.count("script") == 2 and "b" not in tags
    for tag, attributes in page.elements:
        assert not [name for name in attributes if name.startswith("on")], tag
        if tag == "img":
            assert attributes["src"].startswith("data:image/png;base64,")
    assert page.words.count(HOSTILE) > 3 and page.words.count(BREAKOUT) > 3
    data = json.loads(next(text for tag, text in page.inside if text.startswith("{")))
    assert [item["name"] for item in data["classes"]][:2] == [HOSTILE, BREAKOUT]
    assert data["runs"] == ["<b>2016&", "2018"]


def test_nothing_can_be_asked_of_a_server(page: Elements) -> None:
    for tag, attributes in page.elements:
        links = [
            attributes[name] for name in ("src", "href", "action", "data") if name in attributes
        ]
        assert all(link.startswith(("data:", "#")) for link in links), tag
    policy = next(a["content"] for _, a in page.elements if a.get("http-equiv"))
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'" and rules["img-src"] == "data:"
    assert "unsafe" not in policy
    for kind in ("style", "script"):
        text = [text for tag, text in page.inside if tag == kind][-1]
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert rules[f"{kind}-src"] == f"'sha256-{digest}'"
        assert not re.search(r"https?:|url\((?!#)|@import", text)
    assert not [a for _, a in page.elements if "style" in a]


def test_areas_accuracy_quarantine_and_making_are_tables(page: Elements) -> None:
    words = page.words
    assert "46.00" not in words  # hectares of the hostile run: 23 and 24 tiles of 1 ha
    assert {"23.00", "24.00", "1.00"} <= {*words}
    assert "Overall accuracy 100.0% of 1,191 pixels, kappa 1.000." in " ".join(words)
    reasons = words[words.index("One of them") :]
    assert reasons[1:4] == ["2", "timeout", "1"]
    assert "Fingerprint" in words and "Tiles in quarantine" in words


def test_pictures_hold_the_classes_and_scores_of_the_run(
    hostile_run: RunDirectory, page: Elements
) -> None:
    pictures = [a for tag, a in page.elements if tag == "img"]
    assert [one["class"] for one in pictures] == ["classes", "scores", "classes"]
    classes, scores = (_stored(one["src"]) for one in pictures[:2])
    assert classes.shape == (32, 42)
    assert classes[2, 2] == 2 and classes[2, 10] == 0 and classes[2, 30] == 1
    assert classes[31, 41] == 255  # nothing of the first run lies there
    assert scores[2, 2] == 50 and scores[29, 39] == 100 and scores[31, 41] == 255


def test_runs_without_a_place_on_the_ground_have_tables_only(tmp_path: Path) -> None:
    images = [Tile(f"{n}.png", f"{n}.png", 0, 0, None, "Forest") for n in range(5)]
    classes = Scheme("model", (LandClass(0, "Forest", "#38814e"), LandClass(1, "x", "#ab6c28")))
    with claim(str(tmp_path / "run"), {}, classes, {"model": {"output": "tile"}}) as run:
        labels = np.array([0, 0, 0, 0, 1])
        write_part(run, Part(0, 5, images, labels, np.ones(5, np.float32)))
        run.finish({"files": [], "accuracy": {"text": ""}, "tiles": {"planned": 5, "scored": 5}})
    landcover.write_report(run.path, tmp_path / "report.html")
    page = Elements((tmp_path / "report.html").read_text())
    assert "img" not in [tag for tag, _ in page.elements]
    assert page.words[page.words.index("Tiles") :][1:5] == ["Forest", "4", "x", "1"]
    assert "Overall accuracy 80.0% of 5 tiles" in " ".join(page.words)


def test_a_run_over_several_dates_is_shown_date_by_date(tmp_path: Path) -> None:
    for seed, date in enumerate(("20160915", "20180804")):
        write_scene(tmp_path / f"m_1_{date}.tif", blobs(seed, 64, 96))
    onnx.save(network(pixel=False, halo=0, size=32), tmp_path / "colours.onnx")
    (tmp_path / "colours.yaml").write_text(SIDECAR)
    rasters, dates = str(tmp_path / "m_*.tif"), {"source.date": "auto"}
    model, output = tmp_path / "colours.onnx", tmp_path / "run"
    landcover.score(rasters=rasters, model=model, output=output, overrides=dates)
    landcover.write_report(output, tmp_path / "report.html")
    page = Elements((tmp_path / "report.html").read_text())
    data = json.loads(next(text for tag, text in page.inside if text.startswith("{")))
    assert data["runs"] == ["run, 2016-09-15", "run, 2018-08-04"]
    kinds = [a["class"] for tag, a in page.elements if tag == "img"]
    assert kinds == ["classes", "scores"] * 2
    found = [a["src"] for tag, a in page.elements if a.get("class") == "classes"]
    for uri, date in zip(found, ("2016-09-15", "2018-08-04"), strict=True):
        run = landcover.open_run(output, date)
        names = np.array([item["name"] for item in data["classes"]])
        wanted = np.array(run.directory.scheme.names)[run.map().values]
        assert np.array_equal(names[_stored(uri)], wanted)
        assert "data:image/png" in run._repr_html_()


def test_a_labelled_sample_gives_areas_and_accuracies_with_intervals(
    later_run: RunDirectory, tmp_path: Path
) -> None:
    run = landcover.open_run(later_run.path)
    sample = run.sample(size=60, fewest=10)
    sample["reference"] = sample["mapped"]
    own = tmp_path / "sample.gpkg"
    sample.loc[sample.index[0], "reference"] = "Shrub"
    sample.to_file(own)
    landcover.write_report(run, tmp_path / "report.html", sample=own)
    words = " ".join(Elements((tmp_path / "report.html").read_text()).words)
    found = run.estimates(own)
    half = (found.overall["high"] - found.overall["low"]).iloc[0] / 2
    assert f"Overall accuracy {found.overall['estimate'].iloc[0]:.1%} ± {half:.1%}" in words
    assert f"{found.areas.loc['Shrub', 'estimate']:.2f} ±" in words


def test_one_reference_serves_all_runs_and_other_numbers_are_refused(
    later_run: RunDirectory, tmp_path: Path
) -> None:
    point = write_vectors(tmp_path / "p.gpkg", *_points(), label=["Forest", "Cultivated"])
    output = tmp_path / "report.html"
    landcover.write_report([later_run.path] * 2, output, reference=point)
    text = " ".join(Elements(output.read_text()).words)
    assert text.count("Overall accuracy 100.0% of 2 points") == 4  # two runs, two schemes
    with pytest.raises(ConfigError, match="3 references for 2 runs: give one for all of them"):
        landcover.write_report([later_run.path] * 2, output, reference=[point] * 3)


def test_a_report_that_cannot_be_written_leaves_the_old_one(
    later_run: RunDirectory, tmp_path: Path
) -> None:
    output = tmp_path / "report.html"
    output.write_text("old")
    with pytest.raises(OutputError, match="no run directory"):
        landcover.write_report([later_run.path, tmp_path / "none"], output)
    with pytest.raises(OutputError, match="is no folder"):
        landcover.write_report(later_run.path, tmp_path / "none" / "report.html")
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]
    assert output.read_text() == "old"


def test_the_largest_pictures_fit_into_a_file_of_20_mb() -> None:
    random = np.random.default_rng(0)
    shape = 1000, PIXELS // 4000
    classes = [ShownClass(str(n), "#000000", "#000000") for n in range(254)]
    noise = random.integers(0, 254, shape).astype(np.uint8)
    held = class_picture(noise, classes) + score_picture(random.random(shape, np.float32))
    assert 4 * len(held) < 14e6


def test_of_more_classes_than_a_picture_holds_the_rarest_are_one() -> None:
    many = Scheme("model", tuple(LandClass(n, f"c{n}", "#123456") for n in range(300)))
    view = np.repeat(np.arange(301), np.arange(301) + 1)[None]
    shown = ShownClasses.of([many], [view])
    assert len(shown.classes) == 254 and shown.classes[-1].name == "rarer classes"
    picture = shown.picture(view, many)
    assert picture[0, 0] == 253 and picture[0, -1] == 255
    assert shown.classes[int(picture[0, -400])].name == "c299"
    assert len({item.safe for item in shown.classes}) > 250


def test_what_is_rare_is_told_by_all_views_together() -> None:
    many = Scheme("model", tuple(LandClass(n, f"c{n}", "#123456") for n in range(300)))
    first, last = np.zeros((1, 900), np.intp), np.repeat(np.arange(300), np.arange(300) + 1)[None]
    shown = ShownClasses.of([many, many], [first, last])
    assert [shown.classes[shown.indices[f"c{n}"]].name for n in (0, 1, 299)] == [
        "c0",
        "rarer classes",
        "c299",
    ]


def test_classes_of_one_name_are_one_class_and_colours_for_all_readers_differ(
    hostile_run: RunDirectory, later_run: RunDirectory
) -> None:
    schemes = [hostile_run.scheme, scheme("nlcd6")]
    shown = ShownClasses.of(schemes, [np.array([[0, 2]]), np.array([[5, 1]])])
    assert [item.name for item in shown.classes] == [HOSTILE, "Developed", "Forest"]
    assert shown.picture(np.array([[5, 6]]), schemes[1]).tolist() == [[1, 255]]
    assert len({item.safe for item in shown.classes}) == 3


def _points() -> list[Any]:
    return list(geopandas.points_from_xy([5e5 + 335, 5e5 + 635], [4.5e6 - 335] * 2))


def _stored(uri: str) -> np.ndarray:
    """The bytes of a picture as the script reads them: rows without filters."""
    png = base64.b64decode(uri.split(",")[1])
    with Image.open(io.BytesIO(png)) as image:
        width, height = image.size
    held, at = b"", 8
    while at < len(png):
        size = int.from_bytes(png[at : at + 4], "big")
        held += png[at + 8 : at + 8 + size] if png[at + 4 : at + 8] == b"IDAT" else b""
        at += 12 + size
    rows = np.frombuffer(zlib.decompress(held), np.uint8).reshape(height, width + 1)
    assert not rows[:, 0].any()
    return rows[:, 1:]
