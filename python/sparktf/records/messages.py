"""TensorFlow's messages of examples as classes of protobuf, without TensorFlow.

As in TensorFlow's `example.proto` and `feature.proto`:
https://github.com/tensorflow/tensorflow/blob/master/tensorflow/core/example/feature.proto
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Any, Final

_PACKAGE: Final = "tensorflow"


@functools.cache
def message_class(name: str) -> Any:
    """`Example` or `SequenceExample`."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    file = descriptor_pb2.FileDescriptorProto(
        name="sparktf/example.proto", package=_PACKAGE, syntax="proto3"
    )
    kinds = descriptor_pb2.FieldDescriptorProto

    def message(name: str) -> Any:
        return file.message_type.add(name=name)

    def field(of: Any, name: str, number: int, kind: Any, **more: Any) -> Any:
        type_name = more.pop("type_name", None)
        added = of.field.add(name=name, number=number, type=kind, label=kinds.LABEL_OPTIONAL)
        if type_name:
            added.type_name = f".{_PACKAGE}.{type_name}"
        for key, value in more.items():
            setattr(added, key, value)
        return added

    def mapping(of: Any, name: str, number: int, to: str) -> None:
        # What protoc makes of map<string, to>.
        entry = of.nested_type.add(name=f"{name.title().replace('_', '')}Entry")
        entry.options.map_entry = True
        field(entry, "key", 1, kinds.TYPE_STRING)
        field(entry, "value", 2, kinds.TYPE_MESSAGE, type_name=to)
        type_name = f"{of.name}.{entry.name}"
        added = field(of, name, number, kinds.TYPE_MESSAGE, type_name=type_name)
        added.label = kinds.LABEL_REPEATED

    lists = {
        "BytesList": kinds.TYPE_BYTES,
        "FloatList": kinds.TYPE_FLOAT,
        "Int64List": kinds.TYPE_INT64,
    }
    feature = message("Feature")
    feature.oneof_decl.add(name="kind")
    for number, (list_name, kind) in enumerate(lists.items(), start=1):
        values = field(message(list_name), "value", 1, kind)
        values.label = kinds.LABEL_REPEATED
        of = list_name.replace("List", "_list").lower()
        field(feature, of, number, kinds.TYPE_MESSAGE, type_name=list_name, oneof_index=0)
    mapping(message("Features"), "feature", 1, "Feature")
    steps = field(message("FeatureList"), "feature", 1, kinds.TYPE_MESSAGE, type_name="Feature")
    steps.label = kinds.LABEL_REPEATED
    mapping(message("FeatureLists"), "feature_list", 1, "FeatureList")
    field(message("Example"), "features", 1, kinds.TYPE_MESSAGE, type_name="Features")
    sequence = message("SequenceExample")
    field(sequence, "context", 1, kinds.TYPE_MESSAGE, type_name="Features")
    field(sequence, "feature_lists", 2, kinds.TYPE_MESSAGE, type_name="FeatureLists")

    # A pool of its own: TensorFlow's messages have these names in the default one.
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{name}"))


def in_order(names: Iterable[str], record: bytes) -> list[str]:
    """The names of features in the order of the record, which a map of protobuf does not have."""
    return sorted(names, key=lambda name: record.find(_map_key(name)))


def _map_key(name: str) -> bytes:
    """The bytes of a name in a record: field 1 of a map's entry."""
    encoded = name.encode()
    length = bytearray()
    rest = len(encoded)
    while rest >= 0x80:
        length.append(rest & 0x7F | 0x80)
        rest >>= 7
    return b"\n" + bytes([*length, rest]) + encoded
