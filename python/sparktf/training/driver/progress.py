"""Epochs and their metrics, shown by the driver while a run goes on.

The chief's task sends them over a connection of their own (`task.progress`). Where it cannot be
made (a Spark Connect client that executors cannot reach) nothing is shown, and nothing else
happens.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from sparktf.spark.sessions import is_connect
from sparktf.training.connections import introduced, stop_listening
from sparktf.training.messages import EPOCH_ENDED, EpochEnded

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

# For who connects to say that it belongs to the run.
_CONNECT_SECONDS = 5.0


class Listener:
    """The driver's end.

    Args:
        host: Of this machine, as the workers know it.
        token: The run's, which a connection must begin with.
        show: Gets each epoch.

    Raises:
        OSError: No port can be had there.
    """

    def __init__(self, host: str, token: str, show: Callable[[EpochEnded], None]) -> None:
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
        stop_listening(self._socket)
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
            known = introduced(connection, self._token, _CONNECT_SECONDS)
            if known is None:
                return
            _, source = known
            while (epoch := EPOCH_ENDED.read(source)) is not None:
                self._show(epoch)


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


def text(ended: EpochEnded) -> str:
    """A line for an epoch: ``epoch 2/5: accuracy 0.9411, loss 0.1935 (3.1 s)``."""
    epochs = f"/{ended.epochs}" if ended.epochs else ""
    metrics = ", ".join(
        f"{name} {value if isinstance(value, str) else format(value, '.4g')}"
        for name, value in ended.metrics.items()
    )
    return f"epoch {ended.epoch}{epochs}: {metrics} ({ended.seconds:.1f} s)"
