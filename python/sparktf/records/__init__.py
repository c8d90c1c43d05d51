"""TFRecord files without TensorFlow: which they are, their frames, their messages."""
