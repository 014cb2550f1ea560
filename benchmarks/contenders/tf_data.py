"""One process: a tf.data pipeline and ``model.predict``.

As in https://www.tensorflow.org/guide/data_performance: parallel calls chosen by AUTOTUNE, prefetch.
"""

from __future__ import annotations

from benchmarks.contenders.asked import BATCH, CORES, MEANS, asked, open_network, write_labels


def main() -> None:
    """Label the tiles."""
    paths, network, output = asked()
    model = open_network(network, CORES)
    import tensorflow as tf

    def read(path: tf.Tensor) -> tf.Tensor:
        image = tf.io.decode_png(tf.io.read_file(path), channels=3)
        image.set_shape((224, 224, 3))
        return (tf.cast(image, tf.float32) - MEANS)[..., ::-1]

    tiles = tf.data.Dataset.from_tensor_slices(paths)
    tiles = tiles.map(read, num_parallel_calls=tf.data.AUTOTUNE)
    tiles = tiles.batch(BATCH).prefetch(tf.data.AUTOTUNE)
    write_labels(output, paths, model.predict(tiles, verbose=0).argmax(1))


if __name__ == "__main__":
    main()
