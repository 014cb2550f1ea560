"""Nothing of a TensorFlow file is run but what computes its output; weights are read, not restored."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import networks
from support.libraries import imported

from landcover.config import ModelSettings
from landcover.errors import ModelError
from landcover.models.model import open_model
from landcover.models.recipe import make_recipe

tf = imported("tensorflow")
one = tf.compat.v1
SIDE = networks.SIZE


def scores_of(path: Path, **told: Any) -> np.ndarray[Any, Any]:
    recipe = make_recipe(
        ModelSettings(path=str(path), runtime="tensorflow", activation="none", scale=1, **told)
    )
    pixels = np.random.default_rng(3).integers(0, 255, (2, 3, SIDE, SIDE), np.uint8)
    return open_model(recipe).network.run(pixels)


def small_network() -> tuple[Any, Any]:
    image = one.placeholder(tf.float32, (None, SIDE, SIDE, 3), name="image")
    kernel = one.get_variable("kernel", initializer=np.full((3, 3, 3, 4), 0.01, np.float32))
    features = tf.nn.relu(tf.nn.conv2d(image, kernel, 1, "SAME"))
    return image, tf.reduce_mean(features, (1, 2), name="scores")


def writing(kind: str, path: Path) -> Any:
    """An operation that writes a file when it runs."""
    if kind == "PrintV2":
        return tf.raw_ops.PrintV2(input="here", output_stream=f"file://{path}")
    if kind == "SaveV2":
        numbers = {"tensor_names": ["x"], "shape_and_slices": [""], "tensors": [tf.zeros(1)]}
        return tf.raw_ops.SaveV2(prefix=str(path), **numbers)
    return tf.raw_ops.WriteFile(filename=str(path), contents="here")


def written(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("written*"))


@pytest.mark.parametrize("kind", ["PrintV2", "SaveV2", "WriteFile"])
def test_what_a_restore_operation_waits_for_is_not_run(kind: str, tmp_path: Path) -> None:
    (tmp_path / "net").mkdir()
    prefix = tmp_path / "net" / "model.ckpt-1"
    with tf.Graph().as_default() as graph, one.Session() as session:
        small_network()
        session.run(one.global_variables_initializer())
        saver = one.train.Saver()
        evil = writing(kind, tmp_path / "written")
        graph.get_operation_by_name("save/restore_all")._add_control_input(evil)
        restore = graph.get_operation_by_name("save/RestoreV2")
        restore._add_control_input(evil)
        saver.save(session, str(prefix))
    assert scores_of(prefix).shape == (2, 4)
    assert written(tmp_path) == []


@pytest.mark.parametrize("kind", ["PrintV2", "SaveV2", "WriteFile"])
def test_what_a_network_waits_for_is_not_run(kind: str, tmp_path: Path) -> None:
    with tf.Graph().as_default() as graph:
        image = one.placeholder(tf.float32, (None, SIDE, SIDE, 3), name="image")
        with tf.control_dependencies([writing(kind, tmp_path / "written")]):
            kernel = tf.constant(0.01, shape=(3, 3, 3, 4))
        features = tf.nn.conv2d(image, kernel, 1, "SAME")
        tf.reduce_mean(features, (1, 2), name="scores")
    (tmp_path / "net.pb").write_bytes(graph.as_graph_def().SerializeToString())
    assert scores_of(tmp_path / "net.pb").shape == (2, 4)
    assert written(tmp_path) == []


def test_a_debug_operation_in_the_network_is_named(tmp_path: Path) -> None:
    with tf.Graph().as_default() as graph:
        image = one.placeholder(tf.float32, (None, SIDE, SIDE, 3), name="image")
        url = f"file://{tmp_path}/written"
        kernel = tf.raw_ops.DebugIdentity(
            input=tf.constant(0.01, shape=(3, 3, 3, 4)), tensor_name="x:0", debug_urls=[url]
        )
        tf.reduce_mean(tf.nn.conv2d(image, kernel, 1, "SAME"), (1, 2), name="scores")
    (tmp_path / "net.pb").write_bytes(graph.as_graph_def().SerializeToString())
    with pytest.raises(ModelError, match="as they do more than compute: DebugIdentity"):
        scores_of(tmp_path / "net.pb")
    with pytest.raises(ModelError, match="'scores', but it needs operation 'DebugIdentity'"):
        scores_of(tmp_path / "net.pb", head="scores")
    assert written(tmp_path) == []


@pytest.mark.parametrize("depth", [1, 3])
def test_an_operation_in_a_function_of_a_function_is_found(depth: int, tmp_path: Path) -> None:
    def serve(image: Any) -> Any:
        writing("PrintV2", tmp_path / "written")
        return tf.reduce_mean(image, (1, 2))

    module, inner = tf.Module(), serve
    for _ in range(depth):
        inner = tf.function(inner)
    spec = tf.TensorSpec((None, SIDE, SIDE, 3), name="image")
    tf.saved_model.save(
        module, str(tmp_path / "net"), tf.function(inner).get_concrete_function(spec)
    )
    with pytest.raises(ModelError, match="needs operation 'PrintV2'"):
        scores_of(tmp_path / "net")
    assert written(tmp_path) == []


def test_two_graphs_for_serving_are_not_chosen_from(tmp_path: Path) -> None:
    from tensorflow.core.protobuf import saved_model_pb2

    path = networks.saved_model(tmp_path / "net", tf) / "saved_model.pb"
    parsed = saved_model_pb2.SavedModel.FromString(path.read_bytes())
    parsed.meta_graphs.add().CopyFrom(parsed.meta_graphs[0])
    path.write_bytes(parsed.SerializeToString())
    with pytest.raises(ModelError, match="does not have one graph for serving"):
        scores_of(tmp_path / "net")


def test_weights_that_a_saver_calls_by_another_name_are_found(tmp_path: Path) -> None:
    """Moving averages are stored beside the weights, and restored in their place."""
    (tmp_path / "net").mkdir()
    prefix = str(tmp_path / "net" / "model.ckpt-1")
    with tf.Graph().as_default(), one.Session() as session:
        one.get_variable("kernel", initializer=np.full((3, 3, 3, 4), 9, np.float32))
        one.get_variable("average", initializer=np.full((3, 3, 3, 4), 0.5, np.float32))
        session.run(one.global_variables_initializer())
        one.train.Saver().save(session, prefix, write_meta_graph=False)
    with tf.Graph().as_default():
        small_network()
        kernel = one.global_variables()[0]
        saver = one.train.Saver({"average": kernel})
        saver.export_meta_graph(prefix + ".meta")
    one_pixel = tmp_path / "net" / "model.ckpt-1"
    found = scores_of(one_pixel)
    shutil.rmtree(tmp_path / "net")
    networks_ = np.random.default_rng(3).integers(0, 255, (2, 3, SIDE, SIDE), np.uint8)
    reads = tf.constant(networks_.transpose(0, 2, 3, 1), tf.float32)
    wanted = tf.reduce_mean(tf.nn.conv2d(reads, tf.fill((3, 3, 3, 4), 0.5), 1, "SAME"), (1, 2))
    np.testing.assert_allclose(found, wanted, rtol=1e-5)


def test_weights_in_slices_are_read_slice_by_slice(tmp_path: Path) -> None:
    (tmp_path / "net").mkdir()
    prefix = tmp_path / "net" / "model.ckpt-1"
    pixels = np.random.default_rng(3).integers(0, 255, (2, 3, SIDE, SIDE), np.uint8)
    with tf.Graph().as_default(), one.Session() as session:
        image = one.placeholder(tf.float32, (None, SIDE, SIDE, 3), name="image")
        split = one.fixed_size_partitioner(2, axis=3)
        kernel = one.get_variable(
            "kernel",
            (3, 3, 3, 4),
            initializer=one.random_normal_initializer(seed=1),
            partitioner=split,
        )
        scores = tf.reduce_mean(
            tf.nn.conv2d(image, tf.convert_to_tensor(kernel), 1, "SAME"), (1, 2)
        )
        session.run(one.global_variables_initializer())
        one.train.Saver().save(session, str(prefix))
        wanted = session.run(scores, {image: pixels.transpose(0, 2, 3, 1)})
    np.testing.assert_allclose(scores_of(prefix), wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("resource", [False, True])
def test_a_checkpoint_of_another_release_with_batch_norm_and_optimizer_is_opened(
    resource: bool, tmp_path: Path
) -> None:
    """An older release found other shapes, and wrote them down for every node."""
    prefix = tmp_path / "model.ckpt-1"
    pixels = np.random.default_rng(3).integers(0, 255, (2, 3, SIDE, SIDE), np.uint8)
    with tf.Graph().as_default(), one.Session() as session:
        one.get_variable_scope().set_use_resource(resource)
        image, scores = small_network()
        scale, shift = (one.get_variable(n, initializer=np.ones(4, np.float32)) for n in "ab")
        training = one.placeholder_with_default(False, ())

        def normalized(is_training: bool) -> Any:
            args = {} if is_training else {"mean": shift, "variance": scale}
            return one.nn.fused_batch_norm(
                scores[:, None, None], scale, shift, is_training=is_training, **args
            )[0]

        normal = one.cond(training, lambda: normalized(True), lambda: normalized(False))
        last = tf.reshape(normal, (-1, 4))
        labels = one.placeholder(tf.int32, (None,))
        loss = one.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=last)
        one.train.MomentumOptimizer(0.1, 0.9).minimize(tf.reduce_mean(loss))
        session.run(one.global_variables_initializer())
        one.train.Saver().save(session, str(prefix))
        wanted = session.run(last, {image: pixels.transpose(0, 2, 3, 1)})
    path = tmp_path / "model.ckpt-1.meta"
    meta = one.MetaGraphDef.FromString(path.read_bytes())
    for node in meta.graph_def.node:
        node.attr["_output_shapes"].list.shape.add().dim.add().size = 77
    path.write_bytes(meta.SerializeToString())
    np.testing.assert_allclose(scores_of(prefix), wanted, rtol=1e-4, atol=1e-4)
