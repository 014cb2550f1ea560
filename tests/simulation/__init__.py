"""A simulated world: the real driver, lock and commit protocol on a disk, a store, workers and a clock
that fail as one seed says."""
