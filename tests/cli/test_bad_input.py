"""What is wrong is said in one sentence that names it and what to do, and leaves nothing behind."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import rasterio
import yaml
from support import clusters
from support.colours import blobs, network, write_scene

from landcover.cli.main import main
from landcover.errors import OutputError
from landcover.local_files import scratch

DATA = Path(__file__).parent.parent / "data" / "cntk"

Score = Callable[..., Any]


def _assert_refused(said: Any, code: int, *words: str) -> None:
    assert said.err.startswith("landcover"), said.err
    assert said.err.count("\n") == 1 and len(said.err) < 400, said.err
    assert "defect" not in said.err and "Traceback" not in said.err, said.err
    for word in words:
        assert word in said.err, said.err
    assert (said.code, said.out) == (code, "")


def _listing(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")} | {"config.yaml"}


def _cut(name: str, share: float) -> bytes:
    content = (DATA / name).read_bytes()
    return content[: int(len(content) * share)]


@pytest.mark.parametrize(
    ("rasters", "words"),
    [
        (["absent/*.tif"], ("absent/*.tif: no file matches", "there is no folder")),
        (["*.jp2"], ("*.jp2: no file matches", "holds", "1 .tif file(s)")),
        (["absent.tif"], ("absent.tif: no such file or folder",)),
        (["text.tif"], ("text.tif: cannot be read as a raster", "copy it again")),
        (["header.tif"], ("header.tif: cannot be read as a raster", "copy it again")),
        (["tail.tif"], ("tail.tif: is cut off", "bytes", "copy it again")),
        (["one.tif"], ("one.tif: has 1 band(s), band 2 is wanted", "as a list")),
        (["nowhere.tif"], ("nowhere.tif: has no place on earth, and no CRS", "-a_ullr")),
        (["oblong.tif"], ("oblong.tif: its pixels are not square (1 x 2", "source.resolution")),
    ],
)
def test_a_scene_that_cannot_be_scored_is_refused(
    rasters: list[str], words: tuple[str, ...], folder: Path, score: Score
) -> None:
    whole = (folder / "scene.tif").read_bytes()
    (folder / "text.tif").write_text("no raster\n" * 20)
    (folder / "header.tif").write_bytes(whole[:100])
    (folder / "tail.tif").write_bytes(whole[:-300])
    write_scene(folder / "one.tif", blobs(1, 64, 64)[:1])
    _write_plain(folder / "nowhere.tif", None)
    _write_plain(folder / "oblong.tif", rasterio.Affine(1, 0, 5e5, 0, -2, 4e6))
    for name in set(folder.glob("*.tif")) - {folder / "scene.tif"} - set(folder.glob(rasters[0])):
        name.unlink()
    before = _listing(folder)
    _assert_refused(score(source={"rasters": rasters}), 2, *words)
    assert _listing(folder) == before


def _write_plain(path: Path, transform: Any) -> None:
    pixels = blobs(2, 64, 64)
    crs = None if transform is None else "EPSG:26918"
    profile = {"driver": "GTiff", "dtype": "uint8", "count": 3, "height": 64, "width": 64}
    with rasterio.open(path, "w", **profile, crs=crs, transform=transform) as file:
        file.write(pixels)


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (b"", ("odd.model: is empty", "copy or save it again")),
        (b"hello world " * 9, ("odd.model: is of no known format (it begins with", "known are")),
        (network(False, 0, 32).SerializeToString()[:90], ("odd.model: is cut short", "copy it")),
        (_cut("resnet_cifar_trained.model", 0.6), ("odd.model: is cut short", "copy it again")),
        (_cut("legacy/mnist_gray_rank2.model", 0.5), ("odd.model: node", "are left")),
        ("rnn_unsupported.model", ("recurrent network", "feed-forward ones only")),
        ("userfunction_unsupported.model", ("user-defined function", "save again")),
        ("trainer_checkpoint.model.ckp", ("state of a CNTK trainer", "without .ckp")),
        ("absent.model", ("absent.model: no such file or folder",)),
    ],
    ids=["empty", "text", "onnx", "cntk-2", "cntk-1", "recurrent", "user", "trainer", "absent"],
)
def test_a_file_that_holds_no_network_for_images_is_refused(
    model: bytes | str,
    words: tuple[str, ...],
    folder: Path,
    score: Score,
    request: pytest.FixtureRequest,
) -> None:
    path = folder / "odd.model"
    if isinstance(model, bytes):
        path.write_bytes(model)
    elif (DATA / model).exists() or model.startswith("absent"):
        path = DATA / model
    else:
        path = request.getfixturevalue("shared") / "models" / "cntk" / model
    before = _listing(folder)
    _assert_refused(score(model=str(path)), 2, str(path), *words)
    assert _listing(folder) == before


@pytest.mark.parametrize(
    ("sidecar", "words"),
    [
        ("classes: [a, b, c]", ("colours.onnx: returns 4 classes, but 3 are named", "correct")),
        ("classes: nlcd7", ("no scheme is called 'nlcd7'", "there are cdl, nlcd")),
        ("meen: 1\nscael: 2", ("colours.yaml: meen: no such key", "scael: no such key")),
        ("mean: dark", ("colours.yaml: mean: ", "(found 'dark')")),
        ("mean: [1, 2]", ("colours.onnx: reads 3 bands, but mean has 2 numbers",)),
        ("bands: [1, 2]", ("reads 3 bands, but 2 are named (1, 2)", "correct 'bands'")),
        ("input_size: 64", ("reads windows of 32 x 32 pixels, but input_size", "is 64")),
        ("mean: [1\nscale: 2", ("colours.yaml: is not YAML: line 2",)),
        ("source: {}\nmodel: x", ("colours.yaml: is a run's configuration", "rename")),
    ],
)
def test_a_sidecar_that_does_not_fit_is_refused(
    sidecar: str, words: tuple[str, ...], folder: Path, score: Score
) -> None:
    (folder / "colours.yaml").write_text(sidecar)
    before = _listing(folder)
    _assert_refused(score(), 2, *words)
    assert _listing(folder) == before


@pytest.mark.parametrize(
    ("sections", "words"),
    [
        ({"backend": "sprak"}, ("no backend is called 'sprak'", "dask, local, spark")),
        ({"backend": {"name": "local", "wrokers": 2}}, ("'wrokers'", "there are: workers")),
        ({"backend": {"name": "local", "workers": 0}}, ("backend.workers: must be", "from 1")),
        ({"backend": {"name": "dask", "address": "here"}}, ("tcp://host:8786, not 'here'",)),
        ({"model": {"path": "colours.onnx", "runtime": "tf"}}, ("no runtime is called 'tf'",)),
        ({"source": None}, ("config.yaml: source: is missing",)),
        (
            {"sorce": 1, "source": {"raster": "x", "tile": 0}, "failures": {"at_most": 2}},
            ("sorce: no such key", "source.raster: no such key", "source.tile: ", "at_most: "),
        ),
        (
            {"source": {"rasters": ["scene.tif"], "halo": 20}},
            ("halo of 20 leaves nothing to write of a tile of 32",),
        ),
        (
            {"source": {"rasters": ["scene.tif"], "bands": [1, 2, 7]}},
            ("scene.tif: has 3 band(s), band 7 is wanted",),
        ),
    ],
)
def test_a_config_that_makes_no_sense_is_refused(
    sections: dict[str, Any], words: tuple[str, ...], folder: Path, score: Score
) -> None:
    before = _listing(folder)
    _assert_refused(score(**sections), 2, *words)
    assert _listing(folder) == before


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--set", "backend.workers"], ("--set: 'backend.workers' is not of the form",)),
        (["--set", "source.tile=[3"], ("--set: the value of 'source.tile' is not YAML",)),
        (["--set", "modle.path=x"], ("modle: no such key",)),
        (["--workers", "3"], ("No such option", "--workers", "landcover score --help")),
    ],
)
def test_arguments_that_make_no_sense_are_refused(
    arguments: list[str], words: tuple[str, ...], folder: Path, score: Score
) -> None:
    before = _listing(folder)
    _assert_refused(score(*arguments), 2, *words)
    assert _listing(folder) == before


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, ("cannot be read: No such file",)),
        ("source: [\n", ("is not YAML: line 2",)),
        ("- a list\n", ("must hold the keys source, model, backend, output",)),
    ],
)
def test_a_config_file_that_is_none_is_refused(
    content: str | None,
    words: tuple[str, ...],
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PYTHONWARNINGS", "ignore")
    path = tmp_path / "county.yaml"
    if content is not None:
        path.write_text(content)
    with pytest.raises(SystemExit) as ended:
        main(["score", str(path)])
    assert ended.value.code == 2
    said = capfd.readouterr().err
    assert said.startswith(f"landcover: {path}: ") and said.count("\n") == 1
    assert all(word in said for word in words), said


@pytest.mark.parametrize(
    ("output", "words"),
    [
        ("scene.tif/run", ("scene.tif/run: this folder cannot be made", "name another output")),
        ("scene.tif", ("scene.tif: this folder cannot be made", "name another output")),
        ("/proc/run", ("/proc/run: this folder cannot be made", "name another output")),
        ("full", ("full: holds 'mine.txt' but no run.json", "an empty directory")),
    ],
)
def test_an_output_that_cannot_be_written_is_named(
    output: str, words: tuple[str, ...], folder: Path, score: Score
) -> None:
    (folder / "full").mkdir()
    (folder / "full" / "mine.txt").touch()
    before = _listing(folder)
    _assert_refused(score(output=output), 1, *words)
    assert _listing(folder) == before


def test_a_finished_run_and_that_of_another_job_are_left_as_they_are(
    folder: Path, score: Score
) -> None:
    assert score().code == 0
    before = {path: path.stat().st_mtime_ns for path in (folder / "run").rglob("*")}
    assert score().code == 0
    source = {"rasters": ["scene.tif"], "stride": 16}
    _assert_refused(score(source=source), 1, "belongs to another run, with another stride", "name")
    assert {path: path.stat().st_mtime_ns for path in (folder / "run").rglob("*")} == before


def test_a_directory_that_another_process_writes_is_left_to_it(folder: Path, score: Score) -> None:
    lock = folder / "run" / ".lock"
    lock.parent.mkdir()
    lock.write_text("by process 1 on another-host")
    hold = "import fcntl, sys; f = open(sys.argv[1], 'a'); fcntl.lockf(f, fcntl.LOCK_EX); "
    hold += "print('held', flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", hold, str(lock)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes) as holder:
        assert holder.stdout.readline() == "held\n"
        _assert_refused(score(), 1, "run: is being written by process 1 on another-host", "wait")
        holder.stdin.close()


@pytest.mark.parametrize(
    ("name", "address", "words"),
    [
        ("dask", "tcp://127.0.0.1:{}", ("no Dask scheduler answers", "start one with")),
        ("spark", "spark://127.0.0.1:{}", ("nothing answers here", "start-master.sh")),
        ("spark", "sc://127.0.0.1:{}", ("nothing answers here", "start-connect-server.sh")),
    ],
)
def test_a_cluster_that_does_not_answer_is_named_within_half_a_minute(
    name: str,
    address: str,
    words: tuple[str, ...],
    folder: Path,
    score: Score,
    require_backend: Callable[[str], None],
) -> None:
    require_backend(name)
    address = address.format(clusters.free_port())
    before, began = _listing(folder), time.monotonic()
    said = score(backend={"name": name, "address": address})
    assert time.monotonic() - began < 30
    _assert_refused(said, 1, address, *words, "correct backend.address")
    assert _listing(folder) == before


@pytest.mark.parametrize("command", ["score", "plan"])
def test_numbers_that_nobody_tells_are_asked_for_with_the_sidecar_to_complete(
    command: str, folder: Path, score: Score, capfd: pytest.CaptureFixture[str]
) -> None:
    sidecar = folder / "colours.yaml"
    sidecar.write_text("classes: [a, b, c, d]")
    before = _listing(folder)
    said = score()
    if command == "plan":
        with pytest.raises(SystemExit) as ended:
            main(["plan", str(folder / "config.yaml")])
        said = type(said)(int(ended.value.code or 0), *capfd.readouterr())
    assert (said.code, said.out, _listing(folder)) == (2, "", before)
    asked, _, lines = said.err.partition("\n\n")
    assert "colours.onnx: nothing says which numbers it wants" in asked
    assert str(sidecar) in asked
    assert 'classes: ["a", "b", "c", "d"]' in lines
    assert "# mean: 0" in lines and "# scale: 1" in lines
    sidecar.write_text(lines.replace("# mean: 0", "mean: 100").replace("# scale: 1", "scale: 0.02"))
    assert score().code == 0


@pytest.mark.parametrize(
    ("blocked", "sections", "words"),
    [
        ("distributed", {"backend": "dask"}, ("backend 'dask'", "'landcover[dask]'")),
        ("pyspark", {"backend": "spark"}, ("backend 'spark'", "'landcover[spark]'")),
        (
            "openvino",
            {"model": {"path": "colours.onnx", "runtime": "openvino"}},
            ("runtime 'openvino'", "'landcover[openvino]'"),
        ),
    ],
)
def test_a_library_that_is_missing_is_named_with_the_way_to_get_it(
    blocked: str, sections: dict[str, Any], words: tuple[str, ...], folder: Path
) -> None:
    config = folder / "config.yaml"
    usual = {"source": {"rasters": ["scene.tif"]}, "model": "colours.onnx", "output": "run"}
    config.write_text(yaml.safe_dump({**usual, **sections}))
    before = _listing(folder)
    code = f"import sys; sys.modules[{blocked!r}] = None; from landcover.cli.main import main; "
    command = [sys.executable, "-c", code + "main()", "score", str(config)]
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (said.returncode, said.stdout) == (2, "")
    assert said.stderr.startswith("landcover: ") and said.stderr.count("\n") == 1, said.stderr
    for word in (*words, f"needs {blocked}", "which is not installed: pip install"):
        assert word in said.stderr, said.stderr
    assert _listing(folder) == before


def test_a_run_begins_anew_only_after_asking(folder: Path, score: Score) -> None:
    assert score().code == 0
    before = (folder / "run" / "run.json").read_bytes()
    source = {"rasters": ["scene.tif"], "stride": 16}
    assert score("--restart", source=source).code == 1  # nobody answers
    assert (folder / "run" / "run.json").read_bytes() == before
    assert score("--restart", "--extend", "--yes", source=source).code == 2
    assert score("--restart", "--yes", source=source).code == 0


def test_a_plan_that_is_too_large_is_scored_only_when_it_is_meant(score: Score) -> None:
    source = {"rasters": ["scene.tif"], "most_tiles": 1}
    _assert_refused(score(source=source), 2, "scene: has", "source.most_tiles", "--yes")
    assert score("--yes", source=source).code == 0


def _printing_to(output: int) -> tuple[int, str]:
    command = [sys.executable, "-m", "landcover.cli.main", "--version"]
    ended = subprocess.run(command, stdout=output, stderr=subprocess.PIPE, text=True, check=False)
    return ended.returncode, ended.stderr


def test_what_is_printed_onto_a_full_disk_is_missed_in_a_sentence() -> None:
    with Path("/dev/full").open("wb") as full:
        code, said = _printing_to(full.fileno())
    assert (code, said.count("\n")) == (1, 1)
    assert said.startswith("landcover: what is printed, or work in progress in ")
    assert "could not be written or read: No space left on device: make room there" in said


def test_no_room_for_work_in_progress_is_a_sentence_that_names_another_place(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def libraries_ask(*_: object, **__: object) -> None:
        tempfile.mkdtemp()

    with monkeypatch.context() as full:
        full.setattr(tempfile, "tempdir", None)
        full.setattr(tempfile, "_candidate_tempdir_list", lambda: ["/dev/null"])
        with pytest.raises(
            OutputError, match=r"^work in progress: cannot be kept .No usable .* folder in TMPDIR"
        ):
            scratch().__enter__()
        with pytest.raises(OutputError, match=r"^/nowhere: cannot be written: No such"):
            scratch(Path("/nowhere")).__enter__()
        full.setattr("landcover.cli.main.cli.main", libraries_ask)
        with pytest.raises(SystemExit):
            main(["doctor"])
    said = capsys.readouterr().err
    assert (
        said.startswith("landcover: work in progress: cannot be kept (No usable")
        and "in TMPDIR" in said
    )


def test_a_reader_that_has_seen_enough_is_no_defect() -> None:
    reads, writes = os.pipe()
    os.close(reads)
    try:
        assert _printing_to(writes) == (1, "")
    finally:
        os.close(writes)
