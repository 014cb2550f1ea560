"""What is refused, and what is chosen, in SavedModels and graphs of TensorFlow."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import networks
from support.libraries import imported

from landcover.config import ModelSettings
from landcover.errors import ModelError
from landcover.models.formats import checkpoint_table
from landcover.models.formats.detection import detect
from landcover.models.inspection.producer import written_by
from landcover.models.model import open_model
from landcover.models.recipe import Recipe, make_recipe
from landcover.models.runtimes.tensorflow.tf1_ends import find_ends
from landcover.models.runtimes.tensorflow.weights import Key, read_weights

tf = imported("tensorflow")
tensor_bundle = pytest.importorskip("tensorflow.core.protobuf.tensor_bundle_pb2")
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


@pytest.mark.parametrize(("name", "texts"), [("kernel", 1), ("_CHECKPOINTABLE_OBJECT_GRAPH", 2)])
def test_texts_in_place_of_weights_are_not_read(tmp_path: Path, name: str, texts: int) -> None:
    """Room for texts is made by what the file says of them, and a few bytes of it may say millions."""
    folder = networks.saved_model(tmp_path / "net", tf)
    prefix = str(folder / "variables" / "variables")
    reader = tf.train.load_checkpoint(prefix)
    held = {key: reader.get_tensor(key) for key in reader.get_variable_to_shape_map()}
    held = {key: tf.fill((texts,), "x") if key.startswith(name) else held[key] for key in held}
    tf.raw_ops.SaveV2(
        prefix=prefix,
        tensor_names=[*held],
        shape_and_slices=[""] * len(held),
        tensors=[*held.values()],
    )
    with pytest.raises(ModelError, match=r"holds no numbers|do not say what they belong to"):
        recipe_of(folder)


def test_a_folder_in_place_of_a_checkpoint_leads_nowhere_else(tmp_path: Path) -> None:
    elsewhere = networks.checkpoint(tmp_path / "elsewhere", tf)
    prefix = networks.checkpoint(tmp_path / "own", tf)
    prefix.mkdir()
    (prefix / "checkpoint").write_text(f'model_checkpoint_path: "{elsewhere}"\n')
    for file in tmp_path.glob("elsewhere/*.index"):
        file.write_bytes(b"")
    assert recipe_of(prefix.with_name(f"{prefix.name}.meta")).classes


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


def test_what_wrote_a_damaged_graph_is_a_sentence(tmp_path: Path) -> None:
    prefix = networks.checkpoint(tmp_path, tf)
    graph = prefix.with_name(f"{prefix.name}.meta")
    graph.write_bytes(b"\xff" * 100)
    with pytest.raises(ModelError, match=r"its graph in model\.ckpt-20\.meta is damaged"):
        written_by(detect(graph))


def _index(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Write the index of a checkpoint anew, with its entries changed."""
    path = next(folder.glob("*.index"))
    entries: dict[str, Any] = {}
    for key, content in checkpoint_table.entries(path):
        kind = tensor_bundle.BundleEntryProto if key else tensor_bundle.BundleHeaderProto
        entries[key.decode()] = kind.FromString(content)
    change(entries)
    block = b""
    for key, message in sorted(entries.items()):
        value = message if isinstance(message, bytes) else message.SerializeToString()
        block += b"\0" + _varint(len(key)) + _varint(len(value)) + key.encode() + value
    block += (0).to_bytes(4, "little") + (1).to_bytes(4, "little")
    handle = _varint(0) + _varint(len(block))
    table = block + bytes(5)
    index = b"\0\1" + _varint(len(handle)) + b"z" + handle
    index += (0).to_bytes(4, "little") + (1).to_bytes(4, "little")
    footer = b"\0\0" + _varint(len(table)) + _varint(len(index))
    table += index + bytes(5) + footer.ljust(40, b"\0")
    path.write_bytes(table + (0xDB4775248B80FB57).to_bytes(8, "little"))


def _varint(number: int) -> bytes:
    found = b""
    while number > 127:
        found, number = found + bytes([number & 127 | 128]), number >> 7
    return found + bytes([number])


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"dtype": 99}, "is of kind 99, which there is not"),
        ({"dtype": 101}, "as no tensor in a file is"),
        ({"dtype": 7, "extents": [2**28]}, "would hold 268,435,456 of string in 864 bytes"),
        ({"extents": [-1]}, r"has the extents \[-1\]"),
        ({"extents": [1] * 300}, r"has the extents \[1, 1"),
        ({"extents": [2**40]}, "would hold 1,099,511,627,776 of float32"),
        ({"offset": 2**60}, "lies beyond the"),
        ({"size": -1}, "lies beyond the"),
        ({"shard_id": 7}, "lies in file 7 of 1"),
        ({"slices": [(-1, 3)]}, "has slices that do not lie in it"),
        ({"slices": [(0, 4)]}, "has slices that do not lie in it"),
        ({"slices": [(0, 3), (1, 1)]}, "has slices that do not lie in it"),
        (b"\xff\xff", "what it says of 'kernel' cannot be read"),
    ],
)
def test_an_index_that_contradicts_itself_is_refused(
    tmp_path: Path, change: Any, reason: str
) -> None:
    """TensorFlow ends the process at each of these, or makes room for what is not there."""
    prefix = networks.checkpoint(tmp_path, tf)

    def changed(entries: dict[str, Any]) -> None:
        if isinstance(change, bytes):
            entries["kernel"] = change
            return
        entry, told = entries["kernel"], dict(change)
        if extents := told.pop("extents", None):
            del entry.shape.dim[:]
            for size in extents:
                entry.shape.dim.add(size=size)
        for start, length in told.pop("slices", ()):
            extent = entry.slices.add().extent
            extent.add(start=start, length=length)
            for _ in entry.shape.dim[1:]:
                extent.add()
        for name, value in told.items():
            setattr(entry, name, value)

    _index(tmp_path, changed)
    with pytest.raises(
        ModelError, match=rf"weights cannot be read: .*{reason}.*\(by model\.ckpt-20\.index\)"
    ):
        recipe_of(prefix)


def test_tensors_that_lie_in_one_another_are_refused(tmp_path: Path) -> None:
    prefix = networks.checkpoint(tmp_path, tf)
    more = {f"more{number}": "kernel" for number in range(20)}
    _index(tmp_path, lambda found: found.update({key: found[of] for key, of in more.items()}))
    with pytest.raises(ModelError, match="its tensors lie in one another"):
        recipe_of(prefix)


def test_an_index_that_is_cut_or_missing_is_told(tmp_path: Path) -> None:
    prefix = networks.checkpoint(tmp_path, tf)
    index = prefix.with_name(f"{prefix.name}.index")
    content = index.read_bytes()
    for damaged in (content[-48:], content[40:], b"\xff" * 40 + content[-8:]):
        index.write_bytes(damaged)
        with pytest.raises(
            ModelError, match=r"weights cannot be read: .*\(by model\.ckpt-20\.index\)"
        ):
            recipe_of(prefix)
    folder = networks.saved_model(tmp_path / "net", tf)
    (folder / "variables/variables.index").unlink()
    with pytest.raises(ModelError, match=r"variables\.index is missing"):
        recipe_of(folder)


def test_many_variables_of_one_tensor_are_refused(tmp_path: Path) -> None:
    """A few bytes would stand for gigabytes."""
    prefix = networks.checkpoint(tmp_path, tf)
    wanted = {f"variable{number}": Key("kernel") for number in range(40)}
    with pytest.raises(ModelError, match=r"its variables together would hold [\d,]+ numbers"):
        read_weights(tf, prefix, wanted, "net")


def test_a_name_of_a_tensor_that_is_no_text_is_told(tmp_path: Path) -> None:
    prefix = networks.checkpoint(tmp_path, tf)
    tf.raw_ops.SaveV2(
        prefix=str(prefix), tensor_names=[b"\xff"], shape_and_slices=[""], tensors=[tf.ones(1)]
    )
    with pytest.raises(ModelError, match="a name is no text in UTF-8"):
        recipe_of(prefix)
