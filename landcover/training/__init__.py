"""Training of small networks whose files and sidecars the rest of the package scores with."""
