"""Faults of every kind on every backend: what becomes of a run, and of the same command after it."""
