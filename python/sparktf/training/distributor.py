"""Training with TensorFlow on Spark's executors.

    def train(epochs):
        import keras
        ctx = sparktf.context()
        with ctx.strategy().scope():
            model = keras.Sequential([keras.Input((784,)), keras.layers.Dense(10, "softmax")])
            model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
        rows = ctx.dataset(64, columns="pixels", label="label", shuffle=10_000)
        history = model.fit(rows, steps_per_epoch=ctx.steps_per_epoch(64), epochs=epochs)
        if ctx.is_chief:
            sparktf.save_model(model, "/shared/models/digits")
        return history.history

    sparktf.TensorFlowDistributor(num_processes=2).train_on(df, train, epochs=5)

The function runs once for each worker, in a process of its own, under
`tf.distribute.MultiWorkerMirroredStrategy`. All workers are tasks of one barrier stage of Spark:
they run at the same time or not at all, and when one ends, all do.
"""

from __future__ import annotations

import pickle
import secrets
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from sparktf.extras import require
from sparktf.spark.sessions import active_session
from sparktf.training.driver import executors, failures, local, progress, slots
from sparktf.training.driver.failures import TrainingError
from sparktf.training.job import Job
from sparktf.training.outcomes import Results, cause

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

__all__ = ["TensorFlowDistributor", "TrainingError"]


class TensorFlowDistributor:
    """Runs a function on several workers, connected for TensorFlow's multi-worker strategy.

    Classic sessions and Spark Connect alike. Executors need TensorFlow; sparktf is sent to them,
    and so is the function, by cloudpickle: modules of the user's own that it imports must be there,
    or be sent (``addPyFile``). The cluster must have as many free task slots as there are
    processes, and executors must reach each other on any port.

    A user's exception ends the run at once and is never retried. A worker that is lost (its process
    or its executor killed, its machine gone) is, up to `max_retries` times: all workers start
    again, and go on from where `TrainingContext.checkpoint` left off. When the run ends, in
    whatever way, its processes and its files end with it.

    Args:
        num_processes: Number of workers.
        local_mode: Starts the workers on the driver's machine, without Spark's tasks.
        use_gpu: Gives each worker one of the GPUs that Spark assigned to its task
            (``spark.task.resource.gpu.amount``); otherwise workers see no GPU.
        max_retries: How often a run is begun again after a worker was lost.
        env: Environment variables of the workers' processes.
        verbose: Whether the driver prints each epoch's metrics as they come and, in local mode,
            the workers' own output, which otherwise goes to their executors' logs.
        results: "chief" for the value that the chief's function returns, "all" for a list of
            every worker's, by rank.

    Raises:
        ValueError: An argument is out of its range.
    """

    def __init__(
        self,
        num_processes: int = 2,
        local_mode: bool = False,
        use_gpu: bool = False,
        max_retries: int = 0,
        env: Mapping[str, str] | None = None,
        *,
        verbose: bool = True,
        results: str = "chief",
    ) -> None:
        for name, value, least in (
            ("num_processes", num_processes, 1),
            ("max_retries", max_retries, 0),
        ):
            if not isinstance(value, int) or isinstance(value, bool) or value < least:
                raise ValueError(f"{name} must be an integer of at least {least}, not {value!r}")
        if results not in ("chief", "all"):
            raise ValueError(f'results must be "chief" or "all", not {results!r}')
        self.num_processes = num_processes
        self.local_mode = local_mode
        self.use_gpu = use_gpu
        self.max_retries = max_retries
        self.env = {str(name): str(text) for name, text in (env or {}).items()}
        self.verbose = verbose
        self.results = results

    def __repr__(self) -> str:
        # Of variables only the names, for some are secret.
        settings = {**vars(self), "env": list(self.env)}
        listed = ", ".join(f"{name}={value!r}" for name, value in settings.items())
        return f"{type(self).__name__}({listed})"

    def run(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """Runs `fn(*args, **kwargs)` on every worker; TensorFlow reads the data itself.

        Workers read their share of TFRecord files, for example, by
        ``ctx.distribute(sparktf.dataset(path, …, shard=(ctx.rank, ctx.size), repeat=None))``.

        Args:
            fn: Any function that cloudpickle takes: a notebook's, a lambda.
            *args: Its arguments.
            **kwargs: Its arguments.

        Returns:
            What `fn` returns on the chief, or a list of what it returns on each worker.

        Raises:
            TrainingError: A worker failed.
            RuntimeError: The cluster has too few slots, or there is no Spark session.
        """
        return self._train(None, fn, args, kwargs)

    def train_on(self, df: DataFrame, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """Runs `fn(*args, **kwargs)` on every worker, with a part of the DataFrame's rows each.

        Spark spreads the rows evenly over the workers, whatever their source; each writes its own
        to its local disk (``spark.local.dir``). `fn` begins while they come, and takes them from
        ``sparktf.context().dataset(…)``, which waits until all are there.

        Args:
            df: Of any source. It is read once in each attempt.
            fn: Any function that cloudpickle takes: a notebook's, a lambda.
            *args: Its arguments.
            **kwargs: Its arguments.

        Returns:
            What `fn` returns on the chief, or a list of what it returns on each worker.

        Raises:
            TrainingError: A worker failed, or has no rows, or not enough disk for them.
            RuntimeError: The cluster has too few slots.
        """
        return self._train(df, fn, args, kwargs)

    def _train(self, df: DataFrame | None, fn: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        require("a TensorFlowDistributor", "pyspark", "numpy", "pyarrow")
        from pyspark import cloudpickle

        spark = df.sparkSession if df is not None else active_session()
        if spark is None and not self.local_mode:
            raise RuntimeError("there is no active Spark session: create it before calling this")
        function: bytes = cloudpickle.dumps((fn, args, kwargs))  # type: ignore[no-untyped-call]
        seed = secrets.randbits(62)
        attempts = self.max_retries + 1
        for attempt in range(attempts):
            try:
                results = self._attempt(spark, df, function, attempt, seed)
            except Exception as error:
                if not failures.is_loss(error):
                    raise
                failure = failures.of_spark(error, self.num_processes, attempt + 1)
            else:
                failed = cause(results.outcomes)
                if failed is None:
                    values = [pickle.loads(value) if value else None for value in results.values]
                    return values if self.results == "all" else values[0]
                failure = failures.of_worker(failed, results.outcomes, attempt + 1)
                if failed.kind in ("raised", "refused"):
                    raise failure
            if attempt + 1 == attempts:
                raise failure
            self._say(f"attempt {attempt + 1} of {attempts} failed: {str(failure).splitlines()[0]}")
        raise AssertionError("unreachable")

    def _attempt(
        self,
        spark: SparkSession | None,
        df: DataFrame | None,
        function: bytes,
        attempt: int,
        seed: int,
    ) -> Results:
        if not self.local_mode:
            assert spark is not None
            slots.wait_for_slots(spark, self.num_processes, attempt)
        token = secrets.token_hex(16)
        listener = self._listener(None if self.local_mode else spark, token)
        try:
            job = Job(
                function=function,
                size=self.num_processes,
                columns=None if df is None else tuple(df.columns),
                use_gpu=self.use_gpu,
                env=tuple(self.env.items()),
                attempt=attempt,
                seed=seed,
                all_results=self.results == "all",
                token=token,
                logs=self.verbose or not self.local_mode,
                progress_address=listener.address if listener else None,
            )
            if self.local_mode:
                return local.run(job, df)
            assert spark is not None
            return executors.run(job, df, spark)
        finally:
            if listener is not None:
                listener.close()

    def _listener(self, spark: SparkSession | None, token: str) -> progress.Listener | None:
        host = progress.driver_host(spark) if self.verbose else None
        if host is None:
            return None
        try:
            return progress.Listener(host, token, lambda epoch: self._say(progress.text(epoch)))
        except OSError:
            return None

    def _say(self, text: str) -> None:
        if self.verbose:
            print(text, flush=True)
