"""The command `sparktf`."""
