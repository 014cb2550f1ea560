"""Small networks in every format, made on the fly: 3 bands, 4 classes, windows of 16 pixels."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SIZE, BANDS, CLASSES = 16, 3, 4


def onnx_tile(path: Path, opset: int = 17, layout: str = "NCHW", softmax: bool = False) -> Path:
    """Convolution, mean, dense layer; logits unless ``softmax``."""
    kernel, dense = weights()
    shape = ["n", BANDS, SIZE, SIZE] if layout == "NCHW" else ["n", SIZE, SIZE, BANDS]
    nodes = [helper.make_node("Conv", ["planes", "kernel"], ["features"])]
    if layout == "NCHW":
        nodes.insert(0, helper.make_node("Identity", ["image"], ["planes"]))
    else:
        nodes.insert(0, helper.make_node("Transpose", ["image"], ["planes"], perm=[0, 3, 1, 2]))
    nodes += [
        helper.make_node("Relu", ["features"], ["positive"]),
        helper.make_node("GlobalAveragePool", ["positive"], ["mean"]),
        helper.make_node("Flatten", ["mean"], ["flat"]),
        helper.make_node("MatMul", ["flat", "dense"], ["scores"]),
        helper.make_node("Softmax", ["scores"], ["shares"], axis=1),
    ]
    return _saved(path, nodes, shape, ["n", CLASSES], [kernel, dense], opset, softmax)


def onnx_pixel(path: Path, opset: int = 17, softmax: bool = False) -> Path:
    """Two convolutions without padding: a label a pixel, with a halo of 2."""
    kernel, _ = weights()
    second = numpy_helper.from_array(
        np.random.default_rng(2).normal(0, 0.3, (CLASSES, 8, 3, 3)).astype(np.float32), "second"
    )
    nodes = [
        helper.make_node("Conv", ["image", "kernel"], ["features"]),
        helper.make_node("Relu", ["features"], ["positive"]),
        helper.make_node("Conv", ["positive", "second"], ["scores"]),
        helper.make_node("Softmax", ["scores"], ["shares"], axis=1),
    ]
    window = ["n", BANDS, "height", "width"]
    returned = ["n", CLASSES, "rows", "columns"]
    return _saved(path, nodes, window, returned, [kernel, second], opset, softmax)


def weights() -> tuple[onnx.TensorProto, onnx.TensorProto]:
    rng = np.random.default_rng(1)
    kernel = rng.normal(0, 0.3, (8, BANDS, 3, 3)).astype(np.float32)
    dense = rng.normal(0, 1, (8, CLASSES)).astype(np.float32)
    return numpy_helper.from_array(kernel, "kernel"), numpy_helper.from_array(dense, "dense")


def keras_tile(path: Path, keras: Any) -> Path:
    """The same network for either Keras; the end of the name decides the format."""
    layers = keras.layers
    keras.utils.set_random_seed(1)
    model = keras.Sequential(
        [
            layers.Input((SIZE, SIZE, BANDS)) if keras.__name__ == "keras" else _input_2(layers),
            layers.Conv2D(8, 3, activation="relu"),
            layers.BatchNormalization(),
            layers.Dropout(0.5),
            layers.GlobalAveragePooling2D(),
            layers.Dense(CLASSES, activation="softmax"),
        ]
    )
    model.compile("adam", "mse")
    model.save(str(path))
    return path


def keras_pixel(path: Path, keras: Any) -> Path:
    """A label a pixel, for windows of any size, with a halo of 2; ends in logits."""
    layers = keras.layers
    keras.utils.set_random_seed(1)
    image = layers.Input((None, None, BANDS))
    features = layers.Conv2D(8, 3, activation="relu")(image)
    keras.Model(image, layers.Conv2D(CLASSES, 3)(features)).save(str(path))
    return path


def saved_model(
    path: Path, tf: Any, batch: int | None = None, name: str = "serving_default"
) -> Path:
    """A network behind a signature with one input, which may insist on a number of images."""
    kernel, dense = (numpy_helper.to_array(w) for w in weights())
    module = tf.Module()
    module.kernel = tf.Variable(kernel.transpose(2, 3, 1, 0))
    module.dense = tf.Variable(dense)

    @tf.function(input_signature=[tf.TensorSpec((batch, SIZE, SIZE, BANDS), name="image")])
    def serve(image: Any) -> Any:
        features = tf.nn.relu(tf.nn.conv2d(image, module.kernel, 1, "VALID"))
        return {"scores": tf.matmul(tf.reduce_mean(features, (1, 2)), module.dense)}

    tf.saved_model.save(module, str(path), signatures={name: serve})
    return path


def training_graph(tf: Any) -> tuple[Any, Any]:
    """A TensorFlow 1 graph as people trained with: dropout, labels, loss, optimizer, metrics."""
    one = tf.compat.v1
    image = one.placeholder(tf.float32, (None, SIZE, SIZE, BANDS), name="image")
    one.placeholder(tf.float32, (None, SIZE, SIZE, 1), name="unused_mask")
    keep = one.placeholder(tf.float32, name="keep")
    rate = one.placeholder(tf.float32, (), name="rate")
    labels = one.placeholder(tf.int32, (None,), name="labels")
    kernel, dense = (numpy_helper.to_array(w) for w in weights())
    first = one.get_variable("kernel", initializer=kernel.transpose(2, 3, 1, 0))
    second = one.get_variable("dense", initializer=dense)
    features = tf.nn.relu(tf.nn.conv2d(image, first, 1, "VALID"))
    kept = one.nn.dropout(tf.reduce_mean(features, (1, 2)), keep_prob=keep)
    scores = tf.matmul(one.nn.dropout(kept, rate=rate), second, name="scores")
    tf.nn.softmax(scores, name="shares")
    tf.reduce_mean(tf.cast(tf.equal(tf.argmax(scores, 1), tf.cast(labels, tf.int64)), tf.float32))
    loss = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=scores, name="loss")
    one.train.AdamOptimizer().minimize(tf.reduce_mean(loss))
    return image, scores


def checkpoint(folder: Path, tf: Any, name: str = "model.ckpt-20") -> Path:
    one = tf.compat.v1
    folder.mkdir(parents=True, exist_ok=True)
    with tf.Graph().as_default(), one.Session() as session:
        training_graph(tf)
        session.run(one.global_variables_initializer())
        one.train.Saver().save(session, str(folder / name))
    return folder / name


def frozen_graph(path: Path, tf: Any) -> Path:
    one = tf.compat.v1
    with tf.Graph().as_default() as graph, one.Session() as session:
        training_graph(tf)
        session.run(one.global_variables_initializer())
        frozen = one.graph_util.convert_variables_to_constants(
            session, graph.as_graph_def(), ["shares"]
        )
    path.write_bytes(frozen.SerializeToString())
    return path


def make(format: str, folder: Path, tf: Any = None, keras: Any = None, old: Any = None) -> Path:
    """A model of a format, in a folder of its own."""
    made: dict[str, Callable[[], Path]] = {
        "onnx": lambda: onnx_tile(folder / "net.onnx"),
        "onnx-nhwc": lambda: onnx_tile(folder / "net.onnx", layout="NHWC", softmax=True),
        "onnx-old": lambda: onnx_pixel(folder / "net.onnx", opset=11),
        "onnx-pixel": lambda: onnx_pixel(folder / "net.onnx"),
        "keras": lambda: keras_tile(folder / "net.keras", keras),
        "keras-pixel": lambda: keras_pixel(folder / "net.keras", keras),
        "keras2": lambda: keras_tile(folder / "net.keras", old),
        "h5": lambda: keras_tile(folder / "net.h5", keras),
        "h5-keras2": lambda: keras_tile(folder / "net.h5", old),
        "savedmodel": lambda: saved_model(folder / "net", tf),
        "savedmodel-1": lambda: saved_model(folder / "net", tf, batch=1, name="any"),
        "graphdef": lambda: frozen_graph(folder / "net.pb", tf),
        "tf1-checkpoint": lambda: checkpoint(folder, tf),
    }
    return made[format]()


def _input_2(layers: Any) -> Any:
    return layers.InputLayer((SIZE, SIZE, BANDS))


def _saved(
    path: Path,
    nodes: list[onnx.NodeProto],
    reads: list[Any],
    returns: list[Any],
    constants: list[onnx.TensorProto],
    opset: int,
    softmax: bool,
) -> Path:
    name = "shares" if softmax else "scores"
    nodes = nodes if softmax else nodes[:-1]
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, reads)],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, returns)],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    onnx.save(model, str(path))
    return path
