"""Graphs of TensorFlow that a few bytes make huge or endless are refused, whoever would run them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.libraries import imported

from landcover.config import ModelSettings
from landcover.errors import ModelError
from landcover.models.recipe import make_recipe
from landcover.models.runtimes.tensorflow import graph as running

tf = imported("tensorflow")
one = tf.compat.v1
RUNTIMES = ("tensorflow", "openvino")


def frozen(path: Path, made: Callable[[Any], Any], side: int | None = 8) -> Path:
    """A frozen graph of what a function makes of images, then its mean over rows and columns."""
    with tf.Graph().as_default() as graph:
        image = one.placeholder(tf.float32, (None, side, side, 3), name="image")
        kernel = tf.constant(np.full((1, 1, 3, 3), 0.5, np.float32))
        features = tf.nn.conv2d(image, kernel, 1, "SAME")
        tf.reduce_mean(made(features), (1, 2), name="scores")
    path.write_bytes(graph.as_graph_def().SerializeToString())
    return path


def opened(path: Path, runtime: str, **more: Any) -> Any:
    told = {"activation": "none", "scale": 1, **more}
    return make_recipe(ModelSettings(path=str(path), runtime=runtime, **told))


def million() -> Any:
    """A number that a constant does not say, but arithmetic with constants."""
    return tf.cast(tf.raw_ops.Mul(x=tf.constant([1000.0, 1e3]), y=tf.constant(1000.0)), tf.int32)


GROWN: dict[str, Callable[[Any], Any]] = {
    "Fill": lambda x: x + tf.reduce_max(tf.raw_ops.Fill(dims=million(), value=1.0)),
    "Range": lambda x: x + tf.reduce_max(tf.raw_ops.Range(start=0.0, limit=1e12, delta=1.0)),
    "Tile": lambda x: x + tf.reduce_max(tf.raw_ops.Tile(input=[[1.0]], multiples=million())),
    "BroadcastTo": lambda x: x + tf.reduce_max(tf.raw_ops.BroadcastTo(input=1.0, shape=million())),
    "LinSpace": lambda x: x + tf.reduce_max(tf.raw_ops.LinSpace(start=0.0, stop=1.0, num=2**30)),
    "PadV2": lambda x: tf.raw_ops.PadV2(
        input=x, paddings=[[0, 0], [0, 10**5], [0, 10**5], [0, 0]], constant_values=0.0
    ),
    "ResizeBilinear": lambda x: tf.raw_ops.ResizeBilinear(images=x, size=[10**5, 10**5]),
}


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("kind", GROWN)
def test_a_result_that_would_fill_the_memory_is_refused(
    kind: str, runtime: str, tmp_path: Path
) -> None:
    with pytest.raises(ModelError, match=rf"the result of {kind} '\w+' would hold [\d,]+ numbers"):
        opened(frozen(tmp_path / "net.pb", GROWN[kind]), runtime)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_constant_of_which_one_number_stands_for_all_is_refused(
    runtime: str, tmp_path: Path
) -> None:
    path = frozen(
        tmp_path / "net.pb", lambda x: x + tf.reduce_max(tf.constant([1.0, 2.0], name="c"))
    )
    definition = one.GraphDef.FromString(path.read_bytes())
    (node,) = [node for node in definition.node if node.name == "c"]
    tensor = node.attr["value"].tensor
    tensor.ClearField("tensor_content")
    del tensor.tensor_shape.dim[:]
    tensor.float_val[:] = [1.0]
    for extent in (2**14, 2**13):
        tensor.tensor_shape.dim.add(size=extent)
    path.write_bytes(definition.SerializeToString())
    with pytest.raises(ModelError, match="what single numbers fill would hold 134,217,728 numbers"):
        opened(path, runtime)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_chain_without_end_is_refused(runtime: str, tmp_path: Path) -> None:
    path = frozen(tmp_path / "net.pb", lambda x: tf.identity(x, name="link0"))
    definition = one.GraphDef.FromString(path.read_bytes())
    for number in range(30_000):
        link = definition.node.add(name=f"link{number + 1}", op="Identity", input=[f"link{number}"])
        link.attr["T"].type = 1
    (mean,) = [node for node in definition.node if node.name == "scores"]
    mean.input[0] = "link30000"
    path.write_bytes(definition.SerializeToString())
    with pytest.raises(ModelError, match="a chain of more than 10,000 operations"):
        opened(path, runtime)


ENDLESS: dict[str, tuple[Callable[[Any, Any], Any], str]] = {
    "of no condition": (lambda i, y: True, "holds a loop 'while' that nothing ends"),
    "of a condition that holds": (lambda i, y: i * 0 < 1, "did not come to an end within"),
    "of long": (lambda i, y: i < 2**31 - 1, "did not come to an end within"),
}


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("kind", ENDLESS)
def test_a_loop_that_does_not_end_is_ended(
    kind: str, runtime: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "_PATIENCE", 0)
    condition, said = ENDLESS[kind]

    def looped(x: Any) -> Any:
        return tf.while_loop(condition, lambda i, y: (i + 1, y * 1.0), (0, x))[1]

    with pytest.raises(ModelError, match=said):
        opened(frozen(tmp_path / "net.pb", looped), runtime)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_loop_that_ends_is_run(runtime: str, tmp_path: Path) -> None:
    def looped(x: Any) -> Any:
        return tf.while_loop(lambda i, y: i < 3, lambda i, y: (i + 1, y * 2.0), (0, x))[1]

    assert len(opened(frozen(tmp_path / "net.pb", looped), runtime).classes) == 3


def functions(depth: int, recursive: bool = False) -> Any:
    """A definition with functions each of which calls the one before twice."""
    inner: Any = tf.function(tf.nn.relu)
    for _ in range(depth):
        called = inner
        inner = tf.function(lambda x, f=called: f(f(x)), autograph=False)
    with tf.Graph().as_default() as graph:
        image = one.placeholder(tf.float32, (None, 8, 8, 3), name="image")
        kernel = tf.constant(np.full((1, 1, 3, 3), 0.5, np.float32))
        tf.reduce_mean(inner(tf.nn.conv2d(image, kernel, 1, "SAME")), (1, 2), name="scores")
    definition = graph.as_graph_def()
    if recursive:
        for function in definition.library.function:
            for node in function.node_def:
                if node.op == "Relu":
                    node.op = "PartitionedCall"
                    node.attr["f"].func.name = function.signature.name
    return definition


@pytest.mark.parametrize(
    ("depth", "recursive", "said"),
    [
        (5, False, ""),
        (15, False, "is a chain of more than 10,000 operations"),
    ],
)
def test_functions_without_end_are_refused(
    depth: int, recursive: bool, said: str, tmp_path: Path
) -> None:
    (tmp_path / "net.pb").write_bytes(functions(depth, recursive).SerializeToString())
    if not said:
        assert len(opened(tmp_path / "net.pb", "tensorflow").classes) == 3
        return
    with pytest.raises(ModelError, match=said):
        opened(tmp_path / "net.pb", "tensorflow")


def much(images: Any) -> Any:
    """A whole number that pixels say."""
    return tf.cast(tf.reduce_max(tf.abs(images)) * 1e6, tf.int32)


def doubled(images: Any) -> Any:
    """A loop that hands on twice as much as it was given."""
    flat = tf.reshape(images, [-1])
    found = tf.while_loop(
        lambda at, _: at < 40,
        lambda at, x: (at + 1, tf.concat([x, x], 0)),
        (tf.constant(0), flat),
        shape_invariants=(tf.TensorShape([]), tf.TensorShape([None])),
    )
    return tf.reduce_max(found[1])


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize(
    ("made", "said"),
    [
        (lambda x: x + tf.reduce_max(tf.fill([much(x)], 1.0)), "lets pixels say how large .* Fill"),
        (
            lambda x: x + tf.cast(tf.reduce_max(tf.range(much(x))), tf.float32),
            "lets pixels say how large the result of Range",
        ),
        (
            lambda x: x + tf.fill([tf.shape(tf.where(x > 0))[0] * 10**6], 1.0)[0],
            "lets pixels say how large the result of Fill",
        ),
        (lambda x: x + doubled(x), "hands on more in each turn"),
    ],
    ids=["Fill", "Range", "by how many there are", "a loop"],
)
def test_pixels_may_not_say_how_large_a_result_is(
    made: Callable[[Any], Any], said: str, runtime: str, tmp_path: Path
) -> None:
    with pytest.raises(ModelError, match=said):
        opened(frozen(tmp_path / "net.pb", made), runtime)


def _changed(path: Path, change: Callable[[Any], None]) -> Path:
    definition = one.GraphDef.FromString(path.read_bytes())
    for node in definition.node:
        change(node)
    path.write_bytes(definition.SerializeToString())
    return path


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_sizes_that_are_no_list_are_refused(runtime: str, tmp_path: Path) -> None:
    """TensorFlow ends the process while it imports such a node."""

    def nested(node: Any) -> None:
        if node.op == "Const" and node.attr["dtype"].type == tf.int32.as_datatype_enum:
            extents = node.attr["value"].tensor.tensor_shape.dim
            if [dim.size for dim in extents] == [3]:
                extents.add(size=1)

    path = frozen(tmp_path / "net.pb", lambda x: tf.concat(tf.split(x, [1, 1, 1], 3), 3))
    assert opened(path, runtime).classes
    with pytest.raises(ModelError, match=r"splits by '\w+' in sizes that are not told, as a list"):
        opened(_changed(path, nested), runtime)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_sizes_of_a_kind_that_no_exporter_writes_are_refused(runtime: str, tmp_path: Path) -> None:
    """TensorFlow looks for one of two kinds, and ends the process where it finds neither."""

    def small(node: Any) -> None:
        kind, tensor = tf.int8.as_datatype_enum, node.attr["value"].tensor
        if node.op == "Const" and [dim.size for dim in tensor.tensor_shape.dim] == [3]:
            node.attr["dtype"].type = tensor.dtype = kind
            tensor.tensor_content = b"\1\1\1"
        elif node.op == "SplitV":
            node.attr["Tlen"].type = kind

    path = frozen(tmp_path / "net.pb", lambda x: tf.concat(tf.split(x, [1, 1, 1], 3), 3))
    with pytest.raises(ModelError, match=r"splits by '\w+' in sizes that are not told, as a list"):
        opened(_changed(path, small), runtime)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_products_of_no_numbers_are_refused(runtime: str, tmp_path: Path) -> None:
    """OpenVINO divides by their number, and ends the process."""

    def made(x: Any) -> Any:
        product = tf.raw_ops.BatchMatMulV2(x=tf.zeros((2, 0, 2)), y=tf.zeros((1, 2, 2, 0)))
        return x + tf.reduce_max(tf.reshape(product, [-1]), 0)

    with pytest.raises(ModelError, match="multiplies no numbers, in BatchMatMulV2 '"):
        opened(frozen(tmp_path / "net.pb", made), runtime)


@pytest.mark.parametrize("kind", ["Split", "Unpack", "DynamicPartition"])
def test_more_outputs_than_any_operation_has_are_refused(kind: str, tmp_path: Path) -> None:
    made: dict[str, Callable[[Any], Any]] = {
        "Split": lambda x: tf.split(x, 3, 3)[0],
        "Unpack": lambda x: tf.stack(tf.unstack(x, axis=3), axis=3),
        "DynamicPartition": lambda x: (
            x + tf.reduce_max(tf.dynamic_partition(tf.constant([1.0, 2.0]), [0, 1], 2)[0])
        ),
    }

    def many(node: Any) -> None:
        for name in {"num_split", "num", "num_partitions"} & {*node.attr}:
            node.attr[name].i = 2**31 - 1

    path = _changed(frozen(tmp_path / "net.pb", made[kind]), many)
    with pytest.raises(ModelError, match=rf"says num\w* 2,147,483,647 of {kind}"):
        opened(path, "tensorflow")


def test_a_constant_that_its_kind_cannot_hold_is_passed_over(tmp_path: Path) -> None:
    path = frozen(tmp_path / "net.pb", lambda x: x)
    definition = one.GraphDef.FromString(path.read_bytes())
    node = definition.node.add(name="unused", op="Const")
    node.attr["dtype"].type = node.attr["value"].tensor.dtype = tf.quint8.as_datatype_enum
    node.attr["value"].tensor.int_val.append(-1)
    path.write_bytes(definition.SerializeToString())
    assert opened(path, "tensorflow").classes
