"""Plants faults in copies of the tree, one at a time, and runs the tests that must notice them."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from queue import SimpleQueue
from typing import Literal

import pytest

from mutants.faults import ROOT, Fault

Verdict = Literal["caught", "survived", "unclear"]

# A fault that makes tests run for so many seconds is noticed, too.
_PATIENCE = 600
_LEFT_OUT = shutil.ignore_patterns(
    *(".git", ".venv", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis"),
    *("__pycache__", "build", "demo", "shared"),
)
_PASSED, _FAILED = 0, 1  # exit codes of pytest; any other says that the tests did not run

# Every test process is a fork of one that has imported what takes seconds, and nothing of ours.
_LIBRARIES = ("pytest", "hypothesis", "numpy", "pandas", "pyarrow.parquet", "rasterio", "xarray")
_LIBRARIES += ("rioxarray", "shapely", "pyproj", "pydantic", "onnx.reference", "matplotlib.figure")
_forks = get_context("forkserver")
_forks.set_forkserver_preload(list(_LIBRARIES))


@dataclass(frozen=True)
class Result:
    """What came of a fault.

    Args:
        fault: which.
        verdict: whether a test noticed it; "unclear": the tests could not be run.
        seconds: that the tests took.
        said: the end of what pytest said.
    """

    fault: Fault
    verdict: Verdict
    seconds: float
    said: str

    @property
    def as_expected(self) -> bool:
        """Real faults are caught, harmless ones survive."""
        return self.verdict == ("survived" if self.fault.harmless else "caught")


class BrokenTests(Exception):
    """Tests fail without any fault: nothing can be told from them."""


class Copies:
    """Copies of the tree, each used by one thread at a time.

    Args:
        folder: where they are made.
        number: how many.
    """

    def __init__(self, folder: Path, number: int) -> None:
        self._free: SimpleQueue[Path] = SimpleQueue()
        self._cache = folder / "cache"
        self._cache.mkdir()
        self.number = number
        for place in range(number):
            copy = folder / f"tree-{place}"
            shutil.copytree(ROOT, copy, symlinks=True, ignore=_LEFT_OUT)
            self._free.put(copy)

    def check(self, tests: Sequence[str]) -> None:
        """Run tests as they are; what is compiled and measured meanwhile serves all later runs.

        Raises:
            BrokenTests: some fail.
        """
        parts = [part for place in range(self.number) if (part := tests[place :: self.number])]
        with ThreadPoolExecutor(self.number) as pool:
            for code, said in pool.map(self._as_it_is, parts):
                if code != _PASSED:
                    raise BrokenTests(said)

    def examine(self, faults: Sequence[Fault]) -> Iterator[Result]:
        """Plant each fault and see what comes of it, as they end."""
        with ThreadPoolExecutor(self.number) as pool:
            futures = [pool.submit(self._examined, fault) for fault in faults]
            try:
                yield from (future.result() for future in as_completed(futures))
            finally:
                pool.shutdown(cancel_futures=True)

    def _as_it_is(self, tests: Sequence[str]) -> tuple[int | None, str]:
        with self._copy() as copy:
            return _run(copy, tests, {"LANDCOVER_CACHE": str(self._cache)})

    def _examined(self, fault: Fault) -> Result:
        with self._copy() as copy, tempfile.TemporaryDirectory() as scratch:
            # What a fault leaves in the cache (converted models, measured speeds) dies with it.
            cache = Path(scratch, "cache")
            shutil.copytree(self._cache, cache)
            told = {"LANDCOVER_CACHE": str(cache), "PYTHONDONTWRITEBYTECODE": "1"}
            started = time.perf_counter()
            with _planted(copy, fault):
                code, said = _run(copy, ("-x", *fault.tests), told)
            seconds = time.perf_counter() - started
        caught = code in (_FAILED, None)
        verdict: Verdict = "caught" if caught else "survived" if code == _PASSED else "unclear"
        return Result(fault, verdict, seconds, said)

    @contextmanager
    def _copy(self) -> Iterator[Path]:
        copy = self._free.get()
        try:
            yield copy
        finally:
            self._free.put(copy)


@contextmanager
def _planted(copy: Path, fault: Fault) -> Iterator[None]:
    """Put a fault into a copy, and take it out again, with the time that the file had."""
    file, own = copy / fault.file, ROOT / fault.file
    file.write_text(fault.planted_in(own.read_text()))
    try:
        yield
    finally:
        shutil.copy2(own, file)


def _run(
    copy: Path, arguments: Sequence[str], environment: Mapping[str, str]
) -> tuple[int | None, str]:
    """Run pytest in a copy: its exit code (None: it did not end in time), and the end of its words."""
    with tempfile.NamedTemporaryFile(mode="r", errors="replace") as said:
        process = _forks.Process(target=_pytest, args=(copy, arguments, environment, said.name))
        process.start()
        assert process.pid is not None
        process.join(_PATIENCE)
        code = process.exitcode
        with suppress(ProcessLookupError):  # and all the workers that tests have left
            os.killpg(process.pid, signal.SIGKILL)
        process.join()
        return code, "\n".join(said.read().splitlines()[-12:])


def _pytest(
    copy: Path, arguments: Sequence[str], environment: Mapping[str, str], said: str
) -> None:
    """Run pytest in this process, which is a fork of its own, with the code of a copy."""
    os.setsid()
    output = os.open(said, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(output, stream)
    shared = os.environ.get("LANDCOVER_SHARED", str(ROOT.parent / "shared"))
    os.environ |= {"PYTHONPATH": str(copy), "LANDCOVER_SHARED": shared, **environment}
    sys.dont_write_bytecode = "PYTHONDONTWRITEBYTECODE" in environment
    os.chdir(copy)
    sys.path.insert(0, str(copy))
    # The tests of `make test`: what only a longer form notices is not noticed every day.
    plain = ("-q", "-p", "no:cacheprovider", "--hypothesis-profile=any-failure", "-m", "not faults")
    code = pytest.main([*plain, *arguments])
    sys.stdout.flush()
    os._exit(code)  # threads that a fault has left are not waited for
