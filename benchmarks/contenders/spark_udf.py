"""Spark: images read as binary files, decoded by a pandas UDF, scored by ``predict_batch_udf``.

As in the docstring of ``pyspark.ml.functions.predict_batch_udf``: the network is loaded by a
function, once a Python worker, and tensors travel as flat arrays whose shape is told.
"""

# mypy: disable-error-code="attr-defined, untyped-decorator"

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pyspark.ml.functions import predict_batch_udf
from pyspark.sql import SparkSession
from pyspark.sql.functions import col, pandas_udf
from pyspark.sql.types import ArrayType, FloatType, IntegerType

from benchmarks.contenders.asked import (
    BATCH,
    CORES,
    asked,
    network_input,
    open_network,
    pixels_of,
)


def main() -> None:
    """Label the tiles."""
    paths, network, output = asked()
    spark = (
        SparkSession.builder.master(f"local[{CORES}]")
        .config("spark.ui.enabled", "false")
        .config("spark.driver.memory", "4g")
        .config("spark.sql.execution.arrow.maxRecordsPerBatch", str(BATCH))
        .config("spark.sql.files.openCostInBytes", "0")
        .getOrCreate()
    )
    spark.sparkContext.setLogLevel("ERROR")

    @pandas_udf(ArrayType(FloatType()))
    def decoded(contents: pd.Series) -> pd.Series:
        return contents.map(lambda content: network_input(pixels_of(content)).ravel())

    def make_predict() -> Callable[[Any], Any]:
        model = open_network(network, 1)

        def predict(tiles: Any) -> Any:
            return model.predict_on_batch(tiles).argmax(1).astype(np.int32)

        return predict

    label = predict_batch_udf(
        make_predict,
        return_type=IntegerType(),
        batch_size=BATCH,
        input_tensor_shapes=[[224, 224, 3]],
    )
    tiles = spark.read.format("binaryFile").load(paths).repartition(2 * CORES)
    found = tiles.select(col("path"), label(decoded(col("content"))).alias("label"))
    found.write.parquet(Path(output).absolute().as_uri())
    spark.stop()


if __name__ == "__main__":
    main()
