"""One worker's process: started by its Spark task, and never left behind by it.

The process leads a process group of its own, with all that the user's function starts. It ends
with its task: a watcher in that group kills the group as soon as a pipe breaks that only the task
holds open, which the system sees to however the task ends; and on Linux the system kills the
process itself, too.
"""

from __future__ import annotations

import collections
import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping

from sparktf.quiet import is_noise
from sparktf.training.messages import (
    FROM_PROCESS,
    TO_PROCESS,
    FromProcess,
    ProcessExited,
    ToProcess,
)

# Lines that the message of a failure has.
_LOG_LINES = 60

_LONGEST_LOG_LINE = 2000


class WorkerProcess:
    """A process that runs the user's function.

    Args:
        env: Its environment variables.
        spill: Descriptor of the file with its rows, or None.
        report: Gets what the process tells, and at last its exit; called by a thread.
        prefix: Of its lines in the log; None for no log.
    """

    def __init__(
        self,
        env: Mapping[str, str],
        spill: int | None,
        report: Callable[[FromProcess | ProcessExited], None],
        prefix: str | None,
    ) -> None:
        self._report = report
        self._prefix = prefix
        self._with_gpu = bool(env.get("CUDA_VISIBLE_DEVICES"))
        self._log: collections.deque[str] = collections.deque(maxlen=_LOG_LINES)
        reports, report_end = os.pipe()
        alive_end, self._alive = os.pipe()
        inherited = [report_end, alive_end] + ([] if spill is None else [spill])
        try:
            self._process = subprocess.Popen(
                [
                    sys.executable,
                    "-u",
                    "-m",
                    "sparktf.training.process.run",
                    str(report_end),
                    str(alive_end),
                ],
                env=dict(env),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                pass_fds=inherited,
                start_new_session=True,
            )
        except BaseException:
            os.close(self._alive)
            os.close(reports)
            raise
        finally:
            os.close(report_end)
            os.close(alive_end)
        self._logging = threading.Thread(target=self._read_log, daemon=True)
        self._logging.start()
        self._reporting = threading.Thread(target=self._read_reports, args=(reports,), daemon=True)
        self._reporting.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def tell(self, command: ToProcess) -> None:
        """Tells it what it is to do, unless it has ended."""
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            self._process.stdin.write(TO_PROCESS.encode(command))
            self._process.stdin.flush()

    def kill(self) -> None:
        """Ends the process, and all that it has started, now."""
        if self._alive < 0:
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        os.close(self._alive)
        self._alive = -1
        # Their pipes are closed, unless a process has left the group.
        self._logging.join(2)
        self._reporting.join(2)

    def last_lines(self) -> tuple[str, ...]:
        """What it logged last; all of it, if it has ended."""
        if self._process.poll() is not None:
            self._logging.join(2)
        return tuple(self._log)

    def _read_log(self) -> None:
        output = self._process.stdout
        assert output is not None
        with contextlib.suppress(OSError, ValueError), output:
            for line in output:
                text = line.decode(errors="replace").rstrip()
                # A progress bar draws itself anew in one line.
                text = text.rpartition("\r")[2][:_LONGEST_LOG_LINE]
                if is_noise(text, self._with_gpu):
                    continue
                self._log.append(text)
                if self._prefix is not None:
                    with contextlib.suppress(OSError, ValueError):
                        sys.stderr.write(f"{self._prefix}{text}\n")
                        sys.stderr.flush()

    def _read_reports(self, descriptor: int) -> None:
        with contextlib.suppress(OSError, ValueError), os.fdopen(descriptor, "rb") as reports:
            while (message := FROM_PROCESS.read(reports)) is not None:
                self._report(message)
        # Closed by its end. Where something else has closed it, nothing more can be told.
        try:
            code = self._process.wait(5)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
            code = self._process.wait()
        self._report(ProcessExited(code))
