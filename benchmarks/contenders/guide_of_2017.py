"""Spark in the way of the guide of 2017: ``binaryFiles``, a model a partition, one tile at a time.

The guide (Azure/Embarrassingly-Parallel-Image-Classification, scoring_on_spark.ipynb) reads files as
binary records, coalesces them into as many partitions as there are workers, loads the model in each
partition and evaluates it tile by tile. Here TensorFlow of today computes, traced once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from pyspark.sql import SparkSession

from benchmarks.contenders.asked import (
    CORES,
    asked,
    network_input,
    open_network,
    pixels_of,
    write_labels,
)


def main() -> None:
    """Label the tiles."""
    paths, network, output = asked()
    spark = (
        SparkSession.builder.master(f"local[{CORES}]").config("spark.ui.enabled", "false")
    ).getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")

    def label(records: Iterable[tuple[str, bytes]]) -> Iterator[tuple[str, int]]:
        model = open_network(network, 1)
        for path, content in records:
            tile = network_input(pixels_of(content))[None]
            yield Path(path).name, int(model.predict_on_batch(tile).argmax())

    records = spark.sparkContext.binaryFiles(",".join(paths), minPartitions=CORES)
    found = records.coalesce(CORES).mapPartitions(label).collect()
    spark.stop()
    write_labels(output, [name for name, _ in found], [index for _, index in found])


if __name__ == "__main__":
    main()
