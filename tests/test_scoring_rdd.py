"""`predict_rdd`: the same scores, element by element and in order."""

import numpy as np
import pytest
from pyspark.ml.linalg import Vectors
from pyspark.sql import Row

import sparktf

pytestmark = pytest.mark.oldest_and_newest


def test_lists_arrays_and_vectors_in_order(spark, models):
    elements = [[1.0, 2.0], [3, 5], None, np.array([0.0, 0.0]), Vectors.sparse(2, {1: 5.0})]
    kinds = [elements[:3], [elements[3]], [elements[4], None]]
    rdd = spark.sparkContext.parallelize(kinds, 3).flatMap(list)
    found = sparktf.predict_rdd(rdd, models.linear).collect()
    assert found == [[-3.5], [-8.5], None, [0.5], [-14.5], None]


def test_more_elements_than_one_piece_and_empty_partitions(spark, models):
    count = 25_000
    rdd = spark.sparkContext.range(count, numSlices=2).map(lambda i: [float(i), 0.0])
    rdd = rdd.union(spark.sparkContext.emptyRDD())
    found = sparktf.predict_rdd(rdd, models.linear, batch_size=1000).collect()
    assert found == [[2.0 * i + 0.5] for i in range(count)]


def test_rows_and_dicts_for_several_inputs(spark, models):
    elements = [Row(a=[1.0, 2.0, 3.0], b=10.0), {"a": np.zeros(3), "b": 1.0}]
    elements += [{"a": None, "b": 1.0}, None]
    rdd = spark.sparkContext.parallelize(elements, 1)
    found = sparktf.predict_rdd(rdd, models.pairs).collect()
    assert found == [
        {"scaled": [10.0, 20.0, 30.0], "total": [16.0]},
        {"scaled": [0.0, 0.0, 0.0], "total": [1.0]},
        None,
        None,
    ]
    renamed = rdd.filter(bool).map(lambda e: {"x": e["a"], "y": e["b"]})
    inputs = {"a": "x", "b": "y"}
    sums = sparktf.predict_rdd(renamed, models.pairs, inputs=inputs, outputs=["total"])
    assert sums.collect() == [[16.0], [1.0], None]


def test_images_of_several_dimensions_and_plain_values(spark, models):
    images = [np.arange(6.0).reshape(2, 3, 1), np.ones((2, 3, 1))]
    rdd = spark.sparkContext.parallelize(images, 1)
    found = sparktf.predict_rdd(rdd, models.signatures, signature="image").collect()
    np.testing.assert_array_equal(found, np.stack(images))
    words = spark.sparkContext.parallelize(["a", None, "é"], 1)
    found = sparktf.predict_rdd(words, models.signatures, signature="echo_string").collect()
    assert found == ["a", None, "é"]


@pytest.mark.parametrize(
    ("elements", "message"),
    [
        ([[1.0, 2.0], [1.0]], "the RDD: a row is an array of [12] values?; the model's input"),
        ([[1.0, None]], "the RDD: an array has a null element"),
        ([[1.0, 2.0], "x"], "the RDD: its elements are not all of one type"),
        (["x", "y"], "the RDD: its values are string where a number is needed"),
    ],
)
def test_what_does_not_fit(spark, models, elements, message):
    rdd = spark.sparkContext.parallelize([elements], 1).flatMap(list)
    with pytest.raises(Exception, match=message):
        sparktf.predict_rdd(rdd, models.linear).collect()


def test_a_missing_field(spark, models):
    rdd = spark.sparkContext.parallelize([{"a": [1.0, 2.0, 3.0]}], 1)
    with pytest.raises(Exception, match="no field 'b' in an element"):
        sparktf.predict_rdd(rdd, models.pairs).collect()
