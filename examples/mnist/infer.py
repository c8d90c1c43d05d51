"""Predicts the digits that train.py has not seen, with the model that it saved.

    spark-submit infer.py --data hdfs:///mnist --model hdfs:///model --output hdfs:///predictions

Reads the CSV (--mode csv) or the TFRecord files (--mode tfrecord), writes a line for each digit,

    Label: 7, Prediction: 7

and prints the part of them that is right.
"""

from __future__ import annotations

import argparse

from pyspark.sql import SparkSession
from pyspark.sql import functions as F  # noqa: N812

import sparktf


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, help="what prepare.py wrote")
    parser.add_argument("--mode", choices=["csv", "tfrecord"], default="tfrecord")
    parser.add_argument("--model", required=True, help="what train.py wrote")
    parser.add_argument("--output", required=True, help="folder for the lines")
    arguments = parser.parse_args()

    spark = SparkSession.builder.appName("mnist: infer").getOrCreate()
    sparktf.register(spark)
    if arguments.mode == "tfrecord":
        df = spark.read.format("tfrecord").load(f"{arguments.data}/tfrecord/test")
    else:
        values = F.split("value", ",").cast("array<int>")
        df = spark.read.text(f"{arguments.data}/csv/test").select(
            values[0].alias("label"),
            F.transform(F.slice(values, 2, 784), lambda v: (v / 255).cast("float")).alias("pixels"),
        )
    predict = sparktf.predict_udf(arguments.model)
    scores = df.select("label", predict("pixels").alias("scores"))
    best = (F.array_position("scores", F.array_max("scores")) - 1).cast("int")
    found = scores.select("label", best.alias("prediction")).cache()
    lines = found.select(F.format_string("Label: %d, Prediction: %d", "label", "prediction"))
    lines.write.mode("overwrite").text(arguments.output)
    right = found.select(F.avg((F.col("label") == F.col("prediction")).cast("double"))).first()
    assert right is not None
    print(f"held-out accuracy: {right[0]:.4f} of {found.count():,} digits")
    spark.stop()


if __name__ == "__main__":
    main()
