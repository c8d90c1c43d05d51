"""Which worker gets which of a DataFrame's rows, and where among all rows each of them is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sparktf.training.spill import PARTITION_BITS, PLACE

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession
    from pyspark.sql.types import DataType


def repartition_evenly(df: DataFrame, workers: int) -> DataFrame:
    """The DataFrame's rows with their places, in as many partitions as there are workers.

    Which worker has a row, and at which place, follows from the partition that the row is in and
    from what the partition has in it; not from the order there, which differs from run to run
    behind a shuffle. Workers have equally many rows but for a few.

    Columns are named by their numbers, for Spark's mapInArrow takes no name that has a dot in it
    or comes twice.
    """
    from pyspark.sql import functions as F  # noqa: N812

    numbered = df.toDF(*(f"c{i}" for i in range(len(df.columns))))
    # Rows that differ in other columns only are the same to `TrainingContext.dataset`.
    columns = [field.name for field in numbered.schema if _may_be_tensor(field.dataType)]
    if columns:
        # Each column's own: all at once, Spark hashes (1, null) as (null, 1), and ([1], [2, 3]) as
        # ([1, 2], [3]).
        hashes = map(F.xxhash64, columns)
        numbered = numbered.sortWithinPartitions(F.xxhash64(*hashes))
    placed = numbered.select("*", F.monotonically_increasing_id().alias(PLACE))
    # In turn, from another worker on in each partition: there may be many small ones. Not by
    # repartition(n), which would sort all rows once more, nor by repartitionById, new in Spark 4.1.
    place = F.col(PLACE)
    first = F.pmod(F.xxhash64(F.shiftright(place, PARTITION_BITS)), F.lit(workers))
    turn = first + place.bitwiseAND((1 << PARTITION_BITS) - 1)
    numbers = F.array(*map(F.lit, _with_each_partition(df.sparkSession, workers)))
    return placed.repartition(workers, F.get(numbers, F.pmod(turn, F.lit(workers)).cast("int")))


def _may_be_tensor(kind: DataType) -> bool:
    from pyspark.sql import types

    while isinstance(kind, types.ArrayType):
        kind = kind.elementType
    plain = (types.NumericType, types.BooleanType, types.StringType, types.BinaryType)
    return isinstance(kind, (*plain, types.UserDefinedType))


def _with_each_partition(spark: SparkSession, count: int) -> list[int]:
    """Ints that Spark puts into the partitions 0, 1, … of so many, by its hash."""
    # That none of so many belongs to a partition has a chance of e^-64. The optimizer works it out
    # for a row that stands in the query, and no job runs.
    hashes = f"transform(sequence(0, {64 * count}), i -> pmod(hash(i), {count}))"
    partitions = spark.sql(f"SELECT {hashes} FROM VALUES (0)").collect()[0][0]
    return [partitions.index(partition) for partition in range(count)]
