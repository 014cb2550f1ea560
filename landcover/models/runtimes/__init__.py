"""The libraries that execute networks, one module or folder each, and their devices."""
