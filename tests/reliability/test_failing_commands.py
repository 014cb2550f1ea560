"""A call that writes fails, in every command that makes files: they are right, or it says what to do."""

from __future__ import annotations

import errno
import os
import re
import shutil
import sqlite3
import zipfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import onnx
import pytest
import yaml
from PIL import Image
from support.colours import SIDECAR, blobs, network, write_scene
from support.failing_calls import Commands, compiled
from support.ground import squares, write_codes

from landcover.local_files import TEMPORARY
from landcover.runs.storage import HOLDER, LOCK

ERRORS = (errno.ENOSPC, errno.EIO, errno.EDQUOT)
# Of all commands together there are some thousand calls: each of them, with each of the errors, takes
# many hours (make faults EVERY=1). Errors take turns as long as the step is no multiple of their number.
EVERY = int(os.environ.get("LANDCOVER_FAULTS_EVERY", "5"))

# Of each command its arguments; what it makes is "made", or begins so.
COMMANDS = {
    "smooth": ["smooth", "before", "-o", "made"],
    "smooth by area": ["smooth", "before", "-o", "made", "--rule", "area", "--minimum-area", "90"],
    "change": ["change", "before", "after", "-o", "made", "--chips", "3"],
    "vectorize to GeoPackage": ["vectorize", "before", "-o", "made.gpkg"],
    "vectorize to GeoParquet": ["vectorize", "before", "-o", "made.parquet"],
    "vectorize to FlatGeobuf": ["vectorize", "before", "-o", "made.fgb"],
    "report": ["report", "before", "after", "-o", "made.html"],
    "areas": ["areas", "before", "-o", "made.csv", "--figure", "made.png"],
    "sample": ["sample", "before", "-o", "made.gpkg", "--size", "12", "--minimum", "2"],
    "stac": ["stac", "before", "-o", "made"],
    "prepare": ["prepare", "prepare.yaml"],
    "plan": ["plan", "before.yaml", "--seconds", "0.1"],
    "model convert": ["model", "convert", "colours.onnx", "made.onnx"],
}
# What leaves what it has done, and goes on with it.
GOES_ON = ("prepare", "train")
# What helps, as people are told.
_REMEDY = re.compile("the same command|name another")
# What says when it was made, and so is another each time.
_TIMED = ("run.json", "prepare.json", ".html", "collection.json", "item.json", "training.json")

# What Keras tells layers that share something apart by.
_ADDRESS = re.compile(rb'"shared_object_id": \d+')
# When the style of a GeoPackage was made.
_TIME = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


@pytest.fixture(scope="module")
def commands(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Commands]:
    folder = tmp_path_factory.mktemp("failing-commands")
    os.environ["OGR_CURRENT_DATE"] = "2020-01-01T00:00:00Z"
    found = Commands(compiled(folder), folder)
    yield found
    found.close()
    del os.environ["OGR_CURRENT_DATE"]


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory, commands: Commands) -> Path:
    """A folder with two runs over one place, and imagery with a reference."""
    folder = tmp_path_factory.mktemp("given")
    onnx.save(network(pixel=True, halo=2, size=36), folder / "colours.onnx")
    (folder / "colours.yaml").write_text(SIDECAR)
    for number, name in enumerate(("before", "after")):
        write_scene(folder / f"{name}.tif", blobs(number, 150, 200))
        told = {
            "source": {"rasters": [f"{name}.tif"]},
            "model": "colours.onnx",
            "output": {"path": name, "probabilities": True},
        }
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(told))
        ended = commands.run(["score", str(folder / f"{name}.yaml"), "--quiet"])
        assert ended.code == 0, ended.said
    write_codes(
        folder / "codes.tif", squares(8, 7, 5), "EPSG:26918", (500_000 - 3, 4_500_000 + 5), 4.0
    )
    told = {
        "source": {"rasters": "before.tif", "tile": 16},
        "reference": "codes.tif",
        "labels": {"classes": ["Forest", "Cultivated"]},
        "split": {"block": 50, "buffer": 0, "shares": {"train": 0.6, "test": 0.4}},
        "output": "made",
    }
    (folder / "prepare.yaml").write_text(yaml.safe_dump(told))
    for split in ("train", "test"):
        for number, name in enumerate(("Forest", "Cultivated")):
            (folder / "tiles" / split / name).mkdir(parents=True)
            for place in range(6):
                pixels = np.moveaxis(blobs(place + 9 * number, 16, 16), 0, 2)
                Image.fromarray(pixels).save(folder / "tiles" / split / name / f"{place}.png")
    (folder / "train.yaml").write_text("data: tiles\noutput: made\n")
    return folder


def _made(folder: Path) -> list[Path]:
    return [path for top in folder.glob("made*") for path in (top, *top.rglob("*"))]


def _content(folder: Path) -> dict[str, bytes]:
    """All that a command has made; of what tells the time, whether it is there.

    Locks that nobody holds and what is half-written do not count.
    """
    return {
        str(path.relative_to(folder)): b"" if path.name.endswith(_TIMED) else _held(path)
        for path in sorted(_made(folder))
        if path.is_file() and not path.name.startswith((LOCK, HOLDER, TEMPORARY))
    }


def _held(path: Path) -> bytes:
    """What a file holds; of a GeoPackage all its tables, since SQLite counts its attempts to write.

    Of a network of Keras all but when it was written, and where in memory it was.
    """
    if path.suffix == ".keras":
        with zipfile.ZipFile(path) as network:
            kept = sorted(set(network.namelist()) - {"metadata.json"})
            return _ADDRESS.sub(b"", b"".join(network.read(name) for name in kept))
    if path.suffix != ".gpkg":
        return path.read_bytes()
    with closing(sqlite3.connect(path)) as file:
        return _TIME.sub(b"", "\n".join(file.iterdump()).encode())


def _remove(folder: Path) -> None:
    for path in (*folder.glob("made*"), *folder.glob(f"{TEMPORARY}*")):
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def _check(
    commands: Commands, folder: Path, arguments: list[str], step: int, lasting: bool = False
) -> int:
    """Let every n-th call fail that writes, or all from there on; how many there are.

    With a step of 0, a few of them all over the command.
    """
    made = [
        str(folder / word) if (folder / word).exists() or "made" in word else word
        for word in arguments
    ]
    _remove(folder)
    ended = commands.run(made)
    assert ended.code == 0, ended.said
    calls, whole = ended.calls, _content(folder)
    _remove(folder)
    ended = commands.run(made)
    assert (ended.code, _content(folder)) == (0, whole), "it is not the same twice"
    for place in range(1, calls + 1, step or max(1, calls // 6)):
        for error in ERRORS if step == 1 else [ERRORS[place % 3]]:
            _remove(folder)
            what = f"call {place} of {calls}: {os.strerror(error)}"
            ended = commands.run(made, place, error, lasting)
            assert "defect" not in ended.said, f"{what}: {ended.said}"
            assert ended.code in (0, 1), f"{what}: {ended.said}"
            if ended.code:
                assert os.strerror(error) in ended.said or "cannot" in ended.said, ended.said
                assert _REMEDY.search(ended.said), f"{what}: {ended.said}"
                left = set(_content(folder)) - set(whole) or set(folder.rglob(f"{TEMPORARY}*"))
                if not (lasting and error == errno.EIO):  # a dying disk lets nothing be removed
                    assert arguments[0] in GOES_ON or not left, f"{what}: something is left over"
                again = commands.run(made)
                if again.code and lasting and error == errno.EIO:
                    assert "is there already" in again.said, f"{what}: {again.said}"
                    _remove(folder)
                    again = commands.run(made)
                assert again.code == 0, f"{what}: {again.said}"
            assert _content(folder) == whole, what
    return calls


@pytest.mark.parametrize(
    ("name", "lasting"), [("smooth", False), ("areas", False), ("vectorize to GeoParquet", True)]
)
def test_calls_that_write_fail_here_and_there_and_no_file_is_wrong(
    commands: Commands, given: Path, name: str, lasting: bool
) -> None:
    assert _check(commands, given, COMMANDS[name], 0, lasting) > 5


@pytest.mark.faults
def test_calls_that_write_fail_here_and_there_while_a_network_learns(
    commands: Commands, given: Path
) -> None:
    assert _check(commands, given, ["train", "train.yaml", "--quiet"], 0) > 5


@pytest.mark.faults
@pytest.mark.timeout(7200)  # some hundred calls, and with EVERY=1 three errors each
@pytest.mark.parametrize("lasting", [False, True])
@pytest.mark.parametrize("name", COMMANDS)
def test_calls_that_write_fail_one_after_another_and_no_file_is_wrong(
    commands: Commands, given: Path, name: str, lasting: bool
) -> None:
    assert _check(commands, given, COMMANDS[name], EVERY, lasting) >= 5
