"""Fetching Microsoft's library: what goes wrong, offline; what goes right, where it is reachable."""

from __future__ import annotations

import pickle
import zipfile
from pathlib import Path

import pytest

from landcover.errors import LibraryUnavailable
from landcover.models.cntk.library.install import CORE, RELEASE, install, locate

WHEEL = f"{RELEASE}-cp36-cp36m-manylinux1_x86_64.whl"


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that is all that pip looks into."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


@pytest.fixture
def mpi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the files that Debian's Open MPI brings, by name."""
    folder = tmp_path / "mpi"
    folder.mkdir()
    for name in ("libmpi.so.40", "libmpi_cxx.so.40", "libmpi.so.40.30.4"):
        (folder / name).touch()
    monkeypatch.setenv("LD_LIBRARY_PATH", str(folder))
    return folder


def test_a_library_that_is_not_installed_is_said_with_the_command_that_installs_it(
    tmp_path: Path,
) -> None:
    with pytest.raises(LibraryUnavailable, match="run `landcover model install-cntk` once"):
        locate(tmp_path)


def test_the_cache_is_where_the_environment_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LANDCOVER_CACHE", str(tmp_path / "elsewhere"))
    with pytest.raises(LibraryUnavailable, match="elsewhere"):
        locate()


def test_an_index_without_the_wheel_leaves_nothing_behind(
    tmp_path: Path, index: Path, mpi: Path
) -> None:
    cache = tmp_path / "cache"
    with pytest.raises(LibraryUnavailable, match=f"pip could not fetch {RELEASE}") as caught:
        install(cache)
    assert list(cache.iterdir()) == []
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_another_wheel_of_the_same_name_is_refused(tmp_path: Path, index: Path, mpi: Path) -> None:
    with zipfile.ZipFile(index / WHEEL, "w") as archive:
        archive.writestr(
            "cntk-2.7.post2.dist-info/METADATA",
            "Metadata-Version: 2.1\nName: cntk\nVersion: 2.7.post2\n",
        )
        archive.writestr("cntk-2.7.post2.dist-info/WHEEL", "Wheel-Version: 1.0\n")
        archive.writestr("cntk-2.7.post2.dist-info/RECORD", "")
    cache = tmp_path / "cache"
    with pytest.raises(LibraryUnavailable, match=r"SHA-256.*and Microsoft's wheel has 71133245"):
        install(cache)
    assert list(cache.iterdir()) == []


def test_a_cache_that_cannot_be_written_is_named(tmp_path: Path, index: Path, mpi: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LibraryUnavailable, match="name another place in LANDCOVER_CACHE"):
        install(tmp_path / "file")


def test_mpi_is_linked_under_the_names_that_the_library_asks_for(tmp_path: Path, mpi: Path) -> None:
    home = tmp_path / RELEASE
    home.mkdir()
    (home / CORE).touch()
    assert install(tmp_path) == home == locate(tmp_path)
    assert (home / "libmpi.so.12").readlink() == mpi / "libmpi.so.40"
    assert (home / "libmpi_cxx.so.1").readlink() == mpi / "libmpi_cxx.so.40"


def test_mpi_that_was_removed_is_missed_and_found_again(tmp_path: Path, mpi: Path) -> None:
    home = tmp_path / RELEASE
    home.mkdir()
    (home / CORE).touch()
    install(tmp_path)
    for name in ("libmpi.so", "libmpi_cxx.so"):
        (mpi / f"{name}.40").rename(mpi / f"{name}.41")
    with pytest.raises(LibraryUnavailable, match="apt-get install libopenmpi3"):
        locate(tmp_path)
    assert locate(install(tmp_path).parent) == home


def test_the_wheel_of_microsoft_is_fetched_once(tmp_path: Path, mpi: Path) -> None:
    try:
        home = install(tmp_path)
    except LibraryUnavailable as missing:
        pytest.skip(str(missing))
    before = (home / CORE).stat()
    steps: list[str] = []
    assert install(tmp_path, steps.append) == home == locate(tmp_path)
    assert (home / CORE).stat() == before
    assert steps == [f"the genuine CNTK library is in {home}"]
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []
