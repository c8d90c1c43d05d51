"""What does not fit a model: an error that names the column or input and says what to do."""

import os
import re
import shutil
import subprocess
import sys
from collections import OrderedDict
from pathlib import Path

import pyarrow as pa
import pytest
from pyspark import cloudpickle
from pyspark.sql import functions as F  # noqa: N812
from test_scoring import frame, scores

import sparktf
from sparktf.models import cache
from sparktf.scoring import plans, worker

pytestmark = pytest.mark.oldest_and_newest

# ---------------------------------------------------------------- when the function is made


def of_signature(models, signature, **more):
    return sparktf.predict_udf(models.signatures, signature=signature, **more)


def test_a_path_that_does_not_exist(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no SavedModel at .*nowhere: there is no such"):
        sparktf.predict_udf(tmp_path / "nowhere")


def test_a_folder_without_a_model(tmp_path):
    with pytest.raises(ValueError, match=r"no SavedModel: it has no saved_model\.pb\..*\.export"):
        sparktf.predict_udf(tmp_path)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no model",
        b"\xff" * 100,
        b"\x08\x01",
        b"\x12\xff\xff\xff\xff\x7f",
        b"\x12\x02\x0a\x00",
    ],
)
def test_a_file_that_is_no_saved_model(tmp_path, content):
    (tmp_path / "saved_model.pb").write_bytes(content)
    with pytest.raises(
        ValueError, match=r"saved_model\.pb is damaged or no|no graph with the tags"
    ):
        sparktf.predict_udf(tmp_path)


def test_a_model_that_is_cut_off(models, tmp_path):
    content = Path(models.linear, "saved_model.pb").read_bytes()
    for length in range(0, len(content), len(content) // 50):
        (tmp_path / "saved_model.pb").write_bytes(content[:length])
        with pytest.raises(ValueError, match=r"saved_model\.pb is damaged or no SavedModel"):
            sparktf.predict_udf(tmp_path)


def test_files_of_keras_and_others(models, tmp_path):
    keras_file = tmp_path / "model.keras"
    keras_file.write_bytes(b"PK")
    with pytest.raises(ValueError, match=r"a file of Keras's own.*export"):
        sparktf.predict_udf(keras_file)
    with pytest.raises(ValueError, match=r"neither a SavedModel's folder nor a \.zip"):
        sparktf.predict_udf(Path(models.linear, "saved_model.pb"))
    archive = shutil.make_archive(str(tmp_path / "empty"), "zip", tmp_path, "model.keras")
    with pytest.raises(ValueError, match=r"empty\.zip has 0 files saved_model\.pb"):
        sparktf.predict_udf(archive)


def test_a_signature_or_tags_that_do_not_exist_list_those_that_do(models):
    with pytest.raises(ValueError, match=r"no signature 'score'; it has: serve, serving_default$"):
        sparktf.predict_udf(models.linear, signature="score")
    with pytest.raises(ValueError, match=r"no graph with the tags \('train',\); it has: serve$"):
        sparktf.predict_udf(models.linear, tags=["train"])
    with pytest.raises(ValueError, match=r"it has: none\. Save the model with model\.export"):
        sparktf.predict_udf(models.without_signatures)


def test_inputs_and_outputs_that_the_signature_lacks(models):
    with pytest.raises(ValueError, match=r"inputs names \['a', 'c'\].*are \['a', 'b'\]"):
        sparktf.predict_udf(models.pairs, inputs={"a": "x", "c": "y"})
    with pytest.raises(ValueError, match=r"inputs names \['a'\].*are \['a', 'b'\]"):
        sparktf.predict_udf(models.pairs, inputs=["a"])
    with pytest.raises(ValueError, match=r"names 'mean', and the outputs.*\['scaled', 'total'\]"):
        sparktf.predict_udf(models.pairs, outputs={"y": "mean"})
    with pytest.raises(ValueError, match=r"inputs has a name twice"):
        sparktf.predict_udf(models.pairs, inputs=["a", "a"])
    with pytest.raises(ValueError, match=r"outputs is empty"):
        sparktf.predict_udf(models.pairs, outputs=[])


@pytest.mark.parametrize("argument", ["batch_size", "threads"])
@pytest.mark.parametrize("value", [0, -1, 1.5, "many", True])
def test_numbers_that_are_none(models, argument, value):
    with pytest.raises(ValueError, match=f"{argument} is a whole number from 1 on, not"):
        sparktf.predict_udf(models.linear, **{argument: value})


@pytest.mark.parametrize(
    ("signature", "message"),
    [
        ("fixed_batch", r"the input 'x' .* is float32\[4, 2\]: its first dimension must be"),
        ("no_batch", r"the input 'x' .* is float32\[\]: its first dimension must be the batch"),
        ("sum_of_batch", r"the output 'y' .* is float32\[\]: its first dimension must be"),
        ("complex", r"the output 'y' .* is complex64, which no column can hold"),
        ("no_rank", r"the output 'y' .* has no known rank.*tf\.ensure_shape"),
    ],
)
def test_tensors_that_cannot_be_columns(models, signature, message):
    with pytest.raises(ValueError, match=message):
        of_signature(models, signature)


@pytest.mark.parametrize(
    ("encoding", "kind"), [("coo_sparse", "sparse"), ("composite_tensor", "ragged or other comp")]
)
def test_inputs_of_several_tensors(tmp_path, encoding, kind):
    from tensorflow.core.protobuf import saved_model_pb2

    model = saved_model_pb2.SavedModel()
    graph = model.meta_graphs.add()
    graph.meta_info_def.tags.append("serve")
    getattr(graph.signature_def["serving_default"].inputs["x"], encoding).SetInParent()
    (tmp_path / "saved_model.pb").write_bytes(model.SerializeToString())
    with pytest.raises(ValueError, match=f"the input 'x' .* is a {kind}.*only be a dense tensor"):
        sparktf.predict_udf(tmp_path)


# ---------------------------------------------------------------- when it is called


def test_columns_that_do_not_match_the_inputs(spark, models):
    one, two = sparktf.predict_udf(models.linear), sparktf.predict_udf(models.pairs)
    with pytest.raises(TypeError, match=r"2 columns for the model's 1 inputs .*array\(…\) makes"):
        one("x", "y")
    with pytest.raises(TypeError, match=r"the model's inputs are \['a', 'b'\], not \['a'\]"):
        two(a="x")
    with pytest.raises(TypeError, match=r"order of the model's inputs is not told.*a=…, b=…"):
        two("x", "y")
    with pytest.raises(TypeError, match=r"either by their order or by the names"):
        two("x", b="y")


def test_a_missing_column_is_an_error_of_spark_before_a_job(spark, models):
    df = frame(spark, [[1.0, 2.0]], "array<float>")
    with pytest.raises(Exception, match=r"UNRESOLVED_COLUMN.*`y` cannot be resolved"):
        df.select(sparktf.predict_udf(models.linear)("y"))


# ---------------------------------------------------------------- when it runs


def fails(df, column, message):
    with pytest.raises(Exception) as caught:
        df.select(column).collect()
    assert re.search(message, str(caught.value)), str(caught.value)[-2000:]


def test_rows_of_wrong_lengths(spark, models):
    predict = sparktf.predict_udf(models.linear)
    two = r"the model's input 'features' takes float32 of shape \[2\] for each row"
    df = frame(spark, [[1.0, 2.0, 3.0], [1.0, 2.0, 3.0]], "array<float>")
    fails(df, predict("x"), f"column 'x': a row is an array of 3 values; {two}")
    # Four values in two rows: reshaped they would be two rows of two.
    df = frame(spark, [[1.0, 2.0, 3.0], [1.0]], "array<float>")
    fails(df, predict("x"), f"column 'x': a row is an array of [13] values?; {two}")
    fails(frame(spark, [[]], "array<float>"), predict("x"), "a row is an array of 0 values; the")
    fails(frame(spark, [1.0], "float"), predict("x"), r"a row is (an array of )?(one|1) value; the")


def test_nested_rows_of_wrong_lengths(spark, models):
    predict = of_signature(models, "image")
    df = frame(
        spark, [[[[1.0], [2.0]], [[3.0], [4.0]], [[5.0], [6.0]]]], "array<array<array<float>>>"
    )
    fails(df, predict("x"), r"nested arrays of lengths 3 x 2 x 1; .* shape \[2, 3, 1\]")
    df = frame(spark, [[[1.0, 2.0], [3.0, 4.0, 5.0, 6.0]]], "array<array<float>>")
    fails(df, predict("x"), r"ragged: inside it are arrays of 2 and of 4 elements.*pad them")
    df = frame(spark, [[1.0] * 6], "array<float>")
    fails(
        df, of_signature(models, "grid")("x"), "lengths of 2 free dimensions cannot be told: nest"
    )


def test_null_elements(spark, models):
    predict = sparktf.predict_udf(models.linear)
    for rows, kind in (
        ([[1.0, None]], "array<float>"),
        ([[1, None]], "array<int>"),
        ([None, [1.0, 2.0], [None, None]], "array<double>"),
    ):
        fails(frame(spark, rows, kind), predict("x"), "column 'x': .*(null element|double|float64)")
    df = frame(spark, [[[1.0, 2.0, 3.0], [4.0, None, 6.0]]], "array<array<float>>")
    fails(df, of_signature(models, "image")("x"), "an array has a null element")
    df = frame(spark, [[[1.0, 2.0, 3.0], None]], "array<array<float>>")
    fails(df, of_signature(models, "image")("x"), "an array has a null element")


@pytest.mark.parametrize(
    ("dtype", "row", "kind", "message"),
    [
        ("float32", "1.5", "string", "its values are string where a number is needed: cast"),
        ("float32", True, "boolean", "its values are bool where a number is needed"),
        ("int32", 1.5, "double", "its values are double where a whole number is needed"),
        ("int32", 2**31, "bigint", "a value does not fit: .*2147483648"),
        ("uint8", -1, "int", "a value does not fit: .*-1"),
        ("bool", 1, "int", "its values are int.* where boolean is needed"),
        ("string", 1, "int", "its values are int.* where string or binary is needed"),
        ("float32", 1e300, "double", "a finite value of float64 is beyond what it can hold"),
        ("float16", 1e6, "float", "a finite value of float32 is beyond what it can hold"),
        ("float16", 70000, "int", "a finite value of int32 is beyond what it can hold"),
        ("bfloat16", 3.4028234e38, "float", "a finite value of float32 is beyond what it can hold"),
        ("bfloat16", 1e300, "double", "a finite value of float64 is beyond what it can hold"),
    ],
)
def test_values_that_the_dtype_does_not_hold(spark, models, dtype, row, kind, message):
    predict = of_signature(models, f"echo_{dtype}")
    input_ = f"; the model's input 'x' takes {dtype} of one value for each row"
    fails(frame(spark, [row], kind), predict("x"), f"column 'x': {message}.*{input_}")


def test_a_struct_is_no_vector(spark, models):
    df = spark.sql("SELECT struct(1.0 AS a, 2.0 AS b) AS x")
    fails(df, sparktf.predict_udf(models.linear)("x"), "column 'x': .*no array, Vector or plain")


def test_columns_by_expressions_are_named_too(spark, models):
    df = frame(spark, [[1.0]], "array<float>")
    fails(df, sparktf.predict_udf(models.linear)(F.col("x")), "column 'x': a row is")
    sparktf.register_udf(spark, "tfpredict", models.linear)
    df.createOrReplaceTempView("points")
    with pytest.raises(Exception, match=r"argument 1 of tfpredict\(\): a row is an array of 1 val"):
        spark.sql("SELECT tfpredict(x) FROM points").collect()


def test_an_output_that_is_not_per_row(spark, models):
    predict = of_signature(models, "half_of_batch")
    fails(
        frame(spark, [1.0, 2.0, 3.0], "float"), predict("x"), r"'y' is of shape \[2\] for a batch"
    )


def test_bytes_that_are_no_text(spark, models):
    predict = of_signature(models, "echo_string")
    df = frame(spark, [bytearray(b"\xff\xfe")], "binary")
    fails(df, predict("x"), "output 'y' has bytes that are not UTF-8.*encode_base64")


@pytest.mark.one_spark
def test_a_model_replaced_under_its_path_is_not_scored_stale(spark, models, tmp_path):
    path = tmp_path / "model"
    shutil.copytree(models.linear, path)
    predict = sparktf.predict_udf(path)
    df = frame(spark, [[1.0, 2.0]] * 4, "array<float>", partitions=2)
    assert scores(df, predict("x")) == [[-3.5]] * 4
    for file in path.rglob("*"):
        file.touch()  # another time of change is not another model
    assert scores(df, predict("x")) == [[-3.5]] * 4

    shutil.rmtree(path)
    shutil.copytree(models.other_linear, path)
    fails(df, predict("x"), "the model .*model has changed since this function was made")
    assert scores(df, sparktf.predict_udf(path)("x")) == [[3.5]] * 4


@pytest.mark.one_spark
def test_a_model_replaced_while_it_is_loaded(spark, models, tmp_path, monkeypatch):
    """No batch is scored with the graph of one and the weights of another."""
    path = tmp_path / "model"
    shutil.copytree(models.linear, path)
    plan = plans.make(path, "serving_default", ("serve",), None, None, None, 1)
    scoring = worker.unpickled(plans.payload(plan, spark, ["x"]))
    row = [pa.array([[1.0, 2.0]])]
    load = cache._load

    def replaced_meanwhile(*what):
        path.rename(tmp_path / "first")
        shutil.copytree(models.other_linear, path)
        return load(*what)

    with monkeypatch.context() as patch:
        patch.setattr(cache, "_load", replaced_meanwhile)
        with pytest.raises(ValueError, match="has changed since this function was made"):
            worker.score(scoring, row)
    shutil.rmtree(path)
    (tmp_path / "first").rename(path)
    assert worker.score(scoring, row).to_pylist() == [[-3.5]]


# ---------------------------------------------------------------- executors that lack something

_UNPICKLES = """
import pickle, sys
sys.modules[sys.argv[1]] = None  # as where it is not installed
try:
    pickle.load(sys.stdin.buffer)
except RuntimeError as error:
    print(error)
"""


@pytest.mark.parametrize("missing", ["sparktf", "pyarrow", "numpy"])
def test_executors_that_cannot_import_name_both_interpreters_as_they_get_the_function(
    spark, models, missing
):
    """Before Spark's own code finds out."""
    plan = plans.make(models.linear, "serving_default", ["serve"], None, None, None, 1)
    function = plans.function(plan, spark, ["x"], packed=False, name="f").func
    done = subprocess.run(
        [sys.executable, "-c", _UNPICKLES, missing],
        input=cloudpickle.dumps(function),
        capture_output=True,
        check=True,
    )
    python = f"{sys.executable} (Python {sys.version.split()[0]})"
    told = done.stdout.decode()
    assert told.startswith(
        f"the executors' Python, {python}, cannot import what sparktf needs to score ("
    )
    assert missing in told
    assert "or set PYSPARK_PYTHON (spark-submit: spark.pyspark.python) to a Python that" in told
    assert f"The driver's is {python}, and both must be of the same minor version" in told


def test_executors_without_tensorflow_name_both_interpreters(spark, models, monkeypatch):
    plan = plans.make(models.linear, "serving_default", ["serve"], None, None, None, 1)
    payload = plans.payload(plan, spark, ["x"])
    monkeypatch.setattr(cache, "_models", OrderedDict())
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    with pytest.raises(RuntimeError, match=r"the executors' Python, .*tensorflow.*The driver's is"):
        worker.score_arrow(payload, [pa.array([[1.0, 2.0]])])


def test_what_the_user_is_meant_to_read_comes_without_frames_and_what_is_not_with_all(
    spark, models, monkeypatch
):
    plan = plans.make(models.linear, "serving_default", ["serve"], None, None, None, 1)
    payload = plans.payload(plan, spark, ["x"])
    with pytest.raises(ValueError, match="a row is an array of 3 values") as told:
        worker.score_arrow(payload, [pa.array([[1.0, 2.0, 3.0]])])
    assert [entry.name for entry in told.traceback][1:] == ["score_arrow"]

    def broken(*_):
        raise KeyError("of someone else")

    monkeypatch.setattr(cache, "get", broken)
    with pytest.raises(KeyError) as unforeseen:
        worker.score_arrow(payload, [pa.array([[1.0, 2.0]])])
    assert [entry.name for entry in unforeseen.traceback][-1] == "broken"


def test_tensorflow_begins_in_silence(models):
    code = """
import sys
from sparktf.models import cache
print("before", file=sys.stderr)
tf = cache.start_tensorflow(1)
print("behind", tf.constant(1).numpy(), file=sys.stderr)
"""
    env = {name: text for name, text in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True
    )
    assert done.stderr.splitlines() == ["before", "behind 1"]


def test_no_session(models):
    code = f"import sparktf; predict = sparktf.predict_udf({models.linear!r}); predict('x')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert "there is no active Spark session: create it" in done.stderr
    code = "import sparktf; sparktf.predict_udf('hdfs://nowhere/model')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert "is fetched by Spark, and there is no active session" in done.stderr
