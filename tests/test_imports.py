"""Which part of the package may import which, and what an import must not cost."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support import networks

ROOT = Path(__file__).resolve().parent.parent

# A part of a package may import the parts before it (docs/adr/0002-import-order.md).
ORDERS = {
    "landcover": [
        *(
            "redaction",
            "errors",
            "small_files",
            "local_files",
            "hdf5",
            "plain_parquet",
            "machine",
            "devices",
            "versions",
        ),
        *("contracts", "classes"),
        *("config", "plugins"),
        *(
            "stores",
            "tiles",
            "models",
            "runs",
            "analysis",
            "report",
            "run",
            "changes",
            "scoring",
            "labelling",
            "datasets",
            "training",
        ),
        "cli",
    ],
    "landcover/stores": ["errors", "asking", "azure", "urls"],
    "landcover/models": [
        *("cache", "formats", "fetch", "cntk", "openvino_library", "preprocessing"),
        *("graph_analysis", "cropping", "network"),
        *(
            "runtimes",
            "output_side",
            "sidecar",
            "proposal",
            "remembered",
            "recipe",
            "sight",
            "model",
            "export",
            "quantization",
        ),
        *("inspection", "comparison"),
    ],
    "landcover/models/cntk": ["reader", "conversion", "onnx_file", "library"],
    "landcover/runs": [
        *("vector_files", "storage", "lock", "fingerprint", "manifest", "directory"),
        "claiming",
        *("counts", "geoparquet"),
        *("map_format", "pixels", "tables", "part_tables", "parts", "rearranging", "maps"),
    ],
}
# These stand outside the order: backends know nothing of tiles or models, and the conformance
# suites are for those who write a backend or a runtime.
MAY_IMPORT = {
    "backends": {"redaction", "errors", "machine", "contracts"},
    "testing": {"errors", "contracts", "plugins", "models", "config"},
}
HEAVY = [
    *("dask", "distributed", "pyspark"),
    *("tensorflow", "keras", "jax", "torch", "onnxruntime", "openvino"),
]


def _modules() -> list[tuple[str, ...]]:
    """The files of the package, each as the parts of its module's name."""
    inside = [path.relative_to(ROOT) for path in (ROOT / "landcover").rglob("*.py")]
    backends = [
        Path("landcover", path.relative_to(ROOT)) for path in (ROOT / "backends").glob("*.py")
    ]
    return sorted({path.with_suffix("").parts for path in (*inside, *backends)})


def _imported(module: tuple[str, ...]) -> set[tuple[str, ...]]:
    """What a module imports of the package, anywhere in its file, as the parts of dotted names."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(ROOT.joinpath(*module).with_suffix(".py").read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return {tuple(name.split(".")) for name in names if name.startswith("landcover.")}


def _check(module: tuple[str, ...], within: tuple[str, ...], order: list[str]) -> None:
    """Hold the imports of a module of a package against the order of its parts."""
    part, depth = module[len(within)], len(within)
    if part == "__init__":
        return
    assert part in order, f"{'/'.join(module)}.py: give {part!r} its place in the order"
    used = {name[depth] for name in _imported(module) if name[:depth] == within and name[depth:]}
    later = (used & {*order}) - {*order[: order.index(part) + 1]}
    assert not later, f"{'/'.join(module)}.py may not import {sorted(later)}"


@pytest.mark.parametrize("module", _modules(), ids="/".join)
def test_imports_point_one_way(module: tuple[str, ...]) -> None:
    if module[1] in MAY_IMPORT:
        used = {name[1] for name in _imported(module)} & {*ORDERS["landcover"], *MAY_IMPORT}
        assert used <= MAY_IMPORT[module[1]] | {module[1]}
        return
    assert not {name[1] for name in _imported(module)} & {"testing"}
    for package, order in ORDERS.items():
        within = tuple(package.split("/"))
        if module[: len(within)] == within:
            _check(module, within, order)


@pytest.mark.parametrize("module", ["landcover", "landcover.cli.main", "landcover.testing"])
def test_importing_loads_no_engine_and_no_runtime(module: str) -> None:
    code = f"import sys, {module}; print([m for m in {HEAVY} if m in sys.modules])"
    said = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert said.stdout.strip() == "[]"


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_a_run_in_one_process_waits_for_no_library_that_it_does_not_need(
    tmp_path: Path, runtime: str
) -> None:
    """Importing xarray and the arrays of Dask takes as long as a small run."""
    pytest.importorskip(runtime)
    rng = np.random.default_rng(1)
    pixels = rng.integers(0, 256, (networks.SIZE, networks.SIZE, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    told = {
        "images": str(tmp_path / "a.png"),
        "model": {
            "path": str(networks.onnx_tile(tmp_path / "m.onnx")),
            "runtime": runtime,
            "scale": 1,
        },
        "output": str(tmp_path / "run"),
    }
    spared = ["xarray", "dask", "scipy", "landcover.models.cntk", "landcover.analysis.reference"]
    code = (
        f"import sys, landcover; landcover.score(**{told}); "
        f"print([m for m in {spared} if m in sys.modules])"
    )
    said = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert said.stdout.strip() == "[]"
