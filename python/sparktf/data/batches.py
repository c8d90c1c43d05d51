"""TFRecord files as batches of NumPy's arrays, without TensorFlow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sparktf.extras import require
from sparktf.records.files import PathLike
from sparktf.storage.file_systems import LocalFiles

if TYPE_CHECKING:
    from pyspark.sql import DataFrame
    from pyspark.sql.types import StructType

    from sparktf.data.feature_specs import Shapes
    from sparktf.data.numpy_batches import Batches
    from sparktf.data.selections import Label

__all__ = ["batches"]


def batches(
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
    deterministic: bool = True,
) -> Batches:
    """Batches of the records in TFRecord files, as arrays of NumPy by column.

        for batch in sparktf.batches("/data/digits/split=train", batch_size=128, shuffle=10_000):
            batch["pixels"]   # float32 [128, 784]

    It needs neither TensorFlow nor Spark. The arguments are those of `sparktf.dataset`, and so are
    the elements; a column of strings is a `Strings`, one whose rows have different lengths a
    `Ragged` (both in `sparktf.columns.arrays`), and all else an array of NumPy. Arrays of one batch
    may be parts of larger ones; who changes one in place takes a copy before.

    Args:
        path, schema, batch_size, columns, label, weight, shapes, defaults, pad, dtypes, shuffle,
            seed, repeat, shard, record_type, compression, drop_remainder, num_parallel_reads,
            deterministic: See `sparktf.dataset`.

    Returns:
        Something to iterate over, whose place can be saved (`state_dict`, `load_state_dict`).

    Raises:
        FileNotFoundError: No file is there; the message tells what was looked for.
        TypeError, ValueError: As `sparktf.dataset`; while iterating too, where a record beyond the
            sample does not fit or a file is damaged.
    """
    require("sparktf.batches", "numpy", "google.protobuf", extras=["batches"])
    from sparktf.data import sources
    from sparktf.data.numpy_batches import Batches

    source = sources.find(
        path,
        LocalFiles(),
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
    if source.selection.by_tensorflow is not None:
        raise ValueError(
            "the schema has features of a kind that only TensorFlow makes tensors of: take "
            "sparktf.dataset, or features of fixed length and ragged ones"
        )
    return Batches(source)
