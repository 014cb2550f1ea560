"""What lies between pixels, network and probabilities, and its renderings in each library."""
