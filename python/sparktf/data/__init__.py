"""TFRecord files as a `tf.data.Dataset`: the sample, the features, the records, the tensors."""
