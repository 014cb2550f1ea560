"""``landcover demo``: from generated imagery to a network, maps of two dates, and what changed."""

from __future__ import annotations

import os
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

import click

from landcover.changes import change
from landcover.classes import scheme
from landcover.cli.prepare import prepare
from landcover.cli.saying import say
from landcover.cli.score import score
from landcover.cli.train import train
from landcover.datasets.landscape import Landscape, write_landscape
from landcover.datasets.later import Later
from landcover.errors import MissingExtra, OutputError
from landcover.report.overview import overview_figure
from landcover.report.page.write import write_report
from landcover.run import open_run
from landcover.training.network import load_keras

_CLASSES = scheme("nlcd6")
_OWN = (
    *("training", "tiles", "scene", "later", "model", "run", "run-later", "change"),
    *("prepare.yaml", "train.yaml", "overview.png", "report.html"),
)

_PREPARE = """\
# What `landcover demo` cut into labelled tiles: landcover prepare {folder}/prepare.yaml
source:
  rasters: training/imagery.tif
  tile: 64                       # pixels, here of 1 m
  stride: 32                     # tiles overlap, within a split
reference:
  path: training/reference.tif   # what is held to be true of the ground
  scheme: nlcd6
labels: {{rule: majority, share: 0.5}}
split:                           # squares of ground, dealt out; nothing is learned from test/
  shares: {{train: 0.7, validation: 0.15, test: 0.15}}
  block: 160                     # metres
  buffer: 16
draw: {{balance: none, most: 250}}   # of a class, to learn from
output: tiles
"""
_TRAIN = """\
# What `landcover demo` trained: landcover train {folder}/train.yaml
data: tiles
output: model
method:
  name: network                  # a small one, from scratch
  epochs: 12
  width: 16
  variation: 0.3                 # on another date the colours are others
"""
_SCORE = """\
# What `landcover demo` scored. Try it again in other ways:
#   landcover score {path} --backend dask --output {folder}/run-dask
#   landcover score {path} --set model.runtime=openvino --output {folder}/run-openvino
source:
  rasters: scene/imagery.tif     # a path, a glob, a folder, a URL, or a list of such
model:
  path: model/model.keras        # what it expects of pixels stands beside it, in model.yaml
backend: {backend}               # local, dask or spark
output:
  path: run                      # tiles/ (GeoParquet), map.tif, map.png, run.json
  probabilities: true            # of all classes: what tells changes from errors
"""


@click.command()
@click.option("--folder", default="demo", help="Where everything goes.", show_default=True)
@click.option("--backend", default="local", help="local, dask, spark.", show_default=True)
@click.option(
    "--size",
    default=3072,
    type=click.IntRange(min=512, max=65_536),
    show_default=True,
    help="Edge of the scene in metres (and pixels).",
)
@click.pass_context
def demo(context: click.Context, folder: str, backend: str, size: int) -> None:
    """Generate aerial scenes of two dates, train a small network, map both, and say what changed.

    Each step is a command that stands there to be tried again: landcover prepare, train, score.
    Nothing is downloaded. A folder of an earlier demo is started over.
    """
    load_keras()  # what is missing is said before anything is generated
    if find_spec("geopandas") is None:
        raise MissingExtra("the demo", "report", "geopandas")
    home = Path(folder)
    config = _start_over(home, backend)
    say(f"1 of 6: generating {size / 1000:.1f} km of land on two dates in {home}/")
    write_landscape(home / "training", max(1536, size * 2 // 3), seed=2)
    scene = write_landscape(home / "scene", size, seed=1)
    later = write_landscape(home / "later", size, seed=1, later=Later())
    say(f"2 of 6: labelled tiles of other land: landcover prepare {home}/prepare.yaml")
    context.invoke(prepare, config=str(home / "prepare.yaml"))
    say(f"3 of 6: a network that learns from them: landcover train {home}/train.yaml")
    context.invoke(train, config=str(home / "train.yaml"))
    say(f"4 of 6: mapping the land on both dates: landcover score {config}")
    context.invoke(score, config=str(config))
    anew = (f"source.rasters={later.imagery.resolve()}", f"output.path={home.resolve()}/run-later")
    context.invoke(score, config=str(config), overrides=anew)
    _compare(home, scene, later)
    _tell(home, config)


def _compare(home: Path, scene: Landscape, later: Landscape) -> None:
    """Hold the maps against the truth and against each other, and write pictures and the report."""
    say("5 of 6: comparing the maps with the land that was generated")
    runs = [open_run(home / "run"), open_run(home / "run-later")]
    say(runs[0].accuracy(scene.reference).text)
    maps = {"map": home / "run" / "map.tif", "reference": scene.reference}
    overview_figure(scene.imagery, maps, _CLASSES, home / "overview.png")
    say("6 of 6: finding what was built between the dates, and writing a report of it all")
    built = change(*runs, output=home / "change", after_classes=["Developed"])
    say(f"  {built.summary['candidates']} places, {built.summary['chips']} with pictures")
    truth = [scene.reference, later.reference]
    write_report(runs, home / "report.html", change=built, reference=truth)


def _start_over(home: Path, backend: str) -> Path:
    """Remove what an earlier demo left, and nothing else; write the config, which marks a demo."""
    config = home / "demo.yaml"
    if home.exists() and not config.exists() and not (home.is_dir() and not any(home.iterdir())):
        reason = "is there already and holds no earlier demo: choose another --folder"
        raise OutputError(str(home), reason)
    for name in _OWN:
        path = home / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    home.mkdir(parents=True, exist_ok=True)
    for path, text in (
        (home / "prepare.yaml", _PREPARE),
        (home / "train.yaml", _TRAIN),
        (config, _SCORE),
    ):
        said = text.format(path=path, folder=home, backend=backend)
        path.write_text(said, encoding="utf-8")
    return config


def _tell(home: Path, config: Path) -> None:
    say(f"the report, to be opened in a browser: {home}/report.html")
    say(f"the map: {home}/run/map.png, beside the imagery: {home}/overview.png")
    activate = Path(sys.executable).parent / "activate"
    if shutil.which("landcover") is None and activate.exists():
        say(f"that a shell finds the commands: source {os.path.relpath(activate)}")
    say("what to try next:")
    say(f"  landcover areas {home}/run")
    say(f"  landcover change {home}/run {home}/run-later -o {home}/all-changes")
    say(f"  landcover sample {home}/run -o {home}/points.gpkg --se 0.02")
    say(f"  landcover score {config} --backend dask --output {home}/run-dask")
    say(f"  landcover score {config} --backend spark --output {home}/run-spark")
    say(f"  landcover plan {config}")
    say("  landcover doctor")
