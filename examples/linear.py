"""A linear model from training to scores: on the driver, over an RDD, and in SQL.

    python examples/linear.py

Keras learns y = a·x1 + b·x2 from points with noise, and exports a SavedModel. Then the same rows
are scored by Keras itself, over an RDD and as a function of SQL, and the scores are the same.
TensorFlow's model is never sent anywhere: its files are, and each process loads them once.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("PYSPARK_PYTHON", sys.executable)

import keras
import numpy as np
from pyspark.sql import SparkSession

import sparktf

A, B = 2.0, -3.0
ROWS = [[1.0, 2.0], [3.0, 5.0], [7.0, 8.0], [6.0, 7.0], [8.0, 3.0]]


def train(points: int = 2000) -> keras.Model:
    """A dense layer of one unit that has learned A and B."""
    random = np.random.default_rng(1)
    x = random.uniform(-1, 1, (points, 2)).astype(np.float32)
    y = x @ [[A], [B]] + random.normal(0, 0.01, (points, 1))
    model = keras.Sequential([keras.Input((2,), name="features"), keras.layers.Dense(1, name="y")])
    model.compile(keras.optimizers.SGD(0.5), "mse")
    model.fit(x, y.astype(np.float32), batch_size=200, epochs=20, verbose=0)
    return model


def score_on_driver(model: keras.Model) -> list[float]:
    scores = model.predict(np.array(ROWS, np.float32), verbose=0)
    return [float(score) for (score,) in scores]


def score_rdd(spark: SparkSession, path: str) -> list[float]:
    """Only the path travels; the model is loaded once in each Python worker."""
    rdd = spark.sparkContext.parallelize(ROWS, 2)
    return [score for (score,) in sparktf.predict_rdd(rdd, path).collect()]


def score_sql(spark: SparkSession, path: str) -> list[float]:
    rows = spark.createDataFrame([(row,) for row in ROWS], "features array<double>").coalesce(1)
    rows.createOrReplaceTempView("t")
    sparktf.register_udf(spark, "tfpredict", path)
    found = spark.sql("SELECT features, tfpredict(features) AS y_preds FROM t")
    found.show(truncate=False)
    return [row.y_preds[0] for row in found.collect()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", help="where the SavedModel is written; a temporary folder")
    arguments = parser.parse_args()

    with tempfile.TemporaryDirectory(prefix="sparktf-linear-") as folder:
        path = arguments.model or str(Path(folder, "model"))
        model = train()
        sparktf.save_model(model, path, overwrite=True)

        spark = SparkSession.builder.master("local[2]").appName("linear").getOrCreate()
        scored = {
            "Keras": score_on_driver(model),
            "RDD": score_rdd(spark, path),
            "SQL": score_sql(spark, path),
        }
        spark.stop()

    print(f"{'row':>12} {'true':>10}", *(f"{way:>12}" for way in scored))
    for row, *found in zip(ROWS, *scored.values(), strict=True):
        true = A * row[0] + B * row[1]
        print(f"{row!s:>12} {true:>10.4f}", *(f"{score:>12.6f}" for score in found))


if __name__ == "__main__":
    main()
