"""Every refusal of a graph of TensorFlow, a runtime or a device names what would settle it, and it does."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import networks
from support.devices import held_elsewhere
from support.libraries import imported
from support.refusals import Met, left, places

import landcover.models.runtimes
from landcover import devices
from landcover.config import ModelSettings
from landcover.devices import Gpu, let_go
from landcover.errors import ModelError
from landcover.models.model import open_model
from landcover.models.recipe import Recipe, make_recipe
from landcover.models.runtimes import placement
from landcover.models.runtimes.placement import place

tf = imported("tensorflow")
one = tf.compat.v1

RUNTIMES = Path(landcover.models.runtimes.__file__).parent
MODULES = [RUNTIMES / "tensorflow" / name for name in ("tf1_ends.py", "saved_models.py")]
MODULES += [RUNTIMES / name for name in ("registry.py", "placement.py")]
# Of a damaged file nothing that can be told would change it.
DAMAGED = "its signature names a tensor"
KERNEL = np.random.default_rng(3).normal(0, 0.3, (3, 3, 3, 4)).astype(np.float32)
HEAD = np.random.default_rng(4).normal(0, 0.3, (4, 2)).astype(np.float32)


Make = Callable[[Path, bool], Path]


def _features(image: Any) -> Any:
    return tf.reduce_mean(tf.nn.conv2d(image, KERNEL, 1, "SAME"), (1, 2), name="features")


def in_a_graph(make: Make) -> Make:
    """What writes a network as TensorFlow 1 did."""

    @wraps(make)
    def made(folder: Path, settled: bool) -> Path:
        with tf.Graph().as_default():
            return make(folder, settled)

    return made


@in_a_graph
def _flat(folder: Path, settled: bool) -> Path:
    """Images as rows of pixels, or as images."""
    image = one.placeholder(tf.float32, (None, 8, 8, 3) if settled else (None, 192))
    tf.nn.softmax(_features(tf.reshape(image, (-1, 8, 8, 3))))
    return _written(folder)


@in_a_graph
def _unweighed(folder: Path, settled: bool) -> Path:
    """What no weights of its own have made is no output, unless it is named."""
    image = one.placeholder(tf.float32, (None, 8, 8, 3))
    tf.reduce_mean(image, (1, 2), name="colours")
    return _written(folder)


@in_a_graph
def _two_images(folder: Path, settled: bool) -> Path:
    first, second = (one.placeholder(tf.float32, (None, 8, 8, 3)) for _ in range(2))
    scores = tf.matmul(_features(first), HEAD, name="scores")
    tf.nn.softmax(scores)
    tf.add(scores, tf.matmul(_features(second), HEAD), name="both")
    return _written(folder)


@in_a_graph
def _with_labels(folder: Path, settled: bool) -> Path:
    image, labels = one.placeholder(tf.float32, (None, 8, 8, 3)), one.placeholder(tf.int32, (None,))
    scores = tf.matmul(_features(image), HEAD, name="scores")
    tf.nn.sparse_softmax_cross_entropy_with_logits(labels, scores, name="loss")
    return _written(folder)


def _written(folder: Path) -> Path:
    path = folder / "net.pb"
    path.write_bytes(one.get_default_graph().as_graph_def().SerializeToString())
    return path


def _serving_twice(folder: Path, settled: bool) -> Path:
    from tensorflow.core.protobuf import saved_model_pb2

    path = networks.saved_model(folder / "net", tf) / "saved_model.pb"
    parsed = saved_model_pb2.SavedModel.FromString(path.read_bytes())
    if not settled:
        parsed.meta_graphs.add().CopyFrom(parsed.meta_graphs[0])
    path.write_bytes(parsed.SerializeToString())
    return path.parent


def _served(folder: Path, **signatures: Callable[[Any], Any]) -> Path:
    module = tf.Module()
    spec = [tf.TensorSpec((None, 8, 8, 3), name="image")]
    served = {name: tf.function(f, input_signature=spec) for name, f in signatures.items()}
    tf.saved_model.save(module, str(folder / "net"), signatures=served)
    return folder / "net"


def _unsigned(folder: Path, settled: bool) -> Path:
    scores = {"scores": lambda image: {"scores": tf.nn.softmax(_features(image))}}
    return _served(folder, **(scores if settled else {}))


def _of_texts(folder: Path, settled: bool) -> Path:
    """Reads encoded images, or images."""
    if settled:
        return _unsigned(folder, True)

    @tf.function(input_signature=[tf.TensorSpec((None,), tf.string, name="jpeg")])
    def serve(jpeg: Any) -> Any:
        return {"scores": tf.zeros((tf.shape(jpeg)[0], 3))}

    tf.saved_model.save(tf.Module(), str(folder / "net"), signatures=serve)
    return folder / "net"


@in_a_graph
def _with_names(folder: Path, settled: bool) -> Path:
    """The names of classes, written to standard error on the way, beside their probabilities."""
    image = one.placeholder(tf.float32, (None, 8, 8, 3), name="image")
    scores = tf.nn.softmax(_features(image))
    told = {"classes": tf.as_string(one.Print(scores, [scores])), "scores": scores}
    with one.Session() as session:
        one.saved_model.simple_save(session, str(folder / "net"), {"image": image}, told)
    return folder / "net"


def _keras(folder: Path, settled: bool) -> Path:
    return networks.keras_tile(folder / "net.keras", pytest.importorskip("keras"))


@dataclass(frozen=True)
class Case:
    """A network that is refused.

    Args:
        make: writes it to a folder, as it is refused or (True) as the sentence advises.
        told: what is told about it at first.
        names: what the sentence must name.
        settled: what is told then.
    """

    make: Make
    told: dict[str, Any]
    names: str
    settled: dict[str, Any]


CASES = [
    Case(_flat, {}, r"write it again with one, placeholder\(tf.float32, \(None, rows", {}),
    Case(_unweighed, {}, "name what is meant in 'head', such as 'colours:0'", {"head": "colours"}),
    Case(_unweighed, {"head": "absent"}, "in 'head', such as 'colours:0'", {"head": "colours:0"}),
    Case(_two_images, {"head": "both"}, "in 'head', such as 'scores:0'", {"head": "scores"}),
    Case(_with_labels, {"head": "loss/loss"}, "in 'head', such as 'scores:0'", {"head": None}),
    Case(_serving_twice, {}, "save the one that is meant alone", {}),
    Case(_unsigned, {}, "save it with one", {}),
    Case(_of_texts, {}, "save it with a signature of such a one", {}),
    Case(_with_names, {"head": "classes"}, "name another output in 'head'", {"head": "scores"}),
    Case(
        _with_names, {"head": "classes"}, "cannot be computed: it needs operation", {"head": None}
    ),
    Case(_keras, {"runtime": "onnxruntime"}, "set model.runtime", {"runtime": "tensorflow"}),
]


def _recipe(case: Case, folder: Path, *, settled: bool) -> Recipe:
    told = {"scale": 1, "runtime": "tensorflow", "activation": "softmax", **case.told}
    told |= case.settled if settled else {}
    shutil.rmtree(folder / "net", ignore_errors=True)
    return make_recipe(ModelSettings(path=str(case.make(folder, settled)), **told))


@pytest.fixture(scope="module")
def met() -> Met:
    """The places of the refusals that the tests of this module met."""
    return set()


@pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c.make.__name__[1:]}, {c.names}")
def test_what_a_refusal_names_settles_it(case: Case, met: Met, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=case.names) as caught:
        _recipe(case, tmp_path, settled=False)
    met |= places(caught.value)
    recipe = _recipe(case, tmp_path, settled=True)
    size = recipe.input_size
    pixels = np.random.default_rng(5).uniform(0, 1, (2, 3, *size)).astype(np.float32)
    scores = open_model(recipe, 1).network.run(pixels)
    assert scores.shape == (2, len(recipe.classes))
    assert (scores >= 0).all() and (scores <= 1).all()


GPU = Gpu("GPU-made", "made", 0, 0)


@pytest.fixture
def one_gpu(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """A host with a GPU that onnxruntime can use."""
    monkeypatch.setattr(placement, "visible_gpus", lambda: [GPU])
    monkeypatch.setattr(placement, "uses_gpus", lambda runtime: runtime == "onnxruntime")
    monkeypatch.setattr(devices, "_shared_folder", lambda: tmp_path / "locks")
    monkeypatch.setattr(devices, "_PATIENCE", 0.0)
    monkeypatch.delenv("CUDA_DEVICE_ORDER", raising=False)
    yield
    let_go()


def test_a_device_that_is_not_there_is_settled_by_another(
    met: Met, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(placement, "visible_gpus", list)
    with pytest.raises(ModelError, match=r"set model\.device to auto or cpu") as caught:
        place("gpu", "onnxruntime", "net")
    met |= places(caught.value)
    assert place("auto", "onnxruntime", "net") is place("cpu", "onnxruntime", "net") is None


@pytest.mark.usefixtures("one_gpu")
def test_a_gpu_that_cannot_be_used_is_settled_by_another_device_or_runtime(met: Met) -> None:
    with pytest.raises(
        ModelError, match=r"runtime 'onnxruntime' can; or set model\.device"
    ) as caught:
        place("gpu", "openvino", "net")
    met |= places(caught.value)
    assert place("auto", "openvino", "net") is place("cpu", "openvino", "net") is None
    assert place("gpu", "onnxruntime", "net") == GPU


@pytest.mark.usefixtures("one_gpu")
def test_a_gpu_that_another_process_holds_is_settled_by_the_cpu(met: Met, tmp_path: Path) -> None:
    with held_elsewhere(GPU, tmp_path / "locks"):
        with pytest.raises(ModelError, match=r"or model\.device to cpu") as caught:
            place("gpu", "onnxruntime", "net")
        met |= places(caught.value)
        assert place("cpu", "onnxruntime", "net") is None
    assert place("gpu", "onnxruntime", "net") == GPU


def test_no_other_refusal_is_left(met: Met, request: pytest.FixtureRequest) -> None:
    """Each place where these modules refuse a network is that of a test above."""
    above = [test for test in request.session.items if test.path == request.path]
    if len(above) < len(CASES) + 4:
        pytest.skip("of the tests above some are left out")
    assert not left(MODULES, met, but=[DAMAGED])
