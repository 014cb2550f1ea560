"""What is refused, and what is chosen, in SavedModels and graphs of TensorFlow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import networks

from landcover.config import ModelSettings
from landcover.errors import ModelError
from landcover.models.model import open_model
from landcover.models.recipe import Recipe, make_recipe
from landcover.models.runtimes.tensorflow.tf1_ends import find_ends

tf = pytest.importorskip("tensorflow")
one = tf.compat.v1


def recipe_of(path: Path, **told: Any) -> Recipe:
    return make_recipe(ModelSettings(path=str(path), runtime="tensorflow", **{"scale": 1, **told}))


def test_the_ends_of_a_training_graph_are_found() -> None:
    with tf.Graph().as_default() as graph:
        image, scores = networks.training_graph(tf)
    ends = find_ends(graph, None, "net")
    assert (ends.image.name, ends.output.name) == (image.name, scores.name)
    assert ends.switches == {"keep:0": 1.0, "rate:0": 0.0}


def test_a_head_may_be_any_tensor_that_an_image_leads_to() -> None:
    with tf.Graph().as_default() as graph:
        networks.training_graph(tf)
    assert find_ends(graph, "shares", "net").output.name == "shares:0"
    assert find_ends(graph, 0, "net").output.name == "scores:0"
    with pytest.raises(ModelError, match="no layer called 'absent'"):
        find_ends(graph, "absent", "net")
    with pytest.raises(ModelError, match="needs more than an image: 'labels:0' int32"):
        find_ends(graph, "loss/loss", "net")


def test_an_old_dropout_that_divides_by_what_is_kept_is_off() -> None:
    with tf.Graph().as_default() as graph:
        image = one.placeholder(tf.float32, (None, 8, 8, 3))
        keep = one.placeholder(tf.float32, (), name="keep")
        training = one.placeholder(tf.bool, (), name="training")
        features = tf.reduce_mean(
            tf.nn.conv2d(image, np.ones((3, 3, 3, 4), "f4"), 1, "SAME"), (1, 2)
        )
        kept = features / keep * tf.floor(keep + tf.random.uniform(tf.shape(features)))
        one.nn.softmax(tf.where(training, kept, features))
    assert find_ends(graph, None, "net").switches == {"keep:0": 1.0, "training:0": False}


def test_two_heads_must_be_told_apart() -> None:
    with tf.Graph().as_default() as graph:
        image = one.placeholder(tf.float32, (None, 8, 8, 3))
        features = tf.nn.conv2d(image, np.ones((3, 3, 3, 4), "f4"), 1, "SAME")
        for name in ("main", "aux"):
            tf.nn.softmax(tf.reduce_mean(features, (1, 2), name=name))
    with pytest.raises(ModelError, match=r"several outputs: say with 'head'.*'main:0', 'aux:0'"):
        find_ends(graph, None, "net")


def test_a_graph_without_images_is_refused() -> None:
    with tf.Graph().as_default() as graph:
        tf.nn.softmax(one.placeholder(tf.float32, (None, 784)))
    with pytest.raises(ModelError, match="no placeholder for images"):
        find_ends(graph, None, "net")


def test_a_frozen_graph_scores_as_its_checkpoint(tmp_path: Path) -> None:
    frozen = recipe_of(networks.frozen_graph(tmp_path / "net.pb", tf))
    trained = recipe_of(networks.checkpoint(tmp_path / "trained", tf))
    pixels = np.random.default_rng(0).integers(0, 9, (5, 3, 16, 16)).astype(np.uint8)
    scores = [open_model(recipe).network.run(pixels) for recipe in (frozen, trained)]
    np.testing.assert_allclose(*scores, atol=1e-6)


def test_a_graph_that_is_not_frozen_is_refused(tmp_path: Path) -> None:
    with tf.Graph().as_default() as graph:
        networks.training_graph(tf)
    (tmp_path / "net.pb").write_bytes(graph.as_graph_def().SerializeToString())
    with pytest.raises(ModelError, match="a graph without its weights: name the checkpoint"):
        recipe_of(tmp_path / "net.pb")


def test_weights_that_are_damaged_are_refused(tmp_path: Path) -> None:
    prefix = networks.checkpoint(tmp_path, tf)
    data = prefix.with_name(prefix.name + ".data-00000-of-00001")
    data.write_bytes(data.read_bytes()[:100])
    with pytest.raises(ModelError, match="its weights cannot be read"):
        recipe_of(prefix)
    folder = networks.saved_model(tmp_path / "net", tf)
    data = next((folder / "variables").glob("*.data*"))
    data.write_bytes(data.read_bytes()[:100])
    with pytest.raises(ModelError, match="its weights cannot be read"):
        recipe_of(folder)


def test_a_saved_model_of_tensorflow_1_is_opened(tmp_path: Path) -> None:
    with tf.Graph().as_default(), one.Session() as session:
        image, scores = networks.training_graph(tf)
        session.run(one.global_variables_initializer())
        graph = session.graph
        inputs = {"image": image, "keep": graph.get_tensor_by_name("keep:0")}
        kept = tf.identity(graph.get_tensor_by_name("Mean:0"))
        outputs = {"scores": scores, "class": tf.argmax(scores, 1), "features": kept[:, None]}
        rate = graph.get_tensor_by_name("rate:0")
        one.saved_model.simple_save(
            session, str(tmp_path / "net"), {**inputs, "rate": rate}, outputs
        )
    recipe = recipe_of(tmp_path / "net")
    assert (len(recipe.classes), recipe.activation) == (networks.CLASSES, "softmax")


def test_a_saved_model_without_a_clear_signature_is_refused(tmp_path: Path) -> None:
    module = tf.Module()
    tf.saved_model.save(module, str(tmp_path / "none"))
    with pytest.raises(ModelError, match=r"no signature 'serving_default'.*its signatures: none"):
        recipe_of(tmp_path / "none")


def test_a_saved_model_that_reads_text_is_refused(tmp_path: Path) -> None:
    module = tf.Module()

    @tf.function(input_signature=[tf.TensorSpec((None,), tf.string, name="jpeg")])
    def serve(jpeg: Any) -> Any:
        return {"scores": tf.zeros((tf.shape(jpeg)[0], 3))}

    tf.saved_model.save(module, str(tmp_path / "net"), signatures=serve)
    with pytest.raises(ModelError, match="one input, a batch of images; its inputs: 'jpeg' string"):
        recipe_of(tmp_path / "net")


def test_a_saved_model_that_touches_files_is_refused(tmp_path: Path) -> None:
    module = tf.Module()

    @tf.function(input_signature=[tf.TensorSpec((None, 8, 8, 3), name="image")])
    def serve(image: Any) -> Any:
        tf.io.write_file(str(tmp_path / "written"), "here")
        return {"scores": tf.reduce_mean(image, (1, 2))}

    tf.saved_model.save(module, str(tmp_path / "net"), signatures=serve)
    with pytest.raises(
        ModelError, match="needs operation 'WriteFile', which does more than compute"
    ):
        recipe_of(tmp_path / "net")
    assert not (tmp_path / "written").exists()


def test_several_outputs_of_keras_are_told_apart_by_name(tmp_path: Path) -> None:
    keras = pytest.importorskip("keras")
    image = keras.layers.Input((8, 8, 3))
    features = keras.layers.GlobalAveragePooling2D()(image)
    heads = [keras.layers.Dense(n, name=name)(features) for name, n in (("main", 4), ("aux", 2))]
    keras.Model(image, heads).save(str(tmp_path / "net.keras"))
    with pytest.raises(ModelError, match=r"several outputs: say with 'head'.*'main', 'aux'"):
        recipe_of(tmp_path / "net.keras")
    assert len(recipe_of(tmp_path / "net.keras", head="aux").classes) == 2
