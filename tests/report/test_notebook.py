"""What notebooks show: runs, accuracies, estimates and changes as HTML, and maps on axes."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import matplotlib
import numpy as np
import onnx
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from PIL import Image
from support.colours import SIDECAR, network, write_scene
from support.reported import BREAKOUT, HOSTILE, Elements

import landcover
from landcover.analysis.accuracy import Accuracy
from landcover.errors import SourceError
from landcover.runs.directory import RunDirectory


def _shown(thing: object) -> Elements:
    return Elements(thing._repr_html_())  # type: ignore[attr-defined]


def test_a_run_shows_how_it_was_made_with_every_name_as_text(hostile_run: RunDirectory) -> None:
    page = _shown(landcover.open_run(hostile_run.path))
    assert {tag for tag, _ in page.elements} == {"div", "b", "table", "tr", "th", "td"}
    assert BREAKOUT in page.words and f"Run {hostile_run.path}" in page.words
    assert page.words[page.words.index("Tiles in quarantine") + 1] == "3"


def test_a_run_shows_its_picture_and_nothing_else_of_that_name(
    later_run: RunDirectory, tmp_path: Path
) -> None:
    smooth = landcover.open_run(later_run.path).smooth(tmp_path / "smooth")
    pictures = [a for tag, a in _shown(smooth).elements if tag == "img"]
    assert [one["src"].split(",")[0] for one in pictures] == ["data:image/png;base64"]
    (tmp_path / "smooth" / "map.png").write_text("a password")
    assert "img" not in [tag for tag, _ in _shown(smooth).elements]


def test_accuracies_and_estimates_show_names_as_text() -> None:
    found = Accuracy((HOSTILE, BREAKOUT), np.array([[3, 1], [0, 4]]))
    assert {tag for tag, _ in _shown(found).elements} == {"pre"}
    labels = [HOSTILE, BREAKOUT] * 3
    sample = pd.DataFrame({"stratum": labels, "mapped": labels, "reference": labels})
    estimates = landcover.stratified_estimates(sample, dict.fromkeys(labels, 10.0))
    page = _shown(estimates)
    assert Counter(tag for tag, _ in page.elements)["table"] == 4
    assert page.words.count(HOSTILE) == 3 and not {"img", "script"} & {
        tag for tag, _ in page.elements
    }


def test_a_change_shows_its_transitions_and_its_map(change: tuple[str, str, str]) -> None:
    opened = landcover.open_change(change[2])
    page = _shown(opened)
    tags = [tag for tag, _ in page.elements]
    assert HOSTILE in page.words and tags.count("img") == 1 and "script" not in tags
    axes = opened.plot(Figure().subplots())
    names = [text.get_text() for text in axes.get_legend().get_texts()]
    assert names[0] == "unchanged" and names[1].startswith(f"{HOSTILE} to")


def test_a_map_is_drawn_in_its_own_coordinates_with_its_classes(later_run: RunDirectory) -> None:
    run = landcover.open_run(later_run.path)
    axes = Figure().subplots()
    assert run.plot(axes) is axes
    (image,) = axes.get_images()
    assert image.get_extent() == pytest.approx([500025, 500825, 4499375, 4499975])
    assert image.get_array()[29, 0].tolist() == [104, 171, 95]
    legend = axes.get_legend()
    assert [text.get_text() for text in legend.get_texts()] == ["Cultivated", "Forest", "Developed"]
    assert to_hex(legend.get_patches()[0].get_facecolor()) == "#ab6c28"


def test_a_map_without_axes_gets_a_figure_of_pyplot(later_run: RunDirectory) -> None:
    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    axes = landcover.open_run(later_run.path).plot()
    assert axes.figure.number in plt.get_fignums()
    plt.close(axes.figure)


def test_a_map_is_drawn_over_its_imagery_in_grey_on_request(tmp_path: Path) -> None:
    # Two scenes that overlap in the middle: the first one is seen there, as on the map.
    side = 40
    pixels = np.zeros((3, side, side), np.uint8)
    pixels[0] = 200
    first = write_scene(tmp_path / "first.tif", pixels)
    second = write_scene(tmp_path / "second.tif", pixels // 2, left=500_030.0)
    onnx.save(network(pixel=False, halo=0, size=10), tmp_path / "model.onnx")
    (tmp_path / "model.yaml").write_text(SIDECAR)
    run = landcover.score(
        {
            "source": {"rasters": [str(first), str(second)]},
            "model": str(tmp_path / "model.onnx"),
            "backend": "local",
            "output": {"path": str(tmp_path / "run"), "imagery": True},
        }
    )
    assert "note" not in run.summary
    with Image.open(tmp_path / "run" / "map.png") as picture:
        counted = {c: n for n, c in picture.convert("RGB").getcolors(1 << 24)}
    axes = Figure().subplots()
    run.plot(axes, imagery=True)
    (shown,) = axes.get_images()
    run.plot(axes)
    plain = axes.get_images()[1].get_array()
    assert shown.get_array().shape == plain.shape == (4, 7, 3)
    grey = np.full((4, 7, 1), round(0.299 * 100))
    grey[:, :4] = round(0.299 * 200)
    assert np.abs(shown.get_array() - (0.55 * plain + 0.45 * grey)).max() <= 1
    colours = {tuple(map(int, one)) for one in shown.get_array().reshape(-1, 3)}
    assert {one for one, often in counted.items() if often > 10_000} >= colours
    second.unlink()
    with pytest.raises(SourceError, match="cannot be read for pictures"):
        run.plot(axes, imagery=True)
