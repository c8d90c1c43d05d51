"""What the two servers of a run have in common: the driver's, and the coordinator."""

from __future__ import annotations

import contextlib
import socket
from typing import IO

from sparktf.training.messages import HELLO, Hello


def introduced(
    connection: socket.socket, token: str, seconds: float
) -> tuple[Hello, IO[bytes]] | None:
    """Who connects, and what comes from there; None where it does not belong to the run.

    Args:
        connection: New.
        token: The run's.
        seconds: That it has for its first message; what follows may take any time.

    Raises:
        OSError: It says nothing in time, or is gone.
        ValueError: It says something else.
    """
    connection.settimeout(seconds)
    source = connection.makefile("rb")
    hello = HELLO.read(source)
    if hello is None or hello.token != token:
        return None
    connection.settimeout(None)
    return hello, source


def stop_listening(listener: socket.socket) -> None:
    """Frees the port."""
    # Closing alone would leave a thread in accept(), and with it the port.
    with contextlib.suppress(OSError):
        listener.shutdown(socket.SHUT_RDWR)
    listener.close()
