"""How the Spark tasks of one run tell each other how their processes fare.

A small server in the first worker's task, and a connection to it from each worker's. What it is
for: when one process fails, the others wait in TensorFlow's collective operations for seconds or
for ever; here all of them are told at once, and all learn how each one has ended. A connection
that breaks is a task that is gone.

Messages are lines of JSON, and the first of a connection has the run's token.
"""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from sparktf.training.outcomes import Outcome, cause

Message = dict[str, Any]

# A message has a traceback and log lines in it, each cut to some thousand characters.
_LONGEST_LINE = 16 << 20

# For a worker to tell of its end, if that has cut off another: it takes milliseconds.
_GRACE_SECONDS = 2.0

# For a peer to answer or to connect, once its machine is known to be there.
_CONNECT_SECONDS = 60.0


class Coordinator:
    """The server: it gathers what the workers tell, and tells all of them what follows from it."""

    def __init__(self, size: int, token: str) -> None:
        self._size = size
        self._token = token
        self._lock = threading.Lock()
        self._members: dict[int, socket.socket] = {}
        self._outcomes: dict[int, Outcome] = {}
        self._states: dict[int, str] = {}
        self._rows: dict[int, int] = {}
        self._stopped = False
        # What all have been told, which who comes later must hear too.
        self._said: list[Message] = []
        self._listener = socket.create_server(("", 0), backlog=size + 8)
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Frees the port and ends all connections."""
        # Closing alone would leave the thread in accept(), and with it the port.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            members = list(self._members.values())
        for member in members:
            _close(member)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        rank = -1
        host = ""
        try:
            connection.settimeout(_CONNECT_SECONDS)
            lines = connection.makefile("rb")
            hello = json.loads(lines.readline(4096) or b"{}")
            if hello.get("token") != self._token:
                return
            rank, host = int(hello["rank"]), str(hello["host"])
            connection.settimeout(None)
            with self._lock:
                self._members[rank] = connection
                for message in self._said:
                    _send(connection, message)
            while line := lines.readline(_LONGEST_LINE):
                self._heard(rank, json.loads(line))
        except (OSError, ValueError):
            pass
        finally:
            _close(connection)
            if rank >= 0:
                gone = Outcome(rank, host, "lost", "lost its Spark task")
                self._ended(rank, gone)

    def _heard(self, rank: int, message: Message) -> None:
        if "outcome" in message:
            self._ended(rank, Outcome.of(message["outcome"]))
            return
        with self._lock:
            if "rows" in message:
                self._rows[rank] = int(message["rows"])
                if len(self._rows) == self._size:
                    self._tell_all({"row_counts": [self._rows[r] for r in range(self._size)]})
                return
            self._states[rank] = str(message["state"])
        self._check()

    def _ended(self, rank: int, outcome: Outcome) -> None:
        with self._lock:
            if rank in self._outcomes:
                return
            self._outcomes[rank] = outcome
        self._check()

    def _check(self) -> None:
        with self._lock:
            outcomes = list(self._outcomes.values())
            message: Message | None = None
            if len(outcomes) == self._size:
                message = {"end": [asdict(o) for o in sorted(outcomes, key=lambda o: o.rank)]}
            elif not self._stopped:
                found = cause(outcomes)
                if found is not None:
                    self._stopped = True
                    message = {"reason": "", "seconds": 0.0}
                    if found.kind == "cut off":
                        # It may be quicker than the one whose end it tells of.
                        message["seconds"] = _GRACE_SECONDS
                else:
                    reason, waiting = self._stalled()
                    self._stopped = bool(reason)
                    for rank in waiting:
                        _send(self._members[rank], {"reason": reason, "seconds": 0.0})
            if message is not None:
                self._tell_all(message)

    def _tell_all(self, message: Message) -> None:
        """Under the lock, lest two messages mix."""
        self._said.append(message)
        for member in self._members.values():
            _send(member, message)

    def _stalled(self) -> tuple[str, list[int]]:
        """Why those that wait in ctx.strategy() for all others wait in vain, and who does."""
        returned = [rank for rank, o in self._outcomes.items() if o.kind == "returned"]
        never = [rank for rank in returned if rank not in self._states]
        waiting = [
            rank
            for rank, state in self._states.items()
            if state == "joining" and rank not in self._outcomes
        ]
        if not never or not waiting:
            return "", []
        return (
            f"waited in ctx.strategy() for worker {never[0]}, whose function has returned without "
            "it: all workers must call it, or none"
        ), waiting


class Member:
    """A task's connection to the server.

    Args:
        address: The server's host and port.
        rank: This worker's.
        host: This worker's.
        token: The run's.
        heard: Gets each message, and None once when the connection is gone; called by a thread.

    Raises:
        OSError: The server cannot be reached.
    """

    def __init__(
        self,
        address: tuple[str, int],
        rank: int,
        host: str,
        token: str,
        heard: Callable[[Message | None], None],
    ) -> None:
        self._connection = socket.create_connection(address, timeout=_CONNECT_SECONDS)
        self._connection.settimeout(None)
        self._heard = heard
        _send(self._connection, {"token": token, "rank": rank, "host": host})
        threading.Thread(target=self._listen, daemon=True).start()

    def tell(self, message: Message) -> None:
        _send(self._connection, message)

    def close(self) -> None:
        _close(self._connection)

    def _listen(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            lines = self._connection.makefile("rb")
            while line := lines.readline():
                self._heard(json.loads(line))
        self._heard(None)


def _send(connection: socket.socket, message: Message) -> None:
    # A connection that is gone is noticed by who reads from it.
    with contextlib.suppress(OSError):
        connection.sendall(json.dumps(message).encode() + b"\n")


def _close(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()
