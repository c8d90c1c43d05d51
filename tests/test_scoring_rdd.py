"""`predict_rdd`: the same scores, element by element and in order."""

import numpy as np
import pytest
from pyspark.ml.linalg import Vectors
from pyspark.sql import Row

import sparktf
from sparktf.scoring import rdd

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


def test_scores_have_other_keys_than_the_elements_had(spark, models):
    """Else Spark would take pairs of scores for grouped where they lie."""
    pairs = spark.sparkContext.parallelize([(1.0, 2.0), (3.0, 5.0)]).partitionBy(2, int)
    found = sparktf.predict_rdd(pairs, models.linear)
    assert found.partitioner is None
    assert sorted(found.collect()) == [[-8.5], [-3.5]]


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


def test_rows_and_dicts_for_one_input(spark, models):
    """By its name, as for several, and not all fields of a Row by their order."""
    elements = [Row(id=7.0, x=1.0), {"x": 2.0, "id": 8.0}, Row(x=3.0), Row(y=4.0), Row(x=None)]

    def found(elements, **arguments):
        rdd = spark.sparkContext.parallelize([elements], 1).flatMap(list)
        return sparktf.predict_rdd(rdd, models.signatures, **arguments).collect()

    one = {"signature": "echo_float32"}
    assert found([*elements, 5.0, None], **one) == [1.0, 2.0, 3.0, 4.0, None, 5.0, None]
    assert found(elements[:2], inputs={"x": "id"}, **one) == [7.0, 8.0]
    assert found([Row(id=7, x=[1.0, 2.0])]) == [[3.0, 6.0]]
    for element in (Row(a=1.0, b=2.0), {"a": [1.0, 2.0]}):
        with pytest.raises(Exception, match="no field 'x' in an element"):
            found([element])


def test_a_field_that_comes_twice(spark, models):
    rdd = spark.sql("SELECT array(1d, 2d, 3d) AS a, 1d AS b, 2d AS b").rdd
    with pytest.raises(Exception, match="several fields 'b' in an element"):
        sparktf.predict_rdd(rdd, models.pairs).collect()


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
        ([np.ma.masked_array([1.0, 2.0], [0, 1])], "the RDD: an array has a null element"),
        ([np.ma.masked_array([[1.0, 2.0]], [[0, 1]])], "the RDD: an array has a null element"),
        ([[1.0, np.ma.masked]], "the RDD: an array has a null element"),
        ([[np.ma.masked_array([1.0, 2.0], [0, 1])]], "the RDD: an array has a null element"),
        ([np.zeros(2, complex)], "the RDD: its elements are of no type that a tensor can have"),
    ],
)
def test_what_does_not_fit(spark, models, elements, message):
    rdd = spark.sparkContext.parallelize([elements], 1).flatMap(list)
    with pytest.raises(Exception, match=message):
        sparktf.predict_rdd(rdd, models.linear).collect()


def test_whole_numbers_of_64_bits_and_foreign_arrays(spark, models):
    """Whichever way around an array's bytes are, and Arrow's ints end at 2^63."""

    def found(elements, dtype, rank=1):
        rdd = spark.sparkContext.parallelize(elements, 1)
        signature = f"echo3_{dtype}" if rank else f"echo_{dtype}"
        return sparktf.predict_rdd(rdd, models.signatures, signature=signature).collect()

    most = 2**64 - 1
    assert found([most, 0, None], "uint64", 0) == [most, 0, None]
    assert found([[most, 1, 2], [1, 2, 3]], "uint64") == [[most, 1, 2], [1, 2, 3]]
    assert found([most], "float64", 0) == [2.0**64]
    swapped = [np.array([1, 2, most], ">u8"), np.array([3, 2, 1], ">u8")]
    assert found(swapped, "uint64") == [[1, 2, most], [3, 2, 1]]
    whole = np.ma.masked_array([[1.0, 2.0, 3.0]], [[0, 0, 0]])
    assert found([whole[0], np.ma.masked], "float32") == [[1.0, 2.0, 3.0], None]
    for element in (most + 1, -1):
        with pytest.raises(Exception, match="the RDD: a value does not fit: "):
            found([element], "uint64", 0)
    with pytest.raises(Exception, match=r"the RDD: its elements are .* type"):
        found([2**300], "uint64", 0)


def test_large_elements_become_a_column_in_pieces():
    """Which else would hold 10,000 of them at once."""
    large = np.zeros(3_000_000)
    elements = [large, {"a": large.tolist()}, [b"x" * 60_000_000] * 2, Vectors.dense(large), None]
    sizes = [len(piece) for piece in rdd._pieces(elements * 3, 10_000)]
    assert sizes == [3, 4, 1, 4, 1, 2]
    assert [len(piece) for piece in rdd._pieces([1.0] * 25, 10)] == [10, 10, 5]


def test_a_missing_field(spark, models):
    rdd = spark.sparkContext.parallelize([{"a": [1.0, 2.0, 3.0]}], 1)
    with pytest.raises(Exception, match="no field 'b' in an element"):
        sparktf.predict_rdd(rdd, models.pairs).collect()
