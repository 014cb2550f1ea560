"""Keras 3 on whatever library computes, and files of Keras 2."""
