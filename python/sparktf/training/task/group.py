"""How the Spark tasks of one run tell each other how their processes fare.

A small server in the first worker's task, and a connection to it from each worker's. What it is
for: when one process fails, the others wait in TensorFlow's collective operations for seconds or
for ever; here all of them are told at once, and all learn how each one has ended. A connection
that breaks is a task that is gone.

The first on a connection has the run's token.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable

from sparktf.training.connections import introduced, stop_listening
from sparktf.training.messages import (
    FROM_COORDINATOR,
    HELLO,
    TO_COORDINATOR,
    AllEnded,
    CoordinatorLost,
    Ended,
    FromCoordinator,
    Hello,
    RowCounts,
    RowsWritten,
    Stop,
    StrategyState,
    ToCoordinator,
)
from sparktf.training.outcomes import Outcome, cause

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
        self._told_all: list[FromCoordinator] = []
        self._listener = socket.create_server(("", 0), backlog=size + 8)
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Frees the port and ends all connections."""
        stop_listening(self._listener)
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
            known = introduced(connection, self._token, _CONNECT_SECONDS)
            if known is None:
                return
            hello, source = known
            rank, host = hello.rank, hello.host
            with self._lock:
                self._members[rank] = connection
                for earlier in self._told_all:
                    _send(connection, FROM_COORDINATOR.encode(earlier))
            while (message := TO_COORDINATOR.read(source)) is not None:
                self._hear(rank, message)
        except (OSError, ValueError):
            pass
        finally:
            _close(connection)
            if rank >= 0:
                self._hear(rank, Ended(Outcome(rank, host, "lost", "lost its Spark task")))

    def _hear(self, rank: int, message: ToCoordinator) -> None:
        """Under the lock, lest what two members are told mixes."""
        with self._lock:
            match message:
                case StrategyState(state):
                    self._states[rank] = state
                    self._stop_or_end()
                case RowsWritten(rows):
                    self._rows[rank] = rows
                    if len(self._rows) == self._size:
                        self._tell_all(RowCounts(tuple(self._rows[r] for r in range(self._size))))
                case Ended(outcome):
                    # The first is how it has ended: a task is gone after that.
                    if rank not in self._outcomes:
                        self._outcomes[rank] = outcome
                        self._stop_or_end()

    def _stop_or_end(self) -> None:
        """Tells the members what follows from the outcomes and the states that there are now."""
        outcomes = [self._outcomes[rank] for rank in sorted(self._outcomes)]
        if len(outcomes) == self._size:
            self._tell_all(AllEnded(tuple(outcomes)))
        elif not self._stopped:
            failure = cause(outcomes)
            if failure is not None:
                self._stopped = True
                # Who was cut off may be quicker than the one whose end it tells of.
                self._tell_all(Stop("", _GRACE_SECONDS if failure.kind == "cut off" else 0.0))
            else:
                reason, waiting = self._stalled()
                self._stopped = bool(reason)
                for rank in waiting:
                    _send(self._members[rank], FROM_COORDINATOR.encode(Stop(reason, 0.0)))

    def _tell_all(self, message: FromCoordinator) -> None:
        self._told_all.append(message)
        for member in self._members.values():
            _send(member, FROM_COORDINATOR.encode(message))

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
        hello: This task's.
        hear: Gets each message, and at last that the connection is gone; called by a thread.

    Raises:
        OSError: The server cannot be reached.
    """

    def __init__(
        self,
        address: tuple[str, int],
        hello: Hello,
        hear: Callable[[FromCoordinator | CoordinatorLost], None],
    ) -> None:
        self._connection = socket.create_connection(address, timeout=_CONNECT_SECONDS)
        self._connection.settimeout(None)
        self._hear = hear
        _send(self._connection, HELLO.encode(hello))
        threading.Thread(target=self._listen, daemon=True).start()

    def tell(self, message: ToCoordinator) -> None:
        _send(self._connection, TO_COORDINATOR.encode(message))

    def close(self) -> None:
        _close(self._connection)

    def _listen(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            lines = self._connection.makefile("rb")
            while (message := FROM_COORDINATOR.read(lines)) is not None:
                self._hear(message)
        self._hear(CoordinatorLost())


def _send(connection: socket.socket, message: bytes) -> None:
    # A connection that is gone is noticed by who reads from it.
    with contextlib.suppress(OSError):
        connection.sendall(message)


def _close(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()
