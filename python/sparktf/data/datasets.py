"""TFRecord files as a `tf.data.Dataset` of batches, ready for training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sparktf.extras import require_tensorflow
from sparktf.records.files import PathLike
from sparktf.records.frames import DamagedFileError, NoRecordsError
from sparktf.storage.file_systems import TensorFlowFiles

if TYPE_CHECKING:
    import tensorflow as tf
    from pyspark.sql import DataFrame
    from pyspark.sql.types import StructType

    from sparktf.data.feature_specs import Shapes
    from sparktf.data.selections import Label

__all__ = ["dataset"]


def dataset(
    path: PathLike | Sequence[PathLike],
    *,
    schema: StructType | DataFrame | str | Mapping[str, Any] | None = None,
    batch_size: int,
    columns: str | Sequence[str] | None = None,
    label: Label = None,
    weight: str | None = None,
    shapes: Shapes | None = None,
    defaults: Mapping[str, Any] | None = None,
    pad: Mapping[str, Any] | None = None,
    dtypes: Mapping[str, str] | None = None,
    shuffle: int = 0,
    seed: int | None = None,
    repeat: int | None = 1,
    shard: tuple[int, int] | None = None,
    record_type: str | None = None,
    compression: str = "auto",
    drop_remainder: bool = False,
    num_parallel_reads: int | None = None,
    deterministic: bool | None = None,
) -> tf.data.Dataset:
    """Batches of the records in TFRecord files, as tensors by column.

        train = sparktf.dataset(
            "/data/digits/split=train", batch_size=128, columns="image", label="label",
            shapes={"image": (28, 28, 1)}, shuffle=10_000, seed=1,
        )
        model.fit(train, epochs=3)

    Elements are dicts, column -> tensor. A column with one value a row is `[batch]`; an array
    whose rows all have `n` values in a sample of the records is dense, `[batch, n]` or
    `[batch, *shapes[column]]`; other arrays are ragged, `[batch, None]`, where a null is an empty
    row; a feature list of a `tf.train.SequenceExample` is ragged twice, `[batch, None, None]`. The
    types are int64, float32 and string (bytes), unless `dtypes` says otherwise. Partition columns
    (of `column=value` folders below the path) come back as columns: int64 for whole numbers,
    float32 for other numbers, else string.

    All batches are full but the last, with `repeat` the last of all. Several files are read at
    once, and take turns, in an order that depends only on the files and the arguments; with
    `num_parallel_reads=1` it is that of the files' names and of the records in them.

    A column that is null in some row has no tensor: `defaults` gives it a value. The sample is of
    10,000 records at most, spread over 32 files; all that does not fit in it is told in one error.
    A record outside it that does not fit (a null, an array of another length) ends the iteration
    with an `InvalidArgumentError` that names the column, the file and the place in it, and so does
    a file that is damaged, cut off or shorter than when it was listed: never are there fewer
    records in silence. Of a file that has grown come the bytes that were listed.

    Args:
        path: A directory that Spark wrote, a file, a glob (`*`, `?`, `[…]`, `{a,b}`), or a list
            of these; local or where TensorFlow itself can open files (gs://). Names that begin
            with `_` or `.` are skipped. Of a directory that a streaming query wrote, the files are
            those that its log lists.
        schema: The columns: a Spark schema (a StructType, or DDL text: "id long, x array<float>"),
            or a DataFrame for its schema, or features by name (`tf.io.FixedLenFeature`,
            `tf.io.RaggedFeature`, …), which are used as they are. Without it the columns are
            inferred from the sample, as the data source infers them. Partition columns need not
            be in it.
        batch_size: Rows in a batch.
        columns: Names of the features, all by default. A single name, not in a list, makes the
            features that column's tensor itself instead of a dict.
        label: Name of a column. With it elements are `(features, label)`, and the label is no
            longer among the features. Several: a list of names makes a tuple of them, and
            `{name: column}` a dict.
        weight: Name of the column that weighs the examples: elements are `(features, label,
            weight)`, as Keras takes them.
        shapes: Column -> shape of one row, without the batch: `{"image": (28, 28, 1)}`. Every
            row must have that many values, in row-major order.
        defaults: Column -> what stands for a null, one value or a whole row, of a column whose rows
            have a shape.
        pad: Ragged column -> the length to which its rows are filled up, which makes it dense; None
            for that of the batch's longest; `(length, value)` fills with a value other than 0 or
            b"". A row that is longer is an error.
        dtypes: Column -> another dtype for a column of numbers, such as "int32" or "float64". A
            whole number that it does not hold is an error.
        shuffle: Number of records among which each next one is drawn, as in
            `tf.data.Dataset.shuffle`; 0 keeps the order. The files' order is shuffled too, and
            each epoch has another order. Records that lie sorted (by label, say) need a number
            near that of all records.
        seed: Makes the shuffled order reproducible from one program run to the next.
        repeat: Number of epochs in one iteration, None or -1 for no end. Epochs follow each other
            without a short batch between them.
        shard: `(index, count)`: only the `index`-th (from 0) of `count` disjoint shards, which
            together are all records. Whole files where there are at least `count`, else each
            file's every `count`-th record, which every shard then reads.
        record_type: "Example", "SequenceExample", or "ByteArray", whose only column `byteArray` is
            the records themselves. By default "SequenceExample" where the sample has feature lists,
            else "Example".
        compression: "auto" (by each file's extension, then by its first bytes; one that begins
            as a record is not compressed, whatever its name), "none", "gzip", or "zlib" (also
            called "deflate"). Members one behind another are read.
        drop_remainder: Leaves out the last batch if it is not full. The batch is then a static
            dimension of the tensors, as it also is when there is no end.
        num_parallel_reads: Number of files read at once, at most 8 by default.
        deterministic: Whether the order depends on nothing but the arguments. False is faster
            where reading stalls. By default it is False only when shuffling without a seed.

    Raises:
        FileNotFoundError: No file is there; the message tells what was looked for.
        TypeError: `schema` has a type that has no feature (a map, a struct, …).
        ValueError: An argument is out of its range, no schema, or names a column that is not
            there; a path or compression that cannot be read; a column that is null, or of
            another type or length than wanted, or of several types, in records of the sample;
            records that are no such messages; a file that holds no records. The message names
            column and file.
        tf.errors.DataLossError: A file in the sample is damaged; the message names it.
    """
    require_tensorflow("sparktf.dataset")
    # NumPy and all that is built on it come with TensorFlow, and are not loaded before.
    import tensorflow as tf

    from sparktf.data import counting, sources, tensors

    try:
        source = sources.find(
            path,
            TensorFlowFiles(),
            compression=compression,
            record_type=record_type,
            wanted={
                "schema": schema,
                "columns": columns,
                "label": label,
                "weight": weight,
                "shapes": shapes,
                "defaults": defaults,
                "pad": pad,
                "dtypes": dtypes,
            },
            order={
                "batch_size": batch_size,
                "shuffle": shuffle,
                "seed": seed,
                "repeat": repeat,
                "shard": shard,
                "drop_remainder": drop_remainder,
                "num_parallel_reads": num_parallel_reads,
                "deterministic": deterministic,
            },
        )
    except NoRecordsError:
        raise
    except DamagedFileError as error:
        raise tf.errors.DataLossError(None, None, str(error)) from None
    elements = tensors.elements(source)
    if shard is not None:
        # A distribution strategy would take a shard of the shard.
        options = tf.data.Options()
        options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
        elements = elements.with_options(options)
    batches: int | None = tf.data.experimental.INFINITE_CARDINALITY if source.has_records else None
    if source.plan.epochs is not None:
        batches = counting.batches_of(source.plan, source.files, source.known)
    if batches is not None:
        elements = elements.apply(tf.data.experimental.assert_cardinality(batches))
    return elements.prefetch(tf.data.AUTOTUNE)
