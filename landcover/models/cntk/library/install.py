"""Microsoft's own CNTK 2.7 library, fetched into the cache of the user.

The last wheel that Microsoft published is for CPython 3.6 only, so pip does not install it here. The
shared libraries inside it do not need Python at all: they are unpacked alone, and
:mod:`landcover.models.cntk.library.c_interface` loads them.
"""

from __future__ import annotations

import hashlib
import logging
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from landcover.errors import LibraryUnavailable, MissingExtra

log = logging.getLogger(__name__)

RELEASE: Final = "cntk-2.7.post2"
CORE: Final = "libCntk.Core-2.7.so"

# Of cntk-2.7.post2-cp36-cp36m-manylinux1_x86_64.whl on PyPI, 75,092,388 bytes.
_SHA256: Final = "71133245e10cdc1eca0b44b5fe241b2c97d0c16b8e12425896541a94ab1b5589"
_COMMAND: Final = "landcover model install-cntk"
_WHAT: Final = "the genuine CNTK library"
# What evaluation needs: the readers of training data, and OpenCV with them, stay in the wheel.
_LIBRARIES: Final = (
    CORE,
    "libCntk.Math-2.7.so",
    "libCntk.PerformanceProfiler-2.7.so",
    "libiomp5.so",
    "libmklml_intel.so",
)
# The library was built against Open MPI 1.10; evaluation never calls MPI, it must only be there.
_MPI: Final = {"libmpi.so": "libmpi.so.12", "libmpi_cxx.so": "libmpi_cxx.so.1"}
_MPI_HINT: Final = (
    "it was linked with Open MPI, of which this system has no libmpi.so and libmpi_cxx.so: "
    "`apt-get install libopenmpi3` (on Red Hat systems `dnf install openmpi`) and run "
    f"`{_COMMAND}` again"
)


def install(cache: Path | None = None, progress: Callable[[str], None] = log.info) -> Path:
    """Fetch Microsoft's library into the cache, once; later calls only check that it is there.

    Two installations at the same time do no harm: each unpacks beside the other, and one is kept.

    Args:
        cache: where to keep it; by default ``$LANDCOVER_CACHE``, else the user's cache directory.
        progress: is told what happens, a sentence a step.

    Returns:
        The directory of the libraries, about 210 MB.

    Raises:
        LibraryUnavailable: not a Linux on x86-64; no Open MPI; the wheel cannot be fetched, or is
            not the one that Microsoft published.
        MissingExtra: no ``cache`` is named and platformdirs is not installed.
    """
    home = _home(cache)
    _check_platform()
    mpi = _find_mpi()
    if not (home / CORE).is_file():
        with _beside(home) as folder:
            wheel = _download(folder, progress)
            progress(f"unpacking the libraries to {home}")
            _keep(_unpack(wheel, folder / "libraries"), home)
    _link_mpi(mpi, home)
    progress(f"{_WHAT} is in {home}")
    return home


def locate(cache: Path | None = None) -> Path:
    """Return the directory that :func:`install` filled.

    Raises:
        LibraryUnavailable: it is not there, or the MPI library that it needs is gone.
        MissingExtra: no ``cache`` is named and platformdirs is not installed.
    """
    _check_platform()
    home = _home(cache)
    if not (home / CORE).is_file():
        raise LibraryUnavailable(_WHAT, f"it is not in {home}: run `{_COMMAND}` once")
    _check_own(home)
    if not all((home / name).exists() for name in _MPI.values()):
        raise LibraryUnavailable(_WHAT, _MPI_HINT)
    return home


def _home(cache: Path | None) -> Path:
    if cache is None and (named := os.environ.get("LANDCOVER_CACHE")):
        cache = Path(named).expanduser()
    if cache is None:
        try:
            from platformdirs import user_cache_path
        except ModuleNotFoundError as error:
            raise MissingExtra(_WHAT, "cntk", "platformdirs") from error
        cache = user_cache_path("landcover")
    return Path(cache).absolute() / RELEASE


def _check_own(home: Path) -> None:
    """Raise where somebody else may have put the libraries there: they are run."""
    for path in (home.parent, home, home / CORE):
        held = path.stat()
        if held.st_uid not in (os.geteuid(), 0) or held.st_mode & 0o002:
            reason = f"{path} is not this user's alone: remove it, and run `{_COMMAND}` again"
            raise LibraryUnavailable(_WHAT, reason)


def _check_platform() -> None:
    if sys.platform != "linux" or platform.machine() != "x86_64":
        found = f"{platform.system()} on {platform.machine()}"
        raise LibraryUnavailable(
            _WHAT,
            f"Microsoft published it for Linux on x86-64, and this is {found}: "
            "convert the model instead, with `landcover model convert`",
        )


def _find_mpi() -> dict[str, Path]:
    """The Open MPI libraries of this system by the names that CNTK asks for.

    Both must lie in one directory: MPICH, whose libmpi.so.12 is another library of the same name,
    has no libmpi_cxx.
    """
    for folder in _library_folders():
        found = {name: _newest(folder, stem) for stem, name in _MPI.items()}
        if all(found.values()):
            return {name: path for name, path in found.items() if path is not None}
    raise LibraryUnavailable(_WHAT, _MPI_HINT)


def _library_folders() -> Iterator[Path]:
    named = [Path(p) for p in os.environ.get("LD_LIBRARY_PATH", "").split(os.pathsep) if p]
    roots = [Path(sys.prefix, "lib"), *map(Path, ("/usr/lib", "/usr/lib64", "/usr/local/lib"))]
    for folder in (*named, *roots, Path("/usr/lib/x86_64-linux-gnu")):
        yield folder
        yield folder / "openmpi" / "lib"


def _newest(folder: Path, stem: str) -> Path | None:
    versions = [path for path in folder.glob(f"{stem}.*") if re.fullmatch(r"\.\d+", path.suffix)]
    found = [path for path in versions if path.name.count(".") == stem.count(".") + 1]
    return max(found, key=lambda path: int(path.suffix[1:]), default=None)


@contextmanager
def _beside(home: Path) -> Iterator[Path]:
    """A directory for work in progress, on the file system of the cache: renames are atomic."""
    try:
        home.parent.mkdir(parents=True, exist_ok=True)
        folder = tempfile.TemporaryDirectory(
            dir=home.parent, prefix=".installing-", ignore_cleanup_errors=True
        )
    except OSError as error:
        raise LibraryUnavailable(
            _WHAT, f"it cannot be kept in {home}: {error}; name another place in LANDCOVER_CACHE"
        ) from error
    with folder as path:
        yield Path(path)


def _download(folder: Path, progress: Callable[[str], None]) -> Path:
    progress(f"fetching {RELEASE} (75 MB)")
    target = "--python-version 3.6 --implementation cp --abi cp36m --platform manylinux1_x86_64"
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    command += ["--no-deps", "--only-binary=:all:", *target.split(), "--dest", str(folder)]
    command += [RELEASE.replace("-", "==")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    wheels = list(folder.glob("*.whl"))
    if done.returncode or len(wheels) != 1:
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise LibraryUnavailable(_WHAT, f"pip could not fetch {RELEASE}: {last}")
    with wheels[0].open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != _SHA256:
        raise LibraryUnavailable(
            _WHAT,
            f"what pip fetched has the SHA-256 {found}, and Microsoft's wheel has {_SHA256}: "
            "ask whoever keeps the package index that pip uses",
        )
    return wheels[0]


def _unpack(wheel: Path, folder: Path) -> Path:
    folder.mkdir()
    with zipfile.ZipFile(wheel) as archive:
        for name in _LIBRARIES:
            with archive.open(f"cntk/libs/{name}") as packed, (folder / name).open("wb") as file:
                shutil.copyfileobj(packed, file)
    return folder


def _keep(fresh: Path, home: Path) -> None:
    try:
        fresh.rename(home)
    except OSError:
        if (home / CORE).is_file():
            return  # another installation was faster: its files serve as well
        raise LibraryUnavailable(_WHAT, f"remove {home} and try again: it is incomplete") from None


def _link_mpi(mpi: dict[str, Path], home: Path) -> None:
    for name, path in mpi.items():
        link = home / name
        if link.exists():
            continue
        with _beside(home) as folder:
            (folder / name).symlink_to(path)
            (folder / name).replace(link)
