"""Microsoft's library under today's Python: against what it gave under its own."""

from __future__ import annotations

import gc
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest

from landcover.errors import LandcoverError, LibraryUnavailable, ModelError
from landcover.models.cntk.library.evaluation import LibraryNetwork
from landcover.models.cntk.library.install import locate

TOLERANCE = 1e-5  # of the greatest value of the reference

# Files that the library itself cannot compute on a CPU, and why; their references are not its own.
REFUSED = {
    "double_model": "is float64, and the C interface of CNTK 2.7 is for float32 only",
    "half_model": "FP16 convolution is only supported via cuDNN",
    "ops_conv_dilated": "Dilated convolution on CPU is not yet implemented",
}


DATA = Path(__file__).resolve().parents[2] / "data" / "cntk"
CACHE = os.environ.get("LANDCOVER_CACHE")  # of the user; other tests have one of their own

REFERENCES = [
    *("alexnet_legacy_transfer", "alexnet_transfer", "cast_model", "cifar_convnet_lrn"),
    *("fcn_free_dims", "half_dense_model", "inception_like", "inception_like_via_onnx"),
    *("mnist_gray_rank2", "ops_binary", "ops_conv_dilated_equiv", "ops_conv_pad", "ops_norm"),
    *("ops_pool", "ops_shape", "ops_times", "ops_unary", "resnet18_224"),
    *("resnet18_224_from_legacy", "resnet18_224_legacy", "resnet18_224_via_onnx"),
    *("resnet_cifar_trained", "two_outputs", "unet_like", "unicode_names", "vgg_like"),
]

Find = Callable[[str], Path]


@pytest.fixture(scope="module", autouse=True)
def _installed() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("LANDCOVER_CACHE")
        if CACHE is not None:
            patch.setenv("LANDCOVER_CACHE", CACHE)
        try:
            locate()
        except LandcoverError as missing:
            pytest.skip(str(missing))
        yield


@pytest.fixture(scope="module")
def find(request: pytest.FixtureRequest) -> Find:
    """A model file by its name: the small ones are here, the others in the shared folder."""

    def found(name: str) -> Path:
        if (DATA / name).exists():
            return DATA / name
        shared: Path = request.getfixturevalue("shared")
        return next(p for d in ("cntk", "public") if (p := shared / "models" / d / name).exists())

    return found


def _assert_close(found: np.ndarray, reference: np.ndarray) -> None:
    assert found.shape == reference.shape
    assert found.dtype == np.float32
    np.testing.assert_allclose(
        found, reference, rtol=0, atol=TOLERANCE * float(np.abs(reference).max())
    )


def _open(find: Find, name: str) -> tuple[LibraryNetwork, np.lib.npyio.NpzFile]:
    path = find(f"{name}.model")
    return LibraryNetwork(path), np.load(path.with_suffix(".npz"))


@pytest.mark.parametrize("name", REFERENCES)
def test_every_output_equals_the_reference(find: Find, name: str) -> None:
    network, reference = _open(find, name)
    batch = reference["input"]
    found = network.evaluate({network.inputs[0].name: batch}, range(len(network.outputs)))
    assert len(found) == len(reference["output_names"])
    for index, array in enumerate(found):
        _assert_close(array, reference[f"output_{index}"])


@pytest.mark.parametrize("name", ["naip_250epochs.model", "resnet20_meanimage_159.dnn"])
def test_published_models_give_the_published_library_s_numbers(find: Find, name: str) -> None:
    path = find(name)
    reference = np.load(path.with_suffix(".npz"))
    _assert_close(LibraryNetwork(path).run(reference["input"]), reference["output"])


def test_names_are_those_of_the_file_or_else_its_uids(find: Find) -> None:
    for name in ("trainer_checkpoint", "unicode_names", "ops_pool"):
        network, reference = _open(find, name)
        assert [port.name for port in network.outputs] == list(reference["output_names"])
    assert _open(find, "unicode_names")[0].inputs == (("image d\u2019entrée", (3, 8, 8)),)


def test_free_extents_are_minus_three(find: Find) -> None:
    assert _open(find, "fcn_free_dims")[0].inputs[0].shape == (3, -3, -3)


def test_outputs_that_need_labels_take_them_as_a_second_input(find: Find) -> None:
    network, reference = _open(find, "trainer_checkpoint")
    image, labels = network.inputs
    _assert_close(network.run(reference["input"]), reference["output"])
    feeds = {image.name: reference["input"], labels.name: reference["labels"]}
    for index, array in enumerate(network.evaluate(feeds, range(5))):
        _assert_close(array, reference[f"output_{index}"])
    with pytest.raises(ModelError, match=f"required arguments.*{labels.name}"):
        network.evaluate({image.name: reference["input"]}, [1])


@pytest.mark.parametrize("name", ["resnet_cifar_trained", "inception_like_via_onnx"])
def test_a_batch_equals_its_tiles_one_at_a_time(find: Find, name: str) -> None:
    network, reference = _open(find, name)
    tiles = [network.run(reference["input"][at : at + 1]) for at in range(4)]
    _assert_close(np.concatenate(tiles), network.run(reference["input"]))


def test_an_output_is_chosen_by_name_or_by_position(find: Find) -> None:
    path = find("two_outputs.model")
    reference = np.load(path.with_suffix(".npz"))
    for output in ("aux_prob", 1, -1):
        found = LibraryNetwork(path, output=output).run(reference["input"])
        _assert_close(found, reference["output_1"])
    with pytest.raises(
        ModelError, match="has no output 'score'; its outputs are 'cls', 'aux_prob'"
    ):
        LibraryNetwork(path, output="score")


@pytest.mark.parametrize(("name", "reason"), REFUSED.items())
def test_what_the_library_cannot_compute_is_said_in_a_sentence(
    find: Find, name: str, reason: str
) -> None:
    with pytest.raises(ModelError, match=reason) as caught:
        network, reference = _open(find, name)
        network.run(reference["input"])
    assert "\n" not in str(caught.value)
    assert "CallStack" not in str(caught.value)


def test_functions_written_in_python_are_refused_by_name(find: Find) -> None:
    with pytest.raises(ModelError, match="user-defined function"):
        LibraryNetwork(find("userfunction_unsupported.model"))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "the file is empty"),
        (b"\x08\x02", "not of a CNTK model"),
        (b"not a model at all", "is not a model of CNTK"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "some.model"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=reason):
        LibraryNetwork(path)
    with pytest.raises(ModelError, match="cannot be read: No such file"):
        LibraryNetwork(tmp_path / "none.model")


def test_the_state_of_a_trainer_is_no_model(find: Find) -> None:
    with pytest.raises(ModelError, match="not of a CNTK model"):
        LibraryNetwork(find("trainer_checkpoint.model.ckp"))


def test_a_damaged_file_does_not_end_the_process(find: Find, tmp_path: Path) -> None:
    whole = find("two_outputs.model").read_bytes()
    path = tmp_path / "damaged.model"
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ModelError, match="is damaged"):
        LibraryNetwork(path)
    # The library follows such a name without looking, into memory that is not there.
    path.write_bytes(whole.replace(b"Input52191", b"Imput52191", 1))
    with pytest.raises(ModelError, match=r"refers to '.*', which is not there"):
        LibraryNetwork(path)


def test_a_path_may_have_any_letters(find: Find, tmp_path: Path) -> None:
    for name in ("two_outputs", "resnet18_224_legacy"):
        path = tmp_path / f"modèle d\u2019été {name}.model"
        path.symlink_to(find(f"{name}.model"))
        assert LibraryNetwork(path).inputs[0].shape[0] == 3


@pytest.mark.parametrize(
    ("batch", "reason"),
    [
        (np.zeros((2, 3, 32, 32), np.uint8), "takes float32, not uint8"),
        (np.zeros((3, 32, 32), np.float32), r"samples of shape \(3, 32, 32\)"),
        (np.zeros((2, 4, 32, 32), np.float32), r"has the shape \(2, 4, 32, 32\)"),
        (np.zeros((0, 3, 32, 32), np.float32), r"batches of \[0\] samples"),
    ],
)
def test_a_batch_that_does_not_fit_is_refused(find: Find, batch: np.ndarray, reason: str) -> None:
    with pytest.raises(ModelError, match=reason):
        _open(find, "two_outputs")[0].run(batch)


def test_a_batch_may_lie_in_memory_in_any_order(find: Find) -> None:
    network, reference = _open(find, "two_outputs")
    turned = np.asfortranarray(reference["input"])
    _assert_close(network.run(turned), reference["output"])


def test_threads_take_turns(find: Find) -> None:
    network, reference = _open(find, "resnet_cifar_trained")
    found: list[np.ndarray] = []
    threads = [
        threading.Thread(target=lambda: found.append(network.run(reference["input"])))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    for array in found:
        _assert_close(array, reference["output"])


def test_the_number_of_threads_cannot_change_within_a_process(find: Find) -> None:
    network, _ = _open(find, "two_outputs")
    path = find("two_outputs.model")
    with pytest.raises(LibraryUnavailable, match="threads in this process, and cannot change"):
        LibraryNetwork(path, threads=999)
    with pytest.raises(ValueError, match="threads must be 1 or more, and is 0"):
        LibraryNetwork(path, threads=0)
    network.close()


def test_a_closed_network_says_so(find: Find) -> None:
    network, reference = _open(find, "two_outputs")
    with network:
        pass
    with pytest.raises(ModelError, match="the network was closed"):
        network.run(reference["input"])


def test_a_thousand_evaluations_leave_nothing_behind(find: Find) -> None:
    network, reference = _open(find, "fcn_free_dims")
    feeds = {"img": reference["input"]}  # 69 kB in, 4 kB out

    def memory_after(evaluations: int) -> int:
        for _ in range(evaluations):
            network.evaluate(feeds, [0, 1])
        gc.collect()
        return int(psutil.Process().memory_info().rss)

    before = memory_after(100)
    assert memory_after(1000) - before < 2 * 2**20


def test_networks_that_are_dropped_are_freed(find: Find) -> None:
    path = find("naip_250epochs.model")  # 1.4 MB
    LibraryNetwork(path)
    gc.collect()
    before = psutil.Process().memory_info().rss
    for _ in range(8):
        LibraryNetwork(path)
    gc.collect()
    assert psutil.Process().memory_info().rss - before < 4 * 2**20
