"""What the driver does in a training run beside starting it."""
