"""Class folders of images to a network that recognizes them, all of it on HDFS.

    spark-submit examples/image_recognition.py --images DIR --output hdfs://namenode:8020/user/me

Reads the images (a folder for each class), resizes them to 28 x 28 greys from 0 to 1, stores them
as Parquet and as TFRecord, trains a convolutional network on several of Spark's executors, judges
it by images that it has not seen, saves it as a zip, loads it from there, and predicts new images.

Everything that it reads and writes lies where Spark can: on HDFS, in S3, on a disk. TensorFlow
itself opens none of it. Below the output:

    parquet/, tfrecord/    the images, `split=train` and `split=test`
    model.zip              the SavedModel
    predictions/           path and class of each new image, as CSV
"""

from __future__ import annotations

import argparse
import os
import sys
from typing import Any

from pyspark.ml.evaluation import MulticlassClassificationEvaluator
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812

import sparktf

SIZE = (28, 28)
BATCH = 32  # of each worker
SCHEMA = "label bigint, label_name string, pixels array<float>, split string"


def read_images(spark: SparkSession, folder: str) -> DataFrame:
    """Path, label, label_name and 784 floats from 0 to 1."""
    images = sparktf.images.read_folder(spark, folder, size=SIZE, mode="L", on_error="drop")
    return sparktf.images.to_features(images, scale=1 / 255).select(
        "path", "label", "label_name", "pixels"
    )


def store(images: DataFrame, output: str) -> None:
    """As Parquet, and from there, so that no image is decoded twice, as TFRecord."""
    # A fifth of the images, always the same: by the names of the files, not by chance.
    in_test = F.pmod(F.xxhash64(F.substring_index("path", "/", -2)), F.lit(5)) == 0
    split = F.when(in_test, "test").otherwise("train")
    images = images.withColumn("split", split)
    images.write.partitionBy("split").mode("overwrite").parquet(f"{output}/parquet")
    stored = images.sparkSession.read.parquet(f"{output}/parquet")
    stored.write.format("tfrecord").partitionBy("split").mode("overwrite").save(
        f"{output}/tfrecord"
    )


def train(classes: int, epochs: int) -> tuple[Any, dict[str, list[float]]]:
    """What each worker runs."""
    import keras
    from keras import layers

    context = sparktf.context()
    strategy = context.strategy()
    keras.utils.set_random_seed(1)
    with strategy.scope():
        model = keras.Sequential(
            [
                keras.Input((*SIZE, 1), name="image"),
                layers.Conv2D(32, 3, activation="relu"),
                layers.MaxPooling2D(),
                layers.Conv2D(64, 3, activation="relu"),
                layers.MaxPooling2D(),
                layers.Flatten(),
                layers.Dropout(0.3),
                layers.Dense(classes, activation="softmax", name="scores"),
            ]
        )
        model.compile(
            keras.optimizers.Adam(2e-3), "sparse_categorical_crossentropy", metrics=["accuracy"]
        )
    rows = context.dataset(
        BATCH,
        columns="pixels",
        label="label",
        shapes={"pixels": (*SIZE, 1)},
        shuffle=10_000,
        seed=1,
    )
    history = model.fit(
        rows, steps_per_epoch=context.steps_per_epoch(BATCH), epochs=epochs, verbose=0
    )
    return model, history.history


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", required=True, help="one folder for each class")
    parser.add_argument("--new", help="images to predict, in a folder or more below this one")
    parser.add_argument("--output", required=True, help="a folder that Spark can write")
    parser.add_argument("--num-processes", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=8)
    arguments = parser.parse_args()
    output = arguments.output.rstrip("/")

    # Executors must run a Python that has the packages, such as this one.
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    builder = SparkSession.builder.appName("image recognition")
    # Many small files: more of them in a task than Spark's default would put there.
    builder = builder.config("spark.sql.files.openCostInBytes", "65536")
    spark = sparktf.configure(builder).getOrCreate()
    store(read_images(spark, arguments.images), output)

    # With a schema there is no inference, and a file that does not fit is an error.
    images = spark.read.format("tfrecord").schema(SCHEMA).load(f"{output}/tfrecord")
    counts = dict(images.groupBy("split").count().collect())
    names = [
        row[0] for row in images.select("label_name", "label").distinct().orderBy("label").collect()
    ]
    print(
        f"{counts['train']:,} images to train on, {counts['test']:,} to judge by, of "
        f"{len(names)} classes"
    )

    distributor = sparktf.TensorFlowDistributor(arguments.num_processes)
    training = images.where("split = 'train'").select("pixels", "label")
    model, _ = distributor.train_on(training, train, len(names), arguments.epochs)
    sparktf.save_model(model, f"{output}/model.zip", overwrite=True)

    # What comes back is the network itself, which could go on training.
    parameters = sparktf.load_model(f"{output}/model.zip").count_params()
    print(f"loaded from {output}/model.zip: {parameters:,} parameters")

    predict = sparktf.predict_udf(f"{output}/model.zip")

    def classified(df: DataFrame) -> DataFrame:
        scored = df.withColumn("scores", predict("pixels"))
        return scored.withColumn("class", F.array_position("scores", F.array_max("scores")) - 1)

    judged = classified(images.where("split = 'test'")).select(
        F.col("label").cast("double"), F.col("class").cast("double").alias("prediction")
    )
    accuracy = MulticlassClassificationEvaluator(metricName="accuracy").evaluate(judged)
    print(f"held-out accuracy: {accuracy:.4f}")

    if arguments.new:
        folders = F.array(*map(F.lit, names))
        found = classified(read_images(spark, arguments.new)).select(
            "path", folders[F.col("class").cast("int")].alias("class")
        )
        found.write.mode("overwrite").option("header", True).csv(f"{output}/predictions")
        print(f"new images: {output}/predictions")
    spark.stop()


if __name__ == "__main__":
    main()
