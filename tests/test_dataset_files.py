"""Which files `sparktf.dataset` reads: folders, globs, partitions."""

import os
from datetime import date

import pytest
import tensorflow as tf
from pyspark.sql import types as t

import sparktf
from sparktf.records import partitions
from sparktf.records.files import find_files
from sparktf.storage.file_systems import LocalFiles, TensorFlowFiles


def column(path, name="x", **arguments):
    """The column's values, in the order of files and records."""
    dataset = sparktf.dataset(path, batch_size=3, columns=name, num_parallel_reads=1, **arguments)
    return [value for batch in dataset.as_numpy_iterator() for value in batch.tolist()]


@pytest.fixture
def write(tmp_path, write_records):
    """Writes a record with the given x to each of the files."""

    def write(**files):
        for name, x in files.items():
            write_records(tmp_path / name, [{"x": [x]}])
        return str(tmp_path)

    return write


# ---------------------------------------------------------------- files


def test_a_directory_a_file_a_path_and_a_list(tmp_path, write):
    folder = write(**{"b": 2, "a": 1, "c": 3})
    assert column(folder) == [1, 2, 3]
    assert column(folder + "/") == [1, 2, 3]
    assert column(f"{folder}/b") == [2]
    assert column(tmp_path / "b") == [2]
    assert column([tmp_path / "c", f"{folder}/a"]) == [3, 1]
    assert column(f"file:{folder}") == column(f"file://{folder}") == [1, 2, 3]


def test_globs(write):
    folder = write(**{"d1/a": 1, "d1/b": 2, "d2/a": 3, "d3/.c": 4, "_d/a": 5, ".d/a": 6})
    assert column(f"{folder}/d?/a") == [1, 3]
    assert column(f"{folder}/d1/[a-b]") == [1, 2]
    assert column(f"{folder}/{{d1,d2}}/a") == [1, 3]
    assert column(f"{folder}/d*/*") == [1, 2, 3]
    assert column(f"{folder}/*/a") == [1, 3]
    assert column(f"{folder}/d*") == [1, 2, 3]
    assert column(f"{folder}/_d/*") == [5]


def test_a_name_that_exists_is_no_glob(write):
    folder = write(**{"a[1]": 1, "a1": 2})
    assert column(f"{folder}/a[1]") == [1]
    assert column(f"{folder}/a[0-9]") == [2]


@pytest.mark.parametrize(
    ("glob", "names"),
    [
        ("[^a]*", ["*x", "^x", "b1"]),
        ("[!a]*", ["*x", "^x", "b1"]),
        ("[a^]*", ["^x", "a1", "a^"]),
        (r"[\^a]*", ["^x", "a1", "a^"]),
        (r"\*x", ["*x"]),
        ("[*]x", ["*x"]),
        ("[ab]1", ["a1", "b1"]),
    ],
)
def test_a_glob_means_the_same_with_tensorflow_and_without(write, glob, names):
    folder = write(**dict.fromkeys(["a1", "b1", "^x", "*x", "a^"], 1))
    for system in (TensorFlowFiles(), LocalFiles()):
        found = find_files(f"{folder}/{glob}", "auto", system)
        assert [file.path for file in found] == [f"{folder}/{name}" for name in names]


def test_a_pipe_is_an_error_and_nobody_waits_for_what_comes_out_of_it(tmp_path, write):
    folder = write(**{"a": 1})
    os.mkfifo(tmp_path / "pipe")
    for compression in ("auto", "none", "gzip"):
        with pytest.raises(ValueError, match=r"/pipe is no file but a pipe"):
            column(folder, compression=compression)


def test_hidden_files_are_skipped_unless_named(tmp_path, write):
    folder = write(**{"a": 1, "_b": 2, ".c": 3, "d._COPYING_": 4, "_temporary/0/e": 5})
    (tmp_path / "_SUCCESS").touch()
    (tmp_path / ".a.crc").write_bytes(b"crc")
    assert column(folder) == [1]
    assert column(f"{folder}/_b") == [2]


def test_other_folders_are_not_read_but_below_partition_folders_they_are(write):
    folder = write(**{"t/a": 1, "t/sub/b": 2, "p/k=1/a": 3, "p/k=1/sub/b": 4})
    assert column(f"{folder}/t") == [1]
    assert column(f"{folder}/p") == [3, 4]


def test_no_files_is_an_error_that_tells_what_was_looked_for(tmp_path, write):
    folder = write(**{"d/sub/a": 1, "h/_a": 1})
    with pytest.raises(FileNotFoundError, match=r"no TFRecord files: .*/none does not exist$"):
        column(f"{folder}/none")
    with pytest.raises(FileNotFoundError, match=r"no TFRecord files: nothing matches .*/none\*$"):
        column(f"{folder}/none*")
    with pytest.raises(FileNotFoundError, match=r"no TFRecord files: the list of paths is empty$"):
        column([])
    with pytest.raises(FileNotFoundError, match=r"no TFRecord files in .*/h: looked for files "):
        column(f"{folder}/h")
    with pytest.raises(FileNotFoundError, match=r"other folders \(sub\), .* glob such as .*/d/\*$"):
        column(tmp_path / "d")


@pytest.mark.parametrize(
    "path",
    ["hdfs://name:9000/d", "s3://b/d", "s3a://b/d", "abfss://c@a/d", "dbfs:/d", "wasbs://c/d"],
)
def test_a_file_system_that_tensorflow_lacks_is_an_error_that_names_the_way(path):
    with pytest.raises(ValueError, match=r"TensorFlow cannot open .*train_on") as error:
        column(path)
    assert f'spark.read.format("tfrecord").load("{path}")' in str(error.value)


def test_a_file_system_of_tensorflow_s_own_is_read(example):
    tf.io.gfile.makedirs("ram://sparktf/data/k=7")
    with tf.io.TFRecordWriter("ram://sparktf/data/k=7/part-0") as writer:
        writer.write(example({"x": [5]}))
    assert column("ram://sparktf/data") == [5]
    assert column("ram://sparktf/data", "k") == [7]
    assert column("ram://sparktf/data/*/part-*") == [5]


# ---------------------------------------------------------------- partitions


def test_partition_columns_come_back_as_features(write):
    folder = write(
        **{
            "day=2/name=a b%2Fc%3D%25/f1": 1,
            "day=10/name=ü/f1": 2,
            "day=10/name=ü/f2": 3,
        }
    )
    dataset = sparktf.dataset(folder, batch_size=3, num_parallel_reads=1)
    assert list(dataset.element_spec) == ["x", "day", "name"]
    assert dataset.element_spec["day"] == tf.TensorSpec([None], tf.int64)
    assert column(folder) == [2, 3, 1]
    assert column(folder, "day") == [10, 10, 2]
    assert [name.decode() for name in column(folder, "name")] == ["ü", "ü", "a b/c=%"]
    features, label = next(iter(sparktf.dataset(folder, batch_size=3, label="day")))
    assert set(features) == {"x", "name"}
    assert sorted(label.numpy().tolist()) == [2, 10, 10]


def test_columns_of_folders_that_begin_with_an_underscore(write):
    assert column(write(**{"_k=1/f": 5}), "_k") == [1]


@pytest.mark.parametrize("path", ["k=1", "k=*", "k=1/f", "*/f"])
def test_a_path_below_a_partition_folder_has_not_its_column(write, path):
    folder = write(**{"k=1/f": 5})
    dataset = sparktf.dataset(f"{folder}/{path}", batch_size=1)
    assert list(dataset.element_spec) == ["x"]


def test_a_folder_s_value_wins_over_the_file_s(write):
    folder = write(**{"x=7/f": 1, "x=8/f": 2})
    assert column(folder) == [7, 8]


@pytest.mark.parametrize(
    ("values", "dtype", "expected"),
    [
        (["1", "-2", "007", "+3"], "int64", [1, -2, 7, 3]),
        (["1", "3000000000"], "int64", [1, 3000000000]),
        (["1", "1.5", "1e-3"], "float32", [1.0, 1.5, 1e-3]),
        (["1d", "NaN", "-Infinity"], "float32", None),
        (["1e3", "2"], "float32", [1000.0, 2.0]),
        (["99999999999999999999"], "float32", [1e20]),
        (["3000000000", "1.5"], "string", ["3000000000", "1.5"]),
        (["1e3", ".5"], "string", ["1e3", ".5"]),
        (["1", "x"], "string", ["1", "x"]),
        (["1", " 2", "1_0"], "string", ["1", " 2", "1_0"]),
        (["true"], "string", ["true"]),
        (["2024-01-01"], "string", ["2024-01-01"]),
        (["1", partitions.NULL_VALUE], "int64", None),
        ([partitions.NULL_VALUE], "string", None),
        (["0x10"], "string", ["0x10"]),
        (["1.5.2"], "string", ["1.5.2"]),
        (["3000000000", "9" * 39], "string", ["3000000000", "9" * 39]),
        (["1.5", "9" * 39], "float32", [1.5, float("9" * 39)]),
        (["1.5", "1e38"], "float32", [1.5, 1e38]),
        (["\u0663", "1"], "int64", [3, 1]),
        (["1.5\u00a0"], "string", ["1.5\u00a0"]),
        ([" 1.5 ", "2"], "float32", [1.5, 2.0]),
    ],
)
def test_the_type_of_a_partition_column_is_the_one_that_spark_infers(values, dtype, expected):
    assert partitions.infer_dtype(values) == dtype
    if expected is not None:
        assert [partitions.convert(value, dtype, None) for value in values] == expected


def test_a_schema_gives_partition_columns_their_type(write):
    folder = write(**{"s=007/b=true/d=1970-02-01/f=2.5/f": 1})
    fields = {
        "x": t.LongType(), "s": t.StringType(), "b": t.BooleanType(), "d": t.DateType(),
        "f": t.DoubleType(),
    }  # fmt: skip
    schema = t.StructType([t.StructField(name, kind) for name, kind in fields.items()])
    (batch,) = sparktf.dataset(folder, schema=schema, batch_size=1)
    values = {name: tensor.numpy().tolist()[0] for name, tensor in batch.items()}
    assert values == {"x": 1, "s": b"007", "b": 1, "d": 31, "f": 2.5}
    assert (date(1970, 2, 1) - date(1970, 1, 1)).days == 31
    (batch,) = sparktf.dataset(folder, schema=sparktf.feature_spec(schema[:2]), batch_size=1)
    assert batch["s"].numpy().tolist() == [b"007"]
    assert batch["f"].numpy().tolist() == [2.5]


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (t.LongType(), "partition column 'k' of .*/k=a: 'a' is not a 64-bit integer"),
        (t.FloatType(), "partition column 'k' of .*/k=a: 'a' is not a number"),
        (t.BooleanType(), "partition column 'k' of .*/k=a: 'a' is not true or false"),
        (t.DateType(), r"partition column 'k' of .*/k=a: 'a' is not a date \(year-month-day\)"),
        (t.TimestampType(), "partition column 'k' of .*/k=a: timestamp has no fixed meaning"),
    ],
)
def test_a_folder_s_value_that_a_schema_cannot_hold_is_named(write, kind, message):
    folder = write(**{"k=a/f": 1})
    schema = t.StructType([t.StructField("x", t.LongType()), t.StructField("k", kind)])
    with pytest.raises(ValueError, match=message):
        sparktf.dataset(folder, schema=schema, batch_size=1)


def test_a_null_partition_is_an_error_only_where_the_column_is_wanted(write):
    folder = write(**{"k=__HIVE_DEFAULT_PARTITION__/f": 1, "k=2/f": 2})
    with pytest.raises(ValueError, match=r"'k' is null in .*/k=__HIVE_DEFAULT_PARTITION__, "):
        sparktf.dataset(folder, batch_size=1)
    assert sorted(column(folder)) == [1, 2]


@pytest.mark.parametrize(
    ("files", "columns"),
    [
        (("k=1/f", "f"), ("/k=1 has k", " has none")),
        (("k=1/f", "k=2/l=3/f"), ("/k=1 has k", "/k=2/l=3 has k, l")),
        (("k=1/f", "l=1/f"), ("/k=1 has k", "/l=1 has l")),
    ],
)
def test_folders_with_different_partition_columns_are_an_error(write, files, columns):
    folder = write(**dict.fromkeys(files, 1))
    with pytest.raises(ValueError) as error:
        column(folder)
    words = str(error.value)
    assert words.startswith("files lie in folders with different partition columns: ")
    for has in columns:
        assert folder + has in words


def test_two_folders_of_one_partition_column_are_an_error(write):
    with pytest.raises(ValueError, match=r"/k=1/k=2 has two folders of the same partition column"):
        column(write(**{"k=1/k=2/f": 5}))


def test_only_a_partition_column_can_be_wanted(write):
    folder = write(**{"k=1/f": 5, "k=2/f": 6})
    assert column(folder, "k") == [1, 2]
    assert sorted(column(folder, "k", shuffle=5)) == [1, 2]
