"""From runs of records to tensors.

TensorFlow is told where records lie, many at a time, and decodes them in its own threads by the
operation of native/tensorflow.c. What is wrong with records that this cannot decode, Python says,
by `records.decoding`. Features of kinds that only TensorFlow knows, and all where there is no such
operation, are parsed by `tf.io.parse_example`.
"""

from __future__ import annotations

import ctypes
import functools
import itertools
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from sparktf.columns.arrays import Ragged, Strings
from sparktf.data.features import Feature
from sparktf.data.sources import Source
from sparktf.records import native
from sparktf.records.decoding import RECORD_TYPES, WHOLE, Decoder, Wanted, rewritten
from sparktf.records.runs import Run, empty_run, new_buffer

if TYPE_CHECKING:
    import tensorflow as tf

# What native/tensorflow.c takes, in its order.
_FUNCTIONS: Final = (
    "NewOpDefinitionBuilder",
    "OpDefinitionBuilderAddAttr",
    "OpDefinitionBuilderAddInput",
    "OpDefinitionBuilderAddOutput",
    "OpDefinitionBuilderSetIsStateful",
    "OpDefinitionBuilderSetShapeInferenceFunction",
    "RegisterOpDefinition",
    "NewKernelBuilder",
    "RegisterKernelBuilder",
    "NewStatus",
    "DeleteStatus",
    "SetStatus",
    "GetCode",
    "GetInput",
    "AllocateOutput",
    "TensorData",
    "TensorElementCount",
    "DeleteTensor",
    "OpKernelContext_Failure",
    "ShapeInferenceContextSetUnknownShape",
)
# They write TensorFlow's strings as these versions lay them out.
_VERSIONS: Final = ((2, 16), (2, 22))
_FRAMEWORK: Final = {
    "linux": "libtensorflow_framework.so.2",
    "darwin": "libtensorflow_framework.2.dylib",
}


@functools.cache
def has_operations() -> bool:
    """Whether this process's TensorFlow knows the operations of native/tensorflow.c by now."""
    import tensorflow as tf

    library, framework = native.library(), _FRAMEWORK.get(sys.platform)
    version = tuple(int(n) for n in tf.__version__.split(".")[:2])
    if library is None or framework is None or not _VERSIONS[0] <= version < _VERSIONS[1]:
        return False
    try:
        functions = ctypes.CDLL(str(Path(tf.sysconfig.get_lib()) / framework))
        addresses = [
            ctypes.cast(getattr(functions, f"TF_{name}"), ctypes.c_void_p).value
            for name in _FUNCTIONS
        ]
    except (OSError, AttributeError):
        return False
    if library.register([address for address in addresses if address], _rewritten) != 0:
        return False
    try:
        with tf.init_scope():
            return _decodes_what_python_keeps(library)
    except (tf.errors.OpError, RuntimeError):  # there is no eager execution, or it is not so
        return False


def _decodes_what_python_keeps(library: native.Library) -> bool:
    """Whether what a generator gives comes to the operation as it is, and comes back right."""
    import tensorflow as tf

    strings = [b"x" * size for size in (0, 22, 23, 1000)]
    framed = np.frombuffer(b"".join(string + bytes(4) for string in strings), np.uint8).copy()
    sizes = np.array([len(string) for string in strings])
    begins = native.address_of(framed) + np.cumsum(sizes + 4) - sizes - 4
    for begin, size, string in zip(begins - begins[0], sizes, strings, strict=True):
        checksum = library.masked_crc32c(string).to_bytes(4, "little")
        framed[begin + size : begin + size + 4] = np.frombuffer(checksum, np.uint8)
    decoder = Decoder([Wanted("", WHOLE, 1)], [""], "ByteArray")
    parts = (np.asarray(_Keeper((framed,))), begins, sizes)
    kept = tf.data.Dataset.from_generator(
        lambda: iter([parts]),
        output_signature=tuple(tf.TensorSpec([None], dtype) for dtype in _GIVEN[1:4]),
    )
    decoded = kept.map(lambda *given: _operation(decoder.spec(0, [()]), given, [tf.string]))
    return [tensor.numpy().tolist() for tensor in next(iter(decoded))] == [[strings], [0]]


def _operation(spec: Any, given: Sequence[Any], types: Sequence[Any]) -> tuple[Any, ...]:
    """The outputs of SparktfDecode."""
    import tensorflow as tf

    listed = tf.compat.v1.AttrValue.ListValue(type=[dtype.as_datatype_enum for dtype in types])
    operation = tf.compat.v1.get_default_graph().create_op(
        "SparktfDecode",
        [tf.constant(spec), *given],
        [*types, tf.int64],
        attrs={"Tout": tf.compat.v1.AttrValue(list=listed)},
    )
    return tuple(operation.outputs)


def _rewritten(record_type: int, record: bytes) -> bytes | None:
    return rewritten(RECORD_TYPES[record_type], record)


# ---------------------------------------------------------------- what TensorFlow is given

# Of some records: why there are none, what keeps their bytes, their addresses and lengths, the
# offsets of their frames in their files, and the files' numbers.
_GIVEN: Final = ("uint8", "uint8", "int64", "int64", "int64", "int64")


class _Keeper:
    """What holds buffers as long as an array of NumPy's that is made of it."""

    def __init__(self, buffers: tuple[Any, ...]) -> None:
        self._buffers = buffers
        self._memory = new_buffer(8)
        self._memory[:] = np.array([native.address_of(self._memory)]).view(np.uint8)
        self.__array_interface__ = self._memory.__array_interface__


def runs(source: Source) -> tf.data.Dataset:
    """The records of a source, many whole batches at a time."""
    import tensorflow as tf

    def generate() -> Iterator[tuple[Any, ...]]:
        try:
            for run in source.reader(seed, next(iterations)).batches():
                yield (nothing, *_parts(run))
        except (OSError, ValueError) as error:
            yield (_told(error), *_parts(empty_run()))

    nothing = np.empty(0, np.uint8)
    seed, iterations = source.new_seed(), itertools.count()
    signature = tuple(tf.TensorSpec([None], dtype) for dtype in _GIVEN)
    return tf.data.Dataset.from_generator(generate, output_signature=signature)


def _parts(run: Run) -> tuple[Any, ...]:
    columns = (native.ADDRESS, native.LENGTH, native.OFFSET, native.FILE_NUMBER)
    arrays = (np.ascontiguousarray(run.rows[:, column]) for column in columns)
    return np.asarray(_Keeper(run.buffers)), *arrays


def _run(keeper: Any, *columns: Any) -> Run:
    """The opposite of `_parts`."""
    rows = np.empty((len(columns[0]), native.RECORD), np.int64)
    for column, values in enumerate(columns):
        rows[:, column] = values
    return Run(rows, (keeper,))


def _told(error: Exception) -> Any:
    return np.frombuffer(str(error).encode(), np.uint8)


def _check(complaint: Any) -> None:
    """Fails where there is one, which is UTF-8."""
    import tensorflow as tf

    if has_operations():
        tf.compat.v1.get_default_graph().create_op("SparktfCheck", [complaint], [])
        return

    def check(told: Any) -> None:
        if len(told):
            raise ValueError(told.tobytes().decode())

    tf.numpy_function(check, [complaint], [])


def _require(is_right: Any, told: str) -> None:
    import tensorflow as tf

    complaint = tf.constant(np.frombuffer(told.encode(), np.uint8))
    _check(complaint[: tf.where(is_right, 0, tf.size(complaint))])


# ---------------------------------------------------------------- decoded


class _Decoding:
    """Decodes what TensorFlow was given into tensors.

    Of a column with a shape there is one, `[batches, rows, *shape]`; of a ragged column its values
    and its splits; of a feature list its values, the splits of its steps, and those of its rows.
    """

    def __init__(self, source: Source, decoder: Decoder, features: Sequence[Feature], cut: bool):
        """
        Args:
            source: Of the records.
            decoder: Of the features.
            features: The columns.
            cut: Whether the rows of one call are cut into batches, or are one.
        """
        import tensorflow as tf

        self._decoder, self._features = decoder, features
        self._cut = source.plan.batch_size if cut else 0
        self._static: list[int | None] = [None, None]
        if cut and source.plan.are_batches_full:
            self._static = [None, source.plan.batch_size]
        self._types = [
            tf.as_dtype(feature.dtype if number == 0 else "int64")
            for feature in features
            for number in range(tensor_count(feature))
        ]

    def __call__(self, complaint: Any, *given: Any) -> list[Any]:
        _check(complaint)
        tensors = self._by_operation(*given) if has_operations() else self._by_python(*given)
        shapes = [
            [None] if feature.shape is None else [*self._static, *feature.shape]
            for feature in self._features
            for _ in range(tensor_count(feature))
        ]
        for tensor, shape in zip(tensors, shapes, strict=True):
            tensor.set_shape(shape)
        return tensors

    def _by_operation(self, keeper: Any, addresses: Any, lengths: Any, *others: Any) -> list[Any]:
        import tensorflow as tf

        shapes = [feature.shape or () for feature in self._features]
        spec = self._decoder.spec(self._cut, shapes)
        *tensors, problems = _operation(spec, (keeper, addresses, lengths), self._types)
        has_problem = tf.reshape(problems, []) > 0
        given = (keeper, addresses, lengths, *others)
        nothing = tf.constant([], tf.uint8)
        _check(tf.cond(has_problem, lambda: self._reason(*given), lambda: nothing))
        return list(tensors)

    def _reason(self, *given: Any) -> Any:
        """Why records cannot be decoded."""
        import tensorflow as tf

        def decode(*parts: Any) -> Any:
            try:
                self._decoder(_run(*parts))
            except ValueError as error:
                return _told(error)
            return _told(RuntimeError("records could not be decoded, and then could"))

        return tf.ensure_shape(tf.numpy_function(decode, given, tf.uint8), [None])

    def _by_python(self, *given: Any) -> list[Any]:
        import tensorflow as tf

        def decode(*parts: Any) -> list[Any]:
            run = _run(*parts)
            return list(self._shaped(len(run), self._decoder(run)))

        found: list[Any] = tf.numpy_function(decode, given, self._types)
        return found

    def _shaped(self, rows: int, columns: list[Any]) -> Iterator[Any]:
        batches = (
            (rows // self._cut, self._cut) if self._cut and not rows % self._cut else (1, rows)
        )
        for feature, column in zip(self._features, columns, strict=True):
            splits = []
            while isinstance(column, Ragged):
                splits.append(column.row_splits)
                column = column.values
            values = column.to_numpy() if isinstance(column, Strings) else column
            if feature.shape is not None:
                values = values.reshape((*batches, *feature.shape))
            yield values
            yield from reversed(splits)


def tensor_count(feature: Feature) -> int:
    if feature.is_list:
        return 3
    return 2 if feature.shape is None else 1


# ---------------------------------------------------------------- batches


def elements(source: Source) -> tf.data.Dataset:
    """The elements of `sparktf.dataset`."""
    selection = source.selection
    is_example = selection.record_type == "Example"
    if selection.by_tensorflow is not None or (is_example and not has_operations()):
        return _parsed(source)
    if any(feature.shape is None for feature in selection.features.values()):
        return _sliced(source)
    return _unbatched(source)


def _decoding(source: Source, cut: bool) -> _Decoding:
    return _Decoding(source, source.decoder(), list(source.selection.features.values()), cut)


def _unbatched(source: Source) -> tf.data.Dataset:
    """Of dense columns all batches of a run are cut at once."""
    decode = _decoding(source, cut=True)

    def batches(*given: Any) -> Any:
        columns = dict(zip(source.selection.features, decode(*given), strict=True))
        for name in source.selection.partitions:
            columns[name] = _batches(source, _partition(source, name, given[-1]))
        return finished(source, columns)

    return _mapped(runs(source), batches).unbatch()


def _batches(source: Source, rows: Any) -> Any:
    """A vector as one of batches."""
    import tensorflow as tf

    size = source.plan.batch_size
    if source.plan.are_batches_full:
        return tf.reshape(rows, [-1, size])
    # All are full, but for a last one, which comes alone.
    count = tf.size(rows)
    is_whole = tf.equal(count % size, 0)
    shape = [tf.where(is_whole, count // size, 1), tf.where(is_whole, size, count)]
    return tf.ensure_shape(tf.reshape(rows, shape), [None, None])


def _sliced(source: Source) -> tf.data.Dataset:
    """Of ragged columns batches are cut one by one."""
    import tensorflow as tf

    size = source.plan.batch_size
    features = source.selection.features
    partitions = list(source.selection.partitions)
    decode = _decoding(source, cut=False)

    def rows_of(*given: Any) -> Any:
        in_folders = [_partition(source, name, given[-1]) for name in partitions]
        return tf.size(given[-1]), (*decode(*given), *in_folders)

    def cut(count: Any, tensors: Any) -> tf.data.Dataset:
        batches = tf.data.Dataset.range(tf.cast((count + size - 1) // size, tf.int64))
        return batches.map(lambda number: slice_of(tf.cast(number, tf.int32), count, [*tensors]))

    def slice_of(number: Any, count: Any, tensors: list[Any]) -> Any:
        begin = number * size
        end = begin + size if source.plan.are_batches_full else tf.minimum(begin + size, count)
        columns: dict[str, Any] = {}
        for name, feature in features.items():
            parts = [tensors.pop(0) for _ in range(tensor_count(feature))]
            if feature.shape is None:
                columns[name] = _ragged(feature, parts, begin, end, source)
            else:
                columns[name] = _dense(parts[0][0], begin, end, source)
        for name in partitions:
            columns[name] = _dense(tensors.pop(0), begin, end, source)
        return finished(source, columns)

    return _mapped(runs(source), rows_of).flat_map(cut)


def _dense(rows: Any, begin: Any, end: Any, source: Source) -> Any:
    found = rows[begin:end]
    if source.plan.are_batches_full:
        found.set_shape([source.plan.batch_size, *rows.shape[1:]])
    return found


def _ragged(feature: Feature, parts: list[Any], begin: Any, end: Any, source: Source) -> Any:
    import tensorflow as tf

    values, *inner, splits = parts
    splits = splits[begin : end + 1]
    if source.plan.are_batches_full:
        splits.set_shape([source.plan.batch_size + 1])
    nested = [splits]
    for further in inner:
        nested.append(further[nested[-1][0] : nested[-1][-1] + 1])
    values = values[nested[-1][0] : nested[-1][-1]]
    dtype = tf.as_dtype("int64" if feature.is_list else feature.splits_dtype)
    shifted = [tf.cast(each - each[0], dtype) for each in nested]
    return tf.RaggedTensor.from_nested_row_splits(values, shifted, validate=False)


def _parsed(source: Source) -> tf.data.Dataset:
    """By `tf.io.parse_example`, or of a context by `parse_sequence_example`, of records."""
    import tensorflow as tf

    record = Feature("", "string", ())
    decode = _Decoding(source, source.records_decoder(), [record], cut=True)

    def batches(*given: Any) -> Any:
        return *decode(*given), _batches(source, given[-1])

    def parse(records: Any, numbers: Any) -> Any:
        columns = _parse(source, records, tf.gather(tf.constant(source.paths), numbers))
        for name in source.selection.partitions:
            columns[name] = _partition(source, name, numbers)
        return finished(source, columns)

    return _mapped(_mapped(runs(source), batches).unbatch(), parse)


def _parse(source: Source, records: Any, names: Any) -> dict[str, Any]:
    import tensorflow as tf

    selection = source.selection
    spec = selection.by_tensorflow or {
        name: feature.of_tensorflow for name, feature in selection.features.items()
    }
    if not spec:
        return {}
    # The files' names stand in TensorFlow's message about a record that does not fit.
    if selection.record_type == "Example":
        return dict(tf.io.parse_example(records, spec, example_names=names))
    context, _, _ = tf.io.parse_sequence_example(records, spec, example_names=names)
    return dict(context)


def _partition(source: Source, name: str, numbers: Any) -> Any:
    import tensorflow as tf

    column = source.selection.partitions[name]
    return tf.gather(tf.constant(column.values, column.dtype), numbers)


def _mapped(dataset: tf.data.Dataset, function: Callable[..., Any]) -> tf.data.Dataset:
    import tensorflow as tf

    # In order, as the runs come: a short batch is to stay the last.
    return dataset.prefetch(1).map(
        function, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True
    )


# ---------------------------------------------------------------- what is made of them


def finished(source: Source, columns: Mapping[str, Any]) -> Any:
    """An element, of the columns of a batch."""
    import tensorflow as tf

    selection = source.selection
    made = dict(columns)
    for name, padding in selection.padding.items():
        made[name] = _padded(name, made[name], padding.length, padding.value)
    for name, dtype in selection.dtypes.items():
        made[name] = _cast(name, made[name], tf.as_dtype(dtype))
    return selection.elements.element(made)


def _padded(name: str, column: Any, length: int | None, value: Any) -> Any:
    import tensorflow as tf

    if length is not None:
        longest = tf.reduce_max(tf.concat([column.row_lengths(), [0]], 0))
        _require(longest <= length, f"pad of {name!r}: a row has more than {length} values")
    dense = column.to_tensor(tf.constant(value, column.dtype), shape=[None, length])
    return tf.ensure_shape(dense, [column.shape[0], length])


def _cast(name: str, column: Any, dtype: Any) -> Any:
    import tensorflow as tf

    values = column.flat_values if isinstance(column, tf.RaggedTensor) else column
    if dtype.is_integer and values.dtype.is_integer and dtype.limits != values.dtype.limits:
        least, most = (max(dtype.min, values.dtype.min), min(dtype.max, values.dtype.max))
        is_right = tf.reduce_all((values >= least) & (values <= most))
        told = f"column {name!r} is to be {dtype.name}, but it has values outside of its range"
        _require(is_right, told)
    if isinstance(column, tf.RaggedTensor):
        return column.with_flat_values(tf.cast(values, dtype))
    return tf.cast(column, dtype)
