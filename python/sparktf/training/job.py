"""What a training run is: the driver sends it to each worker's task."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Job:
    """One attempt at a run.

    Attributes:
        function: `(fn, args, kwargs)`, pickled by cloudpickle.
        size: Number of workers.
        columns: Names of the DataFrame's whose rows the workers get; None in a run without one.
        use_gpu: Whether each worker has a GPU of its own.
        env: Environment variables of the workers' processes.
        attempt: From 0.
        seed: The same for all attempts, for shuffling that the user gives no seed.
        all_results: Whether every worker's value comes back; else only the chief's.
        token: A secret of this attempt: who knows it belongs to the run.
        logs: Whether the workers' output goes to the standard error of their tasks.
        progress_address: Where the driver listens for the chief's epochs, if it does.
    """

    function: bytes = field(repr=False)
    size: int
    columns: tuple[str, ...] | None
    use_gpu: bool
    env: tuple[tuple[str, str], ...]
    attempt: int
    seed: int
    all_results: bool
    token: str = field(repr=False)
    logs: bool
    progress_address: tuple[str, int] | None
