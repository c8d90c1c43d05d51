"""What the records of a file are: tf.Examples, tf.SequenceExamples, or messages of another kind."""

from __future__ import annotations

import itertools
import re
from typing import Any, Final

from sparktf.records.messages import message_class

# tensorflow/core/util/event.proto: wall_time (a double), then step (a varint) or file_version.
_EVENT: Final = re.compile(rb"\x09.{8}(\x10|\x1a.brain\.Event:)", re.S)
# Examples and SequenceExamples without a feature: their maps are there, and empty.
_BLANK: Final = re.compile(rb"(\x0a\x00|\x12\x00)*")


def _holds_nothing_else(record: bytes, features: Any, lists: Any) -> bool:
    """Whether a record is these maps and nothing more: then they need no values to be known."""
    sizes = (
        sum(_sized(_sized(len(name.encode())) + _sized(value.ByteSize())) for name, value in found)
        for found in (features.items(), lists.items())
    )
    return len(record) == sum(_sized(size) for size in sizes if size)


def _sized(size: int) -> int:
    """The bytes of a field of so many, with its tag and its length."""
    return 1 + max(1, -(-size.bit_length() // 7)) + size


def decode(record: bytes, record_type: str | None) -> tuple[Any, Any]:
    """The features, or the context's, and the feature lists of a record; both are maps.

    Args:
        record: A serialized message.
        record_type: "Example" or "SequenceExample"; None finds out which: the first field of both
            is the same.

    Raises:
        DecodeError: It is no such message.
    """
    from google.protobuf.message import DecodeError

    if record_type != "Example":
        try:
            message = message_class("SequenceExample").FromString(record)
        except DecodeError:
            # A field that an Example does not have may hold anything.
            if record_type is not None:
                raise
        else:
            return message.context.feature, message.feature_lists.feature_list
    return message_class("Example").FromString(record).features.feature, {}


class RecordTypes:
    """Whether records hold features at all, from those that it is shown.

    Attributes:
        is_known: Whether one does, and no further one need be shown.
    """

    def __init__(self) -> None:
        self.is_known = False
        self._records = 0
        self._other: tuple[str, bytes] | None = None  # the first that is not blank

    def add(self, place: str, record: bytes, features: Any, lists: Any) -> None:
        """Looks at a record, and what was parsed of it.

        Args:
            place: What an error is to call it.
            record: Itself.
            features, lists: What `decode` made of it.
        """
        self._records += 1
        # A list without values is one, too; what is no Example has names at most.
        steps = (step for found in lists.values() for step in found.feature)
        if any(f.WhichOneof("kind") for f in itertools.chain(features.values(), steps)):
            self.is_known = True
        elif not (
            self._other or _BLANK.fullmatch(record) or _holds_nothing_else(record, features, lists)
        ):
            self._other = place, record

    def check(self) -> None:
        """
        Raises:
            ValueError: No record has a feature with a list, though one is not blank.
        """
        if self.is_known or self._other is None:
            return
        place, record = self._other
        looks = ", which looks like one of TensorBoard's events" if _EVENT.match(record) else ""
        raise ValueError(
            f"the records are no tf.Examples: of the {self._records:,} looked at none has a "
            f"feature with a value, though they are not empty, as {place}{looks}. {AS_BYTES}"
        )


AS_BYTES: Final = (
    'Records of any kind are read as bytes by option("recordType", "ByteArray") in Spark, and by '
    "sparktf's commands with --record-type ByteArray"
)
