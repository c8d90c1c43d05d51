"""What a Spark task does for its worker."""
