"""What several test modules build on: networks and scenes whose answers can be worked out."""
