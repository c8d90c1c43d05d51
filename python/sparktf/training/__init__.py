"""Training on executors: the driver's side, the task's, and the process's."""
