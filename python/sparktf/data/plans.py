"""Which records are read, and in which order: decided once, from the files and the arguments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

# How many files are read at once, unless the caller says. The order of the elements depends on
# it, so the machine's number of cores does not enter.
_READS: Final = 8


@dataclass(frozen=True)
class Plan:
    """
    Attributes:
        files: Positions of the files that are read, among all.
        record_shard: `(index, count)` where of each file every `count`-th record is wanted; None
            where all are.
        reads: Number of files read at once, which take turns block by block.
        in_turn: Whether a file whose turn it is is waited for; else the first that has something
            goes.
        shuffle: Number of records among which each next one is drawn, 0 to keep the order. The
            files' order then is another one in each epoch, too.
        epochs: How often all records come; None for no end.
        batch_size: Records in a batch.
        drop_remainder: Whether the last batch is left out if it is not full.
    """

    files: Sequence[int]
    record_shard: tuple[int, int] | None
    reads: int
    in_turn: bool
    shuffle: int
    epochs: int | None
    batch_size: int
    drop_remainder: bool

    @property
    def are_batches_full(self) -> bool:
        """Whether all of them are: where there is no end, there is no last one."""
        return self.drop_remainder or self.epochs is None


def make_plan(
    files: int,
    *,
    batch_size: int,
    shuffle: int,
    seed: int | None,
    repeat: int | None,
    shard: tuple[int, int] | None,
    drop_remainder: bool,
    num_parallel_reads: int | None,
    deterministic: bool | None,
) -> Plan:
    """The plan for so many files, by the arguments of `sparktf.dataset`.

    Raises:
        ValueError: An argument is out of its range.
    """
    check_at_least(1, batch_size=batch_size)
    check_at_least(0, shuffle=shuffle)
    epochs = None if repeat is None or repeat == -1 else repeat
    if epochs is not None:
        check_at_least(1, repeat=epochs)
    if num_parallel_reads is not None:
        check_at_least(1, num_parallel_reads=num_parallel_reads)
    index, count = (0, 1) if shard is None else shard
    check_at_least(1, count=count)
    check_at_least(0, index=index)
    if index >= count:
        raise ValueError(f"shard is (index, count) with index below count, not {shard!r}")
    by_records = files < count
    read = range(files) if by_records else range(index, files, count)
    return Plan(
        files=read,
        record_shard=shard if by_records else None,
        reads=max(1, min(num_parallel_reads or _READS, len(read))),
        in_turn=(shuffle == 0 or seed is not None) if deterministic is None else deterministic,
        shuffle=shuffle,
        epochs=epochs,
        batch_size=batch_size,
        drop_remainder=drop_remainder,
    )


def check_at_least(least: int, **arguments: object) -> None:
    for name, value in arguments.items():
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise ValueError(f"{name} must be an integer of at least {least}, not {value!r}")
