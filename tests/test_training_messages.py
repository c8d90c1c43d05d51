"""What driver, tasks and processes of a training run tell each other, as bytes and back."""

import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparktf.training import messages
from sparktf.training.codec import Codec, Message
from sparktf.training.driver import progress
from sparktf.training.messages import (
    EPOCH_ENDED,
    FROM_COORDINATOR,
    FROM_PROCESS,
    HELLO,
    TO_COORDINATOR,
    TO_PROCESS,
    AllEnded,
    EpochEnded,
    Hello,
    Returned,
    RowsWritten,
    Stop,
)
from sparktf.training.outcomes import Outcome

pytestmark = pytest.mark.one_spark

KINDS = [kind for kind in vars(messages).values() if isinstance(kind, type)]
KINDS = [kind for kind in KINDS if issubclass(kind, Message) and kind is not Message]
CODECS = [codec for codec in vars(messages).values() if isinstance(codec, Codec)]
SENT = sorted({kind for codec in CODECS for kind in codec.kinds}, key=lambda kind: kind.__name__)


def test_only_what_a_task_tells_itself_is_never_sent():
    assert {kind.__name__ for kind in set(KINDS) - set(SENT)} == {
        "CoordinatorLost",
        "ProcessExited",
        "RowsRefused",
    }


@pytest.mark.parametrize("kind", SENT, ids=lambda kind: kind.__name__)
@settings(deadline=None)
@given(data=st.data())
def test_messages_come_as_they_were_sent(kind, data):
    codecs = [codec for codec in CODECS if kind in codec.kinds]
    # A nan equals no other, and so does no message that has one.
    comparable = st.from_type(kind).filter(lambda message: "nan" not in repr(message))
    sent = data.draw(st.lists(comparable, min_size=1, max_size=3))
    for codec in codecs:
        # Each ends where it does, whatever its texts and bytes have in them.
        source = io.BytesIO(b"".join(map(codec.encode, sent)))
        received = [codec.read(source) for _ in sent]
        assert received == sent
        assert [*map(type, received)] == [kind] * len(sent)
        assert codec.read(source) is None


def test_values_that_are_no_json_come_as_text():
    epoch = EpochEnded(np.int64(3), np.int64(5), {"loss": np.float32(0.25), "f1": 0.5}, 1)
    received = EPOCH_ENDED.decode(EPOCH_ENDED.encode(epoch))
    assert received == EpochEnded("3", "5", {"loss": "0.25", "f1": 0.5}, 1.0)
    assert progress.text(received) == "epoch 3/5: loss 0.25, f1 0.5 (1.0 s)"


def test_numbers_without_a_value_are_numbers():
    epoch = EpochEnded(1, None, {"loss": float("nan"), "most": float("inf")}, 2.0)
    received = EPOCH_ENDED.decode(EPOCH_ENDED.encode(epoch))
    assert progress.text(received) == "epoch 1: loss nan, most inf (2.0 s)"


def test_a_message_of_another_way_is_unknown():
    with pytest.raises(ValueError, match=r"unknown message 'Stop': expected one of Str.*Ended"):
        TO_COORDINATOR.decode(FROM_COORDINATOR.encode(Stop("", 0.0)))
    with pytest.raises(ValueError, match="unknown message 'Nothing'"):
        TO_PROCESS.decode(b'{"type": "Nothing", "fields": {}}\n')


@pytest.mark.parametrize("message", [Returned(b"ab\ncd"), Returned(b"")])
def test_a_message_that_is_cut_is_none(message):
    whole = FROM_PROCESS.encode(message)
    for end in range(1, len(whole)):
        with pytest.raises(ValueError, match=r"is cut"):
            FROM_PROCESS.decode(whole[:end])
    with pytest.raises(ValueError, match="there is no message"):
        FROM_PROCESS.decode(b"")


def test_a_line_has_a_longest_length():
    with pytest.raises(ValueError, match="a message is cut after 4,096 bytes of its line"):
        HELLO.decode(HELLO.encode(Hello("secret", 0, "x" * 5000)))


@pytest.mark.parametrize(
    "codec, line, problem",
    [
        (HELLO, "GET / HTTP/1.1", "a message is no JSON: "),
        (HELLO, "[]", "a message has a type and fields, unlike "),
        (HELLO, '{"type": "Hello"}', "a message has a type and fields, unlike "),
        (HELLO, '{"type": ["Hello"], "fields": {}}', "unknown message ['Hello']: "),
        (TO_COORDINATOR, ("RowsWritten", {}), "RowsWritten has the fields rows, unlike {}"),
        (TO_COORDINATOR, ("RowsWritten", {"rows": "7"}), "RowsWritten.rows is int, unlike '7'"),
        (TO_COORDINATOR, ("RowsWritten", {"rows": True}), "RowsWritten.rows is int, unlike True"),
        (TO_COORDINATOR, ("StrategyState", {"state": "left"}), "StrategyState.state is "),
        (TO_COORDINATOR, ("Ended", {"outcome": {"rank": 1}}), "Outcome has the fields rank, host,"),
        (FROM_COORDINATOR, ("RowCounts", {"rows": [1, None]}), "RowCounts.rows is tuple"),
        (FROM_PROCESS, ("Returned", {"value": -1}), "Returned.value is bytes, and their length"),
        (FROM_PROCESS, ("Returned", {"value": "ab"}), "Returned.value is bytes, and their length"),
    ],
)
def test_what_is_no_message_is_an_error(codec, line, problem):
    text = line if isinstance(line, str) else json.dumps({"type": line[0], "fields": line[1]})
    with pytest.raises(ValueError, match=re.escape(problem)):
        codec.decode(text.encode() + b"\n")


def test_what_is_secret_or_long_is_not_shown():
    assert "secret" not in repr(Hello("secret", 0, "host"))
    assert repr(Returned(b"secret")) == "Returned()"
    assert repr(RowsWritten(3)) == "RowsWritten(rows=3)"


def test_nested_outcomes_are_outcomes():
    outcome = Outcome(1, "host", "died", exit_code=-9, log=("a", "b"))
    sent = AllEnded((Outcome(0, "host", "stopped"), outcome))
    assert FROM_COORDINATOR.decode(FROM_COORDINATOR.encode(sent)).outcomes[1] == outcome


@pytest.mark.parametrize("side, needed", [("driver", "task"), ("task", ""), ("process", "")])
def test_a_side_of_a_run_needs_what_all_share(side, needed):
    """And the driver's the task's, which it runs."""
    folder = Path(messages.__file__).parent / side
    imports = {
        imported
        for file in folder.glob("*.py")
        for imported in re.findall(r"from sparktf\.training\.(\w+)\.?\w* import", file.read_text())
    }
    assert "messages" in imports
    assert imports & {"driver", "task", "process"} <= {side, needed}
