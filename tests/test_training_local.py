"""Workers on the driver's own machine; and what concerns Keras alone."""

import contextlib
import os
import pickle
import queue
import sys
import time

import left_behind
import numpy as np
import pyarrow as pa
import pytest
from left_behind import wait_until
from pyspark import cloudpickle
from test_training import BATCH, dropout, interrupt_with_files, make_model, make_rows, pytest_raises

import sparktf
from sparktf.training.driver.partitioning import repartition_evenly
from sparktf.training.job import Job
from sparktf.training.messages import Ended, Hello, Stop
from sparktf.training.outcomes import Outcome
from sparktf.training.spill import PLACE, Spill
from sparktf.training.task.group import Coordinator, Member
from sparktf.training.task.worker import Worker

pytestmark = pytest.mark.one_spark
cloudpickle.register_pickle_by_value(sys.modules[__name__])
cloudpickle.register_pickle_by_value(sys.modules["test_training"])


@pytest.fixture(autouse=True)
def nothing_is_left():
    listening = left_behind.listening([os.getpid()])
    open_files = left_behind.open_files([os.getpid()])
    yield
    assert wait_until(lambda: not left_behind.processes()), left_behind.processes()
    assert wait_until(lambda: not left_behind.listening([os.getpid()]) - listening)
    assert set(left_behind.open_files([os.getpid()])) <= set(open_files)


def local(processes=2, **settings):
    return sparktf.TensorFlowDistributor(processes, local_mode=True, **settings)


def test_run_and_its_failures():
    def train(fail):
        context = sparktf.context()
        if fail and context.rank == 1:
            raise ValueError("as asked for")
        if fail:
            time.sleep(3600)
        return context.rank, context.size, context.cluster_spec

    ranks = [value[:2] for value in local(3, results="all").run(train, False)]
    assert ranks == [(0, 3), (1, 3), (2, 3)]
    with pytest.raises(sparktf.TrainingError, match=r"worker 1 of 2 on 127\.0\.0\.1 raised Value"):
        local().run(train, True)


def test_the_functions_own_arguments_may_have_any_name(spark):
    def train(**given):
        return given

    assert local(1).run(train, fn=1, df=2, self=3) == {"fn": 1, "df": 2, "self": 3}


def test_a_distributor_shows_its_settings_and_no_value_of_a_variable():
    distributor = local(3, env={"TOKEN": "secret"}, max_retries=1)
    assert repr(distributor) == (
        "TensorFlowDistributor(num_processes=3, local_mode=True, use_gpu=False, max_retries=1, "
        "env=['TOKEN'], verbose=True, results='chief')"
    )


def test_rows_of_a_dataframe(spark):
    def train():
        context = sparktf.context()
        ids = context.dataset(5, columns="id") if context.size == 1 else None
        found = next(iter(ids)).numpy().tolist() if ids is not None else None
        return context.row_counts, found

    counts = local(results="all").train_on(spark.range(11), train)
    assert sorted(counts[0][0]) == [5, 6]
    counts, found = local(1).train_on(spark.range(5), train)
    assert counts == [5]
    assert sorted(found) == [0, 1, 2, 3, 4]
    with pytest.raises(sparktf.TrainingError, match="has no rows: 0 rows in all"):
        local().train_on(spark.range(0), train)


@pytest.mark.parametrize("workers", [1, 3])
def test_a_rows_worker_and_place_follow_from_what_is_in_its_partition(spark, workers):
    """And not from the order there, which behind a shuffle is another one in each run."""

    def spread_out(each, id):
        df = spark.range(0, 400, 1, 40).selectExpr(f"{id} AS id").where(f"id % 10 < {each}")
        df = df.selectExpr("id", "array(double(id)) AS x", "map(id, id) AS m")
        rows = repartition_evenly(df, workers)
        found = rows.selectExpr("spark_partition_id() AS w", f"{PLACE} AS p", "c0").collect()
        return sorted((row.w, row.p, row.c0) for row in found)

    rows = spread_out(10, "id")
    assert sorted(id for _, _, id in rows) == list(range(400))
    # Not by a sort, which Spark would leave out in front of another
    assert spread_out(10, "id + 9 - 2 * (id % 10)") == rows
    # Rows in turn, and of many partitions with one row each each worker has its share, too.
    counts = [sum(w == worker for w, _, _ in rows) for worker in range(workers)]
    assert max(counts) - min(counts) <= 40
    counts = [sum(w == worker for w, _, _ in spread_out(1, "id")) for worker in range(workers)]
    assert min(counts) >= 40 // workers // 2


def test_rows_are_told_apart_by_each_of_their_columns(spark):
    """Which may have the same values one after the other."""

    def placed(id):
        df = (
            spark.range(0, 2, 1, 1)
            .selectExpr(f"{id} AS id")
            .selectExpr(
                "if(id = 0, 5, null) AS a",
                "if(id = 0, 7, 5) AS b",
                "if(id = 0, null, 7) AS c",
                "if(id = 0, array(0), array(0, 1)) AS d",
                "if(id = 0, 1, 0) AS e",
                "if(id = 0, array(0), array()) AS f",
            )
        )
        return {row.c1: row[PLACE] for row in repartition_evenly(df, 1).collect()}

    assert placed("id") == placed("1 - id")


def of_one_worker(function, coming):
    """How it ends, and what it gives, while the rows come that `coming` gives."""
    pickled = cloudpickle.dumps((function, (), {}))
    job = Job(pickled, 1, ("x",), False, (), 0, 0, False, "secret", False, None)
    worker = Worker(job, 0, "127.0.0.1", lambda text: [text], [])
    with contextlib.closing(Spill()) as rows:
        worker.run(rows, coming)
    (outcome,) = worker.outcomes
    return outcome, pickle.loads(worker.value) if worker.value else None


def test_a_function_begins_while_its_rows_come(tmp_path):
    def train():
        (tmp_path / "begun").touch()
        return sparktf.context().row_counts

    def coming():
        yield pa.RecordBatch.from_pydict({"x": [1, 2]})
        assert wait_until((tmp_path / "begun").exists)
        yield pa.RecordBatch.from_pydict({"x": [3]})

    outcome, counts = of_one_worker(train, coming())
    assert (outcome.kind, counts) == ("returned", [3])


def test_a_function_that_fails_waits_for_no_rows():
    def train():
        raise ValueError("at once")

    def coming():
        while True:
            yield pa.RecordBatch.from_pydict({"x": [1]})

    outcome, _ = of_one_worker(train, coming())
    assert (outcome.kind, outcome.error) == ("raised", "ValueError: at once")


def test_a_function_that_asks_for_no_rows_is_told_of_none():
    outcome, _ = of_one_worker(lambda: 1, iter(()))
    assert outcome.kind == "refused"
    assert outcome.error.startswith("has no rows: 0 rows in all")


def test_rows_go_on_coming_when_a_port_was_taken(tmp_path):
    def train():
        mark = tmp_path / "port"
        if not mark.exists():
            mark.touch()
            raise RuntimeError("Could not start gRPC server")
        (tmp_path / "again").touch()
        (count,) = sparktf.context().row_counts
        return next(iter(sparktf.context().dataset(count, columns="x"))).numpy().tolist()

    given = []

    def coming():
        while not (tmp_path / "again").exists():
            given.append(len(given))
            yield pa.RecordBatch.from_pydict({"x": given[-1:]})

    outcome, found = of_one_worker(train, coming())
    assert (outcome.kind, found) == ("returned", given)


def test_a_task_that_comes_late_hears_of_a_failure_before():
    coordinator = Coordinator(2, "secret")
    with contextlib.closing(coordinator):
        heard = [queue.Queue(), queue.Queue()]

        def member(rank):
            address = ("127.0.0.1", coordinator.port)
            return Member(address, Hello("secret", rank, "127.0.0.1"), heard[rank].put)

        with contextlib.closing(member(1)) as quick:
            quick.tell(Ended(Outcome(1, "127.0.0.1", "raised")))
            stop = heard[1].get(timeout=30)
            assert stop == Stop("", 0.0)
            with contextlib.closing(member(0)):
                assert heard[0].get(timeout=30) == stop


def test_an_interrupt(tmp_path):
    def train():
        (tmp_path / str(sparktf.context().rank)).touch()
        time.sleep(3600)

    interrupt_with_files(tmp_path, 2)
    with pytest.raises(KeyboardInterrupt):
        local().run(train)


def test_an_untested_keras_refuses_fit_and_names_ways_that_work():
    def train(x, y):
        import keras
        import tensorflow as tf

        keras.__version__ = "3.99.0"
        context = sparktf.context()
        strategy = context.strategy()
        with strategy.scope():
            model = make_model(dropout)
            variable = tf.Variable(1.0)
        rows = tf.data.Dataset.from_tensor_slices((x, y)).repeat().batch(BATCH)
        with pytest_raises(RuntimeError, "Keras 3.99.0 cannot fit on several workers as it is"):
            model.fit(context.distribute(rows), steps_per_epoch=1, verbose=0)

        # A loop of one's own
        total = strategy.reduce("SUM", strategy.run(lambda: variable * 2), axis=None).numpy()

        import tf_keras

        with strategy.scope():
            layers = [tf_keras.layers.Input((5,)), tf_keras.layers.Dense(2)]
            other = tf_keras.Sequential(layers)
            loss = tf_keras.losses.SparseCategoricalCrossentropy(from_logits=True)
            other.compile(tf_keras.optimizers.SGD(0.1), loss)
        history = other.fit(context.distribute(rows), steps_per_epoch=4, epochs=2, verbose=0)
        return total, history.history["loss"]

    total, losses = local(verbose=False).run(train, *make_rows(8))
    assert total == 4.0
    assert losses[1] < losses[0]


def checkpointed(folder, width, epochs):
    import keras
    import tensorflow as tf

    context = sparktf.context()
    keras.utils.set_random_seed(1)
    with context.strategy().scope():
        model = keras.Sequential([keras.Input((5,)), keras.layers.Dense(width)])
        model.compile("adam", "sparse_categorical_crossentropy", steps_per_execution=2)
    rows = tf.data.Dataset.from_tensor_slices(make_rows(3 * BATCH)).repeat().batch(BATCH)

    def fit(epochs, folder=None):
        return model.fit(
            context.distribute(rows),
            steps_per_epoch=2,
            epochs=epochs,
            validation_data=context.distribute(rows),
            validation_steps=2,
            verbose=0,
            callbacks=[] if folder is None else [context.checkpoint(folder)],
        )

    history = fit(epochs, folder)
    steps = int(model.optimizer.iterations.numpy())
    # What follows is as after an undisturbed run, also where nothing was left to do.
    assert fit(epochs, folder).epoch == []
    further = [fit(1, f"{folder}-further-{epochs}"), fit(1)]
    losses = [h.history["val_loss"][-1] for h in (history, *further)]
    return history.epoch, model.get_weights(), steps, losses


def test_a_second_run_goes_on_where_the_first_ended(tmp_path, monkeypatch, capfd):
    folder = f"file://{tmp_path}/new/folder"
    monkeypatch.delenv("TF_CPP_MIN_LOG_LEVEL", raising=False)
    first = local(1).run(checkpointed, folder, 2, 2)
    assert "[sparktf worker" not in capfd.readouterr().err, "only what the function says is logged"
    assert (first[0], first[2]) == ([0, 1], 4)
    second = local(1, verbose=False).run(checkpointed, folder, 2, 3)
    assert (second[0], second[2]) == ([2], 6)
    whole = local(1, verbose=False).run(checkpointed, str(tmp_path / "other"), 2, 3)
    for found, wanted in zip(second[1], whole[1], strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-6)
    assert second[3] == pytest.approx(whole[3], rel=1e-6)
    with pytest.raises(sparktf.TrainingError, match="is of another model: it has"):
        local(1, verbose=False).run(checkpointed, folder, 3, 3)
    with pytest.raises(sparktf.TrainingError, match="checkpoints cannot be kept at nosuch://a/b"):
        local(1, verbose=False).run(checkpointed, "nosuch://a/b", 3, 3)


def test_the_gpus_of_the_machine(tmp_path, monkeypatch):
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\nprintf '3\\n5\\n'\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)

    def visible():
        return os.environ["CUDA_VISIBLE_DEVICES"]

    assert local(use_gpu=True, results="all").run(visible) == ["3", "5"]
    with pytest.raises(ValueError, match="3 processes need a GPU each, and nvidia-smi finds 2"):
        local(3, use_gpu=True).run(visible)
