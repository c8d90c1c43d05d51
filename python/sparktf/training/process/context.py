"""What a training function knows of its surroundings: `sparktf.context()`."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sparktf.extras import require_tensorflow
from sparktf.training.messages import Begin, EpochEnded, EpochNumber, FromProcess, StrategyState

if TYPE_CHECKING:
    import os

    import tensorflow as tf

    from sparktf.training.process.feed import Feed

__all__ = ["TrainingContext", "context"]

_context: TrainingContext | None = None


def context() -> TrainingContext:
    """The surroundings of a function that a `sparktf.TensorFlowDistributor` runs.

    Raises:
        RuntimeError: Called from anywhere else.
    """
    if _context is None:
        raise RuntimeError(
            "sparktf.context() is for functions that a sparktf.TensorFlowDistributor runs: "
            "there is none where it was called"
        )
    return _context


def enter(begin: Begin, report: Callable[[FromProcess], None]) -> TrainingContext:
    """Makes the context of this process."""
    global _context
    _context = TrainingContext(begin, report)
    return _context


class TrainingContext:
    """One worker of a run.

    Attributes:
        rank: Of this worker, from 0.
        size: Number of workers.
        cluster_spec: ``{"worker": ["host:port", …]}``, by rank.
        attempt: From 0; more after a worker was lost and the run was tried again.
    """

    def __init__(self, begin: Begin, report: Callable[[FromProcess], None]) -> None:
        self.rank = begin.rank
        self.size = len(begin.cluster)
        self.cluster_spec = {"worker": list(begin.cluster)}
        self.attempt = begin.attempt
        self._spill = begin.spill
        self._row_counts: list[int] | None = None
        self._rows_came = threading.Event()
        if self._spill is None:
            self._rows_came.set()
        self._seed = begin.seed
        self._report = report
        self._strategy: tf.distribute.Strategy | None = None
        # Batches that were trained on before a checkpoint that this attempt has gone on from.
        self._batches_before = 0

    @property
    def is_chief(self) -> bool:
        """Whether it is the worker of rank 0, whose value `run` and `train_on` return."""
        return self.rank == 0

    @property
    def row_counts(self) -> list[int] | None:
        """Rows of each worker, by rank; None in `TensorFlowDistributor.run`.

        Waits until all rows have come: the function begins while they are on their way.
        """
        self._wait_for_rows()
        return self._row_counts

    def _receive_row_counts(self, row_counts: list[int]) -> None:
        """All workers' rows have come."""
        self._row_counts = row_counts
        self._rows_came.set()

    def _wait_for_rows(self) -> None:
        """At once in `TensorFlowDistributor.run`, which has none."""
        self._rows_came.wait()

    def strategy(self) -> tf.distribute.Strategy:
        """The strategy to build and compile the model in: ``with ctx.strategy().scope():``.

        A `tf.distribute.MultiWorkerMirroredStrategy`, which waits for all workers; with one
        worker TensorFlow's default strategy. Always the same one.

        Raises:
            RuntimeError: TensorFlow was used before, and it is too late to connect.
        """
        if self._strategy is not None:
            return self._strategy
        require_tensorflow("ctx.strategy()")
        import tensorflow as tf

        from sparktf.training.process import keras_patches as patches

        # fit's own default, which it warns of for each tf.data.Dataset.
        warnings.filterwarnings("ignore", "`shuffle=True` was passed, but will be ignored")
        patches.report_epochs(self._report_epoch)
        if self.size == 1:
            self._strategy = tf.distribute.get_strategy()
            return self._strategy
        patches.repair_keras()
        self._report(StrategyState("joining"))
        try:
            self._strategy = tf.distribute.MultiWorkerMirroredStrategy()
        except RuntimeError as error:
            if "program startup" not in str(error) and "initialized" not in str(error):
                raise
            raise RuntimeError(
                "ctx.strategy() comes too late: TensorFlow connects to the other workers before "
                "its first operation, or not at all. Call it at the function's begin, before any "
                "tensor, dataset or model is made"
            ) from error
        self._report(StrategyState("joined"))
        return self._strategy

    def dataset(
        self,
        batch_size: int,
        *,
        columns: str | Sequence[str] | None = None,
        label: str | None = None,
        shapes: Mapping[str, Sequence[int]] | None = None,
        shuffle: int = 0,
        seed: int | None = None,
    ) -> tf.data.Dataset:
        """This worker's rows of `train_on`'s DataFrame, in batches, repeated without end.

            model.fit(ctx.dataset(64, columns="pixels", label="label", shuffle=10_000),
                      steps_per_epoch=ctx.steps_per_epoch(64), epochs=5)

        It goes straight into ``fit``: every worker's step takes one batch of its own. Epochs
        follow each other without a short batch between them. Rows are read from a file on the
        worker's disk that is mapped into memory; this waits until all have come.

        ============================== ======================================================
        column                         tensor
        ============================== ======================================================
        tinyint … bigint, boolean      int8 … int64, bool: `[batch]`
        float, double, decimal         float32, float64, float64: `[batch]`
        string, binary                 string: `[batch]`; binary with a shape: uint8,
                                       `[batch, *shape]`, a byte for each value
        array of these                 `[batch, n]`, nested ones deeper; all rows of one length
        ml Vector                      float64: `[batch, n]`
        ============================== ======================================================

        Args:
            batch_size: Rows in a batch, of which each worker has one in a step.
            columns: Names of the features, all by default. A single name, not in a list, makes
                the features that column's tensor itself instead of a dict.
            label: Name of a column. With it elements are `(features, label)`.
            shapes: Column -> shape of one row, of as many values, in row-major order.
            shuffle: Number of rows that are shuffled at a time, each epoch in another order. A
                number of at least the rows' shuffles all. With 0 the order is the same in each
                epoch and run: one that follows from what is in the rows, not the DataFrame's.
            seed: Makes the order the same in another run. Without it, it differs from run to
                run, but not from attempt to attempt of a run.

        Raises:
            RuntimeError: There is no DataFrame: this is `TensorFlowDistributor.run`.
            ValueError: There is no such column or more than one, its type has no tensor, or a row
                has a null or another length than the others (raised by ``fit``, if it comes late).
        """
        from sparktf.training.process import feed as train_feed

        _check_positive("batch_size", batch_size)
        if self._spill is None:
            raise RuntimeError(
                "ctx.dataset has the rows of train_on's DataFrame, and this is run: read files "
                "by sparktf.dataset(path, …, shard=(ctx.rank, ctx.size), repeat=None), and give "
                "that to ctx.distribute"
            )
        self.strategy()
        self._wait_for_rows()
        seeds = (self._seed if seed is None else seed, self.rank)
        feed: Feed = train_feed.Feed(self._spill, columns, label, shapes, shuffle, seeds)
        rows = train_feed.dataset(feed, batch_size, lambda: self._batches_before * batch_size)
        return self._distributed(rows)

    def distribute(self, dataset: tf.data.Dataset) -> tf.data.Dataset:
        """A dataset of this worker's own rows, made ready for ``fit``.

        Each step takes one of its elements, whatever the other workers have: nothing is sharded
        or batched anew. All workers must take the same number of steps. After a resume from
        `checkpoint` a dataset without end (``repeat=None``) begins where the run was cut off,
        another at its begin.
        """
        import tensorflow as tf

        self.strategy()
        if int(dataset.cardinality()) == tf.data.INFINITE_CARDINALITY:
            from sparktf.training.process import feed as train_feed

            dataset = train_feed.resumed(dataset, lambda: self._batches_before)
        return self._distributed(dataset)

    def _distributed(self, dataset: tf.data.Dataset) -> tf.data.Dataset:
        if self.size == 1:
            return dataset
        return self.strategy().distribute_datasets_from_function(lambda _: dataset)

    def steps_per_epoch(self, batch_size: int) -> int:
        """Batches of the worker with the fewest rows: the same number on every worker.

        Raises:
            RuntimeError: There is no DataFrame: this is `TensorFlowDistributor.run`.
            ValueError: The worker with the fewest rows has less than a batch.
        """
        _check_positive("batch_size", batch_size)
        row_counts = self.row_counts
        if row_counts is None:
            raise RuntimeError(
                "ctx.steps_per_epoch counts the rows of train_on's DataFrame, and this is run: "
                "pass fit a number that is the same on every worker"
            )
        steps = min(row_counts) // batch_size
        if steps == 0:
            fewest = min(row_counts)
            raise ValueError(
                f"batch_size is {batch_size}, and worker {row_counts.index(fewest)} has "
                f"{fewest} rows (the workers: {row_counts}): make it at most {fewest}, or "
                "use fewer processes"
            )
        return steps

    def checkpoint(self, uri: str | os.PathLike[str]) -> Any:
        """A Keras callback that saves the state of the training after each epoch, and resumes it.

            model.fit(…, callbacks=[ctx.checkpoint("hdfs://…/digits")])

        When ``fit`` begins, all workers take over what the last run or attempt has saved there,
        and go on after its last whole epoch: weights, the optimizer's and the metrics' state,
        random seeds, and the place in `dataset`'s rows. What comes out is what an undisturbed run
        gives. The chief writes; the two newest checkpoints stay.

        Args:
            uri: A folder that all workers see: on a shared file system, or what pyarrow opens
                (``s3://``, also spelled ``s3a://``; ``gs://``; ``hdfs://`` where Hadoop's native
                library is installed) or fsspec, where that is installed (``webhdfs://``).

        Raises:
            ValueError: Nothing opens such a path.
        """
        import os

        from sparktf.training.process import checkpoint as train_checkpoint

        self.strategy()
        return train_checkpoint.callback(os.fspath(uri), self)

    def _report_epoch(
        self,
        epoch: EpochNumber,
        epochs: EpochNumber | None,
        metrics: Mapping[str, float],
        seconds: float,
    ) -> None:
        if self.is_chief:
            self._report(EpochEnded(epoch, epochs, dict(metrics), seconds))


def _check_positive(name: str, value: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError(f"{name} must be an integer of at least 1, not {value!r}")
