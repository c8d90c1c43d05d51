"""Models that are not simply a folder beside the driver: zips, HDFS, S3, executors elsewhere."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import hadoop_servers
import numpy as np
import pyspark
import pytest
from test_scoring import frame, scores

import sparktf
from sparktf.models import files as model_files
from sparktf.models import store
from sparktf.storage import by_spark

pytestmark = pytest.mark.oldest_and_newest

ROWS = [[1.0, 2.0], [3.0, 5.0]]
SCORES = [[-3.5], [-8.5]]


def scored(spark, model):
    return scores(frame(spark, ROWS, "array<float>"), sparktf.predict_udf(model)("x"))


@pytest.fixture(scope="module", autouse=True)
def own_temporary_folder(tmp_path_factory):
    """No other test's models lie in it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tempfile, "tempdir", str(tmp_path_factory.mktemp("temporary")))
        yield


def temporary_folders():
    return {path.name for path in Path(tempfile.gettempdir()).glob("sparktf-model-*")}


# ---------------------------------------------------------------- zips


def test_a_zip_of_the_folder_and_of_what_is_in_it(spark, models, tmp_path):
    folder = Path(models.linear)
    inside = shutil.make_archive(str(tmp_path / "inside"), "zip", folder)
    whole = shutil.make_archive(str(tmp_path / "whole"), "zip", folder.parent, folder.name)
    assert scored(spark, inside) == SCORES
    assert scored(spark, whole) == SCORES


def test_a_zip_is_unpacked_once_until_it_changes(spark, models, tmp_path):
    archive = shutil.make_archive(str(tmp_path / "model"), "zip", models.linear)
    assert scored(spark, archive) == SCORES
    before = temporary_folders()
    assert scored(spark, archive) == SCORES
    assert temporary_folders() == before
    shutil.make_archive(str(tmp_path / "model"), "zip", models.other_linear)
    assert scored(spark, archive) == [[3.5], [8.5]]


def test_a_model_with_the_names_sizes_and_times_of_another_is_not_taken_for_it(spark, tmp_path):
    """As archives and copies keep times."""
    import tensorflow as tf

    class Scale(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None, 2], tf.float32)])
        def times(self, x):
            return {"y": x * self.factor}

    module = Scale()
    module.factor = tf.Variable(1.0)
    first, other = tmp_path / "first", tmp_path / "other"
    tf.saved_model.save(module, str(first), signatures=module.times)
    module.factor.assign(-1.0)
    tf.saved_model.save(module, str(tmp_path / "saved"), signatures=module.times)
    shutil.copytree(first, other)
    shutil.copytree(tmp_path / "saved" / "variables", other / "variables", dirs_exist_ok=True)
    opposite = (-np.array(ROWS)).tolist()

    def put(model, path):
        if path.suffix == ".zip":
            model_files.zip_folder(model, path)
        else:
            shutil.copytree(model, path, dirs_exist_ok=True)
        files = sorted(file for file in (path, *path.rglob("*")) if file.is_file())
        for file in files:
            os.utime(file, (0, 0))
        return [file.stat().st_size for file in files]

    for path in (tmp_path / "model.zip", tmp_path / "model"):
        sizes = put(first, path)
        assert scored(spark, path) == ROWS
        predict = sparktf.predict_udf(path)
        assert put(other, path) == sizes
        assert scored(spark, path) == opposite
        if path.suffix != ".zip":
            with pytest.raises(Exception, match="has changed since this function was made"):
                scores(frame(spark, ROWS, "array<float>"), predict("x"))


def test_folders_in_a_model_may_be_links_and_lead_to_others_later(spark, models, tmp_path):
    """As to the parts of a mounted volume."""
    folder = tmp_path / "model"
    shutil.copytree(models.linear, folder)
    shutil.rmtree(folder / "variables")
    for model, expected in ((models.linear, SCORES), (models.other_linear, [[3.5], [8.5]])):
        (folder / "variables").unlink(missing_ok=True)
        (folder / "variables").symlink_to(Path(model) / "variables")
        assert scored(spark, folder) == expected
        model_files.zip_folder(folder, tmp_path / "model.zip")
        assert scored(spark, tmp_path / "model.zip") == expected
    names = [[name for name, _ in model_files._files(Path(f))] for f in (folder, models.linear)]
    assert names[0] == names[1]
    (folder / "around").symlink_to(folder)
    with pytest.raises(ValueError, match="around is a link to a folder that it is in"):
        sparktf.predict_udf(folder)


# Hadoop takes no percent sign for an escape, and Spark some of these for a pattern.
AWKWARD = "my 100%25 größe 模型 #1 [a] {b}*?"


def test_any_name_is_one_of_a_path(spark, models, tmp_path):
    import scoring_models

    folder = tmp_path / AWKWARD
    shutil.copytree(models.linear, folder)
    assert scored(spark, folder) == SCORES
    assert scored(spark, f"file:{folder}") == SCORES
    assert scored(spark, f"file://{folder}") == SCORES
    archive = shutil.make_archive(str(folder), "zip", models.other_linear)
    assert scored(spark, f"file:{archive}") == [[3.5], [8.5]]
    for name in ("saved", "saved.zip"):
        uri = f"file:{folder}/{AWKWARD}/{name}"
        sparktf.save_model(scoring_models.linear_keras(2.0, -3.0, 0.5), uri)
        assert (folder / AWKWARD / name).exists()
        assert sparktf.load_model(uri).count_params() == 3


def test_the_fingerprint_is_of_names_and_contents_alone(models, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(models.linear, copy)
    first = model_files.fingerprint(Path(models.linear))
    assert model_files.fingerprint(copy) == first
    (copy / "assets.extra").mkdir()
    (copy / "assets.extra" / "notes").write_text("not loaded")
    assert model_files.fingerprint(copy) == first
    weights = next((copy / "variables").glob("*.data*"))
    content = bytearray(weights.read_bytes())
    content[0] ^= 1
    weights.write_bytes(content)
    assert model_files.fingerprint(copy) != first


# ---------------------------------------------------------------- saving and loading


def test_a_keras_model_comes_back_ready_for_more_training(spark, tmp_path):
    import scoring_models

    model = scoring_models.linear_keras(2.0, -3.0, 0.5)
    for name in ("model", "model.zip"):
        path = tmp_path / name
        sparktf.save_model(model, path)
        assert path.is_file() == name.endswith(".zip")
        assert scored(spark, path) == SCORES
        back = sparktf.load_model(path)
        np.testing.assert_allclose(back.predict(np.array(ROWS), verbose=0), SCORES, rtol=1e-6)
        back.compile("sgd", "mse")
        back.fit(np.array(ROWS), np.array(SCORES), verbose=0)


def test_a_plain_module_is_saved_with_its_signature(spark, tmp_path):
    import tensorflow as tf

    module = tf.Module()
    module.weight = tf.Variable([[2.0], [-3.0]])
    module.score = tf.function(lambda x: {"y": x @ module.weight + 0.5})
    with pytest.raises(ValueError, match=r"the module has no signature.*get_concrete_function"):
        sparktf.save_model(module, tmp_path / "model")
    signature = module.score.get_concrete_function(tf.TensorSpec([None, 2], tf.float32))
    sparktf.save_model(module, tmp_path / "model", signatures=signature)
    assert scored(spark, tmp_path / "model") == SCORES
    loaded = sparktf.load_model(tmp_path / "model")
    assert loaded.signatures["serving_default"](tf.constant(ROWS))["y"].numpy().tolist() == SCORES


def test_saving_replaces_only_when_told_to(models, tmp_path):
    import scoring_models

    model = scoring_models.linear_keras(2.0, -3.0, 0.5)
    shutil.copytree(models.other_linear, tmp_path / "model")
    (tmp_path / "model" / "old").touch()
    (tmp_path / "link").symlink_to(tmp_path / "model")
    with pytest.raises(FileExistsError, match="is there already: overwrite=True replaces it"):
        sparktf.save_model(model, tmp_path / "model")
    sparktf.save_model(model, tmp_path / "link", overwrite=True)
    assert not (tmp_path / "model" / "old").exists()
    assert (tmp_path / "model" / "saved_model.pb").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "model"]
    with pytest.raises(TypeError, match=r"a Keras model or a tf\.Module can be saved, not a str"):
        sparktf.save_model("model", tmp_path / "other")
    assert not (tmp_path / "other").exists()


@pytest.mark.one_spark
def test_what_is_no_model_is_not_replaced(tmp_path):
    folders = {"versions": ["1"], "home": ["thesis.tex", "model.keras"]}
    for name, entries in folders.items():
        for entry in entries:
            (tmp_path / name / entry).mkdir(parents=True)
    (tmp_path / "notes").write_text("important")
    shutil.make_archive(str(tmp_path / "home"), "zip", tmp_path / "home")
    for name in ("versions", "home", "notes", "home.zip"):
        with pytest.raises(FileExistsError, match=f"{name} is no model but a f.*: give the path"):
            store.check_replaceable(store.LocalPlace(tmp_path / name))
    (tmp_path / "empty").mkdir()
    store.check_replaceable(store.LocalPlace(tmp_path / "empty"))


_DIES = """
import os, sys
from pathlib import Path
from sparktf.models import store
calls = [0]
def dies(original):
    def call(*arguments):
        calls[0] += 1
        if calls[0] == int(sys.argv[1]) + 1:
            if sys.argv[2] == "killed":
                os._exit(9)
            raise OSError("no more")
        return original(*arguments)
    return call
for name in ("write", "sizes", "move_to", "delete"):
    setattr(store.LocalPlace, name, dies(getattr(store.LocalPlace, name)))
store.put(Path("new"), store.LocalPlace(Path("model")), overwrite=True)
"""


@pytest.mark.one_spark
@pytest.mark.parametrize("how", ["killed", "fails"])
@pytest.mark.parametrize("step", range(5))
def test_at_each_moment_the_old_or_the_new_model_is_there(tmp_path, step, how):
    for name in ("new", "model"):
        (tmp_path / name).mkdir()
        for file in ("a", "b"):
            (tmp_path / name / file).write_text(name)
    command = [sys.executable, "-c", _DIES, str(step), how]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == (9 if how == "killed" else 1), done.stderr
    whole = {}
    for path in tmp_path.iterdir():
        content = {file.read_text() for file in path.iterdir()}
        if len(list(path.iterdir())) == 2 and len(content) == 1 and path.name != "new":
            whole[path.name.rpartition("-")[0] or path.name] = content.pop()
    if step == 3 and how == "killed":  # between the two renames
        assert whole == {".model.sparktf-new": "new", ".model.sparktf-old": "model"}
    else:
        assert whole["model"] == ("new" if step == 4 else "model")
    if how == "fails" and step < 4:
        assert sorted(path.name for path in tmp_path.iterdir()) == ["model", "new"]


# ---------------------------------------------------------------- HDFS and S3


def test_hdfs_folders_and_zips(spark, models, hdfs):
    import scoring_models

    for name in (f"models/{AWKWARD}/linear", f"models/{AWKWARD}/linear.zip"):
        uri = f"{hdfs}/{name}"
        with pytest.raises(FileNotFoundError, match=f"no such file or folder: {re.escape(uri)}"):
            sparktf.predict_udf(uri)
        sparktf.save_model(scoring_models.linear_keras(2.0, -3.0, 0.5), uri)
        assert scored(spark, uri) == SCORES
        before = temporary_folders()
        assert scored(spark, uri) == SCORES
        assert temporary_folders() == before, "it was fetched again"
        with pytest.raises(FileExistsError, match="is there already"):
            sparktf.save_model(scoring_models.linear_keras(-2.0, 3.0, -0.5), uri)
        sparktf.save_model(scoring_models.linear_keras(-2.0, 3.0, -0.5), uri, overwrite=True)
        assert scored(spark, uri) == [[3.5], [8.5]]
        assert sparktf.load_model(uri).count_params() == 3
    folder = by_spark.HadoopPlace(spark, f"{hdfs}/models/{AWKWARD}")
    assert sorted(folder.names()) == ["linear", "linear.zip"]
    with pytest.raises(FileExistsError, match=r"is no model but a folder with linear, linear\.zip"):
        sparktf.save_model(scoring_models.linear_keras(2.0, -3.0, 0.5), str(folder), overwrite=True)


def test_a_model_replaced_on_hdfs_while_it_is_copied(spark, models, hdfs, monkeypatch):
    uri = f"{hdfs}/replaced/model"
    by_spark.HadoopPlace(spark, uri).write(Path(models.linear))
    copy_to = by_spark.HadoopFiles.copy_to

    def replaced_meanwhile(files, folder):
        found = copy_to(files, folder)
        by_spark.HadoopPlace(spark, uri).delete()
        by_spark.HadoopPlace(spark, uri).write(Path(models.other_linear))
        return found

    with monkeypatch.context() as patch:
        patch.setattr(by_spark.HadoopFiles, "copy_to", replaced_meanwhile)
        with pytest.raises(ValueError, match="model was replaced while it was copied"):
            sparktf.predict_udf(uri)
    assert scored(spark, uri) == [[3.5], [8.5]]


def test_a_folder_that_another_process_has_put_there_on_hdfs(spark, models, hdfs):
    """Hadoop would put this one into it, and say nothing."""
    there = by_spark.HadoopPlace(spark, f"{hdfs}/two/model")
    new = there.beside("new")
    for place, model in ((there, models.linear), (new, models.other_linear)):
        place.write(Path(model))
    with pytest.raises(FileExistsError, match="two/model was written by another process meanwhile"):
        new.move_to(there)
    assert not new.exists()
    assert sorted(there.names()) == sorted(path.name for path in Path(models.linear).iterdir())
    assert scored(spark, str(there)) == SCORES


def test_a_file_system_that_spark_does_not_know(spark):
    with pytest.raises(ValueError, match=r"Spark cannot reach nosuch://a/b: .*No FileSystem for"):
        sparktf.predict_udf("nosuch://a/b")


_S3 = """
import json, sys
from pyspark.sql import SparkSession
import sparktf, scoring_models
spark = SparkSession.builder.master("local[1]").getOrCreate()
uri = "s3a://models/linear.zip"
sparktf.save_model(scoring_models.linear_keras(2.0, -3.0, 0.5), uri)
for weights in ((-2.0, 3.0, -0.5), (2.0, -3.0, 0.5)):
    model = scoring_models.linear_keras(*weights)
    sparktf.save_model(model, "s3a://models/folder", overwrite=True)
for path in (uri, "s3a://models/folder"):
    df = spark.createDataFrame([([1.0, 2.0],), ([3.0, 5.0],)], "x array<float>").coalesce(1)
    print("scores", json.dumps([r[0] for r in df.select(sparktf.predict_udf(path)("x")).collect()]))
"""


@pytest.mark.skipif(
    not pyspark.__version__.startswith("4.3"), reason="S3A's jars are those of Spark 4.3"
)
@pytest.mark.long
def test_s3a_folders_and_zips(tmp_path):
    with hadoop_servers.s3(tmp_path / "s3", "models") as endpoint:
        options = {
            "spark.jars": ",".join(hadoop_servers.jars("s3a")),
            "spark.hadoop.fs.s3a.endpoint": endpoint,
            "spark.hadoop.fs.s3a.endpoint.region": "us-east-1",
            "spark.hadoop.fs.s3a.path.style.access": "true",
            "spark.hadoop.fs.s3a.access.key": "any",
            "spark.hadoop.fs.s3a.secret.key": "any",
            "spark.ui.enabled": "false",
        }
        assert program(_S3, options) == [SCORES, SCORES]


def program(code, options=None, **environment):
    """What a program prints behind the word "scores", with these options of Spark."""
    words = " ".join(f"--conf {key}={value}" for key, value in (options or {}).items())
    tests = str(Path(__file__).parent)
    path = os.pathsep.join([tests, *filter(None, [os.environ.get("PYTHONPATH")])])
    env = os.environ | {"PYSPARK_SUBMIT_ARGS": f"{words} pyspark-shell", "PYTHONPATH": path}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=env | environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    lines = done.stdout.splitlines()
    return [json.loads(line[7:]) for line in lines if line.startswith("scores ")]


# ---------------------------------------------------------------- executors of a cluster

# Executors on this machine in processes of their own, whose Python finds no sparktf by itself.
_CLUSTER = """
import json, os, sys
model = sys.argv[1] if len(sys.argv) > 1 else {model!r}
from pyspark.sql import SparkSession
sys.path[:0] = {path!r}
import sparktf
spark = SparkSession.builder.master("local-cluster[2,1,1024]").getOrCreate()
df = spark.createDataFrame([([1.0, 2.0],), ([3.0, 5.0],)] * 4, "x array<float>").repartition(4)
predict = sparktf.predict_udf(model)
first = sorted(r[0] for r in df.select(predict("x")).collect())
again = sorted(r[0] for r in df.select(sparktf.predict_udf(model)("x")).collect())
assert first == again
print("scores", json.dumps(first))

def seen(batches):
    import glob
    import pyarrow as pa
    from pyspark import SparkFiles
    import sparktf
    for batch in batches:
        found = glob.glob(SparkFiles.getRootDirectory() + "/sparktf-model-*/saved_model.pb")
        rows = [[sparktf.__file__], [len(found)]]
        yield pa.RecordBatch.from_arrays([pa.array(r) for r in rows], ["file", "models"])

rows = spark.range(0, 4, 1, 4).mapInArrow(seen, "file string, models long").collect()
print("scores", json.dumps(sorted(set((".zip" in r.file, r.models) for r in rows))))
"""


@pytest.mark.one_spark
@pytest.mark.long
def test_executors_get_the_model_and_the_package(models, tmp_path):
    package = str(Path(sparktf.__file__).parents[1])
    # The package is found by this program alone: its executors have another PYTHONPATH.
    others = [p for p in os.environ.get("PYTHONPATH", "").split(os.pathsep) if p]
    others = [p for p in others if Path(p).resolve() != Path(package)]
    code = _CLUSTER.format(model=models.linear, path=[package])
    options = {"spark.ui.enabled": "false", "spark.executorEnv.PYTHONNOUSERSITE": "1"}
    found = program(code, options, PYTHONPATH=os.pathsep.join(others))
    assert found[0] == sorted(SCORES * 4)
    assert found[1] == [[True, 1]]
