"""The data source through Spark Connect, on a server that knows nothing of it."""

from pathlib import Path

import pytest
from connect_server import connect

import sparktf

ROWS = [(i, f"name {i}" if i % 3 else None, [i / 2] * (i % 4), i % 2) for i in range(20)]
SCHEMA = "id BIGINT, name STRING, l ARRAY<FLOAT>, part INT"


@pytest.fixture(scope="module")
def session(connect_server):
    spark = connect(connect_server)
    sparktf.register(spark)
    yield spark
    spark.stop()


@pytest.fixture(scope="module")
def saved(session, tmp_path_factory):
    """A folder of ROWS, partitioned."""
    path = str(tmp_path_factory.mktemp("saved") / "out")
    rows = session.createDataFrame(ROWS, SCHEMA).repartition(3)
    rows.write.format("tfrecord").partitionBy("part").option("compression", "gzip").save(path)
    return path


def _tuples(rows):
    return sorted((tuple(row) for row in rows.collect()), key=repr)


def _expected(rows):
    return sorted(rows, key=repr)


def test_rows_come_back_with_a_schema_and_without(session, saved):
    assert len(list(Path(saved).glob("part=[01]/*.tfrecord.gz"))) > 2
    given = session.read.format("tfrecord").schema(SCHEMA).load(saved)
    assert _tuples(given) == _expected(ROWS)
    inferred = session.read.format("tfrecord").load(saved)
    assert dict(inferred.dtypes) == dict(given.dtypes)
    assert _tuples(inferred.select("id", "name", "l", "part")) == _expected(ROWS)


def test_inference_by_tasks(session, saved):
    rows = session.read.format("tfrecord").option("samplingRatio", 1.0).load(saved)
    assert dict(rows.dtypes) == {
        "id": "bigint",
        "name": "string",
        "l": "array<float>",
        "part": "int",
    }
    assert _tuples(rows.select("id", "name", "l", "part")) == _expected(ROWS)


def test_columns_counts_partitions_and_metadata(session, saved):
    rows = session.read.format("tfrecord").schema(SCHEMA).load(saved)
    assert rows.count() == 20
    assert rows.where("part = 1").count() == 10
    assert _tuples(rows.where("part = 0 AND id < 4").select("name")) == [("name 2",), (None,)]
    assert _tuples(rows.groupBy("part").count()) == [(0, 10), (1, 10)]
    names = rows.selectExpr("_metadata.file_name AS name", "part").distinct().collect()
    found = {str(file.relative_to(saved)) for file in Path(saved).glob("part=*/*.gz")}
    assert {f"part={row.part}/{row.name}" for row in names} == found


def test_pandas_and_functions_in_python(session, saved):
    rows = session.read.format("tfrecord").schema(SCHEMA).load(saved)
    frame = rows.where("id < 8").orderBy("id").toPandas()
    assert frame["id"].tolist() == list(range(8))
    assert [list(values) for values in frame["l"]] == [row[2] for row in ROWS[:8]]

    def lengths(batches):
        for batch in batches:
            yield batch.select(["id"]).append_column("n", batch["l"].value_lengths())

    found = rows.mapInArrow(lengths, "id BIGINT, n INT")
    assert _tuples(found) == _expected([(row[0], len(row[2])) for row in ROWS])


def test_tables_and_files_in_sql(session, saved):
    found = session.sql(f"SELECT sum(id) FROM tfrecord.`{saved}` WHERE part = 1")
    assert found.collect()[0][0] == sum(range(1, 20, 2))
    session.sql("CREATE TABLE numbers (n INT, day INT) USING tfrecord PARTITIONED BY (day)")
    try:
        session.sql("INSERT INTO numbers VALUES (1, 5), (2, 6), (3, 6)")
        session.sql("INSERT OVERWRITE numbers PARTITION (day = 6) SELECT 4")
        assert _tuples(session.table("numbers")) == [(1, 5), (4, 6)]
        session.createDataFrame([(7, 7)], "n INT, day INT").write.insertInto("numbers")
        assert session.read.table("numbers").count() == 3
    finally:
        session.sql("DROP TABLE numbers")


def test_save_modes_and_dynamic_overwrite(session, tmp_path):
    def save(rows, mode, **options):
        frame = session.createDataFrame(rows, "n INT, day INT")
        writer = frame.write.format("tfrecord").partitionBy("day").mode(mode)
        writer.options(**options).save(str(tmp_path / "out"))

    save([(1, 1), (2, 2)], "error")
    with pytest.raises(Exception, match="PATH_ALREADY_EXISTS"):
        save([(9, 9)], "error")
    save([(3, 2)], "append")
    save([(4, 1)], "overwrite", partitionOverwriteMode="dynamic")
    rows = session.read.format("tfrecord").load(str(tmp_path / "out"))
    assert _tuples(rows) == [(2, 2), (3, 2), (4, 1)]


def test_a_stream_from_folder_to_folder_goes_on_from_its_checkpoint(session, tmp_path):
    def run():
        query = (
            session.readStream.format("tfrecord")
            .schema(SCHEMA)
            .option("maxFilesPerTrigger", 1)
            .load(str(tmp_path / "in"))
            .where("name IS NOT NULL")
            .writeStream.format("tfrecord")
            .partitionBy("part")
            .option("checkpointLocation", str(tmp_path / "checkpoint"))
            .trigger(availableNow=True)
            .start(str(tmp_path / "out"))
        )
        query.awaitTermination()

    def add(rows):
        frame = session.createDataFrame(rows, SCHEMA).coalesce(1)
        frame.write.format("tfrecord").mode("append").save(str(tmp_path / "in"))

    def found():
        return _tuples(session.read.format("tfrecord").schema(SCHEMA).load(str(tmp_path / "out")))

    named = [row for row in ROWS if row[1]]
    add(ROWS[:5])
    add(ROWS[5:9])
    run()
    assert found() == _expected(row for row in named if row[0] < 9)
    add(ROWS[9:])
    run()
    run()
    assert found() == _expected(named)


def test_errors_reach_the_client_with_file_and_column(session, saved, tmp_path):
    damaged = tmp_path / "damaged.tfrecord"
    damaged.write_bytes(b"no record")
    reader = session.read.format("tfrecord")
    with pytest.raises(Exception, match=r"damaged\.tfrecord: at offset 0: the file ends"):
        reader.schema("id BIGINT").load(str(damaged)).collect()
    with pytest.raises(Exception, match=r"damaged\.tfrecord: at offset 0: the file ends"):
        reader.option("samplingRatio", 1.0).load(str(damaged)).collect()
    with pytest.raises(Exception, match=r"`name`.*float_list.*bytes_list"):
        reader.schema("name FLOAT").load(saved).collect()
    with pytest.raises(Exception, match="extras"):
        wrong = session.sql("SELECT map('a', 1) AS extras")
        wrong.write.format("tfrecord").save(str(tmp_path / "out"))
    with pytest.raises(Exception, match=r"`values`.*null"):
        wrong = session.sql("SELECT array(1, NULL) AS values")
        wrong.write.format("tfrecord").save(str(tmp_path / "out"))


def test_each_session_of_a_server_registers_for_itself(connect_server, session, saved):
    other = connect(connect_server)
    try:
        with pytest.raises(Exception, match="DATA_SOURCE_NOT_FOUND"):
            other.read.format("tfrecord").load(saved).collect()
        sparktf.register(other)
        sparktf.register(other)
        assert other.read.format("tfrecord").load(saved).count() == 20
    finally:
        other.stop()
    assert session.read.format("tfrecord").load(saved).count() == 20
