"""SavedModels as functions of columns: the driver's plan and what executors run."""
