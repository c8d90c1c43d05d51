"""Training on executors.

A run, in the order in which it goes from one side to the next:

- `distributor`: what users call. It makes a `job` of the function, and tries it as often as it may.
- `driver`: `slots` waits for room, `partitioning` shares the rows out, `executors` runs a worker in
  each task of one barrier stage (`local`: in threads); `progress` shows epochs.
- `task`: `barrier` is what Spark calls. Its `worker` starts a process (`child`), meets the other
  tasks (`group`), writes its rows (`spill`) and keeps `watch` until all workers have ended.
- `process`: `run` calls the function, which asks its `context` for rows, and that the `feed`;
  `keras_patches` and `checkpoint` are for ``fit``.
- Back on the driver, `result_rows` has values and `outcomes`; `failures` makes errors of these.

What they tell each other is in `messages`, and how it travels in `codec`. A task needs nothing of
the driver or the process, nor does a process of the others: they share what lies here.
"""
