"""What runs in a worker's process, beside TensorFlow and the user's function."""
