"""What a SavedModel's signatures take and give, read from its `saved_model.pb` alone.

No TensorFlow is needed, and the graph and the weights are not looked at: the few fields that say
it are picked out of the message's wire bytes, all else is skipped by its length. The messages are
TensorFlow's `saved_model.proto`, `meta_graph.proto` and `tensor_shape.proto`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sparktf.columns.dtypes import by_number


@dataclass(frozen=True)
class TensorSpec:
    """An input or output of a signature.

    Attributes:
        dtype: TensorFlow's name of it ("float32", "string", ...).
        shape: With the batch dimension in front; None for a dimension that is free, and None
            instead of a shape where not even the rank is known.
        kind: What it is where it is no plain tensor ("sparse", "ragged or other composite").
    """

    dtype: str
    shape: tuple[int | None, ...] | None
    kind: str = "tensor"

    def __str__(self) -> str:
        if self.shape is None:
            return f"{self.dtype} of unknown rank"
        return f"{self.dtype}[{', '.join('?' if d is None else str(d) for d in self.shape)}]"


@dataclass(frozen=True)
class Signature:
    """A signature of a SavedModel; inputs and outputs in the order of their names."""

    name: str
    inputs: Mapping[str, TensorSpec]
    outputs: Mapping[str, TensorSpec]


def read_signature(folder: Path, name: str, tags: Sequence[str]) -> Signature:
    """The signature `name` of the graph with exactly these tags.

    Raises:
        ValueError: The folder holds no SavedModel, or the model lacks the tags or the signature
            (the error lists those that it has), or one of its tensors cannot be a column.
    """
    signatures = _graph(folder, tags)
    if name not in signatures:
        there = ", ".join(sorted(signatures)) or "none"
        advice = ""
        if there == "none":
            advice = (
                ". Save the model with model.export(path) (Keras) or "
                "tf.saved_model.save(module, path, signatures=module.f.get_concrete_function(…))"
            )
        raise ValueError(f"{folder}: no signature {name!r}; it has: {there}{advice}")
    return signatures[name]


def signature_names(folder: Path, tags: Sequence[str] = ("serve",)) -> list[str]:
    """The signatures of the graph with exactly these tags.

    Raises:
        ValueError: The folder holds no SavedModel, or the model lacks the tags.
    """
    return sorted(_graph(folder, tags))


def _graph(folder: Path, tags: Sequence[str]) -> dict[str, Signature]:
    graphs = _read(folder)
    signatures = graphs.get(frozenset(tags))
    if signatures is None:
        there = "; ".join(sorted(", ".join(sorted(t)) or "no tags" for t in graphs))
        raise ValueError(f"{folder}: no graph with the tags {tuple(tags)}; it has: {there}")
    # TensorFlow adds this one to each model that it saves; it runs nothing.
    signatures.pop("__saved_model_init_op", None)
    return signatures


def _read(folder: Path) -> dict[frozenset[str], dict[str, Signature]]:
    file = folder / "saved_model.pb"
    if not file.is_file():
        other = ", ".join(sorted(f.name for f in folder.glob("saved_model.*")))
        found = f"it has {other} in its place" if other else "it has no saved_model.pb"
        raise ValueError(
            f"{folder} is no SavedModel: {found}. A Keras model becomes one by "
            "model.export(path), a tf.Module by tf.saved_model.save"
        )
    message = memoryview(file.read_bytes())
    graphs = {}
    try:
        for number, value in _fields(message):
            if number == 2:  # SavedModel.meta_graphs
                tags, signatures = _meta_graph(_message(value))
                graphs[tags] = signatures
    except (IndexError, ValueError) as error:
        raise ValueError(f"{file} is damaged or no SavedModel: {error}") from error
    if not graphs:
        raise ValueError(f"{file} is damaged or no SavedModel: it holds no graph")
    return graphs


def _meta_graph(message: memoryview) -> tuple[frozenset[str], dict[str, Signature]]:
    tags: list[str] = []
    signatures = {}
    for number, value in _fields(message):
        if number == 1:  # MetaGraphDef.meta_info_def
            tags += [_text(v) for n, v in _fields(_message(value)) if n == 4]
        elif number == 5:  # MetaGraphDef.signature_def, a map
            name, signature = _entry(value)
            inputs: dict[str, TensorSpec] = {}
            outputs: dict[str, TensorSpec] = {}
            for side, tensor in _fields(signature):
                if side in (1, 2):  # SignatureDef.inputs and .outputs, maps
                    key, info = _entry(tensor)
                    (inputs if side == 1 else outputs)[key] = _tensor(info)
            signatures[name] = Signature(
                name, dict(sorted(inputs.items())), dict(sorted(outputs.items()))
            )
    return frozenset(tags), signatures


def _tensor(message: memoryview) -> TensorSpec:
    """A TensorInfo."""
    dtype, kind = "invalid", "tensor"
    shape: tuple[int | None, ...] | None = ()
    for number, value in _fields(message):
        if number == 2:
            number = _number(value)
            dtype = by_number(number) or f"DataType {number}"
        elif number == 3:
            shape = _shape(_message(value))
        elif number in (4, 5):
            kind = "sparse tensor" if number == 4 else "ragged or other composite tensor"
    return TensorSpec(dtype, shape, kind)


def _shape(message: memoryview) -> tuple[int | None, ...] | None:
    """A TensorShapeProto."""
    dims: list[int | None] = []
    for number, value in _fields(message):
        if number == 2:
            size = _number(dict(_fields(_message(value))).get(1, 0))
            dims.append(None if size >= 1 << 63 else size)  # -1, in 64 bits
        elif number == 3 and value:
            return None
    return tuple(dims)


def _entry(value: int | memoryview) -> tuple[str, memoryview]:
    """Key and value of a map's entry."""
    fields = dict(_fields(_message(value)))
    return _text(fields.get(1, memoryview(b""))), _message(fields.get(2, memoryview(b"")))


def _fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Number and value of each field: a varint's number, or the bytes of what has a length."""
    position = 0
    while position < len(message):
        key, position = _varint(message, position)
        wire = key & 7
        if wire == 0:
            value, position = _varint(message, position)
            yield key >> 3, value
            continue
        if wire == 2:
            length, position = _varint(message, position)
        elif wire in (1, 5):
            length = 8 if wire == 1 else 4
        else:
            raise ValueError(f"wire type {wire} at byte {position}")
        end = position + length
        if end > len(message):
            raise ValueError("it ends inside a field")
        yield key >> 3, message[position:end]
        position = end


def _varint(message: memoryview, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
        if shift > 63:
            raise ValueError(f"a number of more than 64 bits at byte {position}")


def _number(value: int | memoryview) -> int:
    if isinstance(value, int):
        return value
    raise ValueError("a message in the place of a number")


def _message(value: int | memoryview) -> memoryview:
    if isinstance(value, int):
        raise ValueError("a number in the place of a message")
    return value


def _text(value: int | memoryview) -> str:
    return str(_message(value), "utf-8")
