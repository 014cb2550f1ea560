"""Runs that end in their first second, before anything is scored, can be gone on with."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from landcover.classes import scheme
from landcover.errors import OutputError
from landcover.runs import claiming
from landcover.runs.claiming import claim
from landcover.runs.storage import Storage

# For n from 0: a process that ends where the n-th call of os that changes a folder would come.
_KILLED = """
import os, sys
from itertools import count
from landcover.classes import scheme
from landcover.runs.claiming import claim

def counted(call):
    def killed(*arguments, **options):
        global left
        left -= 1
        if left < 0:
            os._exit(9)
        return call(*arguments, **options)
    return killed

for calls in count():
    if not os.fork():
        left = calls
        for name in ("mkdir", "open", "fsync", "rename", "replace", "unlink", "pwrite", "ftruncate"):
            setattr(os, name, counted(getattr(os, name)))
        with claim(f"{sys.argv[1]}/{calls}", {"model": "m"}, scheme("nlcd6"), {}):
            os._exit(0)
    if os.wait()[1] == 0:
        break
"""


def test_a_run_that_is_killed_in_its_first_moments_goes_on(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", _KILLED, str(tmp_path)], check=True)
    killed = list(tmp_path.iterdir())
    assert len(killed) > 5
    for folder in killed:
        with claim(str(folder), {"model": "m"}, scheme("nlcd6"), {}) as run:
            assert run.manifest()["status"] == "running"
            folders = sorted(path.name for path in folder.iterdir() if path.is_dir())
            assert folders == ["pixels", "quarantine", "tiles"]


def test_the_manifest_comes_before_all_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there: list[list[str]] = []
    prepare = Storage.prepare

    def noted(self: Storage, *folders: str) -> None:
        if folders:
            there.append(sorted(path.name for path in Path(self.root).iterdir()))
        prepare(self, *folders)

    monkeypatch.setattr(claiming.Storage, "prepare", noted)
    with claim(str(tmp_path / "run"), {"model": "m"}, scheme("nlcd6"), {}):
        pass
    assert there == [[".holder", ".lock", "run.json"]]


def test_a_directory_of_other_files_is_still_refused(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("dear")
    with (
        pytest.raises(OutputError, match=r"holds 'letter.txt' but no run\.json"),
        claim(str(tmp_path), {"model": "m"}, scheme("nlcd6"), {}),
    ):
        pytest.fail("it is somebody else's")
