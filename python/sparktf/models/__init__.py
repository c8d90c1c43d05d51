"""SavedModels as files: their signatures, where they are put, and those that are loaded."""
