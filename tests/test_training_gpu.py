"""GPUs that Spark assigns to tasks: the names that a discovery script gives, not real ones."""

import os
import sys

import driver_process
import pytest
from pyspark import cloudpickle

import sparktf

pytestmark = [pytest.mark.one_spark, pytest.mark.long]
cloudpickle.register_pickle_by_value(sys.modules[__name__])


def visible():
    return os.environ["CUDA_VISIBLE_DEVICES"]


def run(spark, use_gpu, processes):
    distributor = sparktf.TensorFlowDistributor(processes, use_gpu=use_gpu, results="all")
    return distributor.run(visible)


@pytest.fixture(scope="module")
def gpu_driver(cluster, tmp_path_factory):
    """Two executors of a core and a GPU each."""
    settings = {
        "spark__executor__resource__gpu__amount": "1",
        "spark__task__resource__gpu__amount": "1",
    }
    with driver_process.run(cluster.url, tmp_path_factory.mktemp("gpus"), **settings) as running:
        yield running


def test_each_worker_sees_the_gpu_of_its_task(gpu_driver):
    found = gpu_driver.call(run, True, 2)
    assert {name.rpartition("-")[0] for name in found} == {"worker-0", "worker-1"}
    assert gpu_driver.call(run, False, 2) == ["", ""]
    said = gpu_driver.try_to(run, True, 3)
    assert "3 processes must run at the same time, and the cluster has 2" in str(said.error)


def test_no_gpu_from_spark(driver):
    said = driver.try_to(run, True, 2)
    assert isinstance(said.error, sparktf.TrainingError)
    assert "worker 0 of 2 on 127.0.0.1 has no GPU from Spark" in str(said.error)
    assert "spark.task.resource.gpu.amount" in str(said.error)
