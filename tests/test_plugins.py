"""Backends of other packages, found by their entry points."""

from __future__ import annotations

import shutil
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from landcover.errors import ConfigError, MissingExtra, PluginNotFound
from landcover.plugins import backend_names, load_backend

THIRD_PARTY = Path(__file__).parent / "data" / "thirdparty_backend"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an installed package that brings two backends."""
    # A copy, as building leaves files beside the sources.
    sources = tmp_path_factory.mktemp("sources") / "package"
    shutil.copytree(THIRD_PARTY, sources)
    folder = tmp_path_factory.mktemp("site")
    options = ["--quiet", "--no-build-isolation", "--no-deps", "--target", str(folder)]
    pip = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check"]
    subprocess.run([*pip, *options, str(sources)], check=True)
    return folder


@pytest.fixture
def installed(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(site)


@pytest.mark.usefixtures("installed")
def test_an_installed_package_adds_its_backends() -> None:
    assert backend_names() == ["backwards", "dask", "local", "needy", "spark"]
    with load_backend("backwards", handful=2) as backend:
        assert list(backend.map(abs, range(5))) == [1, 0, 3, 2, 4]


@pytest.mark.usefixtures("installed")
def test_a_backend_of_others_is_held_to_its_options() -> None:
    with pytest.raises(ConfigError, match=r"backend 'backwards': .*'workers'"):
        load_backend("backwards", workers=4)


def test_names_are_listed_without_importing_anything(site: Path) -> None:
    engines = ["dask", "distributed", "pyspark", "landcover_backwards", "landcover.backends"]
    code = (
        f"import sys; sys.path.insert(0, {str(site)!r}); from landcover.plugins import *; "
        f"print(backend_names(), [name for name in {engines} if name in sys.modules])"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.split("] [") == ["['backwards', 'dask', 'local', 'needy', 'spark'", "]\n"]


def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    expected = "no backend is called 'sprak'; registered: dask, local, spark"
    with pytest.raises(PluginNotFound, match=expected):
        load_backend("sprak")


@pytest.mark.usefixtures("installed")
def test_a_missing_library_is_answered_with_the_way_to_get_it() -> None:
    with pytest.raises(MissingExtra, match="'needy' needs a_library_nobody_has"):
        load_backend("needy")


def test_a_missing_module_of_a_plug_ins_own_is_its_defect(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken_backend").mkdir()
    (tmp_path / "broken_backend" / "__init__.py").write_text("import broken_backend.forgotten")
    monkeypatch.syspath_prepend(tmp_path)
    point = EntryPoint("broken", "broken_backend:Backend", "landcover.backends")
    monkeypatch.setattr("landcover.plugins.entry_points", lambda group: [point])
    with pytest.raises(ModuleNotFoundError, match=r"broken_backend\.forgotten") as raised:
        load_backend("broken")
    assert not isinstance(raised.value, MissingExtra)


def test_of_two_packages_with_one_name_none_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    points = [
        EntryPoint("mine", f"package_{letter}:Backend", "landcover.backends") for letter in "ab"
    ]
    monkeypatch.setattr("landcover.plugins.entry_points", lambda group: points)
    with pytest.raises(ConfigError, match=r"two packages register .*package_a:.*package_b:"):
        backend_names()


@pytest.mark.parametrize(("backend", "library"), [("dask", "distributed"), ("spark", "pyspark")])
def test_a_missing_extra_is_answered_with_its_pip_command(backend: str, library: str) -> None:
    code = f"""
import sys
from landcover.plugins import load_backend

class Absent:
    def find_spec(self, name, *_):
        if name == {library!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Absent())
load_backend({backend!r})
"""
    command = [sys.executable, "-c", code]
    said = subprocess.run(command, check=False, capture_output=True, text=True)
    expected = f"backend '{backend}' needs {library}, which is not installed: "
    assert f"{expected}pip install 'landcover[{backend}]'" in said.stderr
