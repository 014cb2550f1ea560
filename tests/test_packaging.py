"""What is built is what is tested."""

from __future__ import annotations

import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path

import landcover.backends

ROOT = Path(__file__).resolve().parent.parent


def test_every_package_is_declared() -> None:
    config = ConfigParser()
    config.read(ROOT / "setup.cfg")
    declared = set(config["options"]["packages"].split())
    assert declared == _packages("landcover", ROOT / "landcover") | _packages(
        "landcover.backends", ROOT / "backends"
    )


def test_every_file_beside_the_modules_is_in_the_wheel() -> None:
    config = ConfigParser()
    config.read(ROOT / "setup.cfg")
    held = {
        path
        for package, patterns in config["options.package_data"].items()
        for pattern in patterns.split()
        for path in (ROOT / package.replace(".", "/")).glob(pattern)
    }
    beside = (path for path in (ROOT / "landcover").rglob("*") if path.is_file())
    assert {path for path in beside if path.suffix not in (".py", ".pyc")} == held


def test_backends_are_imported_from_the_top_level_folder() -> None:
    assert landcover.backends.__file__ is not None
    assert Path(landcover.backends.__file__).resolve() == ROOT / "backends" / "__init__.py"


def _packages(name: str, folder: Path) -> set[str]:
    parents = (init.parent.relative_to(folder) for init in folder.rglob("__init__.py"))
    return {".".join((name, *parent.parts)) for parent in parents}


def test_the_diagrams_of_the_architecture_are_those_of_the_imports() -> None:
    command = [sys.executable, str(ROOT / "docs" / "architecture.py"), "--check"]
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stderr
