"""``landcover demo``: generate imagery of two dates, train a network, map both, say what changed."""

from __future__ import annotations

import shutil
from importlib.util import find_spec
from pathlib import Path

import click
import numpy as np

from landcover.changes import change
from landcover.classes import scheme
from landcover.cli.score import score
from landcover.datasets.labelled import labelled_tiles
from landcover.datasets.landscape import Landscape, write_landscape
from landcover.datasets.later import Later
from landcover.errors import MissingExtra, OutputError
from landcover.report.overview import overview_figure
from landcover.report.page.write import write_report
from landcover.run import open_run
from landcover.training.classifier import Epoch, History, train_classifier
from landcover.training.network import load_keras

_TILE = 64  # pixels of 1 m
_CLASSES = scheme("nlcd6")
_OWN = (
    *("training", "scene", "later", "model", "run", "run-later", "change"),
    *("overview.png", "report.html"),
)

_CONFIG = """\
# What `landcover demo` scored. Try it again in other ways:
#   landcover score {path} --backend dask --output {folder}/run-dask
#   landcover score {path} --set model.runtime=openvino --output {folder}/run-openvino
source:
  rasters: scene/imagery.tif     # a path, a glob, a folder, a URL, or a list of such
model:
  path: model/demo.keras         # what it expects of pixels stands beside it, in demo.yaml
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
    type=click.IntRange(min=512),
    show_default=True,
    help="Edge of the scene in metres (and pixels).",
)
@click.pass_context
def demo(context: click.Context, folder: str, backend: str, size: int) -> None:
    """Generate aerial scenes of two dates, train a small network, map both, and say what changed.

    Nothing is downloaded. A folder of an earlier demo is started over.
    """
    load_keras()  # what is missing is said before anything is generated
    if find_spec("geopandas") is None:
        raise MissingExtra("the demo", "report", "geopandas")
    home = Path(folder)
    config = _start_over(home, backend)
    click.echo(f"1 of 5: generating {size / 1000:.1f} km of land on two dates in {home}/")
    training = write_landscape(home / "training", max(1536, size * 2 // 3), seed=2)
    scene = write_landscape(home / "scene", size, seed=1)
    later = write_landscape(home / "later", size, seed=1, later=Later())
    click.echo("2 of 5: training a network on other land")
    history = _train(training, home / "model" / "demo.keras")
    click.echo(
        f"  {history.held_out_accuracy:.1%} of {history.held_out} tiles that it never saw are right"
    )
    click.echo(f"3 of 5: mapping it on both dates: landcover score {config}")
    context.invoke(score, config=str(config))
    anew = (f"source.rasters={later.imagery.resolve()}", f"output.path={home.resolve()}/run-later")
    context.invoke(score, config=str(config), overrides=anew)
    _compare(home, scene, later)
    _tell(home, config)


def _compare(home: Path, scene: Landscape, later: Landscape) -> None:
    """Hold the maps against the truth and against each other, and write pictures and the report."""
    click.echo("4 of 5: comparing the maps with the land that was generated")
    runs = [open_run(home / "run"), open_run(home / "run-later")]
    click.echo(runs[0].accuracy(scene.reference).text)
    maps = {"map": home / "run" / "map.tif", "reference": scene.reference}
    overview_figure(scene.imagery, maps, _CLASSES, home / "overview.png")
    click.echo("5 of 5: finding what was built between the dates, and writing a report of it all")
    built = change(*runs, output=home / "change", after_classes=["Developed"])
    click.echo(f"  {built.summary['candidates']} places, {built.summary['chips']} with pictures")
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
    config.write_text(_CONFIG.format(path=config, folder=home, backend=backend), encoding="utf-8")
    return config


def _train(landscape: Landscape, path: Path) -> History:
    tiles = labelled_tiles(*landscape, _TILE)
    index = np.zeros(256, np.intp)
    index[list(_CLASSES.codes)] = range(len(_CLASSES))
    labels = index[tiles.codes]
    return train_classifier(
        tiles.pixels,
        labels,
        _CLASSES.name,
        path,
        resolution=1.0,
        epochs=12,
        batch=32,
        width=16,
        variation=0.3,  # on another date the colours are others
        progress=_show,
    )


def _show(epoch: Epoch) -> None:
    click.echo(
        f"  epoch {epoch.number:2} of {epoch.epochs}: "
        f"{epoch.accuracy:.1%} of the training tiles are right",
        err=True,
    )


def _tell(home: Path, config: Path) -> None:
    click.echo(f"the report, to be opened in a browser: {home}/report.html")
    click.echo(f"the map: {home}/run/map.png, beside the imagery: {home}/overview.png")
    click.echo("what to try next:")
    click.echo(f"  landcover areas {home}/run")
    click.echo(f"  landcover change {home}/run {home}/run-later -o {home}/all-changes")
    click.echo(f"  landcover sample {home}/run -o {home}/points.gpkg --se 0.02")
    click.echo(f"  landcover score {config} --backend dask --output {home}/run-dask")
    click.echo(f"  landcover score {config} --backend spark --output {home}/run-spark")
    click.echo(f"  landcover plan {config}")
    click.echo("  landcover doctor")
