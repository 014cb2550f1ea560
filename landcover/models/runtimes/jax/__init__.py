"""JAX: Keras 3 files, compiled by XLA."""
