"""What spreads the work: one class a backend, which knows nothing of tiles or models."""
