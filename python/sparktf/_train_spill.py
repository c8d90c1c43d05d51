"""A worker's rows on its own disk: counted, read as often as there are epochs, mapped not copied.

The file has no name: its disk space is free again when the last process that has it open ends,
whatever ends that.
"""

from __future__ import annotations

import itertools
import mmap
import os
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame

# A column beside the user's: the partition of the DataFrame that a row is from. A worker gets rows
# of all partitions, in the order in which they happen to arrive.
PARTITION: Final = "_sparktf_partition"


def spread(df: DataFrame, workers: int) -> DataFrame:
    """The DataFrame with as many partitions as workers, of equal size but for a few rows."""
    from pyspark.sql import functions as F  # noqa: N812

    return df.withColumn(PARTITION, F.spark_partition_id()).repartition(workers)


class Spill:
    """Rows that were written to an unnamed file.

    Attributes:
        file: Open, at whatever position.
        rows: How many.
    """

    def __init__(self, batches: Iterable[pa.RecordBatch]) -> None:
        """Writes all rows.

        Raises:
            OSError: The disk is full; the message names the folder and the sizes.
        """
        import pyarrow as pa

        self.rows = 0
        folder = roomiest_folder()
        self.file: IO[bytes] = tempfile.TemporaryFile(prefix="sparktf-", dir=folder)  # noqa: SIM115
        writer = None
        written = 0
        try:
            for batch in batches:
                if writer is None:
                    writer = pa.ipc.new_file(self.file, batch.schema)
                writer.write_batch(batch)
                self.rows += batch.num_rows
                written += batch.nbytes
            if writer is not None:
                writer.close()
            self.file.flush()
        except OSError as error:
            self.file.close()
            free = shutil.disk_usage(folder).free
            raise OSError(
                error.errno,
                f"the worker's rows do not fit on the disk of {folder}: {written:,} bytes were "
                f"written before {error.strerror or error}, and {free:,} bytes are free now. "
                "spark.local.dir names folders on a larger disk; more processes have fewer rows "
                "each",
            ) from error

    def close(self) -> None:
        self.file.close()


def roomiest_folder() -> str:
    """Of Spark's local folders on this machine the one with the most space."""
    named = os.environ.get("SPARK_LOCAL_DIRS") or os.environ.get("LOCAL_DIRS") or ""
    folders = [folder for folder in named.split(",") if folder and Path(folder).is_dir()]
    return max(folders, key=lambda f: shutil.disk_usage(f).free, default=tempfile.gettempdir())


def read(descriptor: int) -> list[pa.RecordBatch]:
    """The rows of a spill's file; their values stay in the file, mapped into memory.

    In the order of the DataFrame's partitions, so that it is the same in each attempt.
    """
    import numpy as np
    import pyarrow as pa

    if os.fstat(descriptor).st_size == 0:
        return []
    mapped = mmap.mmap(descriptor, 0, prot=mmap.PROT_READ)
    reader = pa.ipc.open_file(pa.BufferReader(pa.py_buffer(mapped)))
    batches = [reader.get_batch(i) for i in range(reader.num_record_batches)]
    place = reader.schema.get_field_index(PARTITION)
    if place < 0:
        return batches
    pieces = []
    for batch in batches:
        numbers = batch.column(place).to_numpy()
        starts = [0, *(np.flatnonzero(np.diff(numbers)) + 1), len(numbers)]
        for start, end in itertools.pairwise(map(int, starts)):
            if end > start:
                pieces.append((int(numbers[start]), batch.slice(start, end - start)))
    pieces.sort(key=lambda piece: piece[0])
    return [piece for _, piece in pieces]
