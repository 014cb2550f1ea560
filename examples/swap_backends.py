"""Run one config on several backends, and see that all of them give the same table.

    python examples/swap_backends.py [CONFIG] [--backends local dask spark] [--output DIRECTORY]

Without a config it takes the one that ``landcover demo`` has left in ``demo/``.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import landcover as lc
from landcover.plugins import backend_names


def main() -> None:
    """Score once with each backend, and compare."""
    parser = argparse.ArgumentParser(description="Run one config on several backends.")
    parser.add_argument("config", nargs="?", default="demo/demo.yaml")
    parser.add_argument("--backends", nargs="+", default=["local", "dask", "spark"])
    parser.add_argument("--output", help="the directory of the runs; default: a temporary one")
    given = parser.parse_args()
    if not Path(given.config).exists():
        parser.error(
            f"{given.config} is not there: run `landcover demo` first, or name another one"
        )
    if unknown := set(given.backends) - set(backend_names()):
        parser.error(f"there is no backend {sorted(unknown)}; there are {backend_names()}")
    with tempfile.TemporaryDirectory() as scratch:
        compare(given.config, given.backends, Path(given.output or scratch))


def compare(config: str, backends: list[str], output: Path) -> None:
    """Print what each backend took, and whether its table is that of the first."""
    first = None
    print(f"{'backend':8} {'seconds':>8} {'tiles/s':>8} {'workers':>8} {'loads':>6}  table")
    for backend in backends:
        started = time.perf_counter()
        run = lc.score(config, backend=backend, output=output / backend)
        seconds = time.perf_counter() - started
        tiles = run.tiles().sort_values("tile", ignore_index=True)
        said = run.summary
        first = tiles if first is None else first
        same = tiles[["tile", "label"]].equals(first[["tile", "label"]])
        apart = abs(tiles["score"] - first["score"]).max() if same else float("nan")
        print(
            f"{backend:8} {seconds:8.1f} {said['tiles_per_second']:8,.0f} "
            f"{len(said['workers']):8} {said['model_loads']:6}  "
            + (f"same labels, scores apart by {apart:.0e} at most" if same else "OTHER LABELS")
        )


if __name__ == "__main__":
    main()
