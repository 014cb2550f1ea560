"""``landcover doctor``: what this machine can do, and what is missing for the rest."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import click
from rich.markup import escape
from rich.text import Text

from landcover.cli.saying import say
from landcover.cli.tables import new_table, show
from landcover.devices import visible_gpus
from landcover.errors import LandcoverError
from landcover.machine import machine_facts, usable_cpus, usable_memory
from landcover.models.runtimes.facts import facts_of
from landcover.models.runtimes.placement import uses_gpus
from landcover.plugins import runtime_names
from landcover.versions import version_of, versioned


class _Part(NamedTuple):
    name: str
    distribution: str
    module: str
    extra: str
    purpose: str


_BACKENDS = [
    _Part("backend local", "landcover", "landcover", "", "threads in this process"),
    _Part("backend dask", "distributed", "distributed", "dask", "a Dask cluster"),
    _Part("backend spark", "pyspark", "pyspark", "spark", "a Spark cluster"),
]
_FURTHER = [
    _Part("Keras 2 files", "tf_keras", "tf_keras", "tensorflow", "networks saved by Keras 2"),
    _Part("Azure Data Lake", "adlfs", "adlfs", "azure", "abfs:// paths"),
    _Part("tables as GeoDataFrame", "geopandas", "geopandas", "report", "run.tiles()"),
]


@click.command()
def doctor() -> None:
    """Say what this machine can do, and what is missing for the rest."""
    say(
        f"landcover {version_of('landcover')}, Python {platform.python_version()}, "
        f"{usable_cpus()} CPUs, {usable_memory() / 2**30:.0f} GiB of memory, {_instructions()}"
    )
    table = new_table(("part", "state", "for"), ())
    for name, state, purpose in _rows():
        table.add_row(name, Text.from_markup(state), purpose)
    show(table)


def _rows() -> Iterator[tuple[str, str, str]]:
    """Each part with its state, in the markup of rich, and what it is for."""
    for part in _BACKENDS:
        yield part.name, _state(part), part.purpose
    for name in runtime_names():
        yield f"runtime {name}", *_runtime(name)
    for part in _FURTHER:
        yield part.name, _state(part), part.purpose
    yield "Java (for Spark)", _java(), "backend spark"
    yield "GPU", _gpus(), "faster networks"
    yield "bf16 on the CPU", _bf16(), "model.precision: bf16"


def _state(part: _Part) -> str:
    if find_spec(part.module) is None:
        return "[yellow]missing[/]: " + escape(f"pip install 'landcover[{part.extra}]'")
    return f"[green]ok[/] {version_of(part.distribution) or ''}".rstrip()


def _runtime(name: str) -> tuple[str, str]:
    """State and purpose of a registered runtime, a plug-in's too."""
    try:
        facts = facts_of(name)
    except LandcoverError as error:
        return f"[yellow]missing[/]: {escape(str(error))}", "a plug-in"
    reason = facts.unavailable() if facts.unavailable else None
    if reason is not None:
        return f"[yellow]missing[/]: {escape(reason)}", facts.purpose
    if not facts.extra:
        told = [versioned(library) for library in facts.libraries]
        return f"[green]ok[/] {escape(' '.join(told))}", facts.purpose
    library = facts.libraries[0]
    return _state(_Part(name, library, library, facts.extra, facts.purpose)), facts.purpose


def _java() -> str:
    home = os.environ.get("JAVA_HOME")
    java = str(Path(home) / "bin" / "java") if home else shutil.which("java")
    advice = "apt-get install openjdk-17-jre-headless, or set JAVA_HOME"
    if java is None:
        return f"[yellow]missing[/]: {advice}"
    try:
        said = subprocess.run(
            [java, "-version"], check=False, capture_output=True, text=True, timeout=30
        )
    except (OSError, subprocess.TimeoutExpired):
        told = []
    else:  # options from the environment are told before it
        told = [line for line in said.stderr.splitlines() if " version " in line]
    if not told:
        return f"[yellow]{escape(java)} does not run[/]: {advice}"
    return f"[green]ok[/] {escape(told[0])}"


def _gpus() -> str:
    """The GPUs that a run started here may use, and the runtimes that can use them."""
    gpus = visible_gpus()
    if not gpus:
        told = os.environ.get("CUDA_VISIBLE_DEVICES")
        why = "nvidia-smi -L names none" if told is None else f"CUDA_VISIBLE_DEVICES is {told!r}"
        return f"none ({escape(why)}): networks run on the CPU"
    able = [name for name in runtime_names() if _uses_gpus(name)]
    names = escape(", ".join(gpu.name for gpu in gpus))
    if not able:
        advice = "pip install onnxruntime-gpu, 'tensorflow\\[and-cuda]', 'jax\\[cuda12]' or torch"
        return f"[yellow]{names}, but no runtime that uses it[/]: {advice}"
    return f"[green]ok[/] {names}; one worker a GPU, with runtime {' or '.join(able)}"


def _uses_gpus(name: str) -> bool:
    try:
        return uses_gpus(name)
    except LandcoverError:
        return False


def _bf16() -> str:
    """Whether a lower precision is worth a try here."""
    able = machine_facts()["instructions"]
    if "amx_bf16" in able:
        return "[green]ok[/] AMX: large networks are several times as fast; run.json tells the cost"
    if "avx512_bf16" in able:
        return (
            "[green]ok[/] AVX-512, no AMX: up to twice as fast; run.json tells the cost in labels"
        )
    return "this CPU does not compute in bf16"


def _instructions() -> str:
    """The instruction sets that decide how fast a network runs on this CPU."""
    return ", ".join([platform.machine(), *machine_facts()["instructions"]])
