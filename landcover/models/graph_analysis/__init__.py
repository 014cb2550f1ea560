"""What a network's graph tells without running it: layers, shapes, receptive fields."""
