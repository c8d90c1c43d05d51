"""``--packages`` in Spark's own programs, from a local Maven repository that `publishM2` filled and
with no network."""

import subprocess

import pytest
from published import VERSION, MavenPackage, jar_in_wheel, users_environment

from sparktf.spark import submit_jars

pytestmark = pytest.mark.long

# Nobody listens on port 9.
_OFFLINE = {
    f"{protocol}.proxy{part}": value
    for protocol in ("http", "https")
    for part, value in (("Host", "127.0.0.1"), ("Port", "9"))
}

_PYTHON = """
import sys
from pyspark.sql import SparkSession

spark = SparkSession.builder.getOrCreate()
schema = "n INT, s STRING, l ARRAY<FLOAT>"
rows = spark.createDataFrame([(1, "one", [0.5, 2.0]), (2, None, [])], schema)
rows.write.format("tfrecord").partitionBy("n").option("compression", "gzip").save(sys.argv[1])
found = spark.read.format("tfrecord").load(sys.argv[1]).orderBy("n")
print("found", [tuple(row) for row in found.select("n", "s", "l").collect()])
"""

_SCALA = """
val rows = Seq((1L, "one", Array[Byte](1, -1)), (2L, null, Array[Byte]())).toDF("n", "s", "b")
rows.repartition(1).write.format("tfrecord").save(sys.env("OUT"))
val found = spark.read.format("tfrecord").load(sys.env("OUT")).orderBy("n")
println("found " + found.selectExpr("n", "s", "hex(b)").collect().mkString(" ") + " there")
println("described " + found.schema.toDDL)
"""

_SQL = """
CREATE TABLE numbers (n INT, s STRING) USING tfrecord OPTIONS (compression 'gzip')
  PARTITIONED BY (s) CLUSTERED BY (n) INTO 2 BUCKETS;
INSERT INTO numbers VALUES (1, 'a b'), (2, NULL), (3, 'a b');
INSERT OVERWRITE numbers PARTITION (s = 'a b') SELECT 4;
SELECT 'found', n, s FROM numbers ORDER BY n;
SHOW PARTITIONS numbers;
"""


class _Program:
    """One of Spark's programs as it runs; its output is in files, which never block it."""

    def __init__(self, folder, name, arguments, stdin=""):
        folder.mkdir()
        self.out = folder / "out"
        self._stdout = folder / "stdout"
        self._stderr = folder / "stderr"
        (folder / "stdin").write_text(stdin)
        spark_home = submit_jars.spark_home()
        package = f"io.github.sparktf:sparktf-tfrecord_{submit_jars.scala_version()}:{VERSION}"
        command = [
            str(spark_home / "bin" / name),
            *("--master", "local[2]", "--packages", package),
            *("--conf", "spark.ui.enabled=false"),
            *("--conf", f"spark.sql.warehouse.dir={folder / 'warehouse'}"),
            *(argument.format(out=self.out) for argument in arguments),
        ]
        with (
            (folder / "stdin").open() as given,
            self._stdout.open("w") as stdout,
            self._stderr.open("w") as stderr,
        ):
            self._process = subprocess.Popen(
                command,
                cwd=folder,
                env=users_environment(folder, spark_home, {"derby.system.home": folder} | _OFFLINE)
                | {"OUT": str(self.out)},
                stdin=given,
                stdout=stdout,
                stderr=stderr,
            )

    def result(self):
        """What the program has printed when it has ended well."""
        code = self._process.wait(timeout=300)
        printed = self._stdout.read_text()
        assert code == 0, printed + self._stderr.read_text()[-3000:]
        return printed

    def stop(self):
        self._process.kill()
        self._process.wait()


@pytest.fixture(scope="module", autouse=True)
def _repository():
    scala = submit_jars.scala_version()
    jar, built = MavenPackage("tfrecord", scala).jar, jar_in_wheel(scala)
    if not jar.is_file() or jar.read_bytes() != built.read_bytes():
        pytest.fail(f"{jar} is not what {built} is: `make repository` builds both")


@pytest.fixture(scope="module")
def programs(tmp_path_factory):
    """All three at once: each alone would leave most of the machine idle while it starts."""
    folder = tmp_path_factory.mktemp("programs")
    script = folder / "program.py"
    script.write_text(_PYTHON)
    arguments = {
        "spark-submit": ([str(script), "{out}"], ""),
        "spark-shell": ([], _SCALA),
        "spark-sql": (["-e", _SQL], ""),
    }
    started = {}
    try:
        for name, (extra, stdin) in arguments.items():
            started[name] = _Program(folder / name, name, extra, stdin)
        yield started
    finally:
        for program in started.values():
            program.stop()


def test_spark_submit_runs_a_python_program(programs):
    printed = programs["spark-submit"].result()
    assert "found [(1, 'one', [0.5, 2.0]), (2, None, [])]" in printed
    assert len(list(programs["spark-submit"].out.glob("n=*/*.tfrecord.gz"))) == 2


def test_spark_shell_runs_scala(programs):
    printed = programs["spark-shell"].result()
    assert "found [1,one,01FF] [2,null,] there" in printed
    assert "described n BIGINT,s STRING,b BINARY" in printed
    assert len(list(programs["spark-shell"].out.glob("*.tfrecord"))) == 1


def test_spark_sql_keeps_a_table_in_hives_metastore(programs):
    # Spark 3.5 says where Ivy's settings come from on the same stream.
    lines = programs["spark-sql"].result().splitlines()[-4:]
    assert lines == ["found\t2\tNULL", "found\t4\ta b", "s=__HIVE_DEFAULT_PARTITION__", "s=a b"]
