"""A training run that fails ends soon, says why, and leaves nothing, whatever has ended it.

Each on a standalone cluster with an executor on each of its two workers.
"""

import os
import signal
import sys
import time

import left_behind
import pytest
from left_behind import wait_until
from pyspark import cloudpickle

import sparktf

# The functions go to the driver and to the workers, which have no tests.
cloudpickle.register_pickle_by_value(sys.modules[__name__])


@pytest.fixture(autouse=True)
def nothing_is_left(cluster, driver):
    pids = [driver.process.pid, *cluster.pids]
    yield
    assert wait_until(lambda: not left_behind.processes()), left_behind.processes()
    assert not left_behind.files(cluster.folder)
    closed = wait_until(lambda: not left_behind.open_files(cluster.pids), 5)
    assert closed, left_behind.open_files(cluster.pids)
    # One is Spark's, for the driver's accumulators.
    assert wait_until(lambda: len(left_behind.listening(pids)) <= 1), left_behind.listening(pids)


def run(spark, function, *args, processes=2, **settings):
    return sparktf.TensorFlowDistributor(processes, **settings).run(function, *args)


def train_on(spark, rows, partitions, function, **settings):
    """On rows 0, 1, …, that many in each of the partitions."""
    import pyarrow as pa

    def make(batches):
        for batch in batches:
            for number in batch.column(0).to_pylist():
                ids = pa.array(range(rows[number]), pa.int64())
                yield pa.RecordBatch.from_arrays([ids], ["id"])

    df = spark.range(0, partitions, 1, partitions).mapInArrow(make, "id long")
    return sparktf.TensorFlowDistributor(2, **settings).train_on(df, function)


def failure(said):
    assert isinstance(said.error, sparktf.TrainingError), said
    return said.error


def never_ends():
    """What a worker does that waits for another one in vain."""
    time.sleep(3600)


@pytest.mark.oldest_and_newest
def test_an_exception_of_one_rank(driver):
    def train():
        if sparktf.context().rank == 0:
            never_ends()
        for number in range(100):
            print("line", number)
        raise KeyError("no such thing")

    def call(spark):
        with pytest.raises(sparktf.TrainingError) as raised:
            run(spark, train)
        return raised.value, raised.value.__cause__  # which pickling would drop

    error, raised = driver.call(call)
    assert (type(raised), raised.args) == (KeyError, ("no such thing",))
    assert (error.rank, error.host, error.exit_code, error.attempts) == (1, "127.0.0.1", None, 1)
    assert str(error).startswith("worker 1 of 2 on 127.0.0.1 raised KeyError: 'no such thing'\n")
    assert 'raise KeyError("no such thing")\n' in error.traceback
    assert "process/run.py" not in error.traceback
    # The log ends with the traceback.
    assert str(error).count("Traceback (most recent call last):") == 1
    assert "\n  line 99" in str(error)
    assert len(error.log) == 60
    assert error.log[-1] == "KeyError: 'no such thing'"
    assert "line 99" in error.log


@pytest.mark.one_spark
def test_an_exception_is_not_tried_again(driver, tmp_path):
    def train():
        (tmp_path / f"{sparktf.context().rank}-{time.time()}").touch()
        raise SystemExit("stop it")

    error = failure(driver.try_to(lambda spark: run(spark, train, max_retries=3)))
    assert "raised SystemExit: stop it" in str(error)
    assert len(list(tmp_path.iterdir())) <= 2


@pytest.mark.one_spark
def test_a_killed_process(driver):
    def train():
        if sparktf.context().rank == 0:
            never_ends()
        print("about to go")
        os.kill(os.getpid(), signal.SIGKILL)

    error = failure(driver.try_to(run, train))
    assert (error.rank, error.exit_code) == (1, -9)
    assert "worker 1 of 2 on 127.0.0.1 was ended by the signal SIGKILL" in str(error)
    assert error.log == ("about to go",)


@pytest.mark.one_spark
def test_a_process_that_just_ends(driver):
    def train():
        if sparktf.context().rank == 1:
            never_ends()
        os._exit(3)

    error = failure(driver.try_to(run, train))
    assert (error.rank, error.exit_code) == (0, 3)
    assert "worker 0 of 2 on 127.0.0.1 ended with exit code 3" in str(error)


def kill_in_first_attempt(pid_of):
    def train():
        context = sparktf.context()
        if context.attempt == 0:
            if context.rank == 1:
                os.kill(pid_of(), signal.SIGKILL)
            never_ends()
        return context.attempt

    return train


@pytest.mark.oldest_and_newest
def test_a_killed_process_is_replaced(driver):
    said = driver.try_to(lambda spark: run(spark, kill_in_first_attempt(os.getpid), max_retries=1))
    assert (said.value, said.error) == (1, None)
    assert said.output.startswith("attempt 1 of 2 failed: worker 1 of 2 on 127.0.0.1 was ended by")


def test_a_killed_task(driver):
    error = failure(driver.try_to(run, kill_in_first_attempt(os.getppid)))
    assert error.rank == 1
    assert "worker 1 of 2 lost its Spark task" in str(error)


def executor():
    """The process of the executor, two above: Python's daemon is between."""
    from pathlib import Path

    pid = os.getppid()
    while b"java" not in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0]:
        pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return pid


@pytest.mark.one_spark
def test_a_killed_executor_is_replaced(driver):
    said = driver.try_to(lambda spark: run(spark, kill_in_first_attempt(executor), max_retries=1))
    assert (said.value, said.error) == (1, None)
    assert "attempt 1 of 2 failed: worker 1 of 2 lost its Spark task" in said.output


@pytest.mark.one_spark
def test_processes_that_a_function_starts_end_with_it(driver):
    started = str(os.getpid())

    def train(kill):
        import subprocess

        subprocess.Popen(["sleep", "3600"])
        if kill and sparktf.context().rank == 1:
            os.kill(os.getppid(), signal.SIGKILL)

    def call(spark, kill):
        return run(spark, train, kill, env={"SPARKTF_TEST_STARTED": started})

    for kill in (False, True):
        said = driver.try_to(call, kill)
        assert (said.error is None) != kill
        assert wait_until(lambda: not left_behind.with_variable("SPARKTF_TEST_STARTED", started)), (
            left_behind.with_variable("SPARKTF_TEST_STARTED", started)
        )


def test_more_processes_than_slots(driver):
    begin = time.monotonic()
    said = driver.try_to(lambda spark: run(spark, never_ends, processes=3))
    assert type(said.error) is RuntimeError
    assert "3 processes must run at the same time, and the cluster has 2 task slots" in str(
        said.error
    )
    assert time.monotonic() - begin < 60  # Spark itself tries for ten minutes


def row_counts():
    return sparktf.context().row_counts


@pytest.mark.one_spark
@pytest.mark.parametrize(
    "rows", [[1000, 10], [0, 500, 0, 3], [1] * 40, [7]], ids=["skewed", "empty", "many", "one"]
)
def test_rows_are_spread_over_the_workers(driver, rows):
    counts = driver.call(lambda spark: train_on(spark, rows, len(rows), row_counts))
    assert sum(counts) == sum(rows)
    assert max(counts) - min(counts) <= len(rows)


@pytest.mark.oldest_and_newest
@pytest.mark.parametrize("rows", [[1], [0, 0]])
def test_fewer_rows_than_workers(driver, rows):
    error = failure(driver.try_to(lambda spark: train_on(spark, rows, len(rows), row_counts)))
    assert f"has no rows: {sum(rows)} rows in all, of which the workers have" in str(error)
    assert "use fewer processes" in str(error)


def test_an_error_in_the_query_is_sparks_own(driver):
    def call(spark):
        df = spark.range(10).selectExpr("assert_true(id < 5, 'too much') AS checked")
        return sparktf.TensorFlowDistributor(2, max_retries=2).train_on(df, row_counts)

    said = driver.try_to(call)
    assert "too much" in str(said.error)
    assert not isinstance(said.error, sparktf.TrainingError)
    assert "attempt" not in said.output


@pytest.mark.oldest_and_newest
def test_an_exception_while_rows_are_on_their_way(driver):
    def train():
        raise ValueError("at once")

    error = failure(driver.try_to(lambda spark: train_on(spark, [2_000_000] * 2, 2, train)))
    assert "raised ValueError: at once" in str(error)


def by_other_python(driver, tmp_path, script):
    """A run whose executors are started by this script."""
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\n{script}\n")
    python.chmod(0o755)

    def call(spark):
        df = spark.range(0, 200_000, 1, 2).selectExpr("repeat('x', 100) AS text")
        context, usual = spark.sparkContext, spark.sparkContext.pythonExec
        context.pythonExec = str(python)
        try:
            return sparktf.TensorFlowDistributor(2).train_on(df, row_counts)
        finally:
            context.pythonExec = usual

    return driver.try_to(call)


@pytest.mark.one_spark
def test_a_python_that_lacks_something(driver, tmp_path):
    said = by_other_python(driver, tmp_path, f'exec {sys.executable} -S "$@"')
    python = f"{sys.executable} (Python {sys.version.split()[0]})"
    assert type(said.error) is RuntimeError, said
    assert str(said.error).startswith(
        f"the executors' Python, {python}, cannot import what sparktf needs to train (No module "
        "named 'pyarrow'): install it there, or set PYSPARK_PYTHON (spark-submit: spark.pyspark."
    )
    assert f"The driver's is {python}, and both must be of" in str(said.error)


@pytest.mark.one_spark
def test_a_disk_that_is_too_small(driver, tmp_path):
    """For the processes that write, by the system's limit of a file's size."""
    script = f'ulimit -f 2000\nexec {sys.executable} "$@"'
    error = failure(by_other_python(driver, tmp_path, script))
    assert "the worker's rows do not fit on the disk of" in str(error)
    assert "bytes were written before File too large" in str(error)
    assert "spark.local.dir" in str(error)


def test_a_job_that_is_cancelled(driver, tmp_path):
    def train():
        (tmp_path / str(sparktf.context().rank)).touch()
        never_ends()

    def call(spark):
        import threading

        def cancel():
            wait_until(lambda: len(list(tmp_path.iterdir())) == 2, 120)
            spark.sparkContext.cancelAllJobs()

        threading.Thread(target=cancel).start()
        return run(spark, train, max_retries=2)

    said = driver.try_to(call)
    assert said.error is not None
    assert "cancelled" in str(said.error)
    assert "attempt" not in said.output


@pytest.mark.one_spark
def test_a_driver_that_is_interrupted(driver, tmp_path):
    def train():
        (tmp_path / str(sparktf.context().rank)).touch()
        never_ends()

    driver.start(run, train)
    assert wait_until(lambda: len(list(tmp_path.iterdir())) == 2, 120)
    # Two workers and who watches over them: that none is seen afterwards means something.
    assert len(left_behind.processes()) == 4
    driver.process.send_signal(signal.SIGINT)
    assert isinstance(driver.answer().error, KeyboardInterrupt)
    assert driver.call(lambda spark: run(spark, lambda: 5)) == 5


@pytest.mark.one_spark
def test_a_driver_that_is_killed(cluster, driver, tmp_path, tmp_path_factory):
    import driver_process

    def train():
        (tmp_path / str(sparktf.context().rank)).touch()
        never_ends()

    with driver_process.run(cluster.url, tmp_path_factory.mktemp("driver")) as other:
        other.start(run, train)
        assert wait_until(lambda: len(list(tmp_path.iterdir())) == 2, 120)
        other.process.kill()
        assert wait_until(lambda: not left_behind.processes()), left_behind.processes()


@pytest.mark.one_spark
def test_a_function_of_a_module_that_executors_lack(driver, tmp_path):
    (tmp_path / "only_here.py").write_text("def train():\n    return 1\n")

    def call(spark):
        sys.path.insert(0, str(tmp_path))
        import only_here

        sys.path.remove(str(tmp_path))
        return run(spark, only_here.train)

    error = failure(driver.try_to(call))
    assert "needs the module 'only_here', which the executors' Python does not have" in str(error)


def test_no_session_and_no_run(spark):
    with pytest.raises(RuntimeError, match=r"sparktf.context\(\) is for functions that a"):
        sparktf.context()
    with pytest.raises(ValueError, match="num_processes must be an integer of at least 1, not 0"):
        sparktf.TensorFlowDistributor(0)
    with pytest.raises(ValueError, match='results must be "chief" or "all", not'):
        sparktf.TensorFlowDistributor(1, results="some")
