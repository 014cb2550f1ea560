"""CNTK's model files, of both formats, as a graph of functions."""
