"""What the worker processes of an own Dask cluster do before anything else."""

from __future__ import annotations

import signal


def dask_setup(worker: object) -> None:
    """Leave Ctrl-C to the process that started the cluster: it ends its workers itself."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
