"""``landcover.score``, in the same arithmetic as the others (the runtime and precision are told)."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import pandas as pd

import landcover as lc
from benchmarks.contenders.asked import asked, write_labels
from benchmarks.workloads import ANY_LABELS


def main() -> None:
    """Label the tiles."""
    paths, network, output = asked()
    backend, runtime, precision = sys.argv[5:8]
    with tempfile.TemporaryDirectory() as folder:
        run = lc.score(
            images=paths,
            model={"path": network, "runtime": runtime, "precision": precision},
            backend=backend,
            output=Path(folder, "run"),
            overrides={"precision_check": ANY_LABELS},
        )
        tiles = pd.DataFrame(run.tiles())
        names = list(run.directory.scheme.names)
        write_labels(output, list(tiles["tile"]), [names.index(x) for x in tiles["label"]])


if __name__ == "__main__":
    main()
