"""`configure`, `register`, `jar_path`: each session in a process of its own, for a JVM that has
once loaded the jar keeps it."""

import os
import subprocess
import sys
import zipfile

import connect_server
import pyspark
import pytest
from pyspark.sql import SparkSession

import sparktf
from sparktf.spark import submit_jars

# Writes and reads by tasks, on the thread that calls it.
_ROUND_TRIP = """
def round_trip(spark, path):
    spark.range(100).selectExpr("id", "cast(id AS STRING) AS s").repartition(2).write.format(
        "tfrecord").save(path)
    rows = spark.read.format("tfrecord").load(path).orderBy("id").collect()
    assert [tuple(row) for row in rows] == [(i, str(i)) for i in range(100)], rows[:3]
    print("round trip", flush=True)
"""
_CLASSIC = """
from pyspark.sql import SparkSession
builder = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false")
"""


def _run(code, **environment):
    """What the program prints; it runs where no other test's settings are seen."""
    env = {name: value for name, value in os.environ.items() if name != "PYSPARK_SUBMIT_ARGS"}
    done = subprocess.run(
        [sys.executable, "-c", "import sparktf\n" + _ROUND_TRIP + code],
        env={**env, **environment},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    return done.stdout


def _empty_jar(path):
    with zipfile.ZipFile(path, "w") as jar:
        jar.writestr("META-INF/MANIFEST.MF", "Manifest-Version: 1.0\n")
    return str(path)


@pytest.fixture
def unset(monkeypatch):
    monkeypatch.delenv("PYSPARK_PYTHON", raising=False)


@pytest.fixture
def other_python(tmp_path, monkeypatch, unset):
    """A PATH on which ``python3`` is another than the one that runs this."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python3").write_text("#!/bin/sh\nexit 3\n")
    (tmp_path / "bin" / "python3").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")


_WHICH = """
from pyspark.sql.functions import udf
def which(spark):
    used = spark.range(1).select(udf(lambda _: __import__("sys").executable)("id")).first()[0]
    assert used == __import__("sys").executable, used
    print("the driver's")
"""


# ---------------------------------------------------------------- jar_path


@pytest.mark.parametrize("scala", ["2.12", "2.13", "2.13.17"])
def test_the_jar_of_each_scala_version_holds_the_data_source(scala):
    jar = sparktf.jar_path(scala)
    assert f"_{scala[:4]}-" in jar
    with zipfile.ZipFile(jar) as content:
        assert "io/sparktf/tfrecord/TFRecordFileFormat.class" in content.namelist()


def test_a_scala_version_that_the_wheel_lacks_is_a_clear_error():
    with pytest.raises(ValueError, match=r"no jar for Scala 2\.11: it has 2\.12, 2\.13 \(in "):
        sparktf.jar_path("2.11")


# ---------------------------------------------------------------- configure


@pytest.fixture
def builder(monkeypatch, tmp_path):
    monkeypatch.delenv("PYSPARK_SUBMIT_ARGS", raising=False)
    monkeypatch.setenv("SPARK_CONF_DIR", str(tmp_path / "conf"))
    # As before a JVM runs; other tests of this process have started one.
    monkeypatch.setattr(pyspark.SparkContext, "_jvm", None)
    return SparkSession.builder


def _own_jar():
    return sparktf.jar_path(submit_jars.scala_version())


def test_configure_adds_the_jar_to_those_of_the_builder_once(builder):
    builder.config("spark.jars", "/a.jar,/b.jar")
    assert sparktf.configure(builder) is builder
    assert sparktf.configure(builder)._options["spark.jars"] == f"/a.jar,/b.jar,{_own_jar()}"
    assert "PYSPARK_SUBMIT_ARGS" not in os.environ


def test_configure_keeps_the_jars_of_spark_defaults(builder, tmp_path):
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "spark-defaults.conf").write_text(
        "# spark.jars  /not.jar\nspark.master local\n spark.jars   /a.jar, /b.jar \n"
    )
    options = sparktf.configure(builder)._options
    assert options["spark.jars"] == f"/a.jar,/b.jar,{_own_jar()}"


@pytest.mark.parametrize("given", ["--jars /a.jar", "--conf spark.jars=/a.jar", "--jars=/a.jar"])
def test_configure_joins_the_jars_of_pyspark_submit_args_there(builder, monkeypatch, given):
    monkeypatch.setenv("PYSPARK_SUBMIT_ARGS", f"--name 'my app' {given} pyspark-shell")
    builder.config("spark.jars", "/b.jar")
    for _ in range(2):
        options = sparktf.configure(builder)._options
        assert options["spark.jars"] == f"/b.jar,/a.jar,{_own_jar()}"
        assert os.environ["PYSPARK_SUBMIT_ARGS"] == (
            f"--jars /b.jar,/a.jar,{_own_jar()} --name 'my app' pyspark-shell"
        )


def test_configure_leaves_packages_to_spark_submit(builder):
    builder.config("spark.jars.packages", "group:artifact:1")
    options = sparktf.configure(builder)._options
    assert "spark.jars" not in options
    assert os.environ["PYSPARK_SUBMIT_ARGS"] == f"--jars {_own_jar()} pyspark-shell"


def test_configure_refuses_a_connect_client(builder):
    with pytest.raises(ValueError, match=r"then call sparktf\.register\(spark\)"):
        sparktf.configure(builder.config("spark.remote", "sc://somewhere"))
    assert "spark.jars" not in builder._options


def test_configure_warns_where_the_jvm_has_started_without_the_jar(builder, monkeypatch):
    monkeypatch.setenv("PYSPARK_GATEWAY_PORT", "1")
    with pytest.warns(UserWarning, match=r"call sparktf\.register\(spark\) once the session"):
        sparktf.configure(builder)


@pytest.mark.oldest_and_newest
def test_a_configured_session_reads_and_writes_on_executors_in_other_processes(tmp_path):
    other = _empty_jar(tmp_path / "other.jar")
    code = f"""{_CLASSIC}
builder = builder.master("local-cluster[1,2,1024]").config("spark.jars", {other!r})
spark = sparktf.configure(builder).getOrCreate()
jars = lambda: spark.sparkContext._jsc.sc().listJars()
assert jars().length() == 2 and "other.jar" in jars().mkString()
sparktf.register(spark)
assert jars().length() == 2, "register has added the jar again"
round_trip(spark, {str(tmp_path / "data")!r})
"""
    assert "round trip" in _run(code)


@pytest.mark.oldest_and_newest
@pytest.mark.usefixtures("other_python")
def test_a_configured_session_with_pyspark_submit_args_reads_and_writes(tmp_path):
    other = _empty_jar(tmp_path / "other.jar")
    code = f"""{_CLASSIC}
spark = sparktf.configure(builder).getOrCreate()
round_trip(spark, {str(tmp_path / "data")!r})
{_WHICH}
which(spark)
"""
    told = _run(code, PYSPARK_SUBMIT_ARGS=f"--jars {other} pyspark-shell")
    assert "round trip" in told
    assert "the driver's" in told


# ---------------------------------------------------------------- the executors' Python


@pytest.mark.usefixtures("unset")
@pytest.mark.parametrize(
    ("given", "environment", "wanted"),
    [
        ({}, {}, sys.executable),
        ({"spark.master": "local-cluster[1,2,1024]"}, {}, sys.executable),
        ({"spark.remote": "local[*]"}, {}, sys.executable),
        ({"spark.master": "local"}, {"PYSPARK_GATEWAY_PORT": "1"}, sys.executable),
        ({}, {"PYSPARK_GATEWAY_PORT": "1"}, None),  # spark-submit knows the master
        ({"spark.master": "spark://there:7077"}, {}, None),
        ({}, {"PYSPARK_SUBMIT_ARGS": "--master yarn pyspark-shell"}, None),
        ({}, {"PYSPARK_SUBMIT_ARGS": "--conf spark.pyspark.python=mine pyspark-shell"}, None),
        ({"spark.pyspark.python": "mine"}, {}, None),
        ({}, {"PYSPARK_PYTHON": "mine"}, "mine"),
    ],
)
@pytest.mark.filterwarnings("ignore:Spark's JVM is running already")
def test_configure_chooses_the_python_of_local_executors_where_nobody_has(
    builder, monkeypatch, given, environment, wanted
):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    for name, value in given.items():
        builder.config(name, value)
    sparktf.configure(builder)
    assert os.environ.get("PYSPARK_PYTHON") == wanted


# ---------------------------------------------------------------- the jar for another Scala


@pytest.mark.oldest_and_newest
def test_the_jar_for_another_scala_says_so(tmp_path):
    own = submit_jars.scala_version()
    jar = sparktf.jar_path("2.12" if own == "2.13" else "2.13")
    code = f"""{_CLASSIC}
spark = builder.config("spark.jars", {jar!r}).getOrCreate()
try:
    spark.range(1).write.format("tfrecord").save({str(tmp_path / "data")!r})
except Exception as error:
    print(type(error).__name__, error)
"""
    told = _run(code)
    expected = (
        f"{jar} is for Scala {jar.rpartition('_')[2][:4]}, and this Spark runs on Scala {own}."
    )
    assert told.startswith(f"IllegalArgumentException {expected}")
    assert f": take the one whose name has _{own} in its stead (sparktf.configure and " in told


# ---------------------------------------------------------------- register, classic


@pytest.mark.oldest_and_newest
def test_register_reaches_a_running_session_from_any_thread(tmp_path):
    code = f"""{_CLASSIC}
import threading
spark = builder.getOrCreate()
try:
    spark.read.format("tfrecord").load("/tmp")
except Exception as e:
    assert "DATA_SOURCE_NOT_FOUND" in str(e) or "Failed to find" in str(e), e
else:
    raise AssertionError("the source was there before")
jars = lambda: [j for j in spark.sparkContext._jsc.sc().listJars().mkString(",").split(",") if j]
assert jars() == []
failed = []
def other(name):
    try:
        round_trip(spark, {str(tmp_path)!r} + "/" + name)
    except Exception as e:
        failed.append(e)
def on_thread(target, *args):
    thread = threading.Thread(target=target, args=args)
    thread.start()
    thread.join()
on_thread(sparktf.register, spark)
assert len(jars()) == 1, jars()
sparktf.register(spark)
assert len(jars()) == 1, jars()
other("here")
on_thread(other, "thread")
on_thread(other, "thread again")
other_session = spark.newSession()
round_trip(other_session, {str(tmp_path)!r} + "/session")
assert not failed, failed
"""
    assert _run(code).count("round trip") == 4


@pytest.mark.oldest_and_newest
@pytest.mark.usefixtures("other_python")
def test_register_after_add_jar_of_another_jar_reaches_other_threads(tmp_path):
    other = _empty_jar(tmp_path / "other.jar")
    code = f"""{_CLASSIC}
import threading
spark = builder.getOrCreate()
spark.sql("ADD JAR '{other}'")
sparktf.register(spark)
thread = threading.Thread(target=round_trip, args=(spark, {str(tmp_path / "data")!r}))
thread.start()
thread.join()
{_WHICH}
which(spark)
"""
    told = _run(code)
    assert "round trip" in told
    assert "the driver's" in told


@pytest.mark.oldest_and_newest
def test_register_reaches_executors_in_other_processes(tmp_path):
    code = f"""{_CLASSIC}
spark = builder.master("local-cluster[1,2,1024]").getOrCreate()
sparktf.register(spark)
round_trip(spark, {str(tmp_path / "data")!r})
"""
    assert "round trip" in _run(code)


# ---------------------------------------------------------------- Spark Connect


@pytest.fixture
def connect_port(monkeypatch):
    connect_server.require()
    # With it pyspark gives the server a free port, so that runs do not meet.
    monkeypatch.setenv("SPARK_TESTING", "1")


@pytest.mark.oldest_and_newest
@pytest.mark.usefixtures("connect_port", "other_python")
def test_register_sends_the_jar_to_a_connect_server(tmp_path):
    code = f"""
from pyspark.sql import SparkSession
spark = SparkSession.builder.remote("local[2]").getOrCreate()
assert type(spark).__module__.startswith("pyspark.sql.connect")
sent = []
send = spark.addArtifacts
spark.addArtifacts = lambda *jars: (sent.extend(jars), send(*jars))
sparktf.register(spark)
assert len(sent) == 1
sparktf.register(spark)
assert len(sent) == 1, "register has sent the jar again"
round_trip(spark, {str(tmp_path / "data")!r})
{_WHICH}
which(spark)
"""
    assert "the driver's" in _run(code)


@pytest.mark.usefixtures("connect_port", "other_python")
@pytest.mark.oldest_and_newest
def test_configure_gives_the_jar_to_the_connect_server_that_pyspark_starts(tmp_path):
    code = f"""
from pyspark.sql import SparkSession
spark = sparktf.configure(SparkSession.builder.remote("local[2]")).getOrCreate()
assert type(spark).__module__.startswith("pyspark.sql.connect")
round_trip(spark, {str(tmp_path / "data")!r})
{_WHICH}
which(spark)
print(sorted(sparktf.feature_spec(spark.read.format("tfrecord").load({str(tmp_path / "data")!r}))))
"""
    assert "['id', 's']" in _run(code)
