"""Fixtures that several test modules share."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pyogrio  # noqa: F401  (before TensorFlow, as landcover loads it)
import pytest
from hypothesis import HealthCheck, Phase, settings
from support import clusters

from landcover.errors import MissingExtra
from landcover.plugins import load_backend

ROOT = Path(__file__).resolve().parent.parent

# Shells start what runs in the background deaf to Ctrl-C, and so would be the commands that tests
# interrupt.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# No test asserts a time: a busy machine is no fault of what is tested.
settings.register_profile("landcover", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("landcover")
# Where only whether a test fails is asked for, the first example that fails is as good as the smallest.
settings.register_profile("any-failure", phases=[Phase.explicit, Phase.generate])


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real imagery and published models that tests read but never copy."""
    folder = Path(os.environ.get("LANDCOVER_SHARED", ROOT.parent / "shared"))
    if not folder.is_dir():
        pytest.skip(f"the shared folder of real imagery and models is absent: {folder}")
    return folder


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--backend",
        action="append",
        default=[],
        metavar="NAME",
        help="fail, instead of skipping, tests of this backend that cannot run here",
    )


@pytest.fixture(scope="session")
def require_backend(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Skips where a backend cannot run here; fails if the command line asks for it."""

    def require(name: str) -> None:
        try:
            load_backend(name)
        except MissingExtra as missing:
            reason = str(missing)
        else:
            home = os.environ.get("JAVA_HOME")
            if name != "spark" or shutil.which(f"{home}/bin/java" if home else "java"):
                return
            reason = "Spark needs Java 17 or newer, which is not installed"
        if name in request.config.getoption("--backend"):
            pytest.fail(reason)
        pytest.skip(reason)

    return require


@pytest.fixture(scope="session")
def dask_scheduler(
    require_backend: Callable[[str], None], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """Address of a Dask scheduler with two worker processes, started apart from the tests."""
    require_backend("dask")
    with clusters.dask_cluster(tmp_path_factory.mktemp("dask")) as address:
        yield address


@pytest.fixture(scope="session")
def spark_master(
    require_backend: Callable[[str], None], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """Address of a standalone Spark master whose worker has two cores."""
    require_backend("spark")
    with clusters.spark_standalone(tmp_path_factory.mktemp("spark")) as address:
        yield address


@pytest.fixture(scope="session")
def spark_connect(
    require_backend: Callable[[str], None], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """Address of a Spark Connect server with two cores."""
    require_backend("spark")
    with clusters.spark_connect_server(tmp_path_factory.mktemp("connect")) as address:
        yield address
