"""Which part of the package may import which, and what an import must not cost."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# A part may import the parts before it (docs/adr/0002-import-order.md).
ORDER = [
    "errors",
    "machine",
    "devices",
    "contracts",
    "classes",
    "config",
    "plugins",
    "tiles",
    "models",
    "runs",
    "analysis",
    "report",
    "scoring",
    "datasets",
    "training",
    "cli",
]
# These stand outside the order: backends know nothing of tiles or models, and the conformance
# suites are for those who write a backend or a runtime.
MAY_IMPORT = {
    "backends": {"errors", "machine", "contracts"},
    "testing": {"errors", "contracts", "plugins", "models", "config"},
}
HEAVY = [
    *("dask", "distributed", "pyspark"),
    *("tensorflow", "keras", "jax", "torch", "onnxruntime", "openvino"),
]


def _modules() -> list[tuple[str, str, ast.Module]]:
    found = []
    for folder, prefix in ((ROOT / "landcover", ""), (ROOT / "backends", "backends")):
        for path in sorted(folder.rglob("*.py")):
            parts = path.relative_to(folder).with_suffix("").parts
            part = prefix or parts[0]
            found.append((part, str(path.relative_to(ROOT)), ast.parse(path.read_text())))
    return found


def _imported(tree: ast.Module) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return {name.split(".")[1] for name in names if name.startswith("landcover.")}


@pytest.mark.parametrize(("part", "path", "tree"), _modules(), ids=lambda value: str(value)[:40])
def test_imports_point_one_way(part: str, path: str, tree: ast.Module) -> None:
    if part == "__init__":
        return
    assert part in ORDER or part in MAY_IMPORT, f"{path}: give {part!r} its place in the order"
    allowed = MAY_IMPORT.get(part) or {*ORDER[: ORDER.index(part)], part}
    used = _imported(tree) & {*ORDER, *MAY_IMPORT}
    assert used <= allowed | {part}, f"{path} may not import {sorted(used - allowed)}"


@pytest.mark.parametrize("module", ["landcover", "landcover.cli.main", "landcover.testing"])
def test_importing_loads_no_engine_and_no_runtime(module: str) -> None:
    code = f"import sys, {module}; print([m for m in {HEAVY} if m in sys.modules])"
    said = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert said.stdout.strip() == "[]"
