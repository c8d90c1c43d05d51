"""Columns of Arrow and pandas as a model's tensors, and tensors as columns."""
