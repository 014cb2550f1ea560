"""``landcover model``: look into, convert and compare model files."""

from __future__ import annotations

import click

from landcover.cli.model_compare import compare
from landcover.cli.model_convert import convert
from landcover.cli.model_inspect import inspect
from landcover.cli.saying import say
from landcover.models.cntk.library.install import install


@click.group()
def model() -> None:
    """Look into, convert and compare model files."""


model.add_command(inspect)
model.add_command(convert)
model.add_command(compare)


@model.command("install-cntk")
def install_cntk() -> None:
    """Fetch Microsoft's own CNTK 2.7 library, for runtime 'cntk'.

    Nobody needs it to run CNTK models. It serves to compare with: 'landcover model compare' holds
    conversions against it. 75 MB are fetched from the package index that pip uses, and 210 MB kept
    in the cache ($LANDCOVER_CACHE, else ~/.cache/landcover).
    """
    install(progress=lambda sentence: say(sentence, err=True))
