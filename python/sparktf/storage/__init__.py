"""Where files are, and how they are listed, opened and written."""
