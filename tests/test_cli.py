"""The command `sparktf`, on files that TensorFlow or Spark wrote."""

import gzip
import json
import os
import pty
import signal
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from pyspark.sql.types import StructType

from sparktf.cli import commands
from sparktf.records.statistics import Statistics

pytestmark = pytest.mark.one_spark

COMMAND = [sys.executable, "-c", "from sparktf.cli.commands import main; main(prog_name='sparktf')"]
RECORDS = [
    {"id": [1], "name": ["one"], "x": [0.5, float("nan")], "raw": [b"\xff\x00"], "empty": []},
    {"id": [-(2**63)], "name": ["zwei \x1b[31m"], "x": [], "raw": [b"\xfe"]},
    {"id": [2**63 - 1], "x": [1.5, -2.25, 0.1], "raw": [b"\xff\x00"]},
]


def run(*arguments, code=0):
    result = CliRunner().invoke(commands.main, [str(a) for a in arguments], prog_name="sparktf")
    assert result.exit_code == code, result.output
    return result


@pytest.fixture
def file(tmp_path, write_records):
    return write_records(tmp_path / "some.tfrecord", RECORDS)


def test_nothing_heavy_is_imported(file):
    code = (
        "import sys\nfrom sparktf.cli.commands import main\n"
        "try: main(['stat', sys.argv[1]])\nexcept SystemExit as e: assert not e.code\n"
        "assert not {'tensorflow', 'pyspark', 'pandas', 'pyarrow'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code, file], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("1 file of ")


def test_schema(file):
    lines = [line.split() for line in run("schema", file).output.splitlines()]
    assert lines == [
        ["column", "type", "from"],
        ["id", "bigint", "int64_list"],
        ["name", "string", "bytes_list"],
        ["raw", "binary", "bytes_list"],
        ["x", "array<float>", "float_list"],
    ]


@pytest.mark.parametrize("look", [[], ["--all"]])
def test_the_schema_is_the_one_that_spark_infers(spark, tmp_path, look):
    frame = spark.sql(
        "SELECT id, id / 2 AS half, array(id, id + 1) AS pair, array('a', 'ö') AS words,"
        " CAST('ÿ' AS BINARY) AS text, X'FF00' AS raw, IF(id % 2 = 0, NULL, 'x y') AS `odd one`,"
        " id % 3 AS part, concat('d', id % 2) AS day FROM range(20)"
    )
    path = str(tmp_path / "out")
    frame.write.format("tfrecord").partitionBy("part", "day").save(path)
    inferred = spark.read.format("tfrecord").load(path).schema
    assert inferred["raw"].dataType.simpleString() == "binary"
    assert inferred["day"].dataType.simpleString() == "string"
    found = json.loads(run("schema", "--json", *look, path).output)
    assert StructType.fromJson(found) == inferred
    ddl = run("schema", "--ddl", *look, path).output
    assert StructType.fromDDL(ddl).simpleString() == inferred.simpleString()
    rows = spark.read.format("tfrecord").schema(ddl).load(path)
    assert rows.count() == rows.where("part IS NOT NULL AND size(pair) = 2").count() == 20


PARTITIONS = [
    ("1e3", "2"), ("1e3", "3000000000"), ("1e50", "1"), ("1.5", "1e400"), ("1.0000e4", "7."),
    ("9" * 25, "1"), ("9" * 38, "1"), ("9" * 39, "1.5"), ("9" * 39, "3000000000"), ("0e5", "1"),
    ("0" * 40 + "7", "1"), ("\u0663", "-1"), ("1.5\u00a0", "1"), (" 2.5", "1"),
]  # fmt: skip


def test_the_types_of_partition_columns_are_those_that_spark_infers(spark, tmp_path, write_records):
    for row in zip(*PARTITIONS, strict=True):
        folder = "/".join(f"k{number}={value}" for number, value in enumerate(row))
        write_records(tmp_path / folder / "f", [{"x": [1]}])
    inferred = spark.read.format("tfrecord").load(str(tmp_path)).schema
    found = StructType.fromJson(json.loads(run("schema", "--json", tmp_path).output))
    assert dict(zip(PARTITIONS, found[1:], strict=True)) == dict(
        zip(PARTITIONS, inferred[1:], strict=True)
    )


def test_head(file):
    first, second = run("head", "-n", 2, file).output.split("\n\n")
    assert first.splitlines()[0].startswith(f"{file}, byte 0: ")
    features = {line.split()[0]: line.split(maxsplit=2)[1:] for line in first.splitlines()[1:]}
    assert features == {
        "id": ["[1]", "1"],
        "name": ["[1]", '"one"'],
        "x": ["[2]", '0.5, "NaN"'],
        "raw": ["[1]", r"2 bytes b'\xff\x00'"],
        "empty": ["null"],
    }
    # What comes from a file does not command the terminal.
    assert r"zwei \u001b[31m" in second and "\x1b" not in second


def test_head_in_json_is_what_tensorflow_reads(file):
    lines = [json.loads(line) for line in run("head", "--json", file).output.splitlines()]
    assert lines == [
        {"id": [1], "name": ["one"], "x": [0.5, "NaN"], "raw": [{"base64": "/wA="}], "empty": None},
        {"id": [-(2**63)], "name": ["zwei \x1b[31m"], "x": None, "raw": [{"base64": "/g=="}]},
        {"id": [2**63 - 1], "x": [1.5, -2.25, 0.1], "raw": [{"base64": "/wA="}]},
    ]
    numbers = [i for record in tf.data.TFRecordDataset(file) for i in ids(record.numpy())]
    assert [line["id"][0] for line in lines] == numbers


def ids(record):
    return tf.train.Example.FromString(record).features.feature["id"].int64_list.value


def test_head_goes_on_in_the_next_file(numbered):
    lines = [json.loads(x) for x in run("head", "-n", 12, "--json", numbered).output.splitlines()]
    assert [line["id"] for line in lines] == [[i] for i in range(12)]


@given(
    st.lists(
        st.lists(
            st.floats(width=32, allow_infinity=False, max_value=2.0**100, min_value=-(2.0**100))
            | st.just(float("nan")),
            min_size=1,
            max_size=40,
        ),
        min_size=1,
        max_size=8,
    )
)
def test_floats_of_any_number_are_as_numpy_counts_them(lists):
    statistics = Statistics("Example")
    for values in lists:
        example = tf.train.Example()
        example.features.feature["x"].float_list.value.extend(values)
        statistics.add(example.SerializeToString(), "file")
    found = statistics.finish().features["x"]
    numbers = np.concatenate([np.array(values, np.float32) for values in lists]).astype(np.float64)
    known = numbers[~np.isnan(numbers)]
    assert (found.values, found.nans) == (len(numbers), len(numbers) - len(known))
    assert (found.shortest, found.longest) == (min(map(len, lists)), max(map(len, lists)))
    assert found.minimum == min(known, default=None)
    assert found.maximum == max(known, default=None)
    assert found.total == pytest.approx(known.sum(), abs=abs(known).sum() * 1e-9)


def test_stat(file):
    found = json.loads(run("stat", "--json", file).output)
    assert found["records"] == 3 and found["files"] == 1
    assert found["file_bytes"] == Path(file).stat().st_size == found["record_bytes"] + 3 * 16
    features = found["features"]
    assert features["id"] | {"min": -(2**63), "max": 2**63 - 1, "mean": 0.0} == features["id"]
    assert features["x"] == {
        "kind": "float_list",
        "feature_list": False,
        "records": 2,
        "values": 5,
        "shortest": 2,
        "longest": 3,
        "min": -2.25,
        "max": 1.5,
        "mean": pytest.approx((0.5 + 1.5 - 2.25 + 0.1) / 4),
        "nan": 1,
    }
    assert features["raw"]["utf8"] is False and features["name"]["utf8"] is True
    assert features["raw"]["most_frequent"][0] == {"value": {"base64": "/wA="}, "count": 2}
    assert features["empty"] | {"kind": None, "records": 0, "min": None} == features["empty"]
    lines = run("stat", file).output.splitlines()
    assert lines[0].startswith("1 file of ") and "3 records of" in lines[0]
    assert [line.split()[:3] for line in lines[3:]] == [
        ["empty", "empty", "0"],
        ["id", "int64", "all"],
        ["name", "bytes", "2"],
        ["raw", "bytes", "all"],
        ["x", "float", "2"],
    ]


def test_numbers_of_many_records_are_added_up_exactly(tmp_path, write_records):
    records = [{"i": [2**62 + k, -5], "s": [f"{k % 3}"], "f": [k / 8]} for k in range(40_000)]
    features = json.loads(run("stat", "--json", write_records(tmp_path / "m", records)).output)
    i, s, f = (features["features"][name] for name in "isf")
    assert (i["min"], i["max"]) == (-5, 2**62 + 39_999)
    assert i["mean"] == (sum(2**62 + k for k in range(40_000)) - 5 * 40_000) / 80_000
    assert (f["min"], f["max"], f["mean"]) == (0, 39_999 / 8, 39_999 / 16)
    counts = {entry["value"]: entry["count"] for entry in s["most_frequent"]}
    assert counts == {"0": 13_334, "1": 13_333, "2": 13_333}
    assert s["all_counted"] is True


def test_sequences(tmp_path):
    example = tf.train.SequenceExample()
    example.context.feature["id"].int64_list.value.append(7)
    for step in ([1.0], [2.0, 3.0]):
        example.feature_lists.feature_list["s"].feature.add().float_list.value.extend(step)
    path = str(tmp_path / "sequences")
    with tf.io.TFRecordWriter(path) as writer:
        writer.write(example.SerializeToString())
    assert run("schema", "--ddl", path).output == "id BIGINT, s ARRAY<ARRAY<FLOAT>>\n"
    assert json.loads(run("head", "--json", path).output)["s"] == [[1.0], [2.0, 3.0]]
    assert json.loads(run("stat", "--json", path).output)["features"]["s"]["values"] == 3
    assert run("schema", "--ddl", "--record-type", "Example", path).output == "id BIGINT\n"
    option = ("--record-type", "SequenceExample")
    assert json.loads(run("head", "--json", *option, path).output) == {
        "id": [7],
        "s": [[1.0], [2.0, 3.0]],
    }
    assert run("schema", "--ddl", *option, path).output == "id BIGINT, s ARRAY<ARRAY<FLOAT>>\n"
    s = json.loads(run("stat", "--json", *option, path).output)["features"]["s"]
    assert (s["values"], s["shortest"], s["max"], s["feature_list"]) == (3, 2, 3.0, True)


@pytest.mark.parametrize("as_json", [(), ("--json",)])
def test_a_feature_of_the_context_is_not_hidden_by_a_list_of_its_name(tmp_path, as_json):
    example = tf.train.SequenceExample()
    example.context.feature["x"].int64_list.value.append(7)
    example.feature_lists.feature_list["x"].feature.add()
    path = tmp_path / "sequence"

    def head(code):
        with tf.io.TFRecordWriter(str(path)) as writer:
            writer.write(example.SerializeToString())
        return run("head", *as_json, path, code=code).output

    assert "7" in head(0).splitlines()[-1]
    example.feature_lists.feature_list["x"].feature[0].int64_list.value.append(8)
    assert f"{path}: the record at byte 0: 'x' is a feature of the context and a" in head(1)


def test_columns_of_sequences_are_those_that_spark_infers(spark, tmp_path):
    """In the same order: file by file the context's, then the lists."""

    def sequence(context, lists):
        message = tf.train.SequenceExample()
        for name, value in context.items():
            message.context.feature[name].int64_list.value.append(value)
        for name, steps in lists.items():
            for step in steps:
                message.feature_lists.feature_list[name].feature.add().float_list.value.extend(step)
            message.feature_lists.feature_list[name].SetInParent()
        return message.SerializeToString(deterministic=True)

    files = [
        [({"a": 1}, {"s": [[1.0]]}), ({"b": 2}, {"r": [[], [1.0, 2.0]], "never": []})],
        [({"c": 3}, {"q": [[1.0]]})],
    ]
    for number, records in enumerate(files):
        with tf.io.TFRecordWriter(str(tmp_path / f"{number}")) as writer:
            for record in records:
                writer.write(sequence(*record))
    rows = spark.read.format("tfrecord").option("recordType", "SequenceExample")
    inferred = rows.load(str(tmp_path)).schema
    assert inferred.simpleString() == (
        "struct<a:bigint,b:bigint,s:array<array<float>>,r:array<array<float>>,c:bigint,"
        "q:array<array<float>>>"
    )
    assert StructType.fromJson(json.loads(run("schema", "--json", tmp_path).output)) == inferred


# An event of TensorBoard, an ELWC of TF-Ranking, and a message whose first field is a message.
TOKEN = tf.train.Example(
    features=tf.train.Features(
        feature={"token": tf.train.Feature(bytes_list=tf.train.BytesList(value=[b"word"]))}
    )
).SerializeToString()
OTHERS = [
    b"\x09" + struct.pack("<d", 1.6e9) + b"\x10\x01\x1a\x0dbrain.Event:2",
    b"\x0a" + bytes([len(TOKEN)]) + TOKEN + b"\x12" + bytes([len(TOKEN)]) + TOKEN,
    b"\x12\x03\x0e\x0e\x0e",
]


@pytest.mark.parametrize("command", ["schema", "head", "stat"])
@pytest.mark.parametrize("record", OTHERS)
def test_messages_of_other_kinds_are_called_so(tmp_path, command, record):
    path = str(tmp_path / "others")
    with tf.io.TFRecordWriter(path) as writer:
        writer.write(b"")
        writer.write(record)
    message = run(command, path, code=1).output
    assert "the records are no tf.Examples: of the 2 looked at none has a feature" in message
    assert f"as the record at byte 16 of {path}" in message
    assert "--record-type ByteArray" in message and 'option("recordType", "ByteArray")' in message
    assert ("TensorBoard" in message) == (record is OTHERS[0])
    run(command, "--record-type", "ByteArray", path)


def test_examples_without_features_are_examples(tmp_path, write_records):
    empty = tf.train.Feature(int64_list=tf.train.Int64List())
    for records in ([{}, {}], [{"k": empty}]):
        path = write_records(tmp_path / "f", records)
        assert run("schema", "--ddl", path).output == "\n"
        run("stat", path), run("head", path)


def test_plain_bytes(tmp_path):
    path = str(tmp_path / "bytes")
    with tf.io.TFRecordWriter(path) as writer:
        writer.write(b"\xff\xff")
    option = ("--record-type", "bytearray")
    assert json.loads(run("head", "--json", *option, path).output) == {
        "byteArray": {"base64": "//8="}
    }
    assert run("schema", "--ddl", *option, path).output == "byteArray BINARY\n"
    message = run("stat", path, code=1).output
    assert f"{path}: the record at byte 0 is no message of this --record-type" in message
    assert "--record-type ByteArray" in message


@pytest.mark.parametrize("compression", ["GZIP", "ZLIB"])
def test_compressed_files(tmp_path, write_records, compression):
    path = write_records(tmp_path / "some", RECORDS * 50, compression=compression)
    assert run("verify", path).output == f"{path}: 150 records, whole\n"
    content = Path(path).read_bytes()
    Path(path).write_bytes(content[: len(content) // 2])
    assert f"the {compression.lower()} stream is cut off" in run("verify", path, code=1).output
    Path(path).write_bytes(content + b"more")
    assert "damaged at byte " in run("verify", path, code=1).output


def test_gzip_of_several_members(tmp_path, file):
    content = Path(file).read_bytes()
    path = tmp_path / "members.tfrecord.gz"
    members = [b"", content[:50], b"", content[50:], b""]
    path.write_bytes(b"".join(map(gzip.compress, members)) + bytes(10))
    assert run("verify", path).output == f"{path}: 3 records, whole\n"
    wrong = zlib.compress(content)[:-4] + b"abcd"  # Adler-32
    (tmp_path / "wrong.zlib").write_bytes(wrong)
    assert "the zlib stream is damaged" in run("verify", tmp_path / "wrong.zlib", code=1).output
    two = tmp_path / "two.zlib"
    two.write_bytes(zlib.compress(content) * 2)
    assert run("verify", two).output == f"{two}: 6 records, whole\n"
    for damaged, more in ((path, path.read_bytes() + b"x"), (two, zlib.compress(content) + b"\0")):
        damaged.write_bytes(more)
        assert "behind the end of the" in run("verify", damaged, code=1).output


def test_a_name_says_less_than_the_bytes(tmp_path, file):
    plain = tmp_path / "plain.gz"
    plain.write_bytes(Path(file).read_bytes())
    assert run("verify", plain).output == f"{plain}: 3 records, whole\n"
    text = tmp_path / "text.gz"
    text.write_text("what a compressor has never seen")
    assert "does not begin as a gzip stream" in run("verify", text, code=1).output


def test_each_flipped_byte_is_found_where_it_is(tmp_path, file):
    content = Path(file).read_bytes()
    starts = [0]
    while starts[-1] < len(content):
        length = int.from_bytes(content[starts[-1] : starts[-1] + 8], "little")
        starts.append(starts[-1] + length + 16)
    assert len(starts) == 4
    damaged = tmp_path / "damaged"
    for place in range(len(content)):
        changed = bytearray(content)
        changed[place] ^= 1 << place % 8
        damaged.write_bytes(changed)
        output = run("verify", damaged, code=1).output
        offset = max(start for start in starts if start <= place)
        # A first length that no file has is that of another file.
        if f"{damaged} is no TFRecord file" in output:
            assert place < 8
        else:
            assert f"{damaged}: damaged at byte {offset}: the checksum of " in output
        assert "1 of 1 file damaged" in output
    for end in set(range(1, len(content))) - set(starts):
        damaged.write_bytes(content[:end])
        offset = max(start for start in starts if start <= end)
        output = run("verify", damaged, code=1).output
        if end < 12:
            assert f"{damaged} is no TFRecord file: it has {end} bytes" in output
        else:
            assert f"damaged at byte {offset}: the file ends" in output


def test_verify_goes_on_behind_a_damaged_record(tmp_path, write_records):
    path = Path(write_records(tmp_path / "some", [{"x": [i]} for i in range(30)]))
    content = bytearray(path.read_bytes())
    size = len(content) // 30
    for record in (3, 5):
        content[record * size + 14] ^= 1
    path.write_bytes(content)
    lines = run("verify", path, code=1).output.splitlines()
    assert lines == [
        *(
            f"{path}: damaged at byte {record * size}: the checksum of a record of {size - 16} "
            "bytes does not fit it"
            for record in (3, 5)
        ),
        f"{path}: 2 records damaged, 28 whole",
        "Error: 1 of 1 file damaged",
    ]
    for record in range(30):
        content[(record + 1) * size - 1] = 0  # all that a writer of other checksums wrote
    path.write_bytes(content[:-1])
    lines = run("verify", path, code=1).output.splitlines()
    assert sum("the checksum of a record of" in line for line in lines) == 10
    assert f"damaged at byte {29 * size}: the file ends" in lines[10]
    assert "(behind 0 whole records and 29 damaged ones)" in lines[10]


def test_verify_goes_on_behind_a_damaged_file(tmp_path, write_records):
    for name in ("a", "b", "c"):
        write_records(tmp_path / "data" / f"{name}.tfrecord", RECORDS)
    (tmp_path / "data" / "b.tfrecord").write_bytes(b"no TFRecord file, as far as one can see")
    result = run("verify", tmp_path / "data", code=1)
    assert result.stdout.count("3 records, whole") == 2
    assert "b.tfrecord is no TFRecord file: its first 12 bytes are no record's" in result.stderr
    assert f"left out by a glob, such as {tmp_path}/data/*.tfrecord*" in result.stderr
    assert "1 of 3 files damaged" in result.stderr
    assert run("verify", "-q", tmp_path / "data" / "a*").output == ""


def test_kinds_that_disagree(tmp_path, write_records):
    path = write_records(tmp_path / "some", [{"x": [1]}, {"x": ["a"]}])
    message = run("stat", path, code=1).output
    assert "the feature 'x' is of type int64_list" in message
    assert "and of type bytes_list" in message


@pytest.mark.parametrize("order", [[0, 1, 2], [1, 0, 2], [2, 1, 0]])
def test_whole_numbers_beside_others_are_doubles(tmp_path, write_records, order):
    records = [{"x": [2**40]}, {"x": [0.5] * 20}, {"x": []}]
    for number, record in enumerate(order):
        write_records(tmp_path / "d" / f"{number}", [records[record]])
    assert run("schema", "--ddl", tmp_path / "d").output == "x ARRAY<DOUBLE>\n"
    x = json.loads(run("stat", "--json", tmp_path / "d").output)["features"]["x"]
    assert (x["kind"], x["values"], x["max"]) == ("int64_list, float_list", 21, 2**40)
    assert x["mean"] == pytest.approx((2**40 + 10) / 21)


def test_infinities_are_shown_without_a_warning(tmp_path, write_records):
    path = write_records(tmp_path / "f", [{"x": [float("inf"), float("-inf"), float("nan")]}])
    done = subprocess.run([*COMMAND, "stat", path], capture_output=True, text=True)
    assert done.stderr == ""
    assert done.stdout.splitlines()[-1].split()[-5:] == ["-inf", "inf", "nan", "1", "NaN"]


def test_what_comes_out_of_a_pipe_is_not_taken_for_nothing(file):
    command = [*COMMAND, "stat", "/dev/stdin"]
    content = Path(file).read_bytes()
    piped = subprocess.run(command, input=content, capture_output=True)
    assert piped.returncode == 2 and b"/dev/stdin is no file but a pipe" in piped.stderr
    for name, compress in (("none", bytes), ("gzip", gzip.compress), ("zlib", zlib.compress)):
        named = [*command, "--compression", name]
        piped = subprocess.run(named, input=compress(content), capture_output=True, check=True)
        assert b", 3 records of " in piped.stdout


def test_what_is_not_there(tmp_path):
    assert "does not exist" in run("head", tmp_path / "absent", code=2).output
    assert "only local files are read" in run("stat", "hdfs://nn/data", code=2).output
    (tmp_path / "a.snappy").write_bytes(b"")
    assert "compressed with snappy" in run("verify", tmp_path / "a.snappy", code=2).output


@pytest.fixture
def long(tmp_path, write_records):
    return write_records(tmp_path / "long", [{"i": [k], "s": ["x" * 100]} for k in range(20_000)])


def test_a_closed_pipe_ends_it_without_a_word(long):
    process = subprocess.Popen(
        [*COMMAND, "head", "--json", "-n", "20000", long],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert json.loads(process.stdout.readline())["i"] == [0]
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait() == 1
    process.stderr.close()


def test_an_interrupt_ends_it_without_a_traceback(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    process = subprocess.Popen(
        [*COMMAND, "verify", "--compression", "none", str(tmp_path / "pipe")],
        stderr=subprocess.PIPE,
        text=True,
    )
    with (tmp_path / "pipe").open("wb"):  # opened by both: it reads
        process.send_signal(signal.SIGINT)
        assert process.wait() == 1
    assert process.stderr.read().strip() == "Aborted!"
    process.stderr.close()


def test_a_bar_on_a_terminal_only(long):
    terminal, end = pty.openpty()
    done = subprocess.run([*COMMAND, "verify", long], stdout=subprocess.PIPE, stderr=end, text=True)
    os.close(end)
    assert done.returncode == 0 and done.stdout == f"{long}: 20,000 records, whole\n"
    shown = b""
    while b"100%" not in shown:
        shown += os.read(terminal, 10_000)
    os.close(terminal)
    done = subprocess.run([*COMMAND, "verify", long], capture_output=True, text=True)
    assert done.stderr == ""


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(shell):
    assert "_SPARKTF_COMPLETE" in run("completion", shell).output
    complete = {
        "COMP_WORDS": "sparktf ver",
        "COMP_CWORD": "1",
        "_SPARKTF_COMPLETE": "bash_complete",
    }
    done = subprocess.run(COMMAND, env=os.environ | complete, capture_output=True, text=True)
    assert done.stdout.strip() == "plain,verify"


def test_the_demo_is_the_quickstart():
    """The whole of it is in test_quickstart.py."""
    done = subprocess.run([*COMMAND, "demo", "--epochs", "none"], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith("usage: sparktf demo [-h] [--images DIR] [--output DIR]")
    assert "argument --epochs: a whole number from 1, not 'none'" in done.stderr


def test_the_demo_says_what_it_needs(monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)  # as where it is not installed
    told = run("demo", code=1).output
    assert f"the demo needs PIL, which {sys.executable} (Python 3." in told
    assert 'pip install "sparktf[cli,spark,tensorflow,examples]"' in told


def test_the_command_says_what_it_needs():
    code = "import sys; sys.modules['click'] = sys.modules['google_crc32c'] = None\n"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}import sparktf.cli.commands"], capture_output=True, text=True
    )
    assert done.returncode == 1
    assert done.stderr.startswith("sparktf: the command needs click, google_crc32c, which ")
    assert done.stderr.endswith('does not have: pip install "sparktf[cli]"\n')
