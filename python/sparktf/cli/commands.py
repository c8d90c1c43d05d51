"""The command `sparktf`: looks into TFRecord files, without Spark, TensorFlow or a JVM."""

from __future__ import annotations

import contextlib
import importlib
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sparktf.extras import require

try:
    # NumPy is not imported here: it takes longer than most commands, and some do without it.
    require("the command", "click", "google.protobuf", "google_crc32c", "numpy", extras=["cli"])
except ModuleNotFoundError as error:
    raise SystemExit(f"sparktf: {error}") from None

import click

from sparktf.cli import show
from sparktf.records.compression import TENSORFLOW_NAMES
from sparktf.records.files import RecordFile, evenly_spaced, find_files
from sparktf.records.frames import DamagedFileError, NoRecordsError, read_frames, read_records
from sparktf.records.record_types import AS_BYTES, RecordTypes, decode
from sparktf.storage.file_systems import LocalFiles

if TYPE_CHECKING:
    from sparktf.records.statistics import Statistics

_DEMO_NEEDS = ("pyspark", "pandas", "pyarrow", "tensorflow", "PIL", "matplotlib")
_DEMO_EXTRAS = ("cli", "spark", "tensorflow", "examples")

# What inference in Spark looks at by default.
_SAMPLE_FILES = 1000
_SAMPLE_RECORDS = 1000
# Of a file, each with its line: one whose every checksum is wrong may have millions.
_DAMAGED_RECORDS_NAMED = 10


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="sparktf", message="%(prog)s %(version)s")
def main() -> None:
    """Looks into TFRecord files.

    A PATH is a file, a folder that Spark wrote (partitioned or not), or a glob. The exit code is 1
    where a file is damaged or a record is not what it should be, and 2 where a command is not
    understood or a path not found.
    """


def _paths(command: Callable[..., Any]) -> Callable[..., Any]:
    """What all commands have: paths and their compression."""
    compression = click.option(
        "--compression",
        type=click.Choice(["auto", *TENSORFLOW_NAMES]),
        default="auto",
        help="By default told by the extension, then by the first bytes.",
    )
    argument = click.argument(
        "paths", nargs=-1, required=True, metavar="PATH…", shell_complete=_complete_path
    )
    return argument(compression(command))


def _complete_path(_context: Any, _parameter: Any, incomplete: str) -> list[Any]:
    from click.shell_completion import CompletionItem

    return [CompletionItem(incomplete, type="file")]


_record_type = click.option(
    "--record-type",
    type=click.Choice(["Example", "SequenceExample", "ByteArray"], case_sensitive=False),
    help="What a record is. By default it is found out: an Example or a SequenceExample.",
)


@main.command()
@_paths
@_record_type
@click.option("--all", "look_at_all", is_flag=True, help="Look at all records, not at a sample.")
@click.option("--ddl", "form", flag_value="ddl", help="As spark.read.schema(…) takes it.")
@click.option("--json", "form", flag_value="json", help="As StructType.fromJson takes it.")
def schema(
    paths: tuple[str, ...],
    compression: str,
    record_type: str | None,
    look_at_all: bool,
    form: str | None,
) -> None:
    """The columns that Spark finds in the files.

    They are told from a sample, the first 1,000 records of up to 1,000 files, as they are in
    spark.read.format("tfrecord").
    """
    files = _find(paths, compression)
    sample = files if look_at_all else evenly_spaced(files, _SAMPLE_FILES)
    records = _records(sample, None if look_at_all else _SAMPLE_RECORDS)
    columns = show.columns(_statistics(records, record_type), record_type, files)
    click.echo(show.schema(columns, form))


@main.command()
@_paths
@_record_type
@click.option("-n", "count", type=click.IntRange(0), default=5, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="One object a line, features as lists.")
def head(
    paths: tuple[str, ...], compression: str, record_type: str | None, count: int, as_json: bool
) -> None:
    """The first records.

    In JSON a value of bytes is text where it is UTF-8, else {"base64": …}, and a number that JSON
    has no name for is "NaN", "Infinity" or "-Infinity".
    """
    files = _find(paths, compression)
    record_types = RecordTypes()
    for index, (file, offset, record) in enumerate(_records(files, count, in_all=True)):
        decoded = _decoded(file, offset, record, record_type)
        if decoded is not None and not record_types.is_known:
            record_types.add(f"the record at byte {offset} of {file.path}", record, *decoded)
        with _in_record(file, offset):
            if as_json:
                text = json.dumps(show.plain(decoded, record, file), ensure_ascii=False)
            else:
                text = ("\n" if index else "") + show.record(decoded, record, file, offset)
        click.echo(text)
    if record_type is None:
        with _as_error():
            record_types.check()


@main.command()
@_paths
@_record_type
@click.option("--json", "as_json", is_flag=True, help="One object for all files.")
def stat(paths: tuple[str, ...], compression: str, record_type: str | None, as_json: bool) -> None:
    """Number and size of the records, and what each feature holds."""
    files = _find(paths, compression)
    statistics = _statistics(_records(files, None), record_type)
    size = sum(file.size for file in files)
    if as_json:
        click.echo(json.dumps(show.statistics_json(statistics, len(files), size), indent=1))
    else:
        click.echo(show.statistics(statistics, len(files), size))


@main.command()
@_paths
@click.option("-q", "--quiet", is_flag=True, help="Name damaged files only.")
def verify(paths: tuple[str, ...], compression: str, quiet: bool) -> None:
    """Compares both checksums of every record.

    Where a record is damaged, its offset is named (of a file, up to 10), and the exit code is 1.
    What follows it is looked at too, unless its length is damaged: then its end is unknown.
    """
    files = _find(paths, compression)
    with _progress(files) as on_read:
        damaged = sum(not _is_whole(file, quiet, on_read) for file in files)
    if damaged:
        raise click.ClickException(f"{damaged} of {_counted(len(files), 'file')} damaged")


def _is_whole(file: RecordFile, quiet: bool, on_read: Callable[[int], object] | None) -> bool:
    """Whether nothing in a file is damaged; says what is."""
    whole = damaged = 0
    try:
        for frame in read_frames(file.path, file.compression, on_read):
            if frame.is_whole:
                whole += 1
                continue
            damaged += 1
            if damaged <= _DAMAGED_RECORDS_NAMED:
                click.echo(str(frame.damage(file.path)), err=True)
    except NoRecordsError as error:
        click.echo(str(error), err=True)
        return False
    except DamagedFileError as error:
        others = f" and {_counted(damaged, 'damaged one')}" if damaged else ""
        click.echo(f"{error} (behind {_counted(whole, 'whole record')}{others})", err=True)
        return False
    if damaged:
        click.echo(f"{file.path}: {_counted(damaged, 'record')} damaged, {whole:,} whole", err=True)
    elif not quiet:
        click.echo(f"{file.path}: {_counted(whole, 'record')}, whole")
    return not damaged


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}{'s' * (count != 1)}"


@main.command(context_settings={"ignore_unknown_options": True, "help_option_names": []})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[OPTION…]")
def demo(arguments: tuple[str, ...]) -> None:
    """Images to TFRecord to a trained network, with Spark.

    Reads 5,000 handwritten digits, or your own images (--images DIR, one folder for each class),
    and leaves a report as a picture. `sparktf demo --help` has more options.
    """
    try:
        require("the demo", *_DEMO_NEEDS, extras=_DEMO_EXTRAS)
    except ModuleNotFoundError as error:
        raise click.ClickException(str(error)) from None
    # In a wheel they are a folder of the package, in a checkout beside it.
    package = Path(__file__).parents[1]
    folders = [package / "_demo", package.parents[1] / "examples"]
    sys.path.insert(0, str(next(f for f in folders if (f / "quickstart.py").is_file())))
    sys.argv = ["sparktf demo", *arguments]
    importlib.import_module("quickstart").main()


@main.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Prints what makes SHELL complete this command.

    For bash: echo 'eval "$(sparktf completion bash)"' >> ~/.bashrc
    """
    from click.shell_completion import get_completion_class

    found = get_completion_class(shell)
    assert found is not None
    click.echo(found(main, {}, "sparktf", "_SPARKTF_COMPLETE").source())


def _find(paths: Sequence[str], compression: str) -> list[RecordFile]:
    try:
        return find_files(list(paths), compression, LocalFiles())
    except (OSError, ValueError) as error:
        raise click.UsageError(str(error)) from None


def _records(
    files: Sequence[RecordFile], limit: int | None, in_all: bool = False
) -> Iterator[tuple[RecordFile, int, bytes]]:
    """File, offset and record; up to `limit` of each file, or in all."""
    left = limit
    with _progress(files, limit is None) as on_read:
        for file in files:
            if left == 0:
                return
            try:
                for offset, record in read_records(file.path, file.compression, on_read):
                    yield file, offset, record
                    if left is not None:
                        left -= 1
                        if left == 0:
                            break
            except DamagedFileError as error:
                raise click.ClickException(str(error)) from None
            if not in_all:
                left = limit


@contextlib.contextmanager
def _progress(
    files: Sequence[RecordFile], wanted: bool = True
) -> Iterator[Callable[[int], object] | None]:
    """A bar on a terminal; nothing elsewhere."""
    if not wanted or not sys.stderr.isatty():
        yield None
        return
    size = sum(file.size for file in files)
    with click.progressbar(length=size, file=sys.stderr, show_pos=False) as bar:
        yield bar.update


def _statistics(
    records: Iterator[tuple[RecordFile, int, bytes]], record_type: str | None
) -> Statistics:
    from sparktf.records.statistics import Statistics

    statistics = Statistics(record_type)
    for file, offset, record in records:
        with _in_record(file, offset):
            statistics.add(record, file.path, offset)
    with _as_error():
        return statistics.finish()


def _decoded(file: RecordFile, offset: int, record: bytes, record_type: str | None) -> show.Decoded:
    if record_type == "ByteArray":
        return None
    with _in_record(file, offset):
        return decode(record, record_type)


@contextlib.contextmanager
def _as_error() -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        raise click.ClickException(str(error)) from None


@contextlib.contextmanager
def _in_record(file: RecordFile, offset: int) -> Iterator[None]:
    from google.protobuf.message import DecodeError

    try:
        yield
    except DecodeError as error:
        raise click.ClickException(
            f"{file.path}: the record at byte {offset} is no message of this --record-type: "
            f"{error}. {AS_BYTES}"
        ) from None
    except ValueError as error:
        raise click.ClickException(f"{file.path}: the record at byte {offset}: {error}") from None
