"""Training on two workers of a standalone cluster: what the function sees, and what comes out."""

import _thread
import os
import signal
import sys
import threading

import numpy as np
import pytest
from left_behind import wait_until
from pyspark import cloudpickle

import sparktf

# The functions go to the driver and to the workers, which have no tests.
cloudpickle.register_pickle_by_value(sys.modules[__name__])

BATCH = 4  # of one worker
STEPS = 5
EPOCHS = 3


def make_rows(count):
    x = np.random.default_rng(0).normal(size=(count, 5)).astype(np.float32)
    return x, (x.sum(axis=1) > 0).astype(np.int64)


def make_model(layers):
    """With these layers, which are made after the seed is set."""
    import keras

    keras.utils.set_random_seed(7)
    model = keras.Sequential(
        [
            keras.Input((5,)),
            keras.layers.Dense(8, "tanh"),
            *layers(),
            keras.layers.Dense(2, "softmax"),
        ]
    )
    loss = "sparse_categorical_crossentropy"
    model.compile(keras.optimizers.Adam(0.01), loss, metrics=["accuracy"])
    return model


def batch_norm():
    import keras

    return [keras.layers.BatchNormalization(synchronized=True)]


def dropout():
    import keras

    return [keras.layers.Dropout(0.2)]


def fit(dataset_of, validation, callbacks=()):
    """What a user's function does; gives history, weights, evaluation and predictions."""
    import tensorflow as tf

    context = sparktf.context()
    with context.strategy().scope():
        model = make_model(batch_norm)
    # Which rows came in which order
    seen = []
    rows = iter(dataset_of(context, "id"))
    for _ in range(EPOCHS * STEPS):
        local = context.strategy().experimental_local_results(next(rows)[0])
        seen += tf.concat(local, 0).numpy().tolist()
    history = model.fit(
        dataset_of(context, "x"),
        steps_per_epoch=STEPS,
        epochs=np.int64(EPOCHS),  # any number will do
        verbose=0,
        callbacks=[*callbacks],
    )
    x, y = validation
    evaluated = model.evaluate(x, y, batch_size=2 * BATCH, verbose=0)
    predicted = model.predict(x, batch_size=2 * BATCH, verbose=0)
    return history.history, model.get_weights(), evaluated, predicted, seen


def alone(seen, x, y, validation):
    """The same of one process, which sees the rows of both workers' batches together."""
    import tensorflow as tf

    order = np.concatenate(
        [np.array(ids).reshape(EPOCHS * STEPS, BATCH) for ids in seen], axis=1
    ).reshape(-1)
    model = make_model(batch_norm)
    rows = tf.data.Dataset.from_tensor_slices((x[order], y[order])).batch(2 * BATCH)
    history = model.fit(rows, steps_per_epoch=STEPS, epochs=EPOCHS, verbose=0)
    evaluated = model.evaluate(*validation, batch_size=2 * BATCH, verbose=0)
    predicted = model.predict(validation[0], batch_size=2 * BATCH, verbose=0)
    return history.history, model.get_weights(), evaluated, predicted


def check_equal_to_one_process(results, x, y, validation):
    seen = [result[4] for result in results]
    assert not set(seen[0]) & set(seen[1])
    expected = alone(seen, x, y, validation)
    for history, weights, evaluated, predicted, _ in results:
        for name, values in expected[0].items():
            assert history[name] == pytest.approx(values, rel=1e-5, abs=1e-6), name
        for found, wanted in zip(weights, expected[1], strict=True):
            np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-6)
        assert evaluated == pytest.approx(expected[2], rel=1e-5)
        np.testing.assert_allclose(predicted, expected[3], rtol=1e-4, atol=1e-6)


@pytest.mark.oldest_and_newest
def test_rows_from_a_dataframe_train_as_in_one_process(driver):
    x, y = make_rows(STEPS * BATCH * 2 + 3)
    validation = make_rows(19)  # not a whole number of batches

    def call(spark):
        rows = [(i, x[i].tolist(), int(y[i])) for i in range(len(x))]
        df = spark.createDataFrame(rows, "id long, x array<float>, y long")

        def dataset_of(context, column):
            return context.dataset(BATCH, columns=column, label="y")

        distributor = sparktf.TensorFlowDistributor(2, results="all")
        return distributor.train_on(df, lambda: fit(dataset_of, validation))

    said = driver.try_to(call)
    assert said.error is None, said.error
    check_equal_to_one_process(said.value, x, y, validation)
    # Each epoch shows with its metrics on the driver.
    lines = said.output.splitlines()
    assert [line.partition(":")[0] for line in lines] == ["epoch 1/3", "epoch 2/3", "epoch 3/3"]
    loss, accuracy = (said.value[0][0][name][0] for name in ("loss", "accuracy"))
    assert f"loss {loss:.4g}" in lines[0]
    assert f"accuracy {accuracy:.4g}" in lines[0]


@pytest.mark.one_spark
def test_rows_from_files_train_as_in_one_process(driver, tmp_path, write_records):
    x, y = make_rows(STEPS * BATCH * 2)
    validation = make_rows(8)
    for part in range(2):
        records = [
            {"id": [i], "x": x[i].tolist(), "y": [int(y[i])]} for i in range(part, len(x), 2)
        ]
        write_records(tmp_path / "data" / f"part-{part}.tfrecord", records)

    def dataset_of(context, column):
        shard = (context.rank, context.size)
        path, one = str(tmp_path / "data"), {"columns": column, "label": "y"}
        return context.distribute(
            sparktf.dataset(path, batch_size=BATCH, shard=shard, repeat=None, **one)
        )

    def call(spark):
        distributor = sparktf.TensorFlowDistributor(2, results="all", verbose=False)
        return distributor.run(fit, dataset_of, validation)

    said = driver.try_to(call)
    assert said.error is None, said.error
    check_equal_to_one_process(said.value, x, y, validation)
    assert said.output == ""


class KillAt:
    """Kills a worker in the middle of an epoch of the first attempt."""

    def __new__(cls, epoch, batch):
        import keras

        class Killing(keras.callbacks.Callback):
            epoch_now = 0

            def on_epoch_begin(self, number, logs=None):
                self.epoch_now = number

            def on_train_batch_end(self, number, logs=None):
                context = sparktf.context()
                at = (context.attempt, context.rank, self.epoch_now, number)
                if at == (0, 1, epoch, batch):
                    os.kill(os.getpid(), signal.SIGKILL)

        return Killing()


def train_with_checkpoints(folder, kill):
    context = sparktf.context()
    with context.strategy().scope():
        model = make_model(dropout)
    killing = [KillAt(1, 2)] if kill else []
    history = model.fit(
        context.dataset(BATCH, columns="x", label="y", shuffle=16, seed=3),
        steps_per_epoch=context.steps_per_epoch(BATCH),
        epochs=EPOCHS,
        verbose=0,
        callbacks=[context.checkpoint(folder), *killing],
    )
    return context.attempt, history.epoch, history.history, model.get_weights()


@pytest.mark.one_spark
def test_a_killed_worker_resumes_to_the_result_of_an_undisturbed_run(driver, tmp_path):
    x, y = make_rows(2 * STEPS * BATCH + 1)

    def call(spark, folder, kill, retries):
        rows = [(x[i].tolist(), int(y[i])) for i in range(len(x))]
        df = spark.createDataFrame(rows, "x array<float>, y long").coalesce(1)
        distributor = sparktf.TensorFlowDistributor(2, max_retries=retries)
        return distributor.train_on(df, train_with_checkpoints, str(tmp_path / folder), kill)

    undisturbed = driver.call(call, "undisturbed", False, 0)
    assert undisturbed[:2] == (0, [0, 1, 2])
    said = driver.try_to(call, "killed", True, 1)
    assert said.error is None, said.error
    attempt, epochs, history, weights = said.value
    assert (attempt, epochs) == (1, [1, 2]), said.output
    for name, values in history.items():
        assert values == pytest.approx(undisturbed[2][name][1:], rel=1e-6), name
    for found, wanted in zip(weights, undisturbed[3], strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-7)
    # The two newest remain, and nothing that is not whole.
    names = sorted(path.name for path in (tmp_path / "killed").iterdir())
    assert names == ["epoch-000002.npz", "epoch-000003.npz"]


@pytest.mark.one_spark
def test_the_same_seed_gives_the_same_order_in_each_run(driver):
    """In batches that end elsewhere, of partitions whose rows come in another order."""

    def train():
        context = sparktf.context()
        rows = context.dataset(10, columns="a.b", label="y", shuffle=100, seed=1)
        own, found = context.row_counts[context.rank], []
        batches = iter(rows)
        while len(found) < own:
            (ids,) = context.strategy().experimental_local_results(next(batches)[0])
            found += ids.numpy().tolist()
        return found[:own]

    def call(spark, batch, id):
        name = "spark.sql.execution.arrow.maxRecordsPerBatch"
        usual = spark.conf.get(name)
        spark.conf.set(name, str(batch))
        try:
            # Names with a dot, and such as come twice, stand in nobody's way.
            df = (
                spark.range(0, 3000, 1, 6)
                .selectExpr(f"{id} AS id")
                .selectExpr("id AS `a.b`", "id % 5 AS y", "id AS same", "map(id, 'x') AS same")
            )
            distributor = sparktf.TensorFlowDistributor(2, verbose=False, results="all")
            return distributor.train_on(df, train)
        finally:
            spark.conf.set(name, usual)

    first = driver.call(call, 10_000, "id")
    assert sorted(first[0] + first[1]) == list(range(3000))
    assert driver.call(call, 97, "id + 499 - 2 * (id % 500)") == first


def test_what_the_function_sees(driver):
    def train(argument, named):
        context = sparktf.context()
        with pytest_raises(RuntimeError, "ctx.dataset has the rows of train_on's DataFrame"):
            context.dataset(4)
        with pytest_raises(RuntimeError, "pass fit a number that is the same on every worker"):
            context.steps_per_epoch(4)
        return {
            "argument": argument,
            "named": named,
            "rank": context.rank,
            "size": context.size,
            "is_chief": context.is_chief,
            "cluster": context.cluster_spec,
            "tf_config": os.environ["TF_CONFIG"],
            "attempt": context.attempt,
            "row_counts": context.row_counts,
            "mine": os.environ["MINE"],
            "gpus": os.environ["CUDA_VISIBLE_DEVICES"],
            "input": sys.stdin.read(),
        }

    def call(spark, results):
        distributor = sparktf.TensorFlowDistributor(2, env={"MINE": "yes"}, results=results)
        return distributor.run(train, 5, named=[6])

    found = driver.call(call, "all")
    for rank, one in enumerate(found):
        assert (one["rank"], one["size"], one["is_chief"]) == (rank, 2, rank == 0)
        assert len(one["cluster"]["worker"]) == 2
        assert one["cluster"] == found[0]["cluster"]
        assert f'"index": {rank}' in one["tf_config"]
        assert (one["argument"], one["named"], one["mine"]) == (5, [6], "yes")
        assert (one["attempt"], one["row_counts"], one["gpus"], one["input"]) == (0, None, "", "")
    assert driver.call(call, "chief")["rank"] == 0


def interrupt_with_files(folder, count):
    """As Ctrl-C does, once the folder has so many files."""

    def interrupt():
        wait_until(lambda: len(list(folder.iterdir())) == count, 120)
        _thread.interrupt_main()

    threading.Thread(target=interrupt).start()


def pytest_raises(kind, text):
    """As pytest's, for workers, whose Python need not have that."""
    import contextlib

    @contextlib.contextmanager
    def raising():
        try:
            yield
        except kind as error:
            assert text in str(error), str(error)
        else:
            raise AssertionError(f"no {kind.__name__} was raised")

    return raising()


@pytest.mark.one_spark
def test_a_large_value_comes_back_whole(driver):
    def call(spark):
        return sparktf.TensorFlowDistributor(1).run(lambda: bytes(range(256)) * 50_000)

    assert driver.call(call) == bytes(range(256)) * 50_000


@pytest.mark.one_spark
def test_a_taken_port_is_chosen_anew(driver, tmp_path):
    """TensorFlow's server is not let in at a port that another socket holds."""

    def train():
        context = sparktf.context()
        mark = tmp_path / str(context.rank)
        taken = context.rank == 1 and not mark.exists()
        mark.write_text(context.cluster_spec["worker"][1])
        if taken:
            os.environ["TF_GRPC_REUSE_PORT"] = "0"
        strategy = context.strategy()
        return strategy.num_replicas_in_sync, context.attempt

    assert driver.call(lambda spark: sparktf.TensorFlowDistributor(2).run(train)) == (2, 0)


@pytest.mark.one_spark
def test_one_worker_that_does_not_join(driver):
    def train():
        if sparktf.context().rank == 0:
            sparktf.context().strategy()

    said = driver.try_to(lambda spark: sparktf.TensorFlowDistributor(2).run(train))
    assert isinstance(said.error, sparktf.TrainingError)
    assert "waited in ctx.strategy() for worker 1, whose function has returned" in str(said.error)


@pytest.mark.one_spark
def test_workers_that_take_different_numbers_of_steps(driver):
    def train():
        context = sparktf.context()
        with context.strategy().scope():
            model = make_model(dropout)
        steps = STEPS + context.rank
        model.fit(context.dataset(BATCH, columns="x", label="y"), steps_per_epoch=steps, verbose=0)

    def call(spark):
        x, y = make_rows(50)
        rows = [(x[i].tolist(), int(y[i])) for i in range(len(x))]
        df = spark.createDataFrame(rows, "x array<float>, y long")
        return sparktf.TensorFlowDistributor(2).train_on(df, train)

    said = driver.try_to(call)
    assert isinstance(said.error, sparktf.TrainingError)
    assert "was cut off from the others" in str(said.error)
    assert "All workers must run the same operations, and as many steps" in str(said.error)
