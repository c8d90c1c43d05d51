"""Training through Spark Connect, on a server whose executors are a standalone cluster's."""

import os
import signal
import sys
import time

import connect_server
import left_behind
import pytest
from left_behind import wait_until
from pyspark import cloudpickle
from test_training import (
    BATCH,
    STEPS,
    check_equal_to_one_process,
    fit,
    interrupt_with_files,
    make_rows,
)

import sparktf
from sparktf.training.driver import slots

cloudpickle.register_pickle_by_value(sys.modules[__name__])
cloudpickle.register_pickle_by_value(sys.modules["test_training"])


@pytest.fixture(scope="module")
def session(cluster, tmp_path_factory):
    """As in a process that has Connect sessions only."""
    settings = {
        "spark__executor__memory": "600m",
        "spark__executor__cores": "1",
        "spark__cores__max": "2",
        "spark__network__timeout": "600s",
    }
    folder = tmp_path_factory.mktemp("server")
    with (
        connect_server.run(folder, cluster.url, **settings) as address,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("SPARK_CONNECT_MODE_ENABLED", "1")
        spark = connect_server.connect(address)
        yield spark
        spark.stop()


@pytest.fixture(autouse=True)
def nothing_is_left(cluster):
    listening = left_behind.listening([os.getpid()])
    yield
    assert wait_until(lambda: not left_behind.processes()), left_behind.processes()
    assert not left_behind.files(cluster.folder)
    assert not left_behind.listening([os.getpid()]) - listening


@pytest.mark.one_spark
def test_a_dataframe_trains_as_in_one_process(session, capsys):
    x, y = make_rows(STEPS * BATCH * 2)
    validation = make_rows(8)
    rows = [(i, x[i].tolist(), int(y[i])) for i in range(len(x))]
    df = session.createDataFrame(rows, "id long, x array<float>, y long")

    def dataset_of(context, column):
        return context.dataset(BATCH, columns=column, label="y")

    distributor = sparktf.TensorFlowDistributor(2, results="all")
    results = distributor.train_on(df, fit, dataset_of, validation)
    check_equal_to_one_process(results, x, y, validation)
    assert "epoch 3/3: accuracy " in capsys.readouterr().out


@pytest.mark.oldest_and_newest
def test_an_exception(session):
    def train():
        if sparktf.context().rank == 0:
            time.sleep(3600)
        raise ValueError("as asked for")

    with pytest.raises(sparktf.TrainingError, match=r"worker 1 of 2 on .* raised V") as e:
        sparktf.TensorFlowDistributor(2, max_retries=1).run(train)
    assert (e.value.rank, e.value.attempts) == (1, 1)
    assert e.value.log[-1] == "ValueError: as asked for"


@pytest.mark.parametrize("of", ["process", "task"])
@pytest.mark.oldest_and_newest
def test_a_killed_worker_is_replaced(session, capsys, of):
    def train():
        context = sparktf.context()
        if context.attempt == 0:
            if context.rank == 1:
                os.kill(os.getpid() if of == "process" else os.getppid(), signal.SIGKILL)
            time.sleep(3600)
        return context.attempt

    assert sparktf.TensorFlowDistributor(2, max_retries=1).run(train) == 1
    assert "attempt 1 of 2 failed: worker 1 of 2" in capsys.readouterr().out


@pytest.mark.one_spark
def test_more_processes_than_slots(session, monkeypatch):
    monkeypatch.setattr(slots, "_PROBE_SECONDS", 8.0)
    with pytest.raises(RuntimeError, match="the cluster had no room for so many tasks at once"):
        sparktf.TensorFlowDistributor(3).run(os.getpid)
    assert len(sparktf.TensorFlowDistributor(2, results="all").run(os.getpid)) == 2


@pytest.mark.one_spark
def test_an_interrupt(session, tmp_path):
    def train():
        (tmp_path / str(sparktf.context().rank)).touch()
        time.sleep(3600)

    interrupt_with_files(tmp_path, 2)
    with pytest.raises(KeyboardInterrupt):
        sparktf.TensorFlowDistributor(2).run(train)
