"""Epochs and their metrics, shown by the driver while a run goes on.

The chief's task sends them to the driver over a connection of their own. Where it cannot be made
(a Spark Connect client that executors cannot reach) nothing is shown, and nothing else happens.
"""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sparktf.spark.sessions import is_connect

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_LONGEST_LINE = 1 << 16
_CONNECT_SECONDS = 5.0


class Listener:
    """The driver's end.

    Args:
        host: Of this machine, as the workers know it.
        token: What a connection must begin with.
        show: Gets each message.

    Raises:
        OSError: No port can be had there.
    """

    def __init__(self, host: str, token: str, show: Callable[[dict[str, Any]], None]) -> None:
        self._token = token
        self._show = show
        self._connections: list[socket.socket] = []
        try:
            self._socket = socket.create_server((host, 0))
        except OSError:  # its name outside is not one that it has itself
            self._socket = socket.create_server(("", 0))
        self.address: tuple[str, int] = (host, self._socket.getsockname()[1])
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Shows what has come, and frees the port."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(1)
        for connection in self._connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RD)

    def _accept(self) -> None:
        serving = []
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                break
            self._connections.append(connection)
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            thread.start()
            serving.append(thread)
        for thread in serving:  # the last epoch's line may be on its way
            thread.join(0.5)

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError, ValueError), connection:
            connection.settimeout(_CONNECT_SECONDS)
            lines = connection.makefile("rb")
            if lines.readline(256).decode().strip() != self._token:
                return
            connection.settimeout(None)
            while line := lines.readline(_LONGEST_LINE):
                self._show(json.loads(line))


class Sender:
    """The chief's end."""

    def __init__(self, address: tuple[str, int] | None, token: str) -> None:
        self._connection: socket.socket | None = None
        if address is None:
            return
        with contextlib.suppress(OSError):
            self._connection = socket.create_connection(address, timeout=_CONNECT_SECONDS)
            self._connection.sendall(f"{token}\n".encode())

    def send(self, message: dict[str, Any]) -> None:
        if self._connection is None:
            return
        try:
            self._connection.sendall(json.dumps(message).encode() + b"\n")
        except OSError:
            self.close()

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def driver_host(spark: SparkSession | None) -> str | None:
    """This machine as the executors know it; None if that cannot be told."""
    if spark is None:
        return "127.0.0.1"
    if not is_connect(spark):
        return spark.sparkContext.getConf().get("spark.driver.host")
    try:
        server = spark.client.host
        # Sends nothing: it asks the system by which of its addresses it would.
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect((server, 9))
            return str(probe.getsockname()[0])
    except (AttributeError, OSError):
        return None


def text(message: dict[str, Any]) -> str:
    """A line for an epoch: ``epoch 2/5: accuracy 0.9411, loss 0.1935 (3.1 s)``."""
    epochs = f"/{message['epochs']}" if message.get("epochs") else ""
    metrics = ", ".join(f"{name} {value:.4g}" for name, value in message["metrics"].items())
    return f"epoch {message['epoch']}{epochs}: {metrics} ({message['seconds']:.1f} s)"
