"""TFRecord files as a `tf.data.Dataset` of batches, ready for training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sparktf.data import record_datasets
from sparktf.data.parsing import Parser
from sparktf.data.plans import Parsing, Plan, Shuffling, make_plan
from sparktf.data.samples import take_sample
from sparktf.extras import require_tensorflow
from sparktf.records.files import PathLike, RecordFile, find_files
from sparktf.records.frames import check_beginning

if TYPE_CHECKING:
    import tensorflow as tf
    from pyspark.sql import DataFrame
    from pyspark.sql.types import StructType

    from sparktf.data.feature_specs import Shapes

__all__ = ["dataset"]


def dataset(
    path: PathLike | Sequence[PathLike],
    *,
    schema: StructType | DataFrame | str | Mapping[str, Any] | None = None,
    batch_size: int,
    columns: str | Sequence[str] | None = None,
    label: str | None = None,
    shapes: Shapes | None = None,
    shuffle: int = 0,
    seed: int | None = None,
    repeat: int | None = 1,
    shard: tuple[int, int] | None = None,
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
    row. The types are int64, float32 and string (bytes), as in `feature_spec`. Partition columns
    (of `column=value` folders below the path) come back as columns: int64 for whole numbers,
    float32 for other numbers, else string.

    All batches are full but the last, with `repeat` the last of all. `tf.data` reads several
    files at once and interleaves them, chunk by chunk, in an order that depends only on the files
    and the arguments; with `num_parallel_reads=1` it is that of the files' names and of the
    records in them.

    A column that is null in some row has no tensor: with a `schema` of features it can be given
    a default, see `feature_spec`. The sample is of 10,000 records at most, spread over 32 files.
    A record outside it that does not fit (a null, an array of another length) ends the iteration
    with an `InvalidArgumentError` that names the column and the file, and so does a file that is
    damaged, cut off or was changed since it was listed: never are there fewer records in silence.
    `sparktf verify` finds the place.

    Records are `tf.train.Example`s. Feature lists of `tf.train.SequenceExample`s are not read:
    where the sample has some, the columns wanted have to be named (`columns`, `schema`), and be
    features of the context.

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
            longer among the features.
        shapes: Column -> shape of one row, without the batch: `{"image": (28, 28, 1)}`. Every
            row must have that many values, in row-major order.
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
            there; a path or compression that TensorFlow cannot open; a column that is null, or of
            another type or length than wanted, or of several types, in records of the sample;
            records that are no `tf.train.Example`s; a file that holds no records. The message
            names column and file.
        tf.errors.DataLossError: A file in the sample is damaged; the message names it.
    """
    require_tensorflow("sparktf.dataset")
    import tensorflow as tf

    _check_at_least(1, batch_size=batch_size)
    _check_at_least(0, shuffle=shuffle)
    is_endless = repeat is None or repeat == -1
    if not is_endless:
        _check_at_least(1, repeat=repeat)
    if num_parallel_reads is not None:
        _check_at_least(1, num_parallel_reads=num_parallel_reads)
    if shard is not None:
        shard = _checked_shard(shard)
    if deterministic is None:
        deterministic = shuffle == 0 or seed is not None

    files = find_files(path, compression)
    for file in files:
        if not file.compression:
            check_beginning(file.path, file.head, file.size)
    sample = take_sample(files)
    parse = Parser(files, sample, schema, columns, label, shapes)
    plan = make_plan(
        files=len(files),
        record_bytes=sample.mean_record_bytes,
        records_per_file=sample.mean_records_per_file,
        features=parse.feature_count,
        is_sliceable=parse.is_sliceable,
        batch_size=batch_size,
        shuffle=shuffle,
        shard=shard,
        reads=num_parallel_reads,
    )

    records = _read(
        files,
        plan,
        parse if plan.parsing is Parsing.IN_READS else None,
        shuffle_files=shuffle > 0,
        seed=seed,
        # With a number of its own, tf.data opens and reads so many files side by side.
        threads=num_parallel_reads,
        deterministic=deterministic,
    )
    if plan.shuffling is Shuffling.BUFFERS:
        records = _shuffle_buffers(records, shuffle, seed)
    elif plan.shuffling is Shuffling.RECORDS:
        records = _shuffle_records(records, shuffle, seed, plan.chunk)
    if is_endless:
        records = records.repeat()
    elif repeat != 1:
        records = records.repeat(repeat)
    batches = _parsed(records, plan, parse, batch_size, drop_remainder or is_endless)
    if shard is not None:
        # A distribution strategy would take a shard of the shard.
        options = tf.data.Options()
        options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
        batches = batches.with_options(options)
    return batches.prefetch(tf.data.AUTOTUNE)


def _check_at_least(least: int, **arguments: Any) -> None:
    for name, value in arguments.items():
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise ValueError(f"{name} must be an integer of at least {least}, not {value!r}")


def _checked_shard(shard: tuple[int, int]) -> tuple[int, int]:
    index, count = shard
    _check_at_least(1, count=count)
    _check_at_least(0, index=index)
    if index >= count:
        raise ValueError(f"shard is (index, count) with index below count, not {shard!r}")
    return index, count


def _read(
    files: Sequence[RecordFile],
    plan: Plan,
    parse: Parser | None,
    *,
    shuffle_files: bool,
    seed: int | None,
    threads: int | None,
    deterministic: bool,
) -> tf.data.Dataset:
    """Chunks of serialized records, each record with the position of its file.

    With `parse` they are parsed where they are read, and chunks of elements come instead.

    Batching inside the interleave keeps the work of the interleave, which hands over one element
    at a time, off the single records.
    """
    import tensorflow as tf

    any_compressed = any(files[i].compression for i in plan.files)
    batch = plan.chunk
    if plan.record_shard is not None:
        index, count = plan.record_shard
        batch = -(-batch // count) * count

    def read_file(path: Any, compression: Any, size: Any, complaint: Any, position: Any) -> Any:
        # A chunk takes its part of these without copying a name.
        names: Any = None if parse is None else tf.fill([batch], path)

        def of_file(records: Any) -> Any:
            if plan.record_shard is not None:
                # Each file begins with another shard, or the first would always get the most.
                records = records[tf.math.floormod(index - position, count) :: count]
            number = tf.shape(records)[0]
            in_file = tf.fill([number], position)
            return (records, in_file) if parse is None else parse(records, in_file, names[:number])

        return record_datasets.batches(
            path,
            compression,
            size,
            complaint,
            batch=batch,
            to_element=of_file,
            any_compressed=any_compressed,
        )

    paths = tf.data.Dataset.from_tensor_slices(
        (
            *record_datasets.columns([files[i] for i in plan.files]),
            tf.constant(list(plan.files), tf.int32),
        )
    )
    if shuffle_files:
        paths = paths.shuffle(max(1, len(plan.files)), seed=seed, reshuffle_each_iteration=True)
    batches = paths.interleave(
        read_file,
        cycle_length=plan.reads,
        num_parallel_calls=threads or tf.data.AUTOTUNE,
        deterministic=deterministic,
    )
    return record_datasets.read_only(batches)


def _parsed(
    records: tf.data.Dataset, plan: Plan, parse: Parser, batch_size: int, drop_remainder: bool
) -> tf.data.Dataset:
    """Batches of elements, of what `_read` gives in chunks."""
    import tensorflow as tf

    if plan.parsing is Parsing.IN_READS:
        return records.rebatch(batch_size, drop_remainder=drop_remainder)
    # A buffer is cut once only: TensorFlow complains on stderr of what is made of slices of slices.
    if plan.parsing is Parsing.IN_CHUNKS:
        records = records.rebatch(plan.chunk)
    else:
        records = records.rebatch(batch_size, drop_remainder=drop_remainder)
    # In order even where the reads are not: a short batch is to stay the last.
    batches = records.map(parse, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    if plan.parsing is Parsing.IN_CHUNKS:
        batches = batches.rebatch(batch_size, drop_remainder=drop_remainder)
    return batches


def _shuffle_buffers(records: tf.data.Dataset, size: int, seed: int | None) -> tf.data.Dataset:
    """Buffers of `size` records one after another, each in a random order."""
    import tensorflow as tf

    def permute(numbers: Any, buffer: tuple[Any, Any]) -> Any:
        order = tf.range(tf.shape(buffer[0])[0])
        order = tf.random.experimental.stateless_shuffle(order, numbers)
        return tuple(tf.gather(part, order) for part in buffer)

    numbers = tf.data.Dataset.random(seed=seed, rerandomize_each_iteration=True).batch(2)
    buffers = tf.data.Dataset.zip((numbers, records.rebatch(size))).map(permute)
    # The next buffer fills while this one is used up.
    return buffers.prefetch(1)


def _shuffle_records(
    records: tf.data.Dataset, size: int, seed: int | None, chunk: int
) -> tf.data.Dataset:
    """Chunks of records, each drawn from the next `size` records."""
    shuffled = records.unbatch().shuffle(size, seed=seed, reshuffle_each_iteration=True)
    return shuffled.batch(chunk)
