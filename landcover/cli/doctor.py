"""``landcover doctor``: what this machine can do, and what is missing for the rest."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import NamedTuple

import click
from rich.console import Console
from rich.table import Table

from landcover.machine import usable_cpus, usable_memory


class _Part(NamedTuple):
    name: str
    distribution: str
    module: str
    extra: str
    purpose: str


_PARTS = [
    _Part("backend local", "landcover", "landcover", "", "threads in this process"),
    _Part("backend dask", "distributed", "distributed", "dask", "a Dask cluster"),
    _Part("backend spark", "pyspark", "pyspark", "spark", "a Spark cluster"),
    _Part("runtime onnxruntime", "onnxruntime", "onnxruntime", "onnx", "ONNX and CNTK models"),
    _Part("runtime openvino", "openvino", "openvino", "openvino", "the same, faster on CPUs"),
    _Part("runtime tensorflow", "tensorflow", "tensorflow", "tensorflow", "TensorFlow and Keras"),
    _Part("Keras 2 files", "tf_keras", "tf_keras", "tensorflow", "networks saved by Keras 2"),
    _Part("Azure Data Lake", "adlfs", "adlfs", "azure", "abfs:// paths"),
    _Part("tables as GeoDataFrame", "geopandas", "geopandas", "report", "run.tiles()"),
]


@click.command()
def doctor() -> None:
    """Say what this machine can do, and what is missing for the rest."""
    console = Console()
    console.print(
        f"landcover {version('landcover')}, Python {platform.python_version()}, "
        f"{usable_cpus()} CPUs, {usable_memory() / 2**30:.0f} GiB of memory, {_instructions()}"
    )
    table = Table("part", "state", "for", box=None, pad_edge=False, header_style="bold")
    for part in _PARTS:
        table.add_row(part.name, _state(part), part.purpose)
    table.add_row("Java (for Spark)", _java(), "backend spark")
    table.add_row("GPU", _gpu(), "faster networks")
    console.print(table)


def _state(part: _Part) -> str:
    if importlib.util.find_spec(part.module) is None:
        return f"[yellow]missing[/]: pip install 'landcover[{part.extra}]'".replace("[{", "\\[{")
    try:
        return f"[green]ok[/] {version(part.distribution)}"
    except PackageNotFoundError:
        return "[green]ok[/]"


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
        return f"[yellow]{java} does not run[/]: {advice}"
    return f"[green]ok[/] {said.stderr.splitlines()[0]}"


def _gpu() -> str:
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return "none found (nvidia-smi is absent): networks run on the CPU"
    query = [tool, "--query-gpu=name,memory.total", "--format=csv,noheader"]
    said = subprocess.run(query, check=False, capture_output=True, text=True, timeout=30)
    return "; ".join(said.stdout.split("\n")).strip("; ") or "none found"


def _instructions() -> str:
    """The instruction sets that decide how fast a network runs on this CPU."""
    try:
        flags = Path("/proc/cpuinfo").read_text().split("flags", 1)[1].splitlines()[0].split()
    except (OSError, IndexError):
        return platform.machine()
    known = [name for name in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if name in flags]
    return ", ".join([platform.machine(), *known])
