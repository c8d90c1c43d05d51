"""Epochs and their metrics, on their way from the chief's task to the driver."""

from __future__ import annotations

import contextlib
import socket

from sparktf.training.messages import EPOCH_ENDED, HELLO, EpochEnded, Hello

_CONNECT_SECONDS = 5.0


class Sender:
    """The task's end of the connection; without one, nothing is sent.

    Args:
        address: Where the driver listens, if it does.
        hello: This task's.
    """

    def __init__(self, address: tuple[str, int] | None, hello: Hello) -> None:
        self._connection: socket.socket | None = None
        if address is None:
            return
        with contextlib.suppress(OSError):
            self._connection = socket.create_connection(address, timeout=_CONNECT_SECONDS)
            self._connection.sendall(HELLO.encode(hello))

    def send(self, epoch: EpochEnded) -> None:
        """Sends an epoch, unless the driver is gone."""
        if self._connection is None:
            return
        try:
            self._connection.sendall(EPOCH_ENDED.encode(epoch))
        except OSError:
            self.close()

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
