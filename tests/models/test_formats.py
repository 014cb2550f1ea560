"""What a file is, is told by its content; what is no model is refused in one sentence."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import onnx
import pytest
from support import networks

from landcover.errors import ModelError
from landcover.models.formats import hdf5
from landcover.models.formats.detection import detect

CNTK = Path(__file__).parents[1] / "data" / "cntk"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One model of each format that only TensorFlow writes."""
    tf = pytest.importorskip("tensorflow")
    keras, old = pytest.importorskip("keras"), pytest.importorskip("tf_keras")
    formats = ("keras", "keras2", "h5", "savedmodel", "graphdef", "tf1-checkpoint")
    return {
        format: networks.make(format, tmp_path_factory.mktemp(format), tf, keras, old)
        for format in formats
    }


@pytest.mark.parametrize(
    "format", ["keras", "keras2", "h5", "savedmodel", "graphdef", "tf1-checkpoint"]
)
def test_a_format_is_told_by_content(made: dict[str, Path], format: str, tmp_path: Path) -> None:
    path = made[format]
    assert detect(path).format == format
    if path.is_file():
        renamed = tmp_path / "model.onnx"
        shutil.copy(path, renamed)
        assert detect(renamed).format == format
        assert detect(renamed).digest == detect(path).digest


def test_cntk_and_onnx_are_told_by_content(tmp_path: Path) -> None:
    assert detect(networks.onnx_tile(tmp_path / "net.model")).format == "onnx"
    assert detect(CNTK / "unicode_names.model").format == "cntk"
    for path in (CNTK / "legacy").glob("*.model"):
        assert detect(path).format == "cntk-v1"


def test_published_models_are_told(shared: Path) -> None:
    public = shared / "models" / "public"
    assert detect(public / "resnet20_meanimage_159.dnn").format == "cntk"
    assert detect(public / "naip_250epochs.model").format == "cntk"
    assert detect(public / "keras-savedmodel-cifar10" / "model.keras").format == "keras2"
    assert detect(public / "keras-savedmodel-cifar10" / "saved_model").format == "savedmodel"
    assert detect(public / "onnx-savedmodel-cifar100" / "model.onnx").format == "onnx"
    assert detect(public / "onnx-savedmodel-cifar100" / "model.pb").format == "savedmodel"


@pytest.mark.parametrize("end", ["", ".meta", ".index", ".data-00000-of-00001"])
def test_a_checkpoint_is_known_by_its_prefix_and_by_each_of_its_files(
    made: dict[str, Path], end: str
) -> None:
    prefix = made["tf1-checkpoint"]
    found = detect(prefix.with_name(prefix.name + end))
    assert (found.path, found.format, len(found.files)) == (prefix, "tf1-checkpoint", 3)
    assert detect(prefix.parent).path == prefix


def test_a_folder_of_checkpoints_means_the_latest(made: dict[str, Path], tmp_path: Path) -> None:
    for part in made["tf1-checkpoint"].parent.glob("model.ckpt-20.*"):
        shutil.copy(part, tmp_path)
        shutil.copy(part, tmp_path / part.name.replace("-20.", "-30."))
    with pytest.raises(ModelError, match=r"neither a saved_model\.pb"):
        detect(tmp_path)
    (tmp_path / "checkpoint").write_text('model_checkpoint_path: "/home/them/model.ckpt-30"\n')
    assert detect(tmp_path).path == tmp_path / "model.ckpt-30"


def test_the_graph_of_a_saved_model_stands_for_its_folder(made: dict[str, Path]) -> None:
    folder = made["savedmodel"]
    assert detect(folder / "saved_model.pb").path == folder
    assert detect(folder / "saved_model.pb").digest == detect(folder).digest


def test_a_digest_is_of_the_content_and_not_of_the_place(
    made: dict[str, Path], tmp_path: Path
) -> None:
    copy = tmp_path / "elsewhere"
    shutil.copytree(made["savedmodel"], copy)
    assert detect(copy).digest == detect(made["savedmodel"]).digest
    weights = next((copy / "variables").glob("*.data*"))
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    assert detect(copy).digest != detect(made["savedmodel"]).digest


@pytest.mark.parametrize("format", ["keras", "h5", "savedmodel", "graphdef"])
@pytest.mark.parametrize("share", [0.3, 0.9])
def test_a_file_that_is_cut_short_is_refused(
    made: dict[str, Path], format: str, share: float, tmp_path: Path
) -> None:
    path = made[format] / "saved_model.pb" if format == "savedmodel" else made[format]
    cut = tmp_path / path.name
    shutil.copy(path, cut)
    os.truncate(cut, int(cut.stat().st_size * share))
    with pytest.raises(ModelError, match="is cut short"):
        detect(cut)


@pytest.mark.parametrize("share", [0.05, 0.5, 0.99])
def test_cntk_and_onnx_files_that_are_cut_short_are_refused(share: float, tmp_path: Path) -> None:
    for path in (CNTK / "two_outputs.model", networks.onnx_tile(tmp_path / "net.onnx")):
        cut = tmp_path / "cut"
        shutil.copy(path, cut)
        os.truncate(cut, int(cut.stat().st_size * share))
        with pytest.raises(ModelError, match="is cut short"):
            detect(cut)


def test_parts_missing_from_a_checkpoint_are_named(made: dict[str, Path], tmp_path: Path) -> None:
    for part in made["tf1-checkpoint"].parent.glob("model.ckpt-20.*"):
        shutil.copy(part, tmp_path)
    (tmp_path / "model.ckpt-20.data-00000-of-00001").unlink()
    with pytest.raises(ModelError, match=r"model.ckpt-20.data-00000-of-00001 is missing"):
        detect(tmp_path / "model.ckpt-20")
    (tmp_path / "model.ckpt-20.index").unlink()
    with pytest.raises(ModelError, match="has a network but no weights"):
        detect(tmp_path / "model.ckpt-20")
    (tmp_path / "ckpt-1.index").write_bytes(b"x")
    with pytest.raises(ModelError, match="TensorFlow 2 checkpoint never has one"):
        detect(tmp_path / "ckpt-1")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty"),
        (
            b"just some text",
            r"is of no known format \(it begins with b'just som'\); known are CNTK",
        ),
        (b"version https://git-lfs.github.com/spec/v1", "run 'git lfs pull'"),
        (b"\x80\x02}q\x00.", "is a Python pickle, which is never opened"),
        (b"\x08\x07", "is of no known format"),
        (bytes(64), "is of no known format"),
        (b"\xff" * 64, "is of no known format"),
        (b"PK\x03\x04 and then nothing", "is cut short or damaged"),
        (b"\x89HDF\r\n\x1a\n", "is cut short"),
        (b"\x1c\0\0\0TFL3" + bytes(64), r"a TensorFlow Lite file.*tf2onnx\.convert --tflite"),
    ],
)
def test_what_is_no_model_is_refused(content: bytes, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "some.model"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=reason):
        detect(path)


def test_hdf5_that_goes_on_behind_its_end_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "net.h5"
    file.write_bytes(hdf5.MAGIC)
    os.truncate(file, 50 * 2**30)
    with pytest.raises(
        ModelError, match=r"has 53,687,091,200 bytes, and says that it ends after 0"
    ):
        detect(file)


def test_more_bytes_than_any_network_has_are_not_read(tmp_path: Path) -> None:
    file, size = tmp_path / "net.h5", 2**34 + 1
    widths = bytes([0, 0, 0, 0, 0, 8, 8, 0])  # behind the magic, of a superblock of version 0
    file.write_bytes((hdf5.MAGIC + widths).ljust(40, b"\0") + size.to_bytes(8, "little"))
    os.truncate(file, size)
    with pytest.raises(ModelError, match=r"has 17,179,869,185 bytes; the most is 17,179,869,184"):
        detect(file)


def test_what_a_network_does_not_read_of_its_files_is_not_read(
    made: dict[str, Path], tmp_path: Path
) -> None:
    def refused(path: Path, grown: Path) -> None:
        before = detect(path).digest
        size = grown.stat().st_size
        os.truncate(grown, size + 2**29)
        detect(path)  # which others may read
        os.truncate(grown, 2**33)
        with pytest.raises(
            ModelError, match=r"has 8,589,9\d\d,\d{3} bytes in files of weights, and"
        ):
            detect(path)
        os.truncate(grown, size)
        assert detect(path).digest == before

    shutil.copytree(made["savedmodel"], tmp_path / "saved")
    refused(tmp_path / "saved", next(tmp_path.glob("saved/variables/*.data-*")))
    prefix = made["tf1-checkpoint"]
    shutil.copytree(prefix.parent, tmp_path / "checkpoint")
    refused(tmp_path / "checkpoint" / prefix.name, next(tmp_path.glob("checkpoint/*.data-*")))
    model = onnx.load(networks.onnx_tile(tmp_path / "net.onnx"))
    beside = {"location": "net.data", "size_threshold": 0}
    onnx.save(model, tmp_path / "net.onnx", save_as_external_data=True, **beside)
    refused(tmp_path / "net.onnx", tmp_path / "net.data")


def test_a_stray_file_among_weights_an_index_too_long_and_what_stands_before_a_zip_file_are_not_read(
    made: dict[str, Path], tmp_path: Path
) -> None:
    saved = tmp_path / "saved"
    shutil.copytree(made["savedmodel"], saved)
    stray = saved / "variables/variables.data-00003-of-00007"
    stray.touch()
    os.truncate(stray, 2**33)
    with pytest.raises(ModelError, match="the most that may be left over is 1,073,741,824"):
        detect(saved)
    os.truncate(saved / "variables/variables.index", 2**33)
    with pytest.raises(
        ModelError, match="it has 8,589,934,592 bytes, where the most is 67,108,864"
    ):
        detect(saved)
    keras = tmp_path / "net.keras"
    content = made["keras"].read_bytes()
    with keras.open("wb") as stream:
        stream.write(content[:4])
        stream.seek(2**33)
        stream.write(content)
    with pytest.raises(ModelError, match=r"and says that it reads [\d,]{1,9} of them"):
        detect(keras)


def test_a_network_of_cntk_1_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    file = tmp_path / "net.model"
    shutil.copy(next((CNTK / "legacy").glob("*.model")), file)
    size = file.stat().st_size
    os.truncate(file, 2**31)
    with pytest.raises(ModelError, match=r"has a graph of 2,147,483,648 bytes \(net\.model\)"):
        detect(file)
    os.truncate(file, size + 2**29)
    mapped_only = "import resource, sys; from pathlib import Path; from landcover.models.cntk import mapped, read\n"
    mapped_only += "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
    mapped_only += "read(mapped(Path(sys.argv[1])), 'net')\n"
    mapped_only += "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
    done = subprocess.run(
        [sys.executable, "-c", mapped_only, str(file)], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) < 2**18  # KiB


def test_what_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no such file or folder"):
        detect(tmp_path / "absent.onnx")
    with pytest.raises(ModelError, match=r"neither a saved_model\.pb"):
        detect(tmp_path)


def test_a_zip_file_of_something_else_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("readme.txt", "nothing")
    with pytest.raises(ModelError, match=r"ZIP file without a Keras config\.json"):
        detect(tmp_path / "a.zip")
    with zipfile.ZipFile(tmp_path / "a.pt", "w") as archive:
        archive.writestr("net/data.pkl", "nothing")
    with pytest.raises(ModelError, match="PyTorch"):
        detect(tmp_path / "a.pt")


def test_the_state_of_a_trainer_is_no_model(shared: Path) -> None:
    with pytest.raises(ModelError, match=r"state of a CNTK trainer.*name the \.model file"):
        detect(shared / "models" / "cntk" / "trainer_checkpoint.model.ckp")


def test_weights_beside_an_onnx_file_belong_to_it(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    model = onnx.load(networks.onnx_tile(tmp_path / "net.onnx"))
    onnx.save(
        model,
        tmp_path / "net.onnx",
        save_as_external_data=True,
        location="net.weights",
        size_threshold=0,
    )
    found = detect(tmp_path / "net.onnx")
    assert [path.name for path in found.files] == ["net.onnx", "net.weights"]
    (tmp_path / "net.weights").unlink()
    with pytest.raises(ModelError, match=r"keeps weights in 'net\.weights', which is not beside"):
        detect(tmp_path / "net.onnx")


def test_a_model_consists_of_regular_files(made: dict[str, Path], tmp_path: Path) -> None:
    saved = tmp_path / "saved"
    shutil.copytree(made["savedmodel"], saved)
    os.mkfifo(saved / "variables/variables.data-00000-of-00009")
    with pytest.raises(ModelError, match="data-00000-of-00009 among others, which is no regular"):
        detect(saved)
    checkpoint = made["tf1-checkpoint"]
    for part in checkpoint.parent.glob(f"{checkpoint.name}.*"):
        shutil.copy(part, tmp_path / part.name)
    data = tmp_path / f"{checkpoint.name}.data-00000-of-00001"
    data.unlink()
    data.symlink_to("/dev/zero")
    with pytest.raises(ModelError, match="data-00000-of-00001 among others, which is no regular"):
        detect(tmp_path / checkpoint.name)
    with pytest.raises(ModelError, match="is no regular file"):
        detect(Path("/dev/zero"))


def test_what_lies_in_a_saved_model_beside_its_graph_and_weights_is_no_part_of_it(
    made: dict[str, Path], tmp_path: Path
) -> None:
    folder = tmp_path / "net"
    shutil.copytree(made["savedmodel"], folder)
    before = detect(folder)
    (folder / "assets").mkdir(exist_ok=True)
    (folder / "assets" / os.fsdecode(b"\xff")).write_text("x")
    (folder / "variables/of others").symlink_to("/")
    os.mkfifo(folder / "variables/pipe")
    assert (detect(folder).files, detect(folder).digest) == (before.files, before.digest)


def test_names_that_are_not_utf_8_are_told_apart(made: dict[str, Path], tmp_path: Path) -> None:
    digests = set()
    for name in (b"\xff", b"\xfe"):
        folder = tmp_path / os.fsdecode(name)
        folder.mkdir()
        prefix = made["tf1-checkpoint"]
        for file in prefix.parent.glob(f"{prefix.name}.*"):
            shutil.copy(file, folder / file.name.replace(prefix.name, folder.name))
        digests.add(detect(folder / folder.name).digest)
    assert len(digests) == 2


def test_an_empty_graph_is_told(tmp_path: Path) -> None:
    (tmp_path / "net").mkdir()
    (tmp_path / "net/saved_model.pb").touch()
    with pytest.raises(ModelError, match=r"saved_model\.pb: is empty"):
        detect(tmp_path / "net")


def test_a_graph_longer_than_any_message_is_not_read(made: dict[str, Path], tmp_path: Path) -> None:
    prefix = tmp_path / "net"
    for file in made["tf1-checkpoint"].parent.glob(f"{made['tf1-checkpoint'].name}.*"):
        shutil.copy(file, tmp_path / file.name.replace(made["tf1-checkpoint"].name, "net"))
    os.truncate(f"{prefix}.meta", 2**31)
    with pytest.raises(ModelError, match=r"a graph of 2,147,483,648 bytes \(net\.meta\)"):
        detect(prefix)
