"""Sessions of Spark, and what this package brings into them: the jar, itself, files."""
