"""Trains a network on the digits that prepare.py wrote, on several of Spark's executors.

    spark-submit train.py --data hdfs:///mnist --mode spark --num-processes 2 --model hdfs:///model

With --mode spark Spark reads the CSV and feeds the workers: it can lie wherever Spark reads. With
--mode tensorflow the workers read the TFRecord files by tf.data: they must lie where TensorFlow
itself opens files, which is a file system that all machines share (or gs://).
"""

from __future__ import annotations

import argparse
from typing import Any

from pyspark.sql import SparkSession
from pyspark.sql import functions as F  # noqa: N812

import sparktf

BATCH = 32  # of each worker


def train(
    epochs: int,
    steps: int | None,
    files: str | None,
    checkpoints: str | None,
    logs: str | None,
) -> tuple[Any, dict[str, list[float]]]:
    """What each worker runs. The driver gets what the chief gives: the model, and its history."""
    import keras
    from keras import layers

    context = sparktf.context()
    strategy = context.strategy()
    keras.utils.set_random_seed(1)
    with strategy.scope():
        model = keras.Sequential(
            [
                keras.Input((784,), name="pixels"),
                layers.Reshape((28, 28, 1)),
                layers.Conv2D(16, 3, activation="relu"),
                layers.MaxPooling2D(),
                layers.Conv2D(32, 3, activation="relu"),
                layers.MaxPooling2D(),
                layers.Flatten(),
                layers.Dropout(0.3),
                layers.Dense(10, activation="softmax"),
            ]
        )
        model.compile(
            keras.optimizers.Adam(0.002), "sparse_categorical_crossentropy", metrics=["accuracy"]
        )
    if files is None:
        rows = context.dataset(BATCH, columns="pixels", label="label", shuffle=10_000, seed=1)
        steps = context.steps_per_epoch(BATCH)
    else:
        shard = (context.rank, context.size)
        rows = context.distribute(
            sparktf.dataset(
                files,
                batch_size=BATCH,
                columns="pixels",
                label="label",
                shuffle=10_000,
                seed=1,
                shard=shard,
                repeat=None,
            )
        )
    callbacks: list[Any] = []
    if checkpoints is not None:
        callbacks.append(context.checkpoint(checkpoints))
    if logs is not None and context.is_chief:
        callbacks.append(keras.callbacks.TensorBoard(logs))
    history = model.fit(rows, steps_per_epoch=steps, epochs=epochs, callbacks=callbacks, verbose=2)
    return model, history.history


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, help="what prepare.py wrote")
    parser.add_argument("--mode", choices=["spark", "tensorflow"], default="spark")
    parser.add_argument("--num-processes", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument(
        "--model", required=True, help="folder or .zip for the SavedModel, where Spark writes"
    )
    parser.add_argument("--checkpoints", help="folder to resume from, shared by all")
    parser.add_argument("--logs", help="folder for TensorBoard, on the chief's machine or shared")
    parser.add_argument("--max-retries", type=int, default=0)
    parser.add_argument("--gpu", action="store_true", help="a GPU for each process")
    arguments = parser.parse_args()

    spark = SparkSession.builder.appName("mnist: train").getOrCreate()
    sparktf.register(spark)
    distributor = sparktf.TensorFlowDistributor(
        arguments.num_processes, use_gpu=arguments.gpu, max_retries=arguments.max_retries
    )
    common = (arguments.checkpoints, arguments.logs)
    if arguments.mode == "spark":
        values = F.split("value", ",").cast("array<int>")
        df = spark.read.text(f"{arguments.data}/csv/train").select(
            values[0].alias("label"),
            F.transform(F.slice(values, 2, 784), lambda v: (v / 255).cast("float")).alias("pixels"),
        )
        model, history = distributor.train_on(df, train, arguments.epochs, None, None, *common)
    else:
        files = f"{arguments.data}/tfrecord/train"
        rows = spark.read.format("tfrecord").load(files).count()
        steps = rows // (BATCH * arguments.num_processes)
        local = files.removeprefix("file://")
        model, history = distributor.run(train, arguments.epochs, steps, local, *common)
    # By the driver, whose Spark writes HDFS and S3 too.
    sparktf.save_model(model, arguments.model, overwrite=True)
    if history:
        print(f"accuracy in training: {history['accuracy'][-1]:.4f}")
    else:
        print("the checkpoints are of a run that has ended: nothing was left to train")
    spark.stop()


if __name__ == "__main__":
    main()
